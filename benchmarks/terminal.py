"""A benchmark in the terminal: one table that fits a README, and what it means in sentences."""

from ..runtime.console import table
from .comparison import Comparison, Row
from .latency import in_words

QUALITY = ["", "type", "AUC [95 %]", "drop [95 %]", "p50/p90/p99 ms", "speed-up", "MB", "RSS", "start"]

WORK = ["", "images/s", "files/s", "largest difference", "GMAC", "GMAC/s", "of FP32 peak"]


def describe(comparison: Comparison) -> str:
    """The table and its sentences."""
    reference = comparison.reference
    quality = [quality_row(row, is_reference=row is reference) for row in comparison.rows]
    work = [work_row(row, is_reference=row is reference) for row in comparison.rows]
    tables = [table(QUALITY, quality), table(WORK, work)]
    return "\n".join(["\n\n".join(tables), "", *sentences(comparison)])


def quality_row(row: Row, *, is_reference: bool) -> list[str]:
    """One variant's cells, in the order of QUALITY."""
    measured = row.measured
    return [
        row.name,
        measured.variant.precision,
        _short(auc_cell(row)),
        "reference" if is_reference else _short(drop_cell(row)),
        "/".join(in_words(value) for value in (row.latency.p50, row.latency.p90, row.latency.p99)),
        "1" if is_reference else speedup_cell(row),
        f"{measured.size_mb:.1f}",
        "-" if measured.peak_rss_mb is None else f"{measured.peak_rss_mb:.0f}",
        f"{measured.cold_start_s:.1f} s",
    ]


def work_row(row: Row, *, is_reference: bool) -> list[str]:
    """One variant's cells, in the order of WORK."""
    facts = row.to_json()
    return [
        row.name,
        f"{facts['images_per_second']:.3g}",
        f"{facts['end_to_end_images_per_second']:.3g}",
        "reference" if is_reference else f"{row.parity:.1g}",
        f"{row.measured.macs / 1e9:.3g}",
        f"{row.gmacs_per_s:.3g}",
        f"{row.peak_share:.0%}",
    ]


def sentences(comparison: Comparison) -> list[str]:
    """Sentences that a reader needs to judge the table."""
    split, settings, reference = comparison.split, comparison.settings, comparison.reference
    unit = "patients" if split.patients_known else "images"
    threads = "the engine's own" if settings.threads is None else str(settings.threads)
    crops = sorted({row.measured.preprocessing.crops for row in comparison.rows})
    return [
        f"{len(split)} images of {comparison.dataset}, split {split.name}, one at a time, all variants "
        f"interleaved; crops: {', '.join(crops)}; threads: {threads}.",
        "Every clock starts at the decoded, resized image. AUC is the mean over findings.",
        f"Drop and speed-up are against {reference.name}; intervals are from {settings.resamples} bootstrap "
        f"resamples of {unit} (speed-up: of images).",
        "Largest difference: in any probability of any image, from the reference. FP32 peak measured here: "
        f"{comparison.peak_gmacs_per_s:.3g} GMAC/s.",
        machine_line(comparison),
        *(f"Note: {note}." for note in comparison.notes),
    ]


def machine_line(comparison: Comparison) -> str:
    """The machine in one line."""
    machine = comparison.machine
    features = ", ".join(machine["features"]) or "no known vector extension"
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {features}; load average {machine['load_average']:g} "
        "at the start."
    )


def auc_cell(row: Row) -> str:
    """Mean AUC with its interval."""
    interval = row.intervals.mean
    if row.auc is None or interval is None:
        return "-"
    return f"{row.auc:.4f} [{interval.lower:.3f}, {interval.upper:.3f}]"


def drop_cell(row: Row) -> str:
    """Drop in mean AUC with its interval."""
    if row.drop is None:
        return "-"
    return f"{_signed(row.drop.drop)} [{_signed(row.drop.lower)}, {_signed(row.drop.upper)}]"


def speedup_cell(row: Row) -> str:
    """Speed-up, with the farther end of its interval as a margin."""
    ratio, interval = row.speedup.ratio, row.speedup.interval
    return f"{ratio:.2f} ±{max(ratio - interval.lower, interval.upper - ratio):.2f}"


def _short(cell: str) -> str:
    # The table has to fit a page: within an interval the zero before the point goes.
    value, bracket, interval = cell.partition(" [")
    return value + bracket + interval.replace("0.", ".")


def _signed(value: float) -> str:
    # -0.0000 and 0.0000 are the same drop.
    return f"{value:+.4f}" if abs(value) >= 5e-5 else "0.0000"
