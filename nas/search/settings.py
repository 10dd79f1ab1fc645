"""The settings of a search and its budget, and search.json, which keeps them in the search's folder."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ...datasets import Dataset, Split, open_source
from ...runtime.errors import DataError, UsageError
from ...runtime.files import write_file
from ...runtime.schema import SchemaError, from_facts, to_facts
from ...train.recipe import Recipe, load_recipe
from ..space import Limits, Space
from .candidates import Candidate, State
from .outcome_files import digest_of

MARKER = "search.json"
RECIPE = "recipe.toml"
_FORMAT = 1
_DIGESTED = 256
"""Images of each split whose pixels tell data sets apart; all of them would take longer than a candidate."""
_PATHS = ("data", "cache", "llm_replay", "latency_table")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Limits on what a search spends; candidates under way when they are reached still end."""

    candidates: int
    """Networks, those that failed among them."""
    hours: float | None = None
    """Of wall time, over all the times it was resumed; None for as long as it takes."""
    patience: int | None = None
    """Candidates in a row without a better one after which it ends; None never ends for that."""

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise ValueError(f"candidates must be at least 1, got {self.candidates}.")
        if self.hours is not None and not self.hours > 0:
            raise ValueError(f"hours must be above 0, got {self.hours}.")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be at least 1, got {self.patience}.")

    def spent(self, rows: Sequence[Candidate], *, hours: float) -> str | None:
        """Why nothing more is asked for, in words; None while it goes on.

        Args:
            rows: all candidates, by number.
            hours: of wall time so far.
        """
        if len(rows) >= self.candidates:
            return f"the budget of {self.candidates} candidates is spent"
        if self.hours is not None and hours >= self.hours:
            return f"the budget of {self.hours:g} hours is spent"
        if self.patience is not None and _without_progress(rows) >= self.patience:
            return f"the last {self.patience} candidates brought nothing better"
        return None


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """A search, checked."""

    data: Path
    data_format: str | None = None
    """None recognises it."""
    uncertain: str = "ignore"
    findings: str = "competition"
    """See datasets.options.ReadOptions."""
    recipe: Recipe
    """Of every candidate; its architecture is not used."""
    train_images: int | None = None
    """Train candidates on so many images, spread over the split; None takes all."""
    space: str = "macro"
    proposer: str = "surrogate"
    seed: int = 0
    """Of the proposer; the recipe has one of its own."""
    upgrades_help: bool = True
    """Whether the surrogate may believe beforehand that larger operations help a little."""
    budget: Budget
    limits: Limits = field(default_factory=Limits)
    max_latency_ms: float | None = None
    """Of one image, with room for the error of the prediction; None leaves it free."""
    latency_table: Path | None = None
    """Of `xopt nas latency`: predicts every candidate's latency."""
    workers: int | None = None
    """Candidates at a time; None takes one for each device."""
    cluster: str | None = None
    """Where workers run; None is this machine (see datasets.executors)."""
    halving: bool = False
    """Whether candidates that lag behind are ended early."""
    keep: int = 3
    """How many of the best candidates keep their run folders."""
    storage: str | None = None
    """Optuna's storage; None is an SQLite file in the search's folder."""
    study: str | None = None
    """The search's name in the storage; None is its folder's name."""
    cache: Path | None = None
    """A folder of outcomes that many searches share."""
    llm_url: str | None = None
    """Of the proposer `llm`: base address of an OpenAI-compatible server."""
    llm_model: str | None = None
    """Of the proposer `llm`: what that server calls the model."""
    llm_replay: Path | None = None
    """Of the proposer `llm`: a log to take the replies from, in place of a server."""

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise ValueError(f"keep must be at least 1, got {self.keep}.")
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers must be at least 1, got {self.workers}.")
        if self.train_images is not None and self.train_images < 1:
            raise ValueError(f"train_images must be at least 1, got {self.train_images}.")
        if self.max_latency_ms is not None and not self.max_latency_ms > 0:
            raise ValueError(f"max_latency_ms must be above 0, got {self.max_latency_ms}.")

    def open_data(self) -> Dataset:
        """Open the labelled images.

        Raises:
            DataError: they cannot be read.
        """
        return open_source(self.data, self.data_format, uncertain=self.uncertain, findings=self.findings)

    def context(self, space: Space, data_digest: str) -> str:
        """Digest of what a candidate's outcome depends on beside its code."""
        recipe = {name: value for name, value in asdict(self.recipe).items() if name != "architecture"}
        example = space.architecture(space.canonical("0" * len(space.choices)))
        data = [data_digest, self.train_images]
        return digest_of({"space": [space.name, example], "recipe": recipe, "data": data})

    def write(self, folder: Path, *, owner: str, storage: str, context: str) -> None:
        """Write search.json and recipe.toml.

        Args:
            folder: the search's.
            owner: its id.
            storage: the storage's URL as it may be written down.
            context: see `context`.

        Raises:
            OutputError: the disk refused.
        """
        facts = {name: value for name, value in asdict(self).items() if name != "recipe"}
        facts |= {"format": _FORMAT, "id": owner, "context": context}
        facts |= {name: str(facts[name].resolve()) for name in _PATHS if facts[name] is not None}
        facts["storage"] = None if self.storage is None else storage
        write_file(folder / RECIPE, self.recipe.to_toml(), force=True)
        write_file(folder / MARKER, json.dumps(facts, indent=2) + "\n", force=True)


