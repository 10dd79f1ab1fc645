"""A recipe: every setting of one training, read from a small TOML file like a paper's table of settings."""

import json
import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import inf, nextafter
from pathlib import Path
from typing import Any

from ..runtime.errors import UsageError
from ..runtime.images.preprocessing import Preprocessing
from ..runtime.schema import SchemaError, from_facts, nearest

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "exponential", "one-cycle", "plateau", "step")
LOSSES = ("bce", "cross-entropy", "focal")
WEIGHTINGS = ("balanced", "none")
SAMPLINGS = ("balanced", "shuffle")
TEN_CROPS = ("logits", "none", "probabilities")
PRECISIONS = ("bf16", "fp16", "fp32")
BORDERS = ("black", "edge")
KEPT = ("best", "last")

_FOLDER = Path(__file__).parent / "recipes"
_CHOICES = {
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "loss": LOSSES,
    "positive_weight": WEIGHTINGS,
    "sampling": SAMPLINGS,
    "ten_crop": TEN_CROPS,
    "precision": PRECISIONS,
    "border": BORDERS,
    "keep": KEPT,
}
_LEAST, _MOST = nextafter(0.0, 1.0), nextafter(inf, 0.0)
_RANGES = (
    (("epochs", "batch_size", "accumulate", "schedule_every"), 1, _MOST, "at least 1"),
    (("weight_decay", "seed", "clip_norm", "patience", "schedule_patience"), 0, _MOST, "at least 0"),
    (("focal_gamma", "rotation", "brightness", "contrast", "gamma"), 0, _MOST, "at least 0"),
    (("momentum", "label_smoothing", "ema", "translation", "scale"), 0, nextafter(1.0, 0.0), "in [0, 1)"),
    (("erasing", "distill_weight"), 0, 1, "in [0, 1]"),
    (("learning_rate", "distill_temperature"), _LEAST, _MOST, "above 0"),
    (("schedule_factor",), _LEAST, 1, "in (0, 1]"),
)
"""Settings, the lowest and highest value they may have, and the rule in words."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of one training, checked."""

    architecture: str
    """A name that models.registry.build knows."""
    epochs: int
    """Passes over the training split."""
    learning_rate: float
    """The highest of the schedule."""

    pretrained: bool = False
    """Start from torchvision's ImageNet weights instead of random ones."""

    size: int = 256
    """Side of the resized square image, in pixels."""
    crop: int = 224
    """Side of what the network sees, in pixels."""
    sizes: tuple[int, ...] = ()
    """Sides training's crops are shrunk to, in pixels, an equal share of the epochs each; none keeps crop."""
    channels: int = 3
    """Channels the network expects, 1 or 3."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    """Mean per channel of the 0..1 image."""
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    """Standard deviation per channel of the 0..1 image."""

    batch_size: int = 32
    """Images in one step, over all processes together."""
    accumulate: int = 1
    """Steps whose gradients are averaged before the weights change once."""
    optimizer: str = "adamw"
    """One of OPTIMIZERS."""
    momentum: float = 0.9
    """Of sgd; the others have their own."""
    nesterov: bool = False
    """Of sgd: look ahead along the momentum (Nesterov 1983)."""
    weight_decay: float = 1e-4
    """For adamw apart from the gradient, for adam and sgd as a part of it."""
    clip_norm: float = 0.0
    """Highest norm of the gradient, longer ones are shortened; 0 leaves them as they are."""

    schedule: str = "one-cycle"
    """One of SCHEDULES; see train.optimization."""
    schedule_factor: float = 0.1
    """Of step, exponential and plateau: what the learning rate is multiplied by."""
    schedule_every: int = 1
    """Of step and exponential: epochs between two multiplications."""
    schedule_patience: int = 3
    """Of plateau: epochs without a lower validation loss that are let pass."""

    loss: str = "bce"
    """One of LOSSES; cross-entropy is for classes that exclude each other."""
    focal_gamma: float = 2.0
    """Of focal: how strongly labels that are already right are weighed down (Lin et al. 2017)."""
    positive_weight: str = "balanced"
    """One of WEIGHTINGS; `balanced` makes the positives of a class weigh as much as its negatives."""
    label_smoothing: float = 0.0
    """Share by which labels are drawn to the middle (Szegedy et al. 2016)."""
    distill_weight: float = 0.5
    """With a teacher: its share of the loss."""
    distill_temperature: float = 2.0
    """With a teacher: what logits are divided by before the two are compared (Hinton et al. 2015)."""

    ema: float = 0.0
    """How much of the running mean of the weights stays in each step, as 0.999; 0 keeps none."""
    keep: str = "best"
    """One of KEPT: the epoch whose weights are the result, by its mean AUC on val or as the last, for
    schedules that end at a rate of about 0 and for a val too easy to tell epochs apart."""
    patience: int = 0
    """Stop after so many epochs without a better mean AUC; 0 never does."""
    sampling: str = "shuffle"
    """One of SAMPLINGS; `balanced` draws images with rare labels more often."""

    random_crop: bool = True
    """Train on a crop at a random place instead of the middle."""
    mirror: bool = True
    """Train on the mirror image half the time."""
    ten_crop: str = "none"
    """One of TEN_CROPS: train on the ten crops of each image, and average their logits or probabilities."""
    rotation: float = 0.0
    """Turn by up to so many degrees, either way."""
    translation: float = 0.0
    """Move by up to this share of the crop's side, either way."""
    scale: float = 0.0
    """Grow or shrink by up to this share."""
    border: str = "black"
    """One of BORDERS: what stands outside the image where a crop was turned, moved or shrunk."""
    brightness: float = 0.0
    """Multiply grey values by up to 1 plus or minus this."""
    contrast: float = 0.0
    """Draw grey values apart or together around their mean, by up to 1 plus or minus this."""
    gamma: float = 0.0
    """Raise grey values to a power between exp(-this) and exp(this), as another exposure would."""
    erasing: float = 0.0
    """Chance that a rectangle of an image is erased (Zhong et al. 2020)."""

    precision: str = "fp32"
    """One of PRECISIONS; bf16 and fp16 compute in 16 bits and keep weights in 32."""
    channels_last: bool = True
    """Lay images out with channels last: the same numbers, faster convolutions."""
    compile: bool = False
    """Compile the network (torch.compile): a minute first, then faster steps."""
    sync_batch_norm: bool = True
    """With several processes: BatchNorm sees the whole batch, not each process's share."""
    seed: int = 0
    """Of weights, order and augmentation."""

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}.")
        for names, lowest, highest, rule in _RANGES:
            for name in names:
                # A NaN is in no range.
                if not lowest <= getattr(self, name) <= highest:
                    raise ValueError(f"{name} must be {rule}, got {getattr(self, name)}.")
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, got {self.channels}.")
        self._check_together()
        self.preprocessing()

    def _check_together(self) -> None:
        if any(not 1 <= side <= self.crop for side in self.sizes):
            raise ValueError(f"sizes must be in [1, {self.crop}], the crop, got {list(self.sizes)}.")
        if len(self.sizes) > self.epochs:
            raise ValueError(f"sizes must be no more than the {self.epochs} epochs, got {len(self.sizes)}.")
        if self.keep == "last" and self.patience > 0:
            raise ValueError("patience waits for a better epoch; it must be 0 where the last one is kept.")
        if self.nesterov and (self.optimizer != "sgd" or self.momentum == 0):
            raise ValueError("nesterov must be false without sgd and its momentum.")
        if self.ten_crop != "none" and (self.random_crop or self.mirror):
            raise ValueError(
                "ten_crop takes its crops and mirrors from the plan; set random_crop and mirror to false."
            )

    def preprocessing(self) -> Preprocessing:
        """The preprocessing of images, with the centre crop that validation uses."""
        return Preprocessing.square(self.size, self.crop, planes=self.channels, mean=self.mean, std=self.std)

    def side(self, epoch: int) -> int:
        """Side in pixels of what the network learns from in an epoch, counted from 1."""
        if not self.sizes:
            return self.crop
        return self.sizes[(epoch - 1) * len(self.sizes) // self.epochs]

    def to_toml(self) -> str:
        """Write the recipe as a TOML text that reads back to the same recipe."""
        # Numbers, booleans, lists and plain strings are written alike in JSON and TOML.
        return "".join(f"{name} = {json.dumps(value)}\n" for name, value in asdict(self).items())


def recipe_names() -> tuple[str, ...]:
    """The recipes that come with xopt."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.toml")))


def load_recipe(name_or_file: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe and change some of its settings.

    Args:
        name_or_file: a recipe that comes with xopt (see `recipe_names`), or a TOML file.
        overrides: `key=value` each, the value as in TOML; a bare word is taken as text.

    Raises:
        UsageError: no such recipe, a key it cannot have, or a value that does not fit.
    """
    file = _find(name_or_file)
    try:
        facts = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read recipe {file}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"recipe {file} is not valid TOML: {error}") from error
    missing = [name for name in ("architecture", "epochs", "learning_rate") if name not in facts]
    if missing:
        raise UsageError(
            f"recipe {file} does not say {', '.join(missing)}; add a line such as {missing[0]} = ..."
        )
    try:
        recipe = from_facts(Recipe, facts)
    except SchemaError as error:
        raise UsageError(f"recipe {file}: {error}") from error
    return override(recipe, overrides)


