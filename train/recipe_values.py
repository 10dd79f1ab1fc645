"""Values of a recipe as they come out of TOML or off the command line: known by name, of the right type."""

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any


def parse_word(text: str) -> Any:
    """The value of a `key=value` word as in TOML; a bare word is text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def nearest(word: str, known: Iterable[str]) -> str:
    """` (did you mean ...?)`, or nothing where no known word is near."""
    near = get_close_matches(word, known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def check_values(facts: Mapping[str, Any], types: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with their keys known and their types right.

    Args:
        facts: value by setting.
        types: annotated type by setting.

    Raises:
        ValueError: an unknown key, named with the nearest known one, or a value of another type.
    """
    checked: dict[str, Any] = {}
    for key, value in facts.items():
        if key not in types:
            hint = nearest(key, types) or f"; known are {', '.join(types)}"
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
    if wanted == tuple[int, ...] and listed and all(isinstance(v, int) for v in value):
        return tuple(value)
    words = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "text",
        tuple[int, ...]: "a list of whole numbers",
    }
    raise ValueError(f"{key} must be {words.get(wanted, 'a list of numbers')}, got {value!r}.")
