"""The variants of a tuning: their roles, their letters and colours in figures, and their tables."""

from string import ascii_uppercase

from ....report.plots import COLOURS, REFERENCE_COLOUR
from .blocks import Block, Heading, Paragraph, Row, Table
from .facts import (
    AUC,
    NOTHING,
    PARITY,
    SIZE,
    Fact,
    Phrase,
    Styled,
    Swatch,
    billions,
    milliseconds,
    number,
    short,
    signed,
    times,
    with_interval,
)

PRECISIONS = {"FP32": COLOURS[1], "BF16": COLOURS[0], "INT8": COLOURS[2]}
"""A colour a precision, the same in every figure; the reference is grey."""
_STATES = {"stopped": "stopped early", "failed": "failed", "left_out": "left out"}


def named(facts: Fact, role: str) -> Fact:
    """The variant that is the `reference`, or the `chosen` one; a null where there is none."""
    name = facts[role].value
    found = [variant for variant in facts["variants"] if name is not None and variant["name"].value == name]
    return found[0] if found else Fact(None, "/variants/-")


def subject(facts: Fact) -> Fact:
    """The variant compared with the reference: the chosen one, or the nearest where none was chosen."""
    chosen = named(facts, "chosen")
    return chosen if chosen.known else named(facts, "candidate")


def called(facts: Fact) -> str:
    """The word for the subject in figures and tables: `chosen` or `nearest`."""
    return "chosen" if named(facts, "chosen").known else "nearest"


def answering(facts: Fact, side: str) -> Fact:
    """The variant behind a side of findings, curves and reliability: `reference` or `chosen`."""
    return named(facts, "reference") if side == "reference" else subject(facts)


def role(facts: Fact, variant: Fact) -> str:
    """`chosen`, `reference` or nothing, as a table marks them."""
    name = variant["name"].value
    if name is None:
        return ""
    return {facts["reference"].value: "reference", subject(facts)["name"].value: "chosen"}.get(name, "")


def tint(facts: Fact, variant: Fact) -> str:
    """The colour of a variant: the reference's, or its precision's."""
    if variant["name"].value == facts["reference"].value:
        return REFERENCE_COLOUR
    return PRECISIONS.get(variant["precision"].text, COLOURS[4])


def letters(facts: Fact) -> dict[str, str]:
    """A letter for each variant with an AUC and a latency, by which figures and tables name it."""
    drawn = [v for v in facts["variants"] if (v["auc_gate"].known or v["auc_report"].known)]
    return {
        variant["name"].text: _letter(index)
        for index, variant in enumerate(v for v in drawn if v["latency_ms"]["p50"].known)
    }


def finalists(facts: Fact) -> list[Fact]:
    """The variants that were scored on the report split."""
    return [variant for variant in facts["variants"] if variant["auc_report"].known]


def timed(facts: Fact) -> list[Fact]:
    """The variants whose latencies are drawn: reference, chosen and Pareto front, the slowest first."""
    drawn = [
        variant
        for variant in facts["variants"]
        if (variant["pareto"].value or role(facts, variant)) and variant["latency_ms"]["p50"].known
    ]
    return sorted(drawn, key=lambda variant: -variant["latency_ms"]["p50"].value)


def claims(facts: Fact) -> list[Block]:
    """The table of the report split."""
    rows = []
    for variant in finalists(facts):
        auc = variant["auc_report"]
        first = variant["name"].value == facts["reference"].value
        holds = {True: "holds", False: "does not hold"}.get(auc["passes"].value, NOTHING)
        cells: list[Phrase] = [
            _name(facts, variant),
            with_interval(auc["auc"], auc["ci"], AUC),
            ("reference",) if first else with_interval(auc["drop"], auc["drop_ci"], signed),
            (NOTHING,) if first else number(auc["upper_one_sided"], signed),
            (NOTHING,) if first else (holds,),
            number(variant["latency_ms"]["p50"], milliseconds),
            _speedup(facts, variant),
        ]
        rows.append(Row(cells=cells, mark=role(facts, variant)))
    if not rows:
        return [Paragraph(phrase=("No variant has an AUC on the report split.",), note=True)]
    headings = (
        "variant",
        "AUC [95\u00a0%]",
        "drop [95\u00a0%]",
        "drop at most",
        "allowed drop",
        "p50 ms",
        "speed-up [95\u00a0%]",
    )
    return [Table(headings=headings, rows=rows, look="stacked")]