def override(recipe: Recipe, overrides: Iterable[str]) -> Recipe:
    """A recipe with some settings changed by `key=value` words.

    Raises:
        UsageError: a word without `=`, a key a recipe cannot have, or a value that does not fit.
    """
    facts: dict[str, Any] = {}
    for word in overrides:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"--set takes key=value, got {word!r}")
        facts[key.strip()] = _parse_word(value.strip())
    try:
        return from_facts(Recipe, asdict(recipe) | facts)
    except SchemaError as error:
        raise UsageError(f"--set: {error}") from error


def _find(name_or_file: str | Path) -> Path:
    path = Path(name_or_file)
    if path.suffix == ".toml" or len(path.parts) > 1:
        if not path.is_file():
            raise UsageError(
                f"no recipe file {path}; recipes that come with xopt: {', '.join(recipe_names())}"
            )
        return path
    names = recipe_names()
    if str(name_or_file) not in names:
        raise UsageError(
            f"no recipe {str(name_or_file)!r}{nearest(str(name_or_file), names)}; "
            f"give a .toml file, or one of: {', '.join(names)}"
        )
    return _FOLDER / f"{name_or_file}.toml"


def _parse_word(text: str) -> Any:
    """Read the value of a `key=value` word as in TOML; a bare word is text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
