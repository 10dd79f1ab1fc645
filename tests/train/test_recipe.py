import pytest

from xopt.models.registry import check_architecture
from xopt.runtime.errors import UsageError
from xopt.train.recipe import Recipe, load_recipe, override, recipe_names

LEAST = 'architecture = "resnet18"\nepochs = 3\nlearning_rate = 1e-3\n'


@pytest.fixture
def recipe_file(tmp_path):
    """Writes a recipe file: recipe_file("epochs = 3") -> its path."""

    def write(text):
        file = tmp_path / "mine.toml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


def make(**changes):
    return Recipe(**{"architecture": "resnet18", "epochs": 3, "learning_rate": 1e-3, **changes})


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_that_comes_along_is_valid(name):
    check_architecture(load_recipe(name).architecture)


def test_the_demo_s_recipe_comes_along():
    assert "phantoms" in recipe_names()


def test_a_file_needs_only_what_has_no_default(recipe_file):
    assert load_recipe(recipe_file(LEAST)) == make()


def test_a_recipe_written_as_toml_reads_back_the_same(recipe_file):
    recipe = make(channels=1, mean=(0.5,), std=(0.25,), mirror=False, learning_rate=1e-5, schedule="cosine")
    assert load_recipe(recipe_file(recipe.to_toml())) == recipe


def test_preprocessing_is_the_recipe_s_with_the_centre_crop():
    preprocessing = make(size=72, crop=64).preprocessing()
    assert (preprocessing.size, preprocessing.crop, preprocessing.crops) == (72, 64, "center")


@pytest.mark.parametrize(
    ("word", "key", "value"),
    [
        ("epochs=12", "epochs", 12),
        ("learning_rate=1", "learning_rate", 1.0),
        ("learning_rate = 3e-4 ", "learning_rate", 3e-4),
        ("mirror=false", "mirror", False),
        ("schedule=cosine", "schedule", "cosine"),
        ('schedule="cosine"', "schedule", "cosine"),
        ("mean=[0.5, 0.5, 1]", "mean", (0.5, 0.5, 1.0)),
        ("sizes=[96, 128, 224]", "sizes", (96, 128, 224)),
        ("sizes=[]", "sizes", ()),
    ],
)
def test_a_setting_is_changed_by_key_and_value(word, key, value):
    changed = getattr(override(make(), [word]), key)
    assert changed == value
    assert type(changed) is type(value)


@pytest.mark.parametrize(
    ("sizes", "epochs", "sides"),
    [
        ((), 3, [224, 224, 224]),
        ((96,), 2, [96, 96]),
        ((64, 96, 128), 3, [64, 96, 128]),
        ((64, 96, 128), 7, [64, 64, 64, 96, 96, 128, 128]),
        ((128, 64), 4, [128, 128, 64, 64]),
    ],
)
def test_each_size_has_an_equal_share_of_the_epochs(sizes, epochs, sides):
    recipe = make(sizes=sizes, epochs=epochs)
    assert [recipe.side(epoch) for epoch in range(1, epochs + 1)] == sides


