"""From the command line's options to settings; with --resume, what it left out stays as it was."""

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from ...runtime.errors import UsageError
from ...train.recipe import load_recipe, override
from ..space import Limits
from .command_options import SearchOptions
from .settings import Budget, SearchSettings, read_settings
from .storage import JOURNAL


def settings_of(asked: SearchOptions, out: Path, *, resume: bool) -> SearchSettings:
    """All settings of a search.

    Args:
        asked: the options.
        out: the folder of the search.
        resume: whether to start from the settings in it.

    Raises:
        UsageError: one that is needed was not given, or one that does not fit.
        DataError: there is no search to resume.
    """
    try:
        return _resumed(asked, out) if resume else _fresh(asked)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _fresh(asked: SearchOptions) -> SearchSettings:
    needed = {"--data SOURCE": asked.data, "--recipe NAME_OR_FILE": asked.recipe, "--budget N": asked.budget}
    missing = [name for name, value in needed.items() if value is None]
    if asked.data is None or asked.recipe is None or asked.budget is None:
        raise UsageError(f"xopt nas search needs {', '.join(missing)}, or --resume")
    idle = [name for name in ("llm_url", "llm_model", "llm_replay") if getattr(asked, name) is not None]
    if idle and asked.proposer != "llm":
        raise UsageError(f"--{idle[0].replace('_', '-')} is for a language model; add --proposer llm")
    return SearchSettings(
        recipe=load_recipe(asked.recipe, asked.overrides),
        budget=Budget(candidates=asked.budget, **_given(hours=asked.hours, patience=asked.patience)),
        limits=Limits(parameters=asked.max_parameters, macs=asked.max_macs),
        **_as_they_stand(asked),
    )


def _resumed(asked: SearchOptions, out: Path) -> SearchSettings:
    before, _facts = read_settings(out)
    recipe = before.recipe if asked.recipe is None else load_recipe(asked.recipe)
    budget = _given(candidates=asked.budget, hours=asked.hours, patience=asked.patience)
    limits = _given(parameters=asked.max_parameters, macs=asked.max_macs)
    return replace(
        before,
        recipe=override(recipe, asked.overrides),
        budget=Budget(**{**asdict(before.budget), **budget}),
        limits=Limits(**{**asdict(before.limits), **limits}),
        **_as_they_stand(asked),
    )


def _as_they_stand(asked: SearchOptions) -> dict[str, Any]:
    """The options given that are settings of the same name."""
    settings = {field.name for field in fields(SearchSettings)} - {"recipe", "budget", "limits"}
    given = _given(**{name: value for name, value in vars(asked).items() if name in settings})
    if asked.no_upgrades_help:
        given["upgrades_help"] = False
    if asked.storage is not None and asked.storage.startswith(JOURNAL):
        # A search may be resumed from another folder.
        given["storage"] = f"{JOURNAL}{Path(asked.storage.removeprefix(JOURNAL)).resolve()}"
    return given


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
