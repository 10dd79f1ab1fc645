"""Related command-line options as one frozen dataclass that several commands share; lists with commas."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from types import GenericAlias
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from typer.models import ParameterInfo

R = TypeVar("R")


def with_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options that the dataclasses among its parameters declare.

    A field is an option where its annotation has a `typer.Option`, as in
    `seed: Annotated[int, typer.Option(min=0)] = 0`; other fields keep their defaults. A tuple is an option
    that may be repeated. The command receives the built dataclass, by keyword.

    Returns:
        the command as Typer reads it, with each dataclass's options in its place.

    Raises:
        ValueError: two options have the same name.
    """
    signature = inspect.signature(command, eval_str=True)
    groups = {
        name: (parameter.annotation, _options(parameter.annotation))
        for name, parameter in signature.parameters.items()
        if isinstance(parameter.annotation, type) and is_dataclass(parameter.annotation)
    }

    @wraps(command)
    def run(**given: Any) -> R:
        for name, (group, options) in groups.items():
            values = {option.name: given.pop(option.name) for option in options}
            # Typer passes an option that may be repeated as a list.
            given[name] = group(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
        return command(**given)

    expanded: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        expanded += groups[name][1] if name in groups else [parameter]
    # A keyword-only parameter may be required after one that is not.
    keywords = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in expanded]
    # What inspect.signature, and so Typer, reads.
    run.__signature__ = signature.replace(parameters=keywords)  # type: ignore[attr-defined]
    return run


def split_words(text: str) -> tuple[str, ...]:
    """The words of an option that takes several with commas between them."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _options(group: type) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    options = []
    for field in fields(group):
        kind, *notes = get_args(hints[field.name]) if get_origin(hints[field.name]) is Annotated else (None,)
        if not any(isinstance(note, ParameterInfo) for note in notes):
            continue
        default = inspect.Parameter.empty if field.default is MISSING else field.default
        if get_origin(kind) is tuple:
            kind = GenericAlias(list, get_args(kind)[:1])
        options.append(
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=default,
                annotation=Annotated[kind, *notes],
            )
        )
    return options
