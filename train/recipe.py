"""A recipe: every setting of one training, read from a small TOML file like a paper's table of settings."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..runtime.errors import UsageError
from ..runtime.preprocessing import Preprocessing

OPTIMIZERS = ("adamw", "sgd")
SCHEDULES = ("constant", "cosine", "one-cycle")
WEIGHTINGS = ("balanced", "none")
PRECISIONS = ("bf16", "fp32")

_FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of one training, checked."""

    architecture: str
    """A name that train.models.build knows."""
    epochs: int
    """Passes over the training split."""
    learning_rate: float
    """The highest of the schedule."""

    size: int = 256
    """Side of the resized square image, in pixels."""
    crop: int = 224
    """Side of what the network sees, in pixels."""
    channels: int = 3
    """Channels the network expects, 1 or 3."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    """Mean per channel of the 0..1 image."""
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    """Standard deviation per channel of the 0..1 image."""

    batch_size: int = 32
    """Images in one step of one process."""
    optimizer: str = "adamw"
    """One of OPTIMIZERS."""
    momentum: float = 0.9
    """Of sgd; adamw has its own."""
    weight_decay: float = 1e-4
    schedule: str = "one-cycle"
    """One of SCHEDULES; `one-cycle` rises and falls (Smith & Topin 2018), `cosine` only falls."""
    positive_weight: str = "balanced"
    """One of WEIGHTINGS; `balanced` makes the positives of a class weigh as much as its negatives."""
    random_crop: bool = True
    """Train on a crop at a random place instead of the middle."""
    mirror: bool = True
    """Train on the mirror image half the time."""
    precision: str = "fp32"
    """One of PRECISIONS; bf16 computes in bfloat16 and keeps weights in float32."""
    seed: int = 0
    """Of weights, order and augmentation."""

    def __post_init__(self) -> None:
        choices = {
            "optimizer": OPTIMIZERS,
            "schedule": SCHEDULES,
            "positive_weight": WEIGHTINGS,
            "precision": PRECISIONS,
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}.")
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("weight_decay", "seed"):
            # Written so that a NaN fails as well.
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}.")
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate must be above 0, got {self.learning_rate}.")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {self.momentum}.")
        self.preprocessing()

    def preprocessing(self) -> Preprocessing:
        """How images become network input, with the centre crop that validation uses."""
        return Preprocessing(
            size=self.size,
            crop=self.crop,
            crops="center",
            channels=self.channels,
            mean=self.mean,
            std=self.std,
        )

    def to_toml(self) -> str:
        """As a recipe file that reads back to the same recipe."""
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
        recipe = Recipe(**_checked(facts))
    except ValueError as error:
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
        facts[key.strip()] = _parse(value.strip())
    try:
        return replace(recipe, **_checked(facts))
    except ValueError as error:
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
            f"no recipe {str(name_or_file)!r}{_nearest(str(name_or_file), names)}; "
            f"give a .toml file, or one of: {', '.join(names)}"
        )
    return _FOLDER / f"{name_or_file}.toml"


def _nearest(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _parse(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _checked(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with their keys known and their types right.

    Raises:
        ValueError: an unknown key, named with the nearest known one, or a value of another type.
    """
    types = {field.name: field.type for field in fields(Recipe)}
    checked: dict[str, Any] = {}
    for key, value in facts.items():
        if key not in types:
            hint = _nearest(key, types) or f"; known are {', '.join(types)}"
            raise ValueError(f"unknown setting {key!r}{hint}")
        checked[key] = _as_type(key, value, types[key])
    return checked


def _as_type(key: str, value: Any, wanted: Any) -> Any:
    # bool is a kind of int in Python, but `epochs = true` is a slip.
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if wanted is int and number and isinstance(value, int):
        return value
    if wanted is float and number:
        return float(value)
    if wanted in (bool, str) and isinstance(value, wanted):
        return value
    listed = isinstance(value, list) and all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in value
    )
    if wanted == tuple[float, ...] and listed:
        return tuple(float(v) for v in value)
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    raise ValueError(f"{key} must be {words.get(wanted, 'a list of numbers')}, got {value!r}.")
