"""Tabular benchmarks: the trained accuracy of every network of a space, so that a search costs nothing.

A table is a JSON object from strings of digits to records with an accuracy under `mean_acc`, `mean` or `acc`.
Of a record, `test_acc` (a list, one accuracy a run), `params` and `flops` are used where they are there. The
space is read off the keys.

Which strings are one network, a table does not say. Two are taken for one where the table gives no reason to
tell them apart: without their zeros they read the same, and params, flops and accuracy are the same.

Shape suffixes: N networks, F features.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import DataError, UsageError
from .space import Cost, thermometer

ACCURACIES = ("mean_acc", "mean", "acc")
_MOST_DIGITS = 64


@dataclass(frozen=True, kw_only=True)
class Record:
    """The table's entry of a network."""

    mean: float
    """Accuracy, the more the better."""
    runs: tuple[float, ...]
    """Accuracy of each training, where the table has them."""
    parameters: int | None
    macs: int | None


class Table:
    """A tabular benchmark; it is the space of its keys, too (see nas.space.Space).

    Args:
        name: what to call it.
        records: by string of digits, all strings of one length.

    Raises:
        DataError: it is empty, a key is no string of digits, or two have another length.
    """

    def __init__(self, name: str, records: Mapping[str, Record]) -> None:
        self.name, self.records = name, dict(records)
        lengths = {len(code) for code in self.records}
        good = all(code.isascii() and code.isdigit() for code in self.records)
        if len(lengths) != 1 or not good or max(lengths) > _MOST_DIGITS:
            raise DataError(
                f"the keys of {name} must be strings of up to {_MOST_DIGITS} digits, all equally long, "
                f"got {', '.join(sorted(self.records, key=len)[:3]) or 'none'}"
            )
        columns = zip(*self.records, strict=True)
        self.choices = tuple(max(map(int, column)) + 1 for column in columns)
        self._canonical = _networks(self.records)
        means = [record.mean for record in self.records.values()]
        self.ceiling = 100.0 if max(means) > 1 else 1.0
        if not 0 <= min(means) <= max(means) <= self.ceiling:
            raise DataError(
                f"the accuracies of {name} must lie in 0..1 or 0..100, got {min(means):g}..{max(means):g}"
            )
        self._means = np.sort(np.array(means))

    @property
    def networks(self) -> int:
        """Number of different networks among the strings."""
        return len(set(self._canonical.values()))

    @property
    def noisy(self) -> bool:
        """True where every network has the accuracy of single runs."""
        return all(record.runs for record in self.records.values())

    def rank(self, value: float) -> int:
        """1 for the best accuracy of the table: one more than the number of strings that are better."""
        return 1 + len(self._means) - int(np.searchsorted(self._means, value, side="right"))

    def canonical(self, code: str) -> str:
        """The string that stands for all that are the same network: that with its zeros furthest behind.

        A string that the table does not hold is its own.

        Raises:
            UsageError: not a string of digits within the table's.
        """
        # Asked for thousands of times in a simulation.
        if isinstance(code, str) and code in self._canonical:
            return self._canonical[code]
        known = isinstance(code, str) and len(code) == len(self.choices) and code.isascii() and code.isdigit()
        if not known or any(int(d) >= count for d, count in zip(code, self.choices, strict=True)):
            raise UsageError(
                f"a code of {self.name} has {len(self.choices)} digits, each below "
                f"{', '.join(map(str, self.choices))}, got {str(code)[:80]!r}"
            )
        return code

    def holds(self, code: str) -> bool:
        """True where the table has a record of a string."""
        return code in self.records

    def cost(self, code: str) -> Cost:
        """Costs as the table has them; 0 where it has none.

        Raises:
            UsageError: the table does not hold the string.
        """
        if code not in self.records:
            raise UsageError(f"{self.name} has no record of {str(code)[:80]!r}; choose one of its keys")
        record = self.records[code]
        return Cost(parameters=record.parameters or 0, macs=record.macs or 0)

    def features(self, codes: Sequence[str]) -> NDArray[np.float64]:
        """For each digit of the canonical string, whether it is at least 1, 2, ...: float64 (N, F)."""
        return thermometer([self.canonical(code) for code in codes], self.choices)

    def architecture(self, code: str) -> str:
        """A table's networks cannot be built.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{self.name} holds the results of {code}, not how to build it; search a space")

    def input_size(self, code: str) -> int:
        """A table's networks cannot be built.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{self.name} holds the results of {code}, not its input; search a space")


def load_table(path: Path) -> Table:
    """Read a table's JSON.

    Raises:
        DataError: no such file, or no table.
    """
    try:
        facts = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot read table {path}: {error.strerror or error}; check the path") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"table {path} is no readable JSON ({error})") from error
    if not isinstance(facts, dict):
        raise DataError(f"table {path} must be a JSON object from strings of digits to records")
    return Table(path.stem, {code: _record(path.name, code, value) for code, value in facts.items()})


def _record(table: str, code: str, facts: Any) -> Record:
    if not isinstance(facts, dict):
        raise DataError(f"{table}, {code[:80]!r}: a record must be an object, got {str(facts)[:40]!r}")
    key = next((key for key in ACCURACIES if key in facts), None)
    if key is None:
        raise DataError(f"{table}, {code[:80]!r}: a record needs an accuracy under {', '.join(ACCURACIES)}")
    runs = facts.get("test_acc", [])
    values = [facts[key], *(runs if isinstance(runs, list) else [runs])]
    if not all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in values):
        raise DataError(f"{table}, {code[:80]!r}: accuracies must be finite numbers, got {str(values)[:80]}")
    counts = {key: facts.get(key) for key in ("params", "flops")}
    if odd := [key for key, value in counts.items() if value is not None and type(value) is not int]:
        raise DataError(f"{table}, {code[:80]!r}: {' and '.join(odd)} must be whole numbers")
    return Record(
        mean=float(values[0]),
        runs=tuple(map(float, values[1:])),
        parameters=counts["params"],
        macs=counts["flops"],
    )


def _networks(records: Mapping[str, Record]) -> dict[str, str]:
    """For each string the one that stands for its network."""
    alike: dict[object, list[str]] = {}
    for code, record in records.items():
        measured = record.parameters is not None and record.macs is not None
        # Without sizes, an equal accuracy alone would be chance.
        evidence = (code.replace("0", ""), record) if measured else code
        alike.setdefault(evidence, []).append(code)
    return {code: max(codes) for codes in alike.values() for code in codes}
