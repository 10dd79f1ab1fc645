"""The one way to read facts from JSON and TOML: pydantic checks them against frozen dataclasses.

pydantic is imported when the first facts are read: that takes a tenth of a second.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")
_ADAPTERS: "dict[type, TypeAdapter[Any]]" = {}
_WORDS = {
    "bool_type": "true or false",
    "dataclass_type": "an object",
    "dict_type": "an object",
    "finite_number": "a finite number",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "none_required": "null",
    "path_type": "text",
    "string_type": "text",
    "tuple_type": "a list",
}
"""What a value must be, by pydantic's name of the error."""
_MISSING = ("missing", "missing_keyword_only_argument")
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")


class SchemaError(ValueError):
    """Facts that do not fit; the message names the key, the rule and the value in one line."""


def from_json(kind: type[T], encoded: str | bytes) -> T:
    """Read an object of a frozen dataclass from JSON.

    Args:
        kind: a dataclass whose fields are plain values, tuples, dictionaries and such dataclasses. Keys that
            it lacks are refused; `__post_init__` is called.
        encoded: a JSON object.

    Raises:
        SchemaError: no JSON, a key is missing or unknown, or a value does not fit.
    """
    from pydantic import ValidationError

    try:
        value: T = _adapter(kind).validate_json(encoded)
    except ValidationError as error:
        raise SchemaError(_explain(kind, error)) from error
    return value


def from_facts(kind: type[T], facts: Mapping[str, Any]) -> T:
    """Read an object from plain values, such as a TOML file holds; see `from_json`."""
    # Through JSON, in which a list is a tuple and nothing else is converted.
    return from_json(kind, json.dumps(facts, default=str))


def to_facts(value: Any) -> dict[str, Any]:
    """The fields of a dataclass as plain JSON values, which `from_facts` reads back."""
    from pydantic_core import to_jsonable_python

    facts: dict[str, Any] = to_jsonable_python(value)
    return facts


def nearest(word: str, known: Iterable[str]) -> str:
    """` (did you mean ...?)`, or nothing where no known word is near."""
    near = get_close_matches(word, known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _adapter(kind: type) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    if kind not in _ADAPTERS:
        # pydantic hands a dataclass's configuration down to the dataclasses in its fields.
        kind.__pydantic_config__ = {"extra": "forbid", "strict": True}  # type: ignore[attr-defined]
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _explain(kind: type, error: "ValidationError") -> str:
    """The first thing that is wrong, as one sentence."""
    # A misspelt key is unknown and missing at once; that it is unknown says more.
    first = min(error.errors(include_url=False), key=lambda found: found["type"] not in _UNKNOWN)
    place, fault, value = _place(first["loc"]), first["type"], first.get("input")
    if fault == "json_invalid":
        return f"it is no JSON ({first['ctx']['error']})"
    if fault in _MISSING:
        return f"{place} is missing"
    if fault in _UNKNOWN:
        known, name = _known(kind, first["loc"][:-1]), str(first["loc"][-1])
        return f"unknown key {name!r}{nearest(name, known) or '; known are ' + ', '.join(known)}"
    if fault == "value_error":
        said = str(first["ctx"]["error"])
        return said if not place or said.startswith(place) else f"{place}: {said}"
    rule = _WORDS.get(fault) or first["msg"].removeprefix("Input should be ")
    return f"{place or 'it'} must be {rule}, got {value!r}"


def _place(path: Sequence[int | str]) -> str:
    place = ""
    for part in path:
        place += f"[{part}]" if isinstance(part, int) else f"{'.' if place else ''}{part}"
    return place


def _known(kind: type, path: Sequence[int | str]) -> list[str]:
    """The fields of the dataclass that a path leads to."""
    hint: Any = kind
    for part in path:
        # What is no field is the place of a dataclass in a tuple or a dictionary.
        if inner := get_type_hints(hint).get(str(part)):
            hint = next((one for one in get_args(inner) if is_dataclass(one)), inner)
    return [field.name for field in fields(hint)]
