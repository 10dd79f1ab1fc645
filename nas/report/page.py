"""A finished search as one HTML file: no script, no font, no picture, no address outside of it."""

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ... import __version__
from ...benchmarks.latency import in_words
from ...metrics.scores import average_precision, roc_auc
from ...report import page
from ...report.plots import to_svg
from ..finals.result import Finalist, Finished
from ..search.candidates import Candidate, State
from . import figures
from .diagram import draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OWN_STYLE = """
.code { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, monospace; }
tr.winner td { background: #e3f0f8; font-weight: 600; }
.curves { grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); }
td:last-child, th:last-child { text-align: left; }
.wide > svg { min-width: 44rem; max-width: none; }
@media print { .wide > svg { min-width: 0; } tr.winner td { print-color-adjust: exact; } }
"""
_CANDIDATES = ("iteration", "architecture", "AUC", "parameters", "MB", "hours", "latency ms", "")
_FINALISTS = ("finalist", "AUC", "behind the best", "p", "parameters", "predicted ms", "measured ms", "")


def render(finished: Finished) -> str:
    """The report as HTML text; the same facts give the same bytes.

    Raises:
        DependencyError: matplotlib is not installed.
    """
    title = f"xopt nas: {finished.search} on {finished.dataset.name}"
    body = [
        _headline(finished),
        _network(finished),
        _finalists(finished),
        _curves(finished),
        _search(finished),
        _latency(finished),
        _provenance(finished),
    ]
    return page.document(title, body, style=_OWN_STYLE)


def _headline(finished: Finished) -> str:
    winner, manifest = finished.winner, finished.bundle.manifest
    cards = [
        *_test_card(finished),
        (
            f"{in_words(winner.latency.latency_ms)} ms",
            f"for one image, measured, {escape(manifest.precision)}",
        ),
        (f"{winner.row.parameters / 1e6:.2f} M", f"parameters, {winner.row.macs / 1e6:.1f} million MACs"),
        (f"{_stored_mb(finished):.2f} MB", "stored as OpenVINO IR"),
        *_gate_card(finished),
    ]
    done = len(figures.valued(finished.rows))
    machine = finished.machine
    return (
        f"<p class='kicker'>xopt nas · {escape(machine['cpu'])}, {machine['cores']} cores</p>\n"
        f"<h1>Network <span class='code'>{winner.row.code}</span>, the best of {done}</h1>\n"
        f"<p>{escape(finished.dataset.name)}: {', '.join(map(escape, finished.dataset.classes))}. "
        f"{_trained_again(finished)} candidates of the search were trained "
        f"again, {_times(finished.settings.seeds)} each, and compared on split val; the winner became a "
        "bundle.</p>\n"
        f"{page.cards(cards)}"
    )


def _test_card(finished: Finished) -> list[tuple[str, str]]:
    if finished.tested is None:
        return []
    mean = finished.tested.scores.to_json()["mean"]
    if mean["auc"] is None:
        return []
    interval = mean["auc_ci"]
    within = f", 95 % interval {interval[0]:.4f} to {interval[1]:.4f}" if interval else ""
    return [(f"{mean['auc']:.4f}", f"mean AUC on split test{within}")]


def _gate_card(finished: Finished) -> list[tuple[str, str]]:
    gate = finished.bundle.manifest.gate
    if gate is None:
        return []
    low, high = gate["auc_drop_ci"]
    said = f"AUC lost by INT8 on split {escape(gate['split'])}, 95 % interval {low:+.4f} to {high:+.4f}"
    return [(f"{gate['auc_drop']:+.4f}", said)]


def _network(finished: Finished) -> str:
    row, preprocessing = finished.winner.row, finished.bundle.manifest.preprocessing
    checkpoint = finished.bundle.manifest.provenance["checkpoint"]
    svg = draw(checkpoint["architecture"], size=preprocessing.crop, classes=len(finished.dataset.classes))
    return (
        f"<h2>The network</h2>\n<figure class='scroll wide'>{svg}</figure>\n<p class='note'>"
        f"<span class='code'>{row.code}</span>: in each box the map a block gives, below it channels. MB: "
        "inverted residual (1x1, depthwise, 1x1) with its kernel and expansion; dashed: shortcut.</p>"
    )


