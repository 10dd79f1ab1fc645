"""The figures of quality: drops of each finding, ROC and precision-recall curves, reliability."""

from typing import TYPE_CHECKING, Literal

from ....report.plots import COLOURS, REFERENCE_COLOUR, new_figure, to_svg, unit_square
from .facts import Fact
from .variants import answering, called, subject, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {"kept": COLOURS[2], "lost": COLOURS[3]}
_UNCLEAR = "#8a949d"
# The reference's line is the broader, so that it shows on both sides of the variant's.
_WIDTHS = {"reference": 2.2, "chosen": 1.2}
_SMALL_IN = (1.8, 1.8)


def forest(facts: Fact) -> str:
    """The drop of each finding's AUC with its interval, and of their mean, as SVG."""
    drawn = [finding for finding in facts["findings"] if finding["drop"].known]
    mean, margin = subject(facts)["auc_report"], facts["objective"]["max_class_auc_drop"]
    far = max((abs(end) for f in drawn for end in f["drop_ci"].ends or ()), default=0.0)
    # A distant limit would squeeze what there is to see.
    near = margin.known and margin.value <= 2 * far
    with new_figure(6.4, 1.5 + 0.3 * (len(drawn) + 1)) as figure:
        axes = figure.subplots()
        axes.axvline(0, color=REFERENCE_COLOUR, linewidth=0.9)
        if near:
            axes.axvline(margin.value, color=COLOURS[3], linewidth=1, linestyle="--")
        most = max((finding["positives"].value or 0 for finding in drawn), default=1)
        for level, finding in enumerate(drawn):
            area = 16 + 60 * (finding["positives"].value or 0) / max(1, most)
            colour = _COLOURS.get(finding["verdict"].text, _UNCLEAR)
            _bar(axes, level, finding["drop"], finding["drop_ci"], colour=colour, area=area, marker="o")
        names = [f"{f['name'].text} ({f['positives'].value})" for f in drawn]
        if mean["drop"].known:
            bottom = len(drawn) + 0.25
            _bar(axes, bottom, mean["drop"], mean["drop_ci"], colour="#111111", area=70, marker="D")
            names.append("mean of all")
        ticks = [*range(len(drawn)), len(drawn) + 0.25][: len(names)]
        axes.set_yticks(ticks, names, parse_math=False)
        axes.set_ylim(len(drawn) + 0.9, -0.7)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_title("Drop in AUC of each finding (positive images)")
        axes.set_xlabel(f"drop in AUC from the reference to the {called(facts)} variant")
        axes.grid(visible=True, axis="x")
        _forest_legend(axes, drawn, limited=near)
    return to_svg(figure, prefix="forest-", inline=True)


def roc(facts: Fact, finding: str, prefix: str) -> str:
    """The ROC curves of one finding as SVG: the reference's and the chosen variant's."""
    with new_figure(*_SMALL_IN) as figure:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="#cccccc", linewidth=0.8)
        _lines(axes, facts, finding, "roc")
        unit_square(axes, "false positive rate", "sensitivity")
    return to_svg(figure, prefix=prefix, inline=True)


def precision_recall(facts: Fact, finding: str, prefix: str) -> str:
    """The precision-recall curves of one finding as SVG."""
    with new_figure(*_SMALL_IN) as figure:
        axes = figure.subplots()
        _lines(axes, facts, finding, "precision_recall")
        unit_square(axes, "sensitivity (recall)", "precision")
    return to_svg(figure, prefix=prefix, inline=True)


def reliability(facts: Fact) -> str:
    """Mean probability against share of positives, a dot a bin, as SVG; below, answers in each bin."""
    with new_figure(6.4, 6.0) as figure:
        square, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        square.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.9)
        top = 0.05
        for who in ("reference", "chosen"):
            side = facts["reliability"][who]
            label = who if who == "reference" else called(facts)
            known = [b for b in side["bins"] if b["mean_probability"].known and b["share_positive"].known]
            if not known:
                continue
            colour = tint(facts, answering(facts, who))
            xs, ys = [b["mean_probability"].value for b in known], [b["share_positive"].value for b in known]
            areas = [
                14 + 110 * (b["images"].value / max(c["images"].value for c in known)) ** 0.5 for b in known
            ]
            square.plot(xs, ys, color=colour, linewidth=1.1, alpha=0.6, zorder=2)
            square.scatter(
                xs, ys, s=areas, color=colour, edgecolor="white", linewidth=0.7, zorder=3, label=label
            )
            bins = list(side["bins"])
            if all(b[key].known for b in bins for key in ("from", "to", "images")):
                edges = [*(b["from"].value for b in bins), bins[-1]["to"].value]
                counts = [b["images"].value for b in bins]
                below.stairs(counts, edges, color=colour, linewidth=_WIDTHS[who])
            top = max(top, *xs, *ys)
        # Rare findings have low probabilities: the empty corner is cut off.
        square.set(xlim=(-0.02 * top, 1.04 * top), ylim=(-0.02 * top, 1.04 * top))
        square.set_title("Reliability of all findings' probabilities")
        square.set_ylabel("share of positives")
        square.grid(visible=True)
        square.legend(loc="upper left")
        below.set_yscale("log")
        below.set_ylabel("answers")
        below.set_xlabel("mean probability of a bin")
        below.grid(visible=True)
    return to_svg(figure, prefix="reliability-", inline=True)


def _bar(
    axes: "Axes", level: float, drop: Fact, ends: Fact, *, colour: str, area: float, marker: str
) -> None:
    if ends.ends is not None:
        axes.plot(ends.ends, [level, level], color=colour, linewidth=1.6, solid_capstyle="butt", zorder=2)
    axes.scatter(
        [drop.value], [level], s=area, marker=marker, color=colour, edgecolor="white", linewidth=0.7, zorder=3
    )


def _forest_legend(axes: "Axes", drawn: list[Fact], *, limited: bool) -> None:
    from matplotlib.lines import Line2D

    verdicts = [finding["verdict"].text for finding in drawn]
    words = {"kept": "kept", "lost": "lost", "too_few": "too few to tell"}
    handles = [
        Line2D([], [], color=_COLOURS.get(verdict, _UNCLEAR), marker="o", label=said)
        for verdict, said in words.items()
        if verdict in verdicts
    ]
    if limited:
        handles.append(Line2D([], [], color=COLOURS[3], linestyle="--", label="allowed for one finding"))
    if handles:
        axes.figure.legend(handles=handles, loc="outside lower left", ncols=4, fontsize=9.5)


def _lines(axes: "Axes", facts: Fact, finding: str, kind: Literal["roc", "precision_recall"]) -> None:
    for who, width in _WIDTHS.items():
        points = facts["curves"][finding][who][kind].pairs
        if points:
            xs, ys = zip(*points, strict=True)
            colour = tint(facts, answering(facts, who))
            axes.plot(xs, ys, color=colour, linewidth=width, solid_joinstyle="round")
