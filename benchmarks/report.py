"""A benchmark as one HTML file: no script, no font, no picture, no address outside of it."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from .. import __version__
from . import plots, summary
from .bootstrap import ClassDrop
from .comparison import Comparison, Row
from .report_style import STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HEADINGS = (
    "variant",
    "precision",
    "crops",
    "mean AUC",
    "AUC drop",
    "p50 ms",
    "p90 ms",
    "p99 ms",
    "speed-up",
    "images/s",
    "from file, images/s",
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
    body = [_headline(comparison), _table(comparison), *_figures(comparison), _findings(comparison)]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            "</head>",
            "<body>",
            "<main>",
            *body,
            _method(comparison),
            _origin(comparison),
            "</main>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _headline(comparison: Comparison) -> str:
    reference = comparison.reference
    fastest = min(comparison.rows, key=lambda row: row.latency.p50)
    cards = [
        (f"{fastest.speedup.ratio:.2f} ×", f"as fast as {reference.name}: {fastest.name}"),
        (f"{fastest.latency.p50:.3g} ms", f"median for one image; {reference.latency.p50:.3g} ms before"),
        (f"{fastest.measured.size_mb:.1f} MB", f"stored; {reference.measured.size_mb:.1f} MB before"),
    ]
    if fastest.drop is not None:
        drop = fastest.drop
        interval = f"95 % interval {drop.lower:+.4f} to {drop.upper:+.4f}"
        cards.insert(1, (f"{drop.drop:+.4f}", f"drop in mean AUC, {interval}"))
    shown = "".join(f"<div class='card'><b>{escape(n)}</b><span>{escape(s)}</span></div>" for n, s in cards)
    split = comparison.split
    patients = f" of {len(set(split.patients))} patients" if split.patients_known else ""
    return (
        f"<p class='kicker'>xopt bench · {escape(comparison.machine['cpu'])}, "
        f"{comparison.machine['cores']} cores</p>\n"
        f"<h1>Speed and accuracy on {len(split)} images{patients}</h1>\n"
        f"<p>{escape(comparison.dataset)}, split {escape(split.name)}, {len(comparison.classes)} findings. "
        f"All variants answered every image in one interleaved run; the reference is {escape(reference.name)}.</p>\n"
        f"<div class='cards'>{shown}</div>"
    )


def _table(comparison: Comparison) -> str:
    tint = plots.colours(comparison)
    rows = []
    for row in comparison.rows:
        is_reference = row is comparison.reference
        name = f"<span class='swatch' style='background:{tint[row.name]}'></span>{escape(row.name)}"
        cells = "".join(f"<td>{cell}</td>" for cell in (name, *_cells(row, is_reference=is_reference)))
        rows.append(f"<tr{' class=reference' if is_reference else ''}>{cells}</tr>")
    return f"<h2>All variants</h2>\n{_html_table(_HEADINGS, rows)}"


def _cells(row: Row, *, is_reference: bool) -> list[str]:
    measured, facts = row.measured, row.to_json()
    rss = "–" if measured.peak_rss_mb is None else f"{measured.peak_rss_mb:.0f}"
    return [
        escape(measured.variant.precision),
        escape(measured.preprocessing.crops),
        _with_interval(summary.auc_cell(row)),
        "–" if is_reference else _with_interval(summary.drop_cell(row)),
        *(f"{value:.1f}" for value in facts["latency_ms"].values()),
        "1" if is_reference else _with_interval(summary.speedup_cell(row)),
        f"{facts['images_per_second']:.3g}",
        f"{facts['end_to_end_images_per_second']:.3g}",
        f"{measured.size_mb:.1f}",
        rss,
        f"{measured.cold_start_s:.1f}",
        "–" if is_reference else f"{row.parity:.1g}",
        f"{row.gmacs_per_s:.3g}",
        f"{row.peak_share:.0%}",
    ]


def _figures(comparison: Comparison) -> list[str]:
    latencies = _figure(
        plots.distributions(comparison),
        "d-",
        "Latency distributions. The lines mark the median, the 90th and the 99th percentile.",
    )
    speed = f"<h2>Latency distributions</h2>\n{latencies}"
    if comparison.reference.auc is None:
        return [
            "<p class='note'>No finding has both positive and negative images here, so there is no AUC.</p>",
            speed,
        ]
    trade = _figure(
        plots.latency_auc(comparison),
        "a-",
        "Left is faster, up is better. Horizontal bars hold 90 % of the images' latencies. Vertical bars are "
        "95 % intervals: above, of each AUC on its own, wide for all since they saw the same few images; below, "
        f"of the paired change from {comparison.reference.name}, which tells a loss from chance.",
    )
    return [
        f"<h2>Latency against AUC</h2>\n{trade}",
        speed,
        _curves(comparison, "ROC curves", "r", plots.roc),
        _curves(comparison, "Precision-recall curves", "p", plots.precision_recall),
    ]


def _curves(comparison: Comparison, title: str, prefix: str, draw: "plots.DrawFinding") -> str:
    reference, compressed = comparison.reference, comparison.smallest
    tint = plots.colours(comparison)
    names = [reference] if compressed is reference else [reference, compressed]
    key = " and ".join(
        f"<span class='swatch' style='background:{tint[row.name]}'></span>{escape(row.name)}" for row in names
    )
    panels = []
    for c, finding in enumerate(comparison.classes):
        before, after = reference.class_aucs[c], compressed.class_aucs[c]
        if before is None or after is None:
            continue
        figure = plots.to_svg(draw(comparison, c), prefix=f"{prefix}{c}-", inline=True)
        caption = f"{escape(finding)}<small>AUC {before:.3f} → {after:.3f}</small>"
        panels.append(f"<figure><figcaption>{caption}</figcaption>{figure}</figure>")
    return f"<h2>{title}</h2>\n<p class='note'>{key}</p>\n<div class='grid'>{''.join(panels)}</div>"


def _findings(comparison: Comparison) -> str:
    reference, others = comparison.reference, comparison.rows[1:]
    headings = ["finding", "positives", f"{reference.name}, AUC", *(f"{row.name}, drop" for row in others)]
    rows = []
    for c, finding in enumerate(comparison.classes):
        auc, interval = reference.class_aucs[c], reference.intervals.classes[c]
        shown = "–"
        if auc is not None and interval is not None:
            shown = _with_interval(f"{auc:.3f} [{interval.lower:.3f}, {interval.upper:.3f}]")
        drops = [row.drop.classes[c] if row.drop else None for row in others]
        cells = [escape(finding), str(int(comparison.split.labels_NC[:, c].sum())), shown, *map(_drop, drops)]
        rows.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return (
        f"<h2>Findings</h2>\n{_html_table(headings, rows)}\n"
        "<p class='note'>Drop: AUC of the reference minus AUC of the variant, with its paired 95 % interval; "
        "bold where that leaves out zero, which one in twenty does by chance. A finding without both positive "
        "and negative images has no AUC and is in no mean.</p>"
    )


def _drop(drop: ClassDrop | None) -> str:
    if drop is None:
        return "–"
    shown = f"{drop.drop:+.4f}" if abs(drop.drop) >= 5e-5 else "0.0000"
    number = f"<b>{shown}</b>" if drop.lower > 0 or drop.upper < 0 else shown
    return f"{number} <small>[{drop.lower:+.3f}, {drop.upper:+.3f}]</small>"


def _method(comparison: Comparison) -> str:
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in summary.sentences(comparison))
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
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in facts)
    return f"<h2>Machine, data and bundles</h2>\n<dl>{rows}</dl>"


def _figure(figure: "Figure", prefix: str, caption: str) -> str:
    svg = plots.to_svg(figure, prefix=prefix, inline=True)
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def _html_table(headings: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    return (
        f"<div class='scroll'><table><thead><tr>{head}</tr></thead>\n"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _with_interval(cell: str) -> str:
    """A cell of the terminal's table, "value [lower, upper]", with the interval in small print."""
    value, bracket, rest = cell.partition(" [")
    return f"{escape(value)} <small>[{escape(rest)}</small>" if bracket else escape(value)
