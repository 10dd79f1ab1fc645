"""Outcomes on disk, written by the worker itself, so that a killed search loses none.

One file an outcome, named by a digest of what it depends on: the canonical network, the recipe and the data.
The same folder may serve many searches, at the same time and on many machines.
"""

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...runtime.files import make_folder, write_file
from ...runtime.schema import from_facts, to_facts
from .candidates import Assignment, Outcome
from .worker_pool import Evaluator, Objective

_FORMAT = 1


def digest_of(facts: Any) -> str:
    """SHA-256, in hex, over plain JSON values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Results:
    """The outcomes of one context: what all candidates of a search share."""

    folder: Path
    """Of this search. Holds early-stopped outcomes too: they depend on what else was tried in it."""
    context: str
    """Digest of space, recipe and data."""
    shared: Path | None = None
    """Of many searches; only whole trainings go there."""

    def find(self, code: str) -> Outcome | None:
        """The outcome of a canonical code, from this search or another one; None where there is none."""
        return self._read(self.folder / self._name(code)) or self.find_shared(code)

    def find_shared(self, code: str) -> Outcome | None:
        """The outcome of a canonical code from the folder of many searches."""
        return None if self.shared is None else self._read(self.shared / self._name(code))

    def keep(self, code: str, outcome: Outcome) -> None:
        """Write an outcome, whole or not at all.

        Raises:
            OutputError: the disk refused.
        """
        facts = {"format": _FORMAT, "context": self.context, "code": code, **to_facts(outcome)}
        for folder in self._folders(outcome):
            make_folder(folder)
            write_file(folder / self._name(code), json.dumps(facts, indent=2) + "\n", force=True)

    def __iter__(self) -> Iterator[tuple[str, Outcome]]:
        """Codes and outcomes of this search, oldest first; files that cannot be read are passed over."""
        if not self.folder.is_dir():
            return
        for path in sorted(self.folder.glob("*.json"), key=lambda path: (path.stat().st_mtime, path.name)):
            outcome = self._read(path)
            if outcome is not None:
                yield json.loads(path.read_text())["code"], outcome

    def _folders(self, outcome: Outcome) -> tuple[Path, ...]:
        if self.shared is None or outcome.stopped:
            return (self.folder,)
        return (self.folder, self.shared)

    def _name(self, code: str) -> str:
        return f"{digest_of([_FORMAT, self.context, code])[:32]}.json"

    def _read(self, path: Path) -> Outcome | None:
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            if facts.pop("format") != _FORMAT or facts.pop("context") != self.context:
                return None
            del facts["code"]
            outcome = from_facts(Outcome, facts)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            # Absent, or damaged by a full disk: the candidate is trained.
            return None
        return outcome if math.isfinite(outcome.value) else None


@dataclass(frozen=True)
class Recorded:
    """An objective that keeps what it finds, in the worker: a search killed at that moment still has it."""

    objective: Objective
    results: Results

    def open(self) -> "RecordingEvaluator":
        """Called once in each worker."""
        return RecordingEvaluator(self.objective.open(), self.results)


@dataclass(frozen=True)
class RecordingEvaluator:
    """Trains candidates and writes down what they come to."""

    evaluator: Evaluator
    results: Results

    def evaluate(self, assignment: Assignment) -> Outcome:
        """Train a candidate; its outcome is on disk when this returns."""
        outcome = self.evaluator.evaluate(assignment)
        self.results.keep(assignment.code, outcome)
        return outcome