def _finalists(finished: Finished) -> str:
    rows = [_finalist(finalist) for finalist in finished.finalists]
    figure = _figure(figures.finalists(finished), "f-")
    looks = finished.tested.looks if finished.tested is not None else 0
    clean = (
        "The test split was scored once, for the winner."
        if looks == 1
        else f"The test split has been scored with {looks} bundles from this search: a result is the less "
        "clean the more often it was looked at."
        if looks
        else "The data has no test split."
    )
    return (
        f"<h2>Finalists</h2>\n{page.table(_FINALISTS, rows)}\n{figure}\n"
        f"<p class='note'>AUC: mean over trainings ({finished.settings.seeds} each) on split val. "
        "Intervals are 95 "
        "%, over patients and trainings; those of “behind” are paired. "
        f"{clean}</p>"
    )


def _finalist(finalist: Finalist) -> str:
    cells = [_code(finalist.row.code)]
    standing = finalist.standing
    if standing is None:
        cells += ["–"] * 3
    else:
        low, high = standing.interval.to_json()
        least, most = standing.behind_interval.to_json()
        cells.append(f"{standing.auc:.4f} <small>[{low:.4f}, {high:.4f}]</small>")
        behind = f"{standing.behind:.4f} <small>[{least:+.4f}, {most:+.4f}]</small>"
        cells += (
            [behind, f"{standing.p_value:.2g}"] if standing.behind or standing.p_value < 1 else ["–", "–"]
        )
    latency = finalist.latency
    predicted = "–" if latency.predicted_ms is None else in_words(latency.predicted_ms)
    remark = "winner" if finalist.won else escape(f"dropped: {finalist.dropped}" if finalist.dropped else "")
    cells += [f"{finalist.row.parameters:,}", predicted, in_words(latency.latency_ms), remark]
    return page.row(cells, mark="winner" if finalist.won else "")


def _curves(finished: Finished) -> str:
    if finished.tested is None:
        return ""
    grids = (
        _grid(finished, "ROC curves", "AUC", figures.roc, roc_auc),
        _grid(finished, "Precision-recall curves", "AP", figures.precision_recall, average_precision),
    )
    count = len(finished.tested.scores.split)
    precision = finished.bundle.manifest.precision
    return (
        f"<h2>The winner on split test</h2>\n<p class='note'>{precision} bundle, {count} images.</p>\n"
        f"<div class='pair'>{''.join(grids)}</div>"
    )


def _grid(
    finished: Finished,
    title: str,
    unit: str,
    figure: "Callable[..., Figure]",
    value: Callable[..., float | None],
) -> str:
    tested = finished.tested
    if tested is None:
        return ""
    panels = []
    for c, name in enumerate(finished.dataset.classes):
        labels_N, scores_N = tested.scores.split.marked_labels[:, c], tested.probabilities_NC[:, c]
        found = value(labels_N, scores_N)
        if found is None:
            continue
        svg = to_svg(figure(labels_N, scores_N), prefix=f"{unit}{c}-", inline=True)
        caption = f"{escape(name)}<small>{unit} {found:.3f}</small>"
        panels.append(f"<figure><figcaption>{caption}</figcaption>{svg}</figure>")
    if not panels:
        return f"<section><h3>{title}</h3><p class='note'>No class has both labels here.</p></section>"
    return f"<section><h3>{title}</h3><div class='grid curves'>{''.join(panels)}</div></section>"


