"""The space and the proposer that a search names."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...datasets import Dataset
from ...runtime.errors import UsageError
from ..description import SPACES
from ..description import make_space as make_named
from ..problem import Problem
from ..space import Space
from ..validated_proposer import PROPOSERS, ValidatedProposer
from ..validated_proposer import make_proposer as make_plain
from .settings import SearchSettings

if TYPE_CHECKING:
    from ..llm.client import LlmSettings

LLM = "llm"


def check_names(settings: SearchSettings) -> None:
    """Check a search's names before any work, and before an address with a password in it is written down.

    Raises:
        UsageError: a space or a proposer is not known, or a language model lacks its address.
    """
    if settings.space not in SPACES:
        raise UsageError(f"unknown space {settings.space!r}; known are {', '.join(SPACES)}")
    if settings.proposer not in (LLM, *PROPOSERS):
        raise UsageError(f"unknown proposer {settings.proposer!r}; known are {', '.join((LLM, *PROPOSERS))}")
    if settings.proposer == LLM:
        _llm_settings(settings)


def make_space(settings: SearchSettings, dataset: Dataset) -> Space:
    """The networks for a data set's classes and the recipe's input."""
    recipe = settings.recipe
    # The codes of the other space say their input size themselves.
    size = recipe.crop if settings.space == "macro" else None
    return make_named(settings.space, classes=len(dataset.classes), channels=recipe.channels, size=size)


def make_proposer(settings: SearchSettings, problem: Problem, folder: Path) -> ValidatedProposer:
    """Build the proposer, within the guarantee that what is trained is canonical, allowed and new.

    Args:
        settings: names it.
        problem: what is searched.
        folder: the search's; a language model's log is kept in it.

    Raises:
        UsageError: an unknown name, or a language model without its address.
        DataError: a language model's log cannot be read.
        DependencyError: a library is not installed.
    """
    if settings.proposer != LLM:
        return make_plain(settings.proposer, problem, upgrades_help=settings.upgrades_help)
    from ..llm.proposer import make_llm_proposer
    from ..proposers.surrogate import Surrogate, SurrogateSettings

    llm = replace(_llm_settings(settings), log=folder / "llm.jsonl")
    surrogate = Surrogate(problem, SurrogateSettings(upgrades_help=settings.upgrades_help))
    proposer = make_llm_proposer(problem, llm, limits=settings.limits, surrogate=surrogate)
    return ValidatedProposer(problem, proposer)


def _llm_settings(settings: SearchSettings) -> "LlmSettings":
    from ..llm.client import LlmSettings

    return LlmSettings(url=settings.llm_url, model=settings.llm_model, replay=settings.llm_replay)
