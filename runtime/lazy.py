"""Public names of a package, imported when they are first used: `xopt --help` must not wait for numpy."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def resolver(
    package: str, homes: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A module-level `__getattr__` and `__dir__` (PEP 562) for a package's `__init__`.

    Args:
        package: the package's `__name__`.
        homes: the public names that each of its modules holds.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def resolve(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f".{home_of[name]}", package), name)

    def listing() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home_of})

    return resolve, listing