def _search(finished: Finished) -> str:
    rows = [_candidate(row, finished) for row in finished.rows]
    progress = _figure(figures.progress(finished), "p-")
    front = _figure(figures.front(finished), "q-", "Left is cheaper, up is better.")
    hours = sum(row.seconds for row in finished.rows) / 3600
    return (
        f"<h2>The search</h2>\n<div class='pair'>{progress}{front}</div>\n{page.table(_CANDIDATES, rows)}\n"
        f"<p class='note'>AUC: the best epoch's mean AUC on split val. MB: parameters in float32. Hours on "
        f"the device, {hours:.2f} in all. Latency as predicted from blocks, where it was.</p>"
    )


def _candidate(row: Candidate, finished: Finished) -> str:
    roles = {f.row.code: "winner" if f.won else "finalist" for f in finished.finalists}
    states = {State.STOPPED: "stopped early", State.FAILED: f"failed: {row.reason[:60]}"}
    remark = roles.get(row.code) or states.get(row.state) or ("" if row.value is not None else "not ended")
    cells = [
        str(row.number),
        _code(row.code),
        "–" if row.value is None else f"{row.value:.4f}",
        f"{row.parameters:,}",
        f"{row.memory_mb:.2f}",
        f"{row.seconds / 3600:.4f}" if row.seconds else "–",
        "–" if row.latency_ms is None else in_words(row.latency_ms),
        escape(remark),
    ]
    return page.row(cells, mark="winner" if row.code == finished.winner.row.code else "")


def _latency(finished: Finished) -> str:
    threads = finished.settings.threads or 1
    measured = [f for f in finished.finalists if f.latency.error is not None]
    lines = [
        "Latency of one image from the resized picture to the probabilities, of the exported graph, on "
        f"{threads} thread{'s' if threads > 1 else ''}"
        f"{', in CPU time' if threads == 1 else ''}."
    ]
    if finished.table is not None:
        lines += ["The table of block latencies:", *finished.table.sentences()]
    if measured:
        error = float(np.median([abs(f.latency.error or 0.0) for f in measured]))
        lines.append(f"Predicted against measured for {len(measured)} finalists: median error {error:.1%}.")
    limit = finished.settings.max_latency_ms
    if limit is not None:
        lines.append(f"Limit: {limit:g} ms, held against the measured bundle.")
    return "<h2>Latency</h2>\n" + "".join(f"<p>{escape(line)}</p>" for line in lines)


def _provenance(finished: Finished) -> str:
    machine, manifest = finished.machine, finished.bundle.manifest
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    facts = [
        ("CPU", f"{machine['cpu']}, {machine['cores']} cores"),
        ("Instructions", ", ".join(machine["features"]) or "no known vector extension"),
        ("Load average", f"{machine['load_average']:g}"),
        ("System", f"{machine['system']}, Python {machine['python']}"),
        ("Libraries", libraries),
        ("xopt", __version__),
        ("Recipe", _recipe(finished)),
        ("Bundle", f"{manifest.name}, {manifest.precision}"),
        ("Bundle digest", finished.bundle.digest),
        ("Intended use", manifest.intended_use or "not stated"),
    ]
    facts += [
        (f"Split {name}", f"{len(split)} images, digest {split.digest}")
        for name, split in finished.dataset.splits.items()
    ]
    shown = page.definitions((name, escape(value)) for name, value in facts)
    return f"<h2>Machine, data and bundle</h2>\n{shown}"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _recipe(finished: Finished) -> str:
    lines = finished.recipe.to_toml().splitlines()
    return ", ".join(line for line in lines if not line.startswith("architecture"))


def _trained_again(finished: Finished) -> int:
    return sum(finalist.standing is not None for finalist in finished.finalists)


def _stored_mb(finished: Finished) -> float:
    files = finished.bundle.manifest.files
    return sum(files[name].size for name in ("model.xml", "model.bin")) / 1e6


def _figure(drawn: "Figure", prefix: str, caption: str = "") -> str:
    return page.figure(to_svg(drawn, prefix=prefix, inline=True), escape(caption))


def _code(text: str) -> str:
    """A network's code, in letters of one width."""
    return f"<span class='code'>{escape(text)}</span>"
