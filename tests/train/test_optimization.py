"""Which weights decay, and how fast."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from xopt.train.optimization import make_optimizer, set_rate  # noqa: E402
from xopt.train.recipe import Recipe  # noqa: E402

RECIPE = Recipe(
    architecture="small-cnn",
    epochs=1,
    learning_rate=0.1,
    weight_decay=0.5,
    channels=1,
    mean=(0.5,),
    std=(0.25,),
)


@pytest.mark.parametrize(("decay_all", "left"), [(True, (0.95, 0.95, 0.95)), (False, (0.95, 1.0, 1.0))])
@pytest.mark.parametrize(("optimizer", "rate"), [("adamw", 0.1), ("sgd", 0.1)])
def test_biases_and_normalisations_decay_as_the_recipe_says(optimizer, rate, decay_all, left):
    """Without a gradient, a step does nothing but decay."""
    norm = torch.nn.BatchNorm2d(2)
    weights = [torch.nn.Parameter(torch.ones(2, 2)), torch.nn.Parameter(torch.ones(2)), norm.weight]
    made = make_optimizer(weights, replace(RECIPE, optimizer=optimizer, decay_all=decay_all, momentum=0.0))
    set_rate(made, rate)
    for one in weights:
        one.grad = torch.zeros_like(one)
    made.step()
    assert [float(one.detach().flatten()[0]) for one in weights] == pytest.approx(left)


def test_every_weight_is_in_one_group():
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    made = make_optimizer(network.parameters(), replace(RECIPE, decay_all=False))
    held = [id(one) for group in made.param_groups for one in group["params"]]
    assert sorted(held) == sorted(id(one) for one in network.parameters())
    assert [len(group["params"]) for group in made.param_groups] == [1, 3]
