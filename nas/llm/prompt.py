"""What the model is told: the space, what is allowed, all that is known, and what to answer."""

from collections.abc import Sequence
from typing import Any

from ..problem import Problem, Trial
from ..space import Limits, Space
from .client import Message
from .layers import layer_table
from .parser import Parsed
from .reply import excerpt

_SYSTEM = (
    "You design image classifiers for small devices. You are shown a search space and the results so far, "
    "and you name the networks to train next. Answer with JSON alone, without explanation or Markdown."
)
_ECHO = 2_000
"""Characters of the model's own reply in a repair turn."""


def schema(space: Space) -> dict[str, Any]:
    """The JSON schema of an answer, for servers that keep a model to one."""
    pattern = "".join(f"[0-{count - 1}]" for count in space.choices)
    return {
        "type": "object",
        "properties": {
            "candidates": {"type": "array", "items": {"type": "string", "pattern": f"^{pattern}$"}}
        },
        "required": ["candidates"],
        "additionalProperties": False,
    }


def messages(
    problem: Problem,
    history: Sequence[Trial],
    *,
    candidates: int,
    limits: Limits,
    most: int,
) -> list[Message]:
    """The question for `candidates` networks.

    Args:
        problem: what is searched.
        history: what is known; `most` of it are shown, the best and the most recent.
        candidates: networks asked for.
        limits: what a network may cost, in words; `problem.allowed` stays the judge.
        most: results shown at most, so that a prompt stays bounded.
    """
    parts = [
        layer_table(problem.space),
        _limits(problem, limits),
        _results(problem, history, most),
        _wanted(problem, candidates),
    ]
    return [
        {"role": "system", "content": _SYSTEM},
        {"role": "user", "content": "\n\n".join(part for part in parts if part)},
    ]


def repair(asked: Sequence[Message], reply: str, parsed: Parsed, *, candidates: int) -> list[Message]:
    """The question again, with the model's reply and what was wrong with it."""
    wrong = "\n".join(f"- {complaint}" for complaint in parsed.complaints)
    told = wrong or "- there is no network in it, written as a string of digits"
    return [
        *asked,
        {"role": "assistant", "content": excerpt(reply, _ECHO)},
        {
            "role": "user",
            "content": f"None of that can be trained:\n{told}\n\n"
            f'Name {candidates} other networks as JSON alone: {{"candidates": ["...", ...]}}',
        },
    ]


def _limits(problem: Problem, limits: Limits) -> str:
    said = [
        f"at most {most:,} {what}"
        for most, what in ((limits.parameters, "parameters"), (limits.macs, "multiply-accumulates"))
        if most is not None
    ]
    if problem.max_latency_ms is not None:
        said.append(f"at most {problem.max_latency_ms:.4g} milliseconds of latency")
    return f"A network may have {' and '.join(said)}." if said else ""


def _results(problem: Problem, history: Sequence[Trial], most: int) -> str:
    done = [trial for trial in history if trial.value is not None]
    if not history:
        return "No network was trained yet."
    shown, left_out = _chosen(done, most)
    rows = [_row(problem, trial) for trial in shown]
    heading = f"Trained so far ({problem.objective}, the best first)"
    if left_out:
        heading += f"; {left_out} older and worse ones are left out"
    parts = ["\n".join([f"{heading}:", _columns(problem), *rows])] if rows else []
    for what, codes in (
        ("In training now", [t.code for t in history if t.value is None and not t.failed]),
        ("Failed, do not name them again", [t.code for t in history if t.failed]),
    ):
        if codes:
            parts.append(f"{what}: {', '.join(codes[-most:])}")
    return "\n\n".join(parts)


def _chosen(done: Sequence[Trial], most: int) -> tuple[list[Trial], int]:
    """Two thirds the best, the rest the most recent, sorted by value."""

    def by_value(trial: Trial) -> float:
        return -trial.value if trial.value is not None else 0.0

    best = sorted(done, key=by_value)[: max(1, 2 * most // 3)]
    known = {trial.code for trial in best}
    recent = [trial for trial in reversed(done) if trial.code not in known]
    shown = sorted([*best, *recent[: most - len(best)]], key=by_value)
    return shown, len(done) - len(shown)


def _columns(problem: Problem) -> str:
    timed = "" if problem.latency_ms is None else ", milliseconds of latency"
    return f"network, value, parameters, multiply-accumulates{timed}"


def _row(problem: Problem, trial: Trial) -> str:
    cost = problem.space.cost(trial.code)
    timed = "" if problem.latency_ms is None else f", {problem.latency_ms(trial.code):.4g}"
    return f"{trial.code}, {trial.value:.5g}, {cost.parameters}, {cost.macs}{timed}"


def _wanted(problem: Problem, candidates: int) -> str:
    return (
        f"Name {candidates} different networks that are not in the lists above and that you expect to reach "
        f"the highest {problem.objective} (at most {problem.ceiling:g}), the most promising first, "
        'as JSON alone: {"candidates": ["...", ...]}'
    )
