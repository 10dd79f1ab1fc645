"""Loss and AUC over the epochs, as SVG; the same numbers give the same bytes."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec

from ..benchmarks.plots import COLOURS, REFERENCE_COLOUR, new_figure, to_svg
from .comparing import Run
from .results import Epoch

_SIZE_IN = (5.2, 3.4)
Value = Callable[[Epoch], float | None]
Line = tuple[str, Sequence[float | None], str]
"""Name, a value an epoch, colour."""


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def loss_curves(history: Sequence[Epoch], *, inline: bool = False) -> str:
    """Training and validation loss by epoch."""
    lines: list[Line] = [
        ("train", [epoch.train_loss for epoch in history], COLOURS[1]),
        ("val", [epoch.val_loss for epoch in history], COLOURS[0]),
    ]
    return _draw("Loss", "epoch", _numbers(history), lines, inline=inline)


def auc_curves(history: Sequence[Epoch], *, inline: bool = False) -> str:
    """Mean AUC and accuracy on the validation split, by epoch."""
    lines: list[Line] = [
        ("mean AUC", [epoch.val_auc for epoch in history], COLOURS[2]),
        ("accuracy", [epoch.val_accuracy for epoch in history], REFERENCE_COLOUR),
    ]
    return _draw("Validation", "epoch", _numbers(history), lines, inline=inline)


def run_curves(runs: Sequence[Run], title: str, value: Value, *, prefix: str) -> str:
    """One value of several runs, by minutes of training; for a page."""
    with new_figure(*_SIZE_IN) as figure:
        axes = figure.subplots()
        for number, run in enumerate(runs):
            colour = REFERENCE_COLOUR if number == 0 else COLOURS[(number - 1) % len(COLOURS)]
            minutes, passed = [], 0.0
            for epoch in run.history:
                passed += epoch.seconds
                minutes.append(passed / 60)
            values = [_or_gap(value(epoch)) for epoch in run.history]
            axes.plot(minutes, values, color=colour, marker="o", markersize=3, label=run.name)
        axes.set_title(title)
        axes.set_xlabel("minutes")
        axes.grid(visible=True)
        axes.legend()
    return to_svg(figure, prefix=prefix, inline=True)


def _numbers(history: Sequence[Epoch]) -> list[float]:
    return [epoch.epoch for epoch in history]


def _draw(
    title: str,
    x_label: str,
    x: list[float],
    lines: Sequence[Line],
    *,
    inline: bool,
) -> str:
    with new_figure(*_SIZE_IN) as figure:
        from matplotlib.ticker import MaxNLocator

        axes = figure.subplots()
        for name, values, colour in lines:
            axes.plot(
                x, [_or_gap(value) for value in values], color=colour, marker="o", markersize=3, label=name
            )
        axes.set_title(title)
        axes.set_xlabel(x_label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(visible=True)
        axes.legend()
    return to_svg(figure, prefix=f"{title.lower()}-" if inline else "", inline=inline)


def _or_gap(value: float | None) -> float:
    # matplotlib leaves a gap where a value is not a number.
    return float("nan") if value is None else value
