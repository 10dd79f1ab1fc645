"""The results of each class on the report split: tables, curves, heatmaps."""

from .blocks import Block, Confusion, Confusions, Figure, Figures, Heading, Paragraph, Row, Table
from .curves import forest, precision_recall, reliability, roc
from .facts import (
    AUC,
    COUNT,
    NOTHING,
    P_VALUE,
    SHARE,
    TYPED,
    Fact,
    Form,
    Phrase,
    Styled,
    Swatch,
    number,
    signed,
    with_interval,
)
from .variants import answering, called, tint

_VERDICTS = {"kept": "kept", "lost": "lost", "too_few": "too few to tell", "not_tested": "not tested"}
_CELLS = ("tp", "fn", "fp", "tn")


def tables(facts: Fact) -> list[Block]:
    """The forest plot, AUCs, and what changes at the operating thresholds."""
    found = list(facts["findings"])
    if not found:
        return [Paragraph(phrase=("The tuning scored no finding on the report split.",), note=True)]
    blocks: list[Block] = []
    if drawn := [*_forest(facts), *_reliability(facts)]:
        blocks.append(Figures(figures=drawn))
    blocks += [
        _aucs(facts, found),
        _note(),
        Heading(text="At the operating thresholds", level=3),
        _points(found),
    ]
    blocks.append(
        Paragraph(
            phrase=(
                f"Reference → {called(facts)} variant, both at the same threshold. Flipped: images whose "
                "decision changes. ECE: expected calibration error, how far probabilities are from what "
                "happens; of all findings together ",
                *number(facts["reliability"]["reference"]["ece"], AUC),
                " → ",
                *number(facts["reliability"]["chosen"]["ece"], AUC),
                ".",
            ),
            note=True,
        )
    )
    blocks += [Heading(text="Decisions", level=3), Confusions(matrices=[_confusion(f) for f in found])]
    return blocks


def curves(facts: Fact) -> list[Block]:
    """ROC and precision-recall curves, a panel a finding."""
    names = [name for name, sides in facts["curves"].items() if sides["reference"].known]
    if not names:
        return [Paragraph(phrase=("No finding has both labels on the report split: no curves.",), note=True)]
    by_name = {finding["name"].text: finding for finding in facts["findings"]}
    roc_figures, recall_figures = [], []
    for index, name in enumerate(names):
        finding = by_name.get(name, Fact(None))
        roc_figures.append(
            Figure(
                draw=lambda name=name, index=index: roc(facts, name, f"roc{index}-"),  # type: ignore[misc]
                title=(name,),
                caption=("AUC ", *_change(finding, "auc", SHARE)),
            )
        )
        recall_figures.append(
            Figure(
                draw=lambda name=name, index=index: precision_recall(facts, name, f"pr{index}-"),  # type: ignore[misc]
                title=(name,),
                caption=("AP ", *_change(finding, "average_precision", SHARE)),
            )
        )
    return [
        Heading(text="ROC curves"),
        Paragraph(phrase=_key(facts), note=True),
        Figures(figures=roc_figures, small=True),
        Heading(text="Precision-recall curves"),
        Paragraph(phrase=_key(facts), note=True),
        Figures(figures=recall_figures, small=True),
    ]


def heatmaps(facts: Fact) -> list[Block]:
    """The agreement of heatmaps of the reference and the chosen variant."""
    heat = facts["heatmaps"]
    if not heat.known:
        return [Paragraph(phrase=("Heatmaps were not compared.",), note=True)]
    said: Phrase = (
        f"Heatmaps of the exact FP32 network and of the {called(facts)} variant, on ",
        *number(heat["images"], COUNT),
        " images: their correlation is ",
        *number(heat["correlation"]["median"], SHARE),
        " on the median and ",
        *number(heat["correlation"]["p10"], SHARE),
        " or more on nine of ten; share whose hottest place is the same: ",
        *number(heat["pointing_agreement"], SHARE),
        ".",
    )
    if heat["maps"].known:
        said = (*said, " Maps compared: ", *number(heat["maps"], COUNT), ".")
    if heat["overlap"]["median"].known:
        said = (
            *said,
            " Median overlap of the hottest parts: ",
            *number(heat["overlap"]["median"], SHARE),
            ".",
        )
    return [Paragraph(phrase=said)]


