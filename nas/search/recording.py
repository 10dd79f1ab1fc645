"""An objective whose outcomes are on disk before anybody hears of them."""

from dataclasses import dataclass

from .candidates import Assignment, Outcome
from .outcome_files import Results
from .worker_pool import Evaluator, Objective


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
        """What a candidate comes to; kept when this returns."""
        outcome = self.evaluator.evaluate(assignment)
        self.results.keep(assignment.code, outcome)
        return outcome