def choice(facts: Fact) -> list[Block]:
    """The table of all measured variants, on the gate split."""
    measured = [v for v in facts["variants"] if v["status"].value == "measured"]
    if not measured:
        return [Paragraph(phrase=("No variant was measured to the end.",), note=True)]
    quality, cost = [], []
    for variant in measured:
        auc, latency, mark = variant["auc_gate"], variant["latency_ms"], role(facts, variant)
        first = variant["name"].value == facts["reference"].value
        cells: list[Phrase] = [
            _name(facts, variant),
            with_interval(auc["auc"], auc["ci"], AUC),
            ("reference",) if first else with_interval(auc["drop"], auc["drop_ci"], signed),
            (NOTHING,) if first else number(auc["upper_one_sided"], signed),
            (NOTHING,) if first else ({True: "passed", False: "failed"}.get(auc["passes"].value, NOTHING),),
            ("yes",) if variant["pareto"].value else (NOTHING,),
            *(number(latency[p], milliseconds) for p in ("p50", "p90", "p99")),
            _speedup(facts, variant),
        ]
        quality.append(Row(cells=cells, mark=mark))
        cost.append(Row(cells=[_name(facts, variant), *_costs(variant)], mark=mark))
    headings = ["variant", "AUC [95\u00a0%]", "drop [95\u00a0%]", "drop at most", "gate", "Pareto front"]
    headings += ["p50 ms", "p90 ms", "p99 ms", "speed-up [95\u00a0%]"]
    costs = ["variant", "MB", "billion MACs", "mean ms", "images timed", "images/s", "decode p50 ms"]
    costs += ["decode p90 ms", "files/s", "threads", "parity"]
    return [
        Table(headings=headings, rows=quality, look="stacked"),
        Heading(text="What each takes", level=3),
        Table(headings=costs, rows=cost, look="stacked"),
        Paragraph(
            phrase=(
                "Files/s: with reading and decoding. Parity: largest difference of any probability from the "
                "engine that AUCs were scored with.",
            ),
            note=True,
        ),
        *streams(facts),
    ]


def streams(facts: Fact) -> list[Block]:
    """Files a second by the number of images at once, where several were tried."""
    rows = [
        Row(
            cells=[
                _name(facts, variant),
                number(way["streams"], short),
                with_interval(way["files_per_second"], way["range"], SIZE),
            ],
            mark=role(facts, variant),
        )
        for variant in facts["variants"]
        for way in variant["streams"]
    ]
    if not rows:
        return []
    headings = ("variant", "images at once", "files/s [range]")
    return [Heading(text="Several images at once", level=3), Table(headings=headings, rows=rows)]


def unfinished(facts: Fact) -> list[Block]:
    """The variants that were not measured to the end, with the reason of each."""
    rows = [
        Row(
            cells=[
                _name(facts, variant),
                (_STATES.get(variant["status"].text, variant["status"].text),),
                number(variant["auc_gate"]["auc"], AUC),
                number(variant["latency_ms"]["p50"], milliseconds),
                number(variant["latency_ms"]["images"], short),
                (variant["why"].text,),
            ]
        )
        for variant in facts["variants"]
        if variant["status"].value != "measured"
    ]
    if not rows:
        return [Paragraph(phrase=("Every variant was measured to the end.",), note=True)]
    headings = ("variant", "what became of it", "AUC", "p50 ms", "images timed", "why")
    return [Table(headings=headings, rows=rows, look="words")]


def layers(facts: Fact) -> list[Block]:
    """Which layers of the quantized variants compute in floating point."""
    rows = []
    for variant in facts["variants"]:
        if variant["precision"].value != "INT8" or variant["status"].value != "measured":
            continue
        names = [name.text for name in variant["floating_point_layers"]]
        cells: list[Phrase] = [
            _name(facts, variant),
            (variant["preset"].text,),
            _listed(names) if names else ("none",),
        ]
        rows.append(Row(cells=cells, mark=role(facts, variant)))
    if not rows:
        return [Paragraph(phrase=("No INT8 variant was measured to the end.",), note=True)]
    headings = ("variant", "preset", "layers kept in floating point for accuracy")
    return [Table(headings=headings, rows=rows, look="words")]


def _costs(variant: Fact) -> list[Phrase]:
    latency, decode = variant["latency_ms"], variant["decode_ms"]
    threads = variant["threads"]
    return [
        number(variant["size_mb"], SIZE),
        number(variant["macs"], billions),
        number(latency["mean"], milliseconds),
        number(latency["images"], short),
        number(variant["images_per_second"], short),
        number(decode["p50"], milliseconds),
        number(decode["p90"], milliseconds),
        number(variant["end_to_end_images_per_second"], short),
        number(threads, short) if threads.known else ("its own",),
        number(variant["parity_max_abs"], PARITY),
    ]


def _name(facts: Fact, variant: Fact) -> Phrase:
    name = variant["name"].text
    letter = letters(facts).get(name)
    said: Phrase = (Styled(style="strong", parts=(letter,)), " ", name) if letter else (name,)
    return (Swatch(colour=tint(facts, variant)), *said)


def _speedup(facts: Fact, variant: Fact) -> Phrase:
    if variant["name"].value == facts["reference"].value:
        return number(variant["speedup"], times)
    return with_interval(variant["speedup"], variant["speedup_ci"], times)


def _listed(names: list[str]) -> Phrase:
    parts: list[str | Styled] = []
    for name in names:
        parts += [", " if parts else "", Styled(style="code", parts=(name,))]
    return tuple(parts)


def _letter(index: int) -> str:
    letter = ascii_uppercase[index % 26]
    return letter if index < 26 else ascii_uppercase[index // 26 - 1] + letter