def _forest(facts: Fact) -> list[Figure]:
    if not any(finding["drop"].known for finding in facts["findings"]):
        return []
    caption: Phrase = (
        f"AUC of the reference minus AUC of the {called(facts)} variant: right of zero is a loss. Bars are "
        "paired 95 % intervals over patients; larger dots have more positive images. Diamond: the mean.",
    )
    limit = facts["objective"]["max_class_auc_drop"]
    if limit.known:
        caption = (*caption, " Allowed for one finding: less than ", *number(limit, TYPED), ".")
    return [Figure(draw=lambda: forest(facts), caption=caption)]


def _reliability(facts: Fact) -> list[Figure]:
    if not any(facts["reliability"][side]["bins"].known for side in ("reference", "chosen")):
        return []
    caption = (
        "All findings' probabilities in bins: on the diagonal they mean what they say. Larger dots hold more "
        "answers, counted below."
    )
    return [Figure(draw=lambda: reliability(facts), caption=(caption,))]


def _key(facts: Fact) -> Phrase:
    parts: list[str | Swatch] = []
    for who in ("reference", "chosen"):
        variant = answering(facts, who)
        if variant.known and not (parts and variant["name"].value == facts["reference"].value):
            parts += [" → " if parts else "", Swatch(colour=tint(facts, variant)), variant["name"].text]
    return tuple(parts)


def _aucs(facts: Fact, found: list[Fact]) -> Table:
    rows = []
    gated = any(finding["p_not_inferior"].known for finding in found)
    for finding in found:
        before, after, drop = finding["reference"], finding["chosen"], finding["drop"]
        drops = with_interval(drop, finding["drop_ci"], signed)
        ends = finding["drop_ci"].ends
        if drop.known and ends and (ends[0] > 0 or ends[1] < 0):
            drops = (Styled(style="strong", parts=number(drop, signed)), *drops[1:])
        cells: list[Phrase] = [
            (finding["name"].text,),
            number(finding["positives"], COUNT),
            number(finding["positive_patients"], COUNT),
            with_interval(before["auc"], before["ci"], SHARE),
            with_interval(after["auc"], after["ci"], SHARE),
            drops,
            number(finding["p_value"], P_VALUE),
            *([number(finding["p_not_inferior"], P_VALUE)] if gated else []),
            (_VERDICTS.get(finding["verdict"].text, NOTHING),),
        ]
        rows.append(Row(cells=cells))
    headings = [
        "finding",
        "positives",
        "of patients",
        "reference AUC [95\u00a0%]",
        f"{called(facts)} AUC [95\u00a0%]",
    ]
    headings += ["drop [95\u00a0%]", "p", *(["p of loss"] if gated else []), "verdict"]
    return Table(headings=headings, rows=rows, look="stacked")


def _note() -> Paragraph:
    return Paragraph(
        phrase=(
            "Bold: the interval leaves out zero, as one in twenty does by chance. p: of no difference, "
            "two-sided; p of loss: of a drop as large as allowed or larger, corrected for all findings. A "
            "finding without both labels has no AUC and is in no mean; one with too few positives neither "
            "passes nor fails.",
        ),
        note=True,
    )


def _points(found: list[Fact]) -> Table:
    rows = [
        Row(
            cells=[
                (finding["name"].text,),
                number(finding["threshold"], SHARE),
                *(
                    _change(finding, key, SHARE)
                    for key in ("sensitivity", "specificity", "average_precision", "ece")
                ),
                number(finding["flipped"], COUNT),
            ]
        )
        for finding in found
    ]
    headings = ("finding", "threshold", "sensitivity", "specificity", "average precision", "ECE", "flipped")
    return Table(headings=headings, rows=rows)


def _change(finding: Fact, key: str, form: Form) -> Phrase:
    before, after = finding["reference"][key], finding["chosen"][key]
    if not before.known and not after.known:
        return (NOTHING,)
    return (*number(before, form), " → ", *number(after, form))


def _confusion(finding: Fact) -> Confusion:
    before, after = finding["reference"]["confusion"], finding["chosen"]["confusion"]
    cells = [(cell, number(before[cell], COUNT), number(after[cell], COUNT)) for cell in _CELLS]
    return Confusion(title=(finding["name"].text,), cells=cells)
