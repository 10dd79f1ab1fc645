"""A latency table in words."""

from ...benchmarks.latency import in_words
from ...runtime.console import table as text_table
from .table import LatencyTable


def describe_table(table: LatencyTable) -> str:
    """Blocks with their latencies, then how far predictions can be trusted."""
    rows = [[key, f"{latency_ms:.4f}"] for key, latency_ms in table.shapes.items()]
    rows.append(["every network, beyond its blocks", f"{table.blocks.fixed_ms:.4f}"])
    return "\n".join([text_table(["block", "ms"], rows), "", *sentences(table)])


def sentences(table: LatencyTable) -> list[str]:
    """What was measured where, and the error of predictions."""
    latencies = [network.latency_ms for network in table.networks]
    settings, machine = table.settings, table.machine
    sizes = "/".join(map(str, sorted({network.size for network in table.networks})))
    threads = "1 thread, CPU time" if settings.threads == 1 else f"{settings.threads} threads, wall time"
    return [
        f"{len(latencies)} {settings.precision} networks of space {table.space} at {sizes} pixels, "
        f"{in_words(min(latencies))} to {in_words(max(latencies))} ms; {table.rounds} rounds, {threads}.",
        f"{machine['cpu']}, {machine['cores']} cores, OpenVINO {machine['openvino'].split('-')[0]}.",
        f"Predictions of networks held out of the fit: median error {table.median_error:.1%}, nine of ten "
        f"within {table.p90_error:.1%}; margin for limits {table.margin:.1%}.",
        f"The measurement repeats within {table.repeat_error:.1%}; the machine was {table.disturbance:.0%} "
        "slower than left alone, which was taken out.",
    ]
