"""The report of a tuning: one HTML file or Markdown, from the JSON's facts alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ....runtime.files import write_file
from . import as_html, as_markdown, overview, per_class, provenance, variants
from .blocks import Block, Figure, Figures, Heading, Paragraph
from .facts import Fact
from .plots import decoding, latencies, trade

__all__ = ["to_html", "to_markdown", "write_html"]


def to_html(facts: Mapping[str, Any]) -> str:
    """The report as one HTML file: no script, no font, no picture, no address outside of it.

    Args:
        facts: what `xopt tune --json` writes, as json.loads gives it; the same facts give the same bytes.

    Raises:
        DependencyError: matplotlib is not installed.
    """
    known = Fact(facts)
    title = f"xopt tune: {known['source']['name'].text} on {known['data']['name'].text}"
    return as_html.render(title, _contents(known))


def write_html(facts: Mapping[str, Any], path: Path, *, force: bool = False) -> None:
    """Write `to_html` into a file.

    Raises:
        DependencyError: matplotlib is not installed.
        OutputError: the file is there and not to be replaced, or cannot be written.
    """
    write_file(path, to_html(facts), force=force)


def to_markdown(facts: Mapping[str, Any]) -> str:
    """The same words and numbers as Markdown, without the figures. Needs no matplotlib."""
    return as_markdown.render(_contents(Fact(facts)))


def _contents(facts: Fact) -> list[Block]:
    """Everything the report says, in order."""
    return [
        *overview.overview(facts),
        Heading(text="Latency and AUC"),
        *_trades(facts),
        Heading(text="On the report split: the claim", level=3),
        *variants.claims(facts),
        Heading(text="On the gate split: the choice", level=3),
        *variants.choice(facts),
        Heading(text="Not measured to the end", level=3),
        *variants.unfinished(facts),
        Heading(text="Findings"),
        *per_class.tables(facts),
        *per_class.curves(facts),
        Heading(text="Heatmaps"),
        *per_class.heatmaps(facts),
        Heading(text="How steady the latencies are"),
        *_latencies(facts),
        Heading(text="Layers in floating point"),
        *variants.layers(facts),
        Heading(text="Data and its roles"),
        *provenance.data(facts),
        Heading(text="How it was measured"),
        *provenance.method(facts),
        Heading(text="Machine and versions"),
        *provenance.machine(facts),
    ]


def _trades(facts: Fact) -> list[Block]:
    figures = [
        Figure(draw=lambda: trade(facts, "auc_gate"), caption=("The choice: all variants with an AUC.",)),
        Figure(draw=lambda: trade(facts, "auc_report"), caption=("The claim: the finalists.",)),
    ]
    keys = ("auc_gate", "auc_report")
    drawn = [
        figure
        for key, figure in zip(keys, figures, strict=True)
        if any(v[key]["auc"].known and v["latency_ms"]["p50"].known for v in facts["variants"])
    ]
    if not drawn:
        return [Paragraph(phrase=("No variant has both an AUC and a latency.",), note=True)]
    said = (
        "Left is faster, up is better; letters are those of the tables. Horizontal bars reach from the "
        "median to the 90th percentile of latencies. Vertical bars are 95 % intervals: above of each AUC on "
        "its own, wide alike since all saw the same images; below of the paired change from the reference, "
        "with a dash at the one-sided bound that the gate holds against the allowed drop (dashed line)."
    )
    return [Figures(figures=drawn), Paragraph(phrase=(said,), note=True)]


def _latencies(facts: Fact) -> list[Block]:
    figures = []
    if variants.timed(facts):
        caption = "Hills: latencies of single images around each variant's own median."
        figures.append(Figure(draw=lambda: latencies(facts), caption=(caption,)))
    if any(v["decode_ms"]["p50"].known for v in variants.timed(facts)):
        caption = "From a file to its answer: what decoding and resizing take beside the inference (medians)."
        figures.append(Figure(draw=lambda: decoding(facts), caption=(caption,)))
    if not figures:
        return [Paragraph(phrase=("No latency was measured to the end.",), note=True)]
    return [Figures(figures=figures)]
