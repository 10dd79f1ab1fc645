"""A benchmark as one HTML file: no script, no font, no picture, no address outside of it."""

from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING

from .. import __version__
from ..metrics.bootstrap import ClassDrop
from ..metrics.scores import average_precision, roc_auc
from ..report import page
from ..report.plots import to_svg
from . import plots, terminal
from .comparison import Comparison, Row
from .latency import in_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_QUALITY = ("variant", "precision", "crops", "mean AUC", "AUC drop", "p50 ms", "p90 ms", "p99 ms", "speed-up")
_RESOURCES = (
    "variant",
    "images/s",
    "files/s",
    "stored MB",
    "memory MB",
    "start s",
    "largest difference",
    "GMAC/s",
    "of FP32 peak",
)


def render(comparison: Comparison) -> str:
    """The report as HTML text; the same comparison gives the same bytes.

    Raises:
        DependencyError: matplotlib is not installed.
    """
    title = f"xopt bench: {comparison.dataset}, split {comparison.split.name}"
    body = [_headline(comparison), _tables(comparison), *_figures(comparison), _findings(comparison)]
    return page.document(title, [*body, _method(comparison), _origin(comparison)])


def _headline(comparison: Comparison) -> str:
    reference = comparison.reference
    fastest = min(comparison.rows, key=lambda row: row.latency.p50)
    cards = [
        (f"{in_words(fastest.latency.p50)} ms", f"median for one image: {escape(fastest.name)}"),
        (f"{fastest.measured.size_mb:.1f} MB", "stored"),
    ]
    if fastest is not reference:
        cards = [
            (
                f"{fastest.speedup.ratio:.2f} ×",
                f"as fast as {escape(reference.name)}: {escape(fastest.name)}",
            ),
            *_drop_card(fastest),
            (
                f"{in_words(fastest.latency.p50)} ms",
                f"median for one image, against {in_words(reference.latency.p50)} ms",
            ),
            (f"{fastest.measured.size_mb:.1f} MB", f"stored, against {reference.measured.size_mb:.1f} MB"),
        ]
    split = comparison.split
    patients = f" of {len(set(split.patients))} patients" if split.patients_known else ""
    return (
        f"<p class='kicker'>xopt bench · {escape(comparison.machine['cpu'])}, "
        f"{comparison.machine['cores']} cores</p>\n"
        f"<h1>Speed and accuracy on {len(split)} images{patients}</h1>\n"
        f"<p>{escape(comparison.dataset)}, split {escape(split.name)}, {len(comparison.classes)} findings. "
        f"All variants answered every image in one interleaved run, against {escape(reference.name)}.</p>\n"
        f"{page.cards(cards)}"
    )


def _drop_card(row: Row) -> list[tuple[str, str]]:
    if row.drop is None:
        return []
    drop = row.drop
    return [
        (f"{drop.drop:+.4f}", f"drop in mean AUC, 95 % interval {drop.lower:+.4f} to {drop.upper:+.4f}"),
    ]


def _tables(comparison: Comparison) -> str:
    quality = [_quality(row, is_reference=row is comparison.reference) for row in comparison.rows]
    resources = [_resources(row, is_reference=row is comparison.reference) for row in comparison.rows]
    return (
        f"<h2>Speed and accuracy</h2>\n{_variant_table(comparison, _QUALITY, quality)}\n"
        f"<h2>What it takes</h2>\n{_variant_table(comparison, _RESOURCES, resources)}\n"
        "<p class='note'>Start: from starting a process to its first answer. Largest difference: in any "
        "probability of any image, from the reference. GMAC: billions of multiply-accumulates in "
        f"convolutions and matrix products; the FP32 peak, {comparison.peak_gmacs_per_s:.3g} GMAC/s, was "
        "measured after the run with a large matrix product. INT8 and BF16 can exceed it where the CPU has "
        "instructions for them.</p>"
    )