def test_settings_that_only_fit_together_are_changed_together():
    changed = override(make(), ["size=64", "crop=56"])
    assert (changed.size, changed.crop) == (64, 56)


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("epoch=3", r"unknown key 'epoch' \(did you mean epochs\?\)"),
        ("learning_rte=1", r"did you mean learning_rate\?"),
        ("zzz=1", r"unknown key 'zzz'; known are architecture, "),
        ("epochs", "--set takes key=value, got 'epochs'"),
        ("epochs=many", "epochs must be a whole number, got 'many'"),
        ("epochs=1.5", "epochs must be a whole number, got 1.5"),
        ("epochs=true", "epochs must be a whole number, got True"),
        ("epochs=0", "epochs must be at least 1, got 0"),
        ("epochs=", "epochs must be a whole number, got ''"),
        ("batch_size=-1", "batch_size must be at least 1"),
        ("learning_rate=fast", "learning_rate must be a number, got 'fast'"),
        ("learning_rate=0", "learning_rate must be above 0"),
        ("learning_rate=nan", "learning_rate must be above 0, got nan"),
        ("learning_rate=inf", "learning_rate must be above 0, got inf"),
        ("weight_decay=-1", "weight_decay must be at least 0"),
        ("weight_decay=nan", "weight_decay must be at least 0"),
        ("momentum=1", r"momentum must be in \[0, 1\), got 1"),
        ("seed=-1", "seed must be at least 0"),
        ("sizes=96", "sizes must be a list, got 96"),
        ("sizes=[96.5]", r"sizes\[0\] must be a whole number, got 96.5"),
        ("sizes=[true]", r"sizes\[0\] must be a whole number, got True"),
        ("sizes=[96, 225]", r"sizes must be in \[1, 224\], the crop, got \[96, 225\]"),
        ("sizes=[0]", r"sizes must be in \[1, 224\], the crop, got \[0\]"),
        ("sizes=[64, 96, 128, 224]", "sizes must be no more than the 3 epochs, got 4"),
        ("mirror=1", "mirror must be true or false, got 1"),
        ("optimizer=lion", "optimizer must be one of adam, adamw, sgd, got 'lion'"),
        ("schedule=line", "schedule must be one of constant, cosine, exponential, one-cycle, plateau, step"),
        ("loss=mse", "loss must be one of bce, cross-entropy, focal"),
        ("sampling=even", "sampling must be one of balanced, shuffle"),
        ("keep=first", "keep must be one of best, last, got 'first'"),
        ("border=grey", "border must be one of black, edge, got 'grey'"),
        ("gamma=-0.1", r"gamma must be at least 0, got -0\.1"),
        ("accumulate=0", "accumulate must be at least 1, got 0"),
        ("clip_norm=-1", "clip_norm must be at least 0"),
        ("clip_norm=inf", "clip_norm must be at least 0, got inf"),
        ("label_smoothing=1", r"label_smoothing must be in \[0, 1\), got 1"),
        ("ema=1.0", r"ema must be in \[0, 1\)"),
        ("erasing=1.5", r"erasing must be in \[0, 1\], got 1.5"),
        ("distill_weight=nan", r"distill_weight must be in \[0, 1\], got nan"),
        ("distill_temperature=0", "distill_temperature must be above 0"),
        ("schedule_factor=0", r"schedule_factor must be in \(0, 1\], got 0"),
        ("schedule_every=0", "schedule_every must be at least 1"),
        ("rotation=-5", "rotation must be at least 0"),
        ("nesterov=true", "nesterov must be false without sgd and its momentum"),
        ("ten_crop=mean", "ten_crop must be one of logits, none, probabilities"),
        ("ten_crop=logits", "set random_crop and mirror to false"),
        ("positive_weight=2", "positive_weight must be text, got 2"),
        ("precision=int8", "precision must be one of bf16, fp16, fp32"),
        ("mean=0.5", "mean must be a list, got 0.5"),
        ("mean=[0.5]", "mean must hold 3 numbers"),
        ("std=[0, 1, 1]", "std must be positive"),
        ("crop=300", "crop must be in 1..256"),
        ("channels=2", "channels must be 1 or 3"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused_by_name(word, complaint):
    with pytest.raises(UsageError, match=complaint):
        override(make(), [word])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("epochs = 3\nlearning_rate = 1.0\n", r"mine\.toml does not say architecture; add a line such as"),
        (LEAST + "epoch = 4\n", r"mine\.toml: unknown key 'epoch' \(did you mean epochs\?\)"),
        (LEAST + "size = '256'\n", r"mine\.toml: size must be a whole number, got '256'"),
        (LEAST + "epochs = 4\n", r"mine\.toml is not valid TOML"),
        (b"\xff", r"mine\.toml is not valid TOML"),
    ],
)
def test_a_malformed_file_is_refused_with_its_name(recipe_file, text, complaint):
    with pytest.raises(UsageError, match=complaint):
        load_recipe(recipe_file(text))


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        (
            "phantom",
            r"no recipe 'phantom' \(did you mean phantoms\?\); give a \.toml file, or one of: .*phantoms",
        ),
        ("nowhere/mine.toml", "no recipe file nowhere/mine.toml"),
        ("mine.toml", "no recipe file mine.toml"),
        ("../recipes/phantoms", "no recipe file"),
    ],
)
def test_a_recipe_that_is_not_there_is_refused_with_those_there_are(name, complaint):
    with pytest.raises(UsageError, match=complaint):
        load_recipe(name)


def test_the_command_prints_the_settings_as_a_recipe(recipe_file, xopt):
    done = xopt("train", "--recipe", recipe_file(LEAST), "--set", "epochs=5", "--print-recipe")
    assert done.code == 0
    assert load_recipe(recipe_file(done.out)) == make(epochs=5)


def test_waiting_for_a_better_epoch_and_keeping_the_last_exclude_each_other():
    with pytest.raises(UsageError, match="it must be 0 where the last one is kept"):
        load_recipe("phantoms", ["keep=last", "patience=3"])
