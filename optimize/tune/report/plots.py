"""The figures of speed: latency against AUC, how latencies spread, decoding beside inference."""

from typing import TYPE_CHECKING, Any, Literal

from ....benchmarks.latency import in_words
from ....report.plots import COLOURS, MARKERS, REFERENCE_COLOUR, latency_axis, new_figure, to_svg
from .facts import Fact
from .labels import Label, place
from .variants import PRECISIONS, called, letters, named, subject, timed, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Scored = Literal["auc_gate", "auc_report"]

_TITLES = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime", "torch": "PyTorch"}
_SPLITS = {"auc_gate": "gate", "auc_report": "report"}
_DECODING = "#9aa3ab"
_LIMIT = COLOURS[3]


def trade(facts: Fact, scored: Scored) -> str:
    """Latency against mean AUC on a split as SVG: above AUCs with intervals, below the paired changes."""
    drawn = [v for v in facts["variants"] if v[scored]["auc"].known and v["latency_ms"]["p50"].known]
    with new_figure(6.4, 6.3) as figure:
        absolute, change = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
        spread = [v["latency_ms"][p].value for v in drawn for p in ("p50", "p90") if v["latency_ms"][p].known]
        latency_axis(change, min(spread), max(spread))
        for variant in drawn:
            _point(absolute, facts, variant, scored, change=False)
            _point(change, facts, variant, scored, change=True)
        # The front is one of the split that the choice was made on.
        front = [v for v in drawn if v["pareto"].value and scored == "auc_gate"]
        _front(absolute, front)
        limited = _limits(facts, absolute, change, drawn, scored)
        split = facts["roles"][_SPLITS[scored]]["split"]
        absolute.set_title(f"Mean AUC, {_SPLITS[scored]} split" + (f" ({split.text})" if split.known else ""))
        change.set_title("Change in mean AUC from the reference")
        change.set_xlabel("latency of one image, ms (log scale)")
        for axes in (absolute, change):
            axes.grid(visible=True)
            axes.margins(y=0.1)
        _legend(facts, drawn, change, fronted=len(front) > 1, limited=limited)
        # The layout moves the axes, and only then is it known what lies beside what.
        figure.draw_without_rendering()
        for axes, key, sign in ((absolute, "auc", 1), (change, "drop", -1)):
            place(axes, [_label(facts, v, sign * (v[scored][key].value or 0.0)) for v in drawn])
    return to_svg(figure, prefix=f"{scored}-", inline=True)


def latencies(facts: Fact) -> str:
    """The spread of single latencies around each variant's median, as SVG: hills, lines at percentiles."""
    drawn = timed(facts)
    with new_figure(6.4, 1.1 + 0.75 * len(drawn)) as figure:
        axes = figure.subplots()
        farthest = [_relative(v, p) for v in drawn for p in ("p90", "p99") if v["latency_ms"][p].known]
        nearest = [
            v["latency_ms"]["histogram"]["edges"][0].value / v["latency_ms"]["p50"].value
            for v in drawn
            if v["latency_ms"]["histogram"]["edges"].value
        ]
        axes.set_xlim(max(0.5, min([*nearest, 0.97])) - 0.02, min(3.0, max([*farthest, 1.2]) + 0.05))
        for level, variant in enumerate(drawn):
            _hill(axes, variant, level, tint(facts, variant))
        axes.set_ylim(-0.1, len(drawn))
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_title("Latency of one image, relative to the variant's median")
        axes.set_xlabel("times the median; lines at the 50th, 90th and 99th percentile")
        axes.grid(visible=True, axis="x")
    return to_svg(figure, prefix="latencies-", inline=True)


def decoding(facts: Fact) -> str:
    """The share of decoding and of inference in the time from a file to its answer, as SVG."""
    drawn = [v for v in timed(facts) if v["decode_ms"]["p50"].known]
    with new_figure(6.4, 1.3 + 0.75 * len(drawn)) as figure:
        axes = figure.subplots()
        for level, variant in enumerate(drawn):
            decode, infer = variant["decode_ms"]["p50"].value, variant["latency_ms"]["p50"].value
            share = 100 * decode / max(decode + infer, 1e-9)
            axes.barh(level, share, height=0.4, color=_DECODING)
            axes.barh(level, 100 - share, left=share, height=0.4, color=tint(facts, variant))
            said = f"{variant['name'].text}: decoding {in_words(decode)} + inference {in_words(infer)} ms"
            axes.text(0, level + 0.27, said, va="bottom", fontsize=9, parse_math=False)
        axes.set(xlim=(0, 100), ylim=(-0.4, len(drawn) - 0.2), yticks=[])
        axes.spines["left"].set_visible(False)
        axes.set_title("Decoding (grey) and inference")
        axes.set_xlabel("% of the time from a file to its answer")
        axes.grid(visible=True, axis="x")
    return to_svg(figure, prefix="decoding-", inline=True)