def _variant_table(comparison: Comparison, headings: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    tint = plots.colours(comparison)
    rows = []
    for row, values in zip(comparison.rows, cells, strict=True):
        name = f"<span class='swatch' style='background:{tint[row.name]}'></span>{escape(row.name)}"
        rows.append(page.row((name, *values), mark="reference" if row is comparison.reference else ""))
    return page.table(headings, rows)


def _quality(row: Row, *, is_reference: bool) -> list[str]:
    latency = row.latency
    return [
        escape(row.measured.variant.precision),
        escape(row.measured.preprocessing.crops),
        _with_interval(terminal.auc_cell(row)),
        "reference" if is_reference else _with_interval(terminal.drop_cell(row)),
        *(
            f"{value:.3g}" if value < 100 else f"{value:.0f}"
            for value in (latency.p50, latency.p90, latency.p99)
        ),
        "1" if is_reference else _with_interval(_speedup(row)),
    ]


def _resources(row: Row, *, is_reference: bool) -> list[str]:
    measured, facts = row.measured, row.to_json()
    return [
        f"{facts['images_per_second']:.3g}",
        f"{facts['end_to_end_images_per_second']:.3g}",
        f"{measured.size_mb:.1f}",
        "–" if measured.peak_rss_mb is None else f"{measured.peak_rss_mb:.0f}",
        f"{measured.cold_start_s:.1f}",
        "–" if is_reference else f"{row.parity:.1g}",
        f"{row.gmacs_per_s:.3g}",
        f"{row.peak_share:.0%}",
    ]


def _speedup(row: Row) -> str:
    interval = row.speedup.interval
    return f"{row.speedup.ratio:.2f} [{interval.lower:.2f}, {interval.upper:.2f}]"


def _figures(comparison: Comparison) -> list[str]:
    spread = _figure(plots.distributions(comparison), "d-", "How steady each variant is on this machine.")
    if comparison.reference.auc is None:
        none = (
            "<p class='note'>No finding has both positive and negative images here, so there is no AUC.</p>"
        )
        return [f"<h2>Latency</h2>\n{none}\n<div class='pair'>{spread}</div>"]
    trade = _figure(
        plots.latency_auc(comparison),
        "a-",
        "Left is faster, up is better. Horizontal bars hold 90 % of the images' latencies. Vertical bars "
        "are 95 % intervals: above of each AUC on its own, wide alike since all saw the same images; below "
        f"of the paired change from {comparison.reference.name}, which tells a loss from chance.",
    )
    return [
        f"<h2>Latency and AUC</h2>\n<div class='pair'>{trade}{spread}</div>",
        _curves(comparison, "ROC curves", "AUC", plots.roc, roc_auc),
        _curves(comparison, "Precision-recall curves", "AP", plots.precision_recall, average_precision),
    ]


def _curves(
    comparison: Comparison,
    title: str,
    unit: str,
    draw: "plots.DrawFinding",
    value: "Callable[..., float | None]",
) -> str:
    tint = plots.colours(comparison)
    pair = plots.pair(comparison)
    key = " and ".join(
        f"<span class='swatch' style='background:{tint[row.name]}'></span>{escape(row.name)}" for row in pair
    )
    panels = []
    for c, finding in enumerate(comparison.classes):
        labels_N = comparison.split.marked_labels[:, c]
        values = [value(labels_N, row.measured.probabilities[:, c]) for row in pair]
        if None in values:
            continue
        figure = to_svg(draw(comparison, c), prefix=f"{unit}{c}-", inline=True)
        caption = f"{escape(finding)}<small>{unit} {' → '.join(f'{v:.3f}' for v in values)}</small>"
        panels.append(f"<figure><figcaption>{caption}</figcaption>{figure}</figure>")
    return f"<h2>{title}</h2>\n<p class='note'>{key}</p>\n<div class='grid'>{''.join(panels)}</div>"


def _findings(comparison: Comparison) -> str:
    reference, others, compressed = comparison.reference, comparison.rows[1:], comparison.smallest
    headings = ["finding", "positives", f"{reference.name}: AUC", *(f"{row.name}: drop" for row in others)]
    rows = []
    for c, finding in enumerate(comparison.classes):
        auc, interval = reference.class_aucs[c], reference.intervals.classes[c]
        shown = "–"
        if auc is not None and interval is not None:
            shown = _with_interval(f"{auc:.3f} [{interval.lower:.3f}, {interval.upper:.3f}]")
        drops = [_drop(row.drop.classes[c] if row.drop else None, full=row is compressed) for row in others]
        cells = [escape(finding), str(int(comparison.split.labels_NC[:, c].sum())), shown, *drops]
        rows.append(page.row(cells))
    return (
        f"<h2>Findings</h2>\n{page.table(headings, rows)}\n"
        "<p class='note'>Drop: AUC of the reference minus AUC of the variant; bold where its paired 95 % "
        "interval leaves out zero, as one in twenty does by chance. A finding without both positive and "
        "negative images has no AUC and is in no mean.</p>"
    )


def _drop(drop: ClassDrop | None, *, full: bool) -> str:
    if drop is None:
        return "–"
    shown = f"{drop.drop:+.4f}" if abs(drop.drop) >= 5e-5 else "0.0000"
    number = f"<b>{shown}</b>" if drop.lower > 0 or drop.upper < 0 else shown
    return f"{number} <small>[{drop.lower:+.3f}, {drop.upper:+.3f}]</small>" if full else number


def _method(comparison: Comparison) -> str:
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in terminal.sentences(comparison))
    return f"<h2>How it was measured</h2>\n{said}"


def _origin(comparison: Comparison) -> str:
    machine, split = comparison.machine, comparison.split
    facts = [
        ("CPU", f"{machine['cpu']}, {machine['cores']} cores"),
        ("Instructions", ", ".join(machine["features"]) or "no known vector extension"),
        ("Load average", f"{machine['load_average']:g} at the start"),
        ("System", f"{machine['system']}, Python {machine['python']}"),
        ("Libraries", ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())),
        ("xopt", __version__),
        ("Data", f"{comparison.dataset}, split {split.name}, {len(split)} images"),
        ("Data digest", split.digest),
    ]
    for bundle in comparison.bundles:
        facts += [(bundle.name, bundle.digest), ("Intended use", bundle.intended_use or "not stated")]
    shown = page.definitions((name, escape(value)) for name, value in facts)
    return f"<h2>Machine, data and bundles</h2>\n{shown}"


def _figure(figure: "Figure", prefix: str, caption: str) -> str:
    return page.figure(to_svg(figure, prefix=prefix, inline=True), escape(caption))


def _with_interval(cell: str) -> str:
    """A cell of the terminal's table, "value [lower, upper]", with the interval in small print."""
    value, bracket, rest = cell.partition(" [")
    return f"{escape(value)} <small>[{escape(rest)}</small>" if bracket else escape(value)
