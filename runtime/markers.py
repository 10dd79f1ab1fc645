"""Environment markers of requirements (PEP 508): whether a requirement applies on this machine.

The `packaging` library does this too, and is no part of the base install. Markers are written like Python's
own comparisons, so Python's parser reads them here; nothing is ever evaluated as code.
"""

import ast
import operator
import os
import platform
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

_VERSIONS = {"python_version", "python_full_version", "implementation_version"}
_COMPARE: dict[type[ast.cmpop], Callable[..., bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?[^;]*(?:;(.*))?", re.S)


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """One line of `Requires-Dist`."""

    name: str
    extras: tuple[str, ...]
    """Extras that it asks for."""
    marker: str
    """Where it applies; empty for everywhere."""


def parse_requirement(line: str) -> Requirement:
    """Read a requirement's name, extras and marker; its version range is the installer's business.

    Raises:
        ValueError: it is no requirement.
    """
    found = _REQUIREMENT.fullmatch(line)
    if found is None:
        raise ValueError(f"{line!r} is no requirement.")
    name, extras, marker = found.groups()
    named = tuple(extra.strip() for extra in (extras or "").split(",") if extra.strip())
    return Requirement(name=name, extras=named, marker=(marker or "").strip())


def applies(marker: str, *, extra: str = "") -> bool:
    """Say whether a marker holds here.

    Args:
        marker: as after the semicolon of a requirement; empty always holds.
        extra: the extra that is asked for, if any.

    Raises:
        ValueError: it is no marker, or one with `~=` or `===`, which no release in the base install uses.
    """
    if not marker:
        return True
    try:
        tree = ast.parse(marker.strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"{marker!r} is no marker that is understood here.") from error
    return _holds(tree, {**_environment(), "extra": extra})


def _holds(node: ast.expr, environment: dict[str, str]) -> bool:
    if isinstance(node, ast.BoolOp):
        combine = all if isinstance(node.op, ast.And) else any
        return combine([_holds(value, environment) for value in node.values])
    if not isinstance(node, ast.Compare) or len(node.ops) != 1:
        raise ValueError(f"{ast.unparse(node)!r} is no marker that is understood here.")
    sides = (node.left, node.comparators[0])
    left, right = (_value(side, environment) for side in sides)
    if isinstance(node.ops[0], ast.In | ast.NotIn):
        return (left in right) is isinstance(node.ops[0], ast.In)
    names = {side.id for side in sides if isinstance(side, ast.Name)}
    compare = _COMPARE.get(type(node.ops[0]))
    if compare is None:
        raise ValueError(f"{ast.unparse(node)!r} is no comparison that is understood here.")
    if names & _VERSIONS:
        return compare(_release(left), _release(right))
    if names == {"extra"}:
        return compare(normalised(left), normalised(right))
    return compare(left, right)


def normalised(name: str) -> str:
    """A project's or an extra's name in its one form (PEP 503, PEP 685)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _value(node: ast.expr, environment: dict[str, str]) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name) and node.id in environment:
        return environment[node.id]
    raise ValueError(f"{ast.unparse(node)!r} is no part of a marker that is understood here.")


def _release(version: str) -> tuple[int, ...]:
    """3.11.4 as (3, 11, 4); a pre-release counts as its release, and trailing zeros count for nothing."""
    numbers = [int(part) for part in re.findall(r"\d+", re.split(r"[^0-9.]", version.strip())[0])]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _environment() -> dict[str, str]:
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": platform.python_version(),
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": platform.python_version(),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    }
