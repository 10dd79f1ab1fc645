"""A benchmark in the terminal: one table that fits a README, and what it means in sentences."""

from ..runtime.console import table
from .comparison import Comparison, Row

HEADINGS = [
    "variant",
    "precision",
    "crops",
    "AUC [95 %]",
    "drop [95 %]",
    "p50 / p90 / p99 ms",
    "speed-up",
    "MB",
    "RSS",
    "start s",
]


def describe(comparison: Comparison) -> str:
    """The table and its sentences."""
    rows = [table_row(row, is_reference=row is comparison.reference) for row in comparison.rows]
    return "\n".join([table(HEADINGS, rows), "", *sentences(comparison)])


def table_row(row: Row, *, is_reference: bool) -> list[str]:
    """One variant's cells, in the order of HEADINGS."""
    measured = row.measured
    rss = "-" if measured.peak_rss_mb is None else f"{measured.peak_rss_mb:.0f}"
    return [
        row.name,
        measured.variant.precision,
        measured.preprocessing.crops,
        auc_cell(row),
        "reference" if is_reference else drop_cell(row),
        latency_cell(row),
        "1" if is_reference else speedup_cell(row),
        f"{measured.size_mb:.1f}",
        rss,
        f"{measured.cold_start_s:.1f}",
    ]


def sentences(comparison: Comparison) -> list[str]:
    """What a reader needs to judge the table."""
    split, settings, reference = comparison.split, comparison.settings, comparison.reference
    unit = "patients" if split.patients_known else "images"
    threads = "the engine's own" if settings.threads is None else str(settings.threads)
    return [
        f"{len(split)} images of {comparison.dataset}, split {split.name}, one at a time, all variants "
        f"interleaved; threads: {threads}.",
        "Every clock starts at the decoded, resized image. AUC is the mean over findings.",
        f"Drop and speed-up are against {reference.name}; intervals are from {settings.resamples} bootstrap "
        f"resamples of {unit} (speed-up: of images).",
        *_parity(comparison),
        *_limit(comparison),
        machine_line(comparison),
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


def latency_cell(row: Row) -> str:
    """The three percentiles, in ms."""
    return " / ".join(_digits(value) for value in (row.latency.p50, row.latency.p90, row.latency.p99))


def speedup_cell(row: Row) -> str:
    """Speed-up with its interval."""
    interval = row.speedup.interval
    return f"{row.speedup.ratio:.2f} [{interval.lower:.2f}, {interval.upper:.2f}]"


def _parity(comparison: Comparison) -> list[str]:
    others = comparison.rows[1:]
    if not others:
        return []
    said = ", ".join(f"{row.name} {row.parity:.1g}" for row in others)
    return [f"Largest difference from the reference in any probability: {said}."]


def _limit(comparison: Comparison) -> list[str]:
    shares = ", ".join(f"{row.name} {row.peak_share:.0%}" for row in comparison.rows)
    work = sorted({f"{row.measured.macs / 1e9:.3g}" for row in comparison.rows}, key=float)
    return [
        f"Work: {' or '.join(work)} GMAC an image. FP32 peak of this machine, measured: "
        f"{comparison.peak_gmacs_per_s:.3g} GMAC/s, of which: {shares}."
    ]


def _signed(value: float) -> str:
    # -0.0000 and 0.0000 are the same drop.
    return f"{value:+.4f}" if abs(value) >= 5e-5 else "0.0000"


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