def _point(axes: "Axes", facts: Fact, variant: Fact, scored: Scored, *, change: bool) -> None:
    auc, latency, colour = variant[scored], variant["latency_ms"], tint(facts, variant)
    sign, value, ends = (-1, auc["drop"], auc["drop_ci"]) if change else (1, auc["auc"], auc["ci"])
    x, y = latency["p50"].value, sign * (value.value or 0.0)
    low, high = sorted(sign * end for end in ends.ends or (y, y))
    far = latency["p90"].value if latency["p90"].known else x
    chosen = variant["name"].value == subject(facts)["name"].value
    notable = chosen or bool(variant["pareto"].value) or variant["name"].value == facts["reference"].value
    axes.errorbar(
        [x],
        [y],
        xerr=[[0], [max(0.0, far - x)]],
        yerr=[[max(0.0, y - low)], [max(0.0, high - y)]],
        fmt="none",
        ecolor=colour,
        elinewidth=1.4 if notable else 0.9,
        alpha=1.0 if notable else 0.45,
        capsize=2,
        zorder=2,
    )
    marker = MARKERS.get(variant["engine"].text, "D")
    if chosen:
        axes.scatter([x], [y], s=120, facecolor="none", edgecolor=_LIMIT, linewidth=1.6, zorder=3)
    axes.scatter([x], [y], s=46, marker=marker, color=colour, edgecolor="white", linewidth=0.7, zorder=4)
    bound = auc["upper_one_sided"]
    if change and bound.known:
        axes.scatter([x], [-bound.value], s=60, marker="_", color=colour, linewidth=1.6, zorder=4)


def _label(facts: Fact, variant: Fact, y: float) -> Label:
    latency = variant["latency_ms"]
    x = latency["p50"].value
    far = latency["p90"].value if latency["p90"].known else x
    name = letters(facts)[variant["name"].text]
    return Label(name=name, x=x, y=y, reach=far, colour=tint(facts, variant))


def _front(axes: "Axes", front: list[Fact]) -> None:
    points = sorted((v["latency_ms"]["p50"].value, v["auc_gate"]["auc"].value) for v in front)
    if len(points) > 1:
        xs, ys = zip(*points, strict=True)
        axes.step(xs, ys, where="post", color="#888888", linewidth=1, linestyle=":", zorder=1)


def _limits(facts: Fact, absolute: "Axes", change: "Axes", drawn: list[Fact], scored: Scored) -> bool:
    """Draw what was allowed, where it is near; whether any of it was."""
    change.axhline(0, color=REFERENCE_COLOUR, linewidth=0.8)
    line: Any = {"color": _LIMIT, "linewidth": 1, "linestyle": "--", "zorder": 1}
    drop, latency = facts["objective"]["max_auc_drop"], facts["objective"]["max_latency_ms"]
    far = max((abs(end) for v in drawn for end in v[scored]["drop_ci"].ends or ()), default=0.0)
    # A distant limit would squeeze what there is to see.
    near = drop.known and abs(drop.value) <= 2 * far
    if near:
        change.axhline(-drop.value, **line)
    low, high = change.get_xlim()
    timely = latency.known and low < latency.value < high
    if timely:
        absolute.axvline(latency.value, **line)
        change.axvline(latency.value, **line)
    return bool(near or timely)


def _legend(facts: Fact, drawn: list[Fact], axes: "Axes", *, fronted: bool, limited: bool) -> None:
    from matplotlib.lines import Line2D

    reference = named(facts, "reference")
    kinds = [("reference", REFERENCE_COLOUR, MARKERS.get(reference["engine"].text, "D"))]
    others = [v for v in drawn if v["name"].value != facts["reference"].value]
    precisions = [p for p in PRECISIONS if any(v["precision"].value == p for v in others)]
    kinds += [(precision, PRECISIONS[precision], "o") for precision in precisions]
    engines = [e for e in _TITLES if any(v["engine"].value == e for v in others)]
    kinds += [(_TITLES[engine], "#888888", MARKERS[engine]) for engine in engines]
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="", markersize=6.5, label=label)
        for label, colour, marker in kinds
    ]
    if any(v["name"].value == subject(facts)["name"].value for v in drawn):
        ring = {"markerfacecolor": "none", "markeredgecolor": _LIMIT, "markersize": 10}
        handles.append(Line2D([], [], marker="o", linestyle="", label=called(facts), **ring))  # type: ignore[arg-type]
    if fronted:
        handles.append(Line2D([], [], color="#888888", linestyle=":", linewidth=1.2, label="Pareto front"))
    if limited:
        handles.append(Line2D([], [], color=_LIMIT, linestyle="--", linewidth=1, label="limit"))
    columns = 4 if len(handles) > 4 else len(handles)
    axes.figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=columns,
        fontsize=9.5,
        handletextpad=0.4,
        columnspacing=1.2,
    )


def _hill(axes: "Axes", variant: Fact, level: int, colour: str) -> None:
    latency = variant["latency_ms"]
    edges, counts = latency["histogram"]["edges"].value, latency["histogram"]["counts"].value
    median = latency["p50"].value
    if edges and counts:
        heights = [level + 0.5 * count / max(1, *counts) for count in counts]
        relative = [edge / median for edge in edges]
        axes.stairs(heights, relative, baseline=level, fill=True, color=colour, alpha=0.8)
    axes.axhline(level, color=colour, linewidth=0.8)
    percentiles = [p for p in ("p50", "p90", "p99") if latency[p].known]
    axes.vlines(
        [_relative(variant, p) for p in percentiles], level, level + 0.56, color="#222222", linewidth=0.9
    )
    said = " / ".join(in_words(latency[p].value) for p in percentiles)
    axes.text(
        0.995,
        level + 0.62,
        f"{variant['name'].text}: {said} ms",
        transform=axes.get_yaxis_transform(),
        ha="right",
        va="bottom",
        fontsize=9,
        parse_math=False,
    )


def _relative(variant: Fact, percentile: str) -> float:
    return float(variant["latency_ms"][percentile].value / variant["latency_ms"]["p50"].value)
