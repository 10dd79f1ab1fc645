"""What the command line asked for becomes settings; with --resume, what it left out stays as it was."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ...runtime.errors import UsageError
from ...train.recipe import load_recipe, override
from ..space import Limits
from .settings import Budget, SearchSettings, read_settings
from .storage import JOURNAL


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The options of `xopt nas search`; None and empty ones were not given."""

    out: Path
    resume: bool
    data: Path | None
    data_format: str | None
    recipe: str | None
    overrides: tuple[str, ...]
    budget: int | None
    hours: float | None
    patience: int | None
    max_parameters: int | None
    max_macs: int | None
    others: Mapping[str, Any]
    """Settings that are taken as they stand."""


def settings_of(asked: Asked) -> SearchSettings:
    """All settings of a search.

    Raises:
        UsageError: one that is needed was not given, or one that does not fit.
        DataError: there is no search to resume.
    """
    try:
        return _resumed(asked) if asked.resume else _fresh(asked)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _fresh(asked: Asked) -> SearchSettings:
    needed = {"--data SOURCE": asked.data, "--recipe NAME_OR_FILE": asked.recipe, "--budget N": asked.budget}
    missing = [name for name, value in needed.items() if value is None]
    if asked.data is None or asked.recipe is None or asked.budget is None:
        raise UsageError(f"xopt nas search needs {', '.join(missing)}, or --resume")
    idle = [name for name in ("llm_url", "llm_model", "llm_replay") if asked.others[name] is not None]
    if idle and asked.others["proposer"] != "llm":
        raise UsageError(f"--{idle[0].replace('_', '-')} is for a language model; add --proposer llm")
    return SearchSettings(
        data=asked.data,
        data_format=asked.data_format,
        recipe=load_recipe(asked.recipe, asked.overrides),
        budget=Budget(candidates=asked.budget, **_given(hours=asked.hours, patience=asked.patience)),
        limits=Limits(parameters=asked.max_parameters, macs=asked.max_macs),
        **_given(**_placed(asked.others)),
    )


def _resumed(asked: Asked) -> SearchSettings:
    before, _facts = read_settings(asked.out)
    recipe = before.recipe if asked.recipe is None else load_recipe(asked.recipe)
    budget = _given(candidates=asked.budget, hours=asked.hours, patience=asked.patience)
    limits = _given(parameters=asked.max_parameters, macs=asked.max_macs)
    return replace(
        before,
        recipe=override(recipe, asked.overrides),
        budget=Budget(**{**asdict(before.budget), **budget}),
        limits=Limits(**{**asdict(before.limits), **limits}),
        **_given(data=asked.data, data_format=asked.data_format),
        **_given(**_placed(asked.others)),
    )


def _placed(others: Mapping[str, Any]) -> dict[str, Any]:
    """With a journal's path made absolute: a search may be resumed from another folder."""
    url = others["storage"]
    if url is None or not url.startswith(JOURNAL):
        return dict(others)
    return {**others, "storage": f"{JOURNAL}{Path(url.removeprefix(JOURNAL)).resolve()}"}


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