def read_settings(folder: Path) -> tuple[SearchSettings, dict[str, Any]]:
    """The settings a search was started with, and the other facts of its folder: id, context.

    Raises:
        DataError: the folder holds no search, or one that cannot be read.
    """
    path = folder / MARKER
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"no search in {folder} ({MARKER} is missing); give the --out of xopt nas search"
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    if not isinstance(facts, dict) or facts.get("format") != _FORMAT:
        raise DataError(f"{path} is of a newer xopt, or damaged; start the search again in another folder")
    try:
        others = {name: facts.pop(name) for name in ("format", "id", "context")}
        settings = from_facts(SearchSettings, facts | {"recipe": to_facts(load_recipe(folder / RECIPE))})
    except (KeyError, SchemaError) as error:
        raise DataError(f"{path} is of a newer xopt, or damaged: {error}") from error
    return settings, others


def check_same(before: SearchSettings, now: SearchSettings) -> SearchSettings:
    """Settings to resume with: what defines the networks and their worth may not change, all else may.

    Raises:
        UsageError: something did that must not.
    """
    kept = ("space", "limits", "max_latency_ms", "recipe", "train_images", "uncertain", "findings")
    changed = [name for name in kept if getattr(before, name) != getattr(now, name)]
    if before.data.resolve() != now.data.resolve():
        changed.append("data")
    if changed:
        raise UsageError(
            f"the search to resume has another {' and another '.join(changed)}; leave these options out, "
            "or search into another --out"
        )
    return replace(now, data=now.data.resolve())


def digest_data(dataset: Dataset) -> str:
    """SHA-256, in hex, over classes, names and labels of train and val, and 256 images spread over each.

    An outcome on other data has another digest, so it is never taken for one on these.

    Raises:
        DataError: a split or an image is absent.
        InputError: an image cannot be read.
    """
    digest = hashlib.sha256(repr(dataset.classes).encode())
    for name in ("train", "val"):
        split = dataset.split(name)
        digest.update(split.digest.encode())
        _add_images(digest, split.spread(_DIGESTED))
    return digest.hexdigest()


def _add_images(digest: "hashlib._Hash", split: Split) -> None:
    for index in range(len(split)):
        image = split.source(index)
        digest.update(image.read_bytes() if isinstance(image, Path) else image.tobytes())


def _without_progress(rows: Sequence[Candidate]) -> int:
    """Count the complete or stopped trainings after the best one, in the order of proposing."""
    ended = [row for row in rows if row.state in (State.DONE, State.STOPPED) and row.value is not None]
    if not ended:
        return 0
    best = max(range(len(ended)), key=lambda place: (ended[place].value or 0.0, -place))
    return len(ended) - 1 - best
