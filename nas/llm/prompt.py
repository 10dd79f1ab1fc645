"""The messages to the model: the space in words, the limits, the results so far, and the answer's form."""

from collections.abc import Sequence
from typing import Any

from ...models import xray
from ..macro import MacroSpace
from ..problem import Problem, Trial
from ..space import Limits, Space
from ..xray import XraySpace
from .client import Message
from .parser import Parsed
from .reply import excerpt

_SYSTEM = (
    "You design image classifiers for small devices. You are shown a search space and the results so far, "
    "and you name the networks to train next. Answer with JSON alone, without explanation or Markdown."
)
_OPERATIONS = """\
Operations:
0 identity; at stride 1 it is nothing, at stride 2 a 1x1 convolution with batch normalisation
1 inverted residual block, 3x3 depthwise convolution, expansion 3
2 inverted residual block, 5x5 depthwise convolution, expansion 6"""
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


def layer_table(space: Space) -> str:
    """Operations and layers of a space; of a space of unknown make, how many operations each layer has."""
    layers = len(space.choices)
    heading = (
        f"A network is a string of {layers} digits, one for each layer in order: the number of its operation."
    )
    if isinstance(space, MacroSpace):
        return f"{heading}\n{_OPERATIONS}\n{_macro(space)}"
    if isinstance(space, XraySpace):
        return f"A network is a string of {layers} digits, each 0, 1 or 2.\n{_xray(space)}"
    rows = [f"Layer {n}: operations 0 to {count - 1}" for n, count in enumerate(space.choices, 1)]
    return "\n".join([heading, *rows])


def _macro(space: MacroSpace) -> str:
    skeleton = space.skeleton
    rows = ["Layers (input channels, output channels, stride):"]
    rows.append(f"stem: 3x3 convolution, {space.channels}, {skeleton.stem}, 1")
    inputs, layer = skeleton.stem, 0
    for depth, width in zip(skeleton.depths, skeleton.widths, strict=True):
        for place in range(depth):
            layer += 1
            rows.append(f"layer {layer}: {inputs}, {width}, {2 if place == 0 else 1}")
            inputs = width
    rows.append(
        f"head: 1x1 convolution, {inputs}, {skeleton.head}, 1; mean over the map; {space.classes} outputs"
    )
    rows.append(
        f"The input has {space.size} x {space.size} pixels. Identities at stride 1 are nothing, so codes "
        "that differ only in their places within a stage are one network; below they are written behind."
    )
    return "\n".join(rows)


def _xray(space: XraySpace) -> str:
    def options(values: tuple[float, ...]) -> str:
        return " or ".join(f"{value:g}" for value in values)

    rows = [
        f"digit 1: side of the input, {options(xray.RESOLUTIONS)} pixels",
        f"digit 2: width of all stages, times {options(xray.SHARES)}",
    ]
    for stage, (width, stride) in enumerate(zip(xray.WIDTHS, xray.STRIDES, strict=True)):
        rows.append(
            f"digits {3 + 3 * stage}, {4 + 3 * stage}, {5 + 3 * stage}: stage {stage + 1} of inverted "
            f"residual blocks, {width} channels at full width, stride {stride}: {options(xray.DEPTHS)} "
            f"blocks; depthwise kernel {options(xray.KERNELS)}; expansion {options(xray.EXPANSIONS)}"
        )
    rows.append(f"Input planes: {space.channels}; outputs: {space.classes}.")
    return "\n".join(rows)
