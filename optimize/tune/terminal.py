"""A tuning in the terminal: one table, and what it means in sentences."""

from pathlib import Path
from typing import Any

from ...benchmarks.latency import in_words
from ...runtime.console import table

HEADINGS = ["", "p50/p90 ms", "speed-up", "AUC gate", "upper bound", "AUC report", "upper bound", "MB", ""]


def describe(facts: dict[str, Any], out: Path) -> str:
    """The table of all variants, the outcome, the roles and the machine."""
    rows = [_row(variant, facts) for variant in facts["variants"] if variant["status"] != "left_out"]
    objective, machine = facts["objective"], facts["machine"]
    verdict = f"{out}: {facts['chosen']}" if facts["chosen"] else f"{out} was not written"
    roles = [f"{name}: {_role(role)}" for name, role in facts["roles"].items() if role is not None]
    lines = [
        table(HEADINGS, rows),
        "",
        verdict,
        f"outcome  {objective['outcome'].replace('_', ' ')}: {objective['reason']}",
        f"roles    {'; '.join(roles)}",
        *_streams(facts),
        *_left_out(facts),
        *(f"advice   {sentence}" for sentence in machine["advice"]),
        f"machine  {machine['cpu']}, {machine['cores']} cores; load average {machine['load_average']:g}",
        f"time     {_times(facts['seconds'])}",
    ]
    return "\n".join(lines)


def _row(variant: dict[str, Any], facts: dict[str, Any]) -> list[str]:
    latency = variant["latency_ms"]
    clock = "-" if latency is None else f"{in_words(latency['p50'])}/{in_words(latency['p90'])}"
    speed = "-" if variant["speedup"] is None else f"{variant['speedup']:.2f}"
    size = "-" if variant["size_mb"] is None else f"{variant['size_mb']:.1f}"
    notes = [
        word
        for word, holds in (
            ("chosen", variant["name"] == facts["chosen"]),
            ("reference", variant["name"] == facts["reference"]),
            (variant["status"], variant["status"] != "measured"),
            ("pareto", variant["pareto"]),
        )
        if holds
    ]
    scores = [*_score(variant["auc_gate"]), *_score(variant["auc_report"])]
    return [variant["name"], clock, speed, *scores, size, ", ".join(notes)]


def _score(score: dict[str, Any] | None) -> list[str]:
    if score is None:
        return ["-", "-"]
    return [f"{score['auc']:.4f}", f"{score['upper_one_sided']:+.4f}"]


def _role(role: dict[str, Any]) -> str:
    return f"{role['images']} images of {role['split']}"


def _streams(facts: dict[str, Any]) -> list[str]:
    chosen = [v for v in facts["variants"] if v["name"] == facts["chosen"] and v["streams"]]
    said = [
        f"{one['streams']}: {one['files_per_second']:.3g} files/s" for v in chosen for one in v["streams"]
    ]
    return [f"streams  {', '.join(said)}"] if said else []


def _left_out(facts: dict[str, Any]) -> list[str]:
    reasons: dict[str, int] = {}
    for variant in facts["variants"]:
        if variant["status"] == "left_out":
            reasons[variant["why"]] = reasons.get(variant["why"], 0) + 1
    return [f"left out {count} variants: {why}" for why, count in reasons.items()]


def _times(seconds: dict[str, float]) -> str:
    return ", ".join(f"{phase} {value:.0f} s" for phase, value in seconds.items())
