"""From a model's reply to networks that may be trained: found, checked, and told what was wrong."""

from collections.abc import Collection
from dataclasses import dataclass

from ...runtime.errors import UsageError
from ..problem import Problem
from .reply_extraction import WrittenList, find

_MOST_CHARACTERS = 100_000
"""Read of a reply: the first half and the last half of it. A network takes a dozen."""
_MOST_CANDIDATES = 64
_MOST_COMPLAINTS = 12


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """Networks and complaints read from a reply."""

    codes: tuple[str, ...]
    """Canonical, allowed, new and distinct, in the model's order."""
    complaints: tuple[str, ...]
    """What was wrong with the lists that are not among them, a line each."""


def parse(text: str, problem: Problem, taken: Collection[str]) -> Parsed:
    """The networks of a reply. The text is data: nothing in it is evaluated or obeyed.

    Args:
        text: the model's words, of any length; time is linear in what is read of it.
        problem: whose space and limits each list is checked against before anything is built.
        taken: canonical codes that are not wanted again.
    """
    complaints: dict[str, None] = {}
    codes: dict[str, None] = {}
    if len(text) > _MOST_CHARACTERS:
        half = _MOST_CHARACTERS // 2
        text = f"{text[:half]}\n{text[-half:]}"
    for tier in find(text, len(problem.space.choices)):
        verdicts = [_judge(found, problem, taken) for found in tier]
        complaints.update(dict.fromkeys(v.complaint for v in verdicts if v.complaint is not None))
        codes.update(dict.fromkeys(v.code for v in verdicts if v.code is not None))
        # Lists further down are explanation, unless those above only repeat what is known.
        if any(verdict.answers for verdict in verdicts):
            break
    return Parsed(codes=tuple(codes)[:_MOST_CANDIDATES], complaints=tuple(complaints)[:_MOST_COMPLAINTS])


@dataclass(frozen=True, kw_only=True)
class _Verdict:
    """The judgement of one list."""

    code: str | None = None
    complaint: str | None = None
    answers: bool = True
    """Whether it looks like an answer to the question, if perhaps a wrong one."""


def _judge(found: WrittenList, problem: Problem, taken: Collection[str]) -> _Verdict:
    choices = problem.space.choices
    if len(found.digits) != len(choices):
        return _Verdict(
            complaint=f"{found.shown} has {len(found.digits)} layers, a network has {len(choices)}",
            answers=2 * len(found.digits) > len(choices),
        )
    for layer, (digit, count) in enumerate(zip(found.digits, choices, strict=True), 1):
        if not 0 <= digit < count:
            return _Verdict(
                complaint=f"{found.shown} has operation {digit} in layer {layer}, which has 0 to {count - 1}"
            )
    try:
        code = problem.space.canonical("".join(map(str, found.digits)))
    except UsageError:
        return _Verdict(complaint=f"{found.shown} is no network of this space")
    if code in taken:
        return _Verdict(complaint=f"{found.shown} was tried already", answers=False)
    if not problem.allowed(code):
        return _Verdict(complaint=f"{found.shown} is not allowed{_sizes(problem, code)}")
    return _Verdict(code=code)


def _sizes(problem: Problem, code: str) -> str:
    """A network's costs, where the space has them: a table lacks some networks."""
    try:
        cost = problem.space.cost(code)
    except UsageError:
        return ""
    timed = "" if problem.latency_ms is None else f", {problem.latency_ms(code):.4g} milliseconds"
    return f": {cost.parameters:,} parameters, {cost.macs:,} multiply-accumulates{timed}"
