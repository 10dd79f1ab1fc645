"""The opening of a report: the chosen variant, how certain its figures are, and what they leave open."""

from ...gate.per_class import MIN_POSITIVE_PATIENTS
from .blocks import Block, Heading, KeyNumbers, Paragraph, Points, Title, Verdict
from .facts import (
    AUC,
    COUNT,
    SIZE,
    TYPED,
    Fact,
    Phrase,
    Styled,
    bounds,
    milliseconds,
    number,
    signed,
    times,
)
from .variants import called, named, subject


def overview(facts: Fact) -> list[Block]:
    """The title, the verdict in words, and the numbers that it rests on."""
    chosen, machine, shown = named(facts, "chosen"), facts["machine"], subject(facts)
    title = chosen["name"].text if chosen.known else "No variant met the goal"
    kicker: Phrase = (
        f"xopt tune · {facts['source']['name'].text} on {facts['data']['name'].text} · "
        f"{machine['cpu'].text}, ",
        *number(machine["cores"], COUNT),
        " cores",
    )
    blocks: list[Block] = [Title(kicker=kicker, title=(title,)), _verdict(facts)]
    if shown.known:
        nearest = () if chosen.known else ("The nearest to it: ",)
        blocks.append(Paragraph(phrase=(*nearest, *_speed(facts, shown), " ", *_quality(facts, shown))))
        blocks.append(KeyNumbers(numbers=_key_numbers(facts, shown)))
    reason = facts["objective"]["reason"]
    if reason.known:
        said = (Styled(style="strong", parts=("How it was decided:",)), f" {reason.text.rstrip('.')}.")
        blocks.append(Paragraph(phrase=said, note=True))
    intended = facts["intended_use"]
    use = intended.text if intended.known else "not stated"
    blocks.append(Paragraph(phrase=(Styled(style="strong", parts=("Intended use:",)), f" {use}"), note=True))
    blocks += [Heading(text="What to hold against it"), Points(points=_caveats(facts, shown))]
    return blocks


def goal(facts: Fact) -> Phrase:
    """The objective in words."""
    objective = facts["objective"]
    drop: Phrase = ()
    if objective["max_auc_drop"].known:
        limit = number(objective["max_auc_drop"], TYPED)
        drop = ("whose mean AUC drops by at most ", *limit, ", by the one-sided 95\u00a0% bound")
    latency: Phrase = ()
    if objective["max_latency_ms"].known:
        limit = number(objective["max_latency_ms"], milliseconds)
        latency = ("that answers nine of ten images within ", *limit, " ms")
    joined: Phrase = (*drop, " and ", *latency) if drop and latency else (*drop, *latency)
    best = (
        "the fastest variant"
        if objective["kind"].value == "fastest"
        else "the variant with the best mean AUC"
    )
    each: Phrase = ()
    if objective["max_class_auc_drop"].known:
        limit = number(objective["max_class_auc_drop"], TYPED)
        each = ("; no single finding may lose ", *limit, " or more")
    return (best, " " if joined else "", *joined, *each)


def _verdict(facts: Fact) -> Verdict:
    claim = named(facts, "chosen")["auc_report"]
    met = facts["objective"]["outcome"].value == "met"
    said = "The goal was met." if met else "The goal was not met."
    if met and claim["passes"].value is False:
        said = "The goal was met on the gate split; the report split does not confirm it."
        met = False
    phrase = (Styled(style="strong", parts=(said,)), " Wanted: ", *goal(facts), ".")
    return Verdict(phrase=phrase, good=met)


def _speed(facts: Fact, chosen: Fact) -> Phrase:
    reference = named(facts, "reference")
    p50 = number(chosen["latency_ms"]["p50"], milliseconds)
    said: Phrase = (f"{chosen['name'].text} answers one image in ", *p50, " ms (median)")
    if not chosen["speedup"].known or reference["name"].value == chosen["name"].value:
        return (*said, ".")
    said = (*said, ", ", *number(chosen["speedup"], times), " times as fast")
    if chosen["speedup_ci"].known:
        said = (*said, " (95\u00a0% interval ", *bounds(chosen["speedup_ci"], times), ")")
    said = (*said, f" as {reference['name'].text}")
    if reference["latency_ms"]["p50"].known:
        said = (*said, " with ", *number(reference["latency_ms"]["p50"], milliseconds), " ms")
    return (*said, ".")


def _quality(facts: Fact, chosen: Fact) -> Phrase:
    claim, role = chosen["auc_report"], facts["roles"]["report"]
    if not claim["auc"].known:
        return ("It has no AUC on the report split: no finding has both labels there, or it was not scored.",)
    before = named(facts, "reference")["auc_report"]["auc"]
    said: Phrase = (
        "On ",
        *_images(role),
        " that had no part in the choice, its mean AUC is ",
        *number(claim["auc"], AUC),
    )
    if before.known:
        said = (*said, " against ", *number(before, AUC))
    if not claim["drop"].known:
        return (*said, ".")
    said = (*said, ": a drop of ", *number(claim["drop"], signed))
    if claim["drop_ci"].known:
        said = (*said, " (95\u00a0% interval ", *bounds(claim["drop_ci"], signed), ")")
    if claim["upper_one_sided"].known:
        said = (*said, ", with 95\u00a0% confidence at most ", *number(claim["upper_one_sided"], signed))
    held = {True: "within what was allowed", False: "more than was allowed"}.get(claim["passes"].value)
    return (*said, f", {held}." if held else ".")


def _key_numbers(facts: Fact, chosen: Fact) -> list[tuple[Phrase, Phrase]]:
    reference, claim = named(facts, "reference"), chosen["auc_report"]
    another = reference["name"].value != chosen["name"].value
    numbers: list[tuple[Phrase, Phrase]] = []
    if another and chosen["speedup"].known:
        words: Phrase = (f"as fast as {reference['name'].text}",)
        if chosen["speedup_ci"].known:
            words = (*words, ", 95\u00a0% interval ", *bounds(chosen["speedup_ci"], times))
        numbers.append(((*number(chosen["speedup"], times), " ×"), words))
    if claim["drop"].known and another:
        words = ("drop in mean AUC on the report split",)
        if claim["drop_ci"].known:
            words = (*words, ", 95\u00a0% interval ", *bounds(claim["drop_ci"], signed))
        numbers.append((number(claim["drop"], signed), words))
    if claim["upper_one_sided"].known and another:
        words = ("at most this drop, with 95\u00a0% confidence",)
        if facts["objective"]["max_auc_drop"].known:
            words = (*words, "; allowed ", *number(facts["objective"]["max_auc_drop"], TYPED))
        numbers.append((number(claim["upper_one_sided"], signed), words))
    own, other = chosen["latency_ms"]["p50"], reference["latency_ms"]["p50"]
    for mine, theirs, form, unit, what in (
        (own, other, milliseconds, " ms", "median for one image"),
        (chosen["size_mb"], reference["size_mb"], SIZE, " MB", "stored"),
    ):
        if mine.known:
            against = (", against ", *number(theirs, form), unit) if theirs.known and another else ()
            numbers.append(((*number(mine, form), unit), (what, *against)))
    return numbers


def _caveats(facts: Fact, chosen: Fact) -> list[Phrase]:
    roles = facts["roles"]
    points: list[Phrase] = [
        (
            "The choice was made on the gate split (",
            *_size(roles["gate"]),
            "), where the best of many looks better than it is. The claim is the report split's (",
            *_size(roles["report"]),
            "), which had no part in the choice.",
            *_calibrated(roles["calibrate"]),
        ),
        *_no_gate(facts),
        *_few(facts),
        *_lost(facts),
        (
            "Latencies are of this machine, one image at a time, from the decoded and resized image to the "
            "probabilities. Decoding a file comes on top, for every variant alike.",
        ),
    ]
    points += [(advice.text,) for advice in facts["machine"]["advice"]]
    crops, before = chosen["crops"], named(facts, "reference")["crops"]
    if crops.known and before.known and crops.value != before.value:
        points.append(
            (
                f"The reference looks at the crops of plan {before.text}, the {called(facts)} variant at "
                f"those of {crops.text}: part of the speed-up is less work, and the drop "
                "includes what that costs.",
            )
        )
    if facts["resumed"].value:
        points.append(
            ("The tuning was interrupted and resumed; times resumed: ", *number(facts["resumed"], COUNT), ".")
        )
    return points


def _no_gate(facts: Fact) -> list[Phrase]:
    allowed = facts["objective"]["max_auc_drop"].value
    if allowed is None or allowed < 1:
        return []
    return [("The allowed drop is larger than any there can be: the AUC decided nothing here.",)]


def _few(facts: Fact) -> list[Phrase]:
    """Findings of which too little is known, by name."""
    absent, few = [], []
    for finding in facts["findings"]:
        patients = finding["positive_patients"]
        positives = (patients if patients.known else finding["positives"]).value or 0
        if not finding["reference"]["auc"].known:
            absent.append(finding["name"].text)
        elif finding["verdict"].value == "too_few" or positives < MIN_POSITIVE_PATIENTS:
            few.append(finding["name"].text)
    points: list[Phrase] = []
    if few:
        points.append(
            (f"Too few positives to tell what became of {', '.join(few)}: they neither pass nor fail.",)
        )
    if absent:
        points.append((f"Without both labels on the report split, so in no mean: {', '.join(absent)}.",))
    return points


def _lost(facts: Fact) -> list[Phrase]:
    lost = [f["name"].text for f in facts["findings"] if f["verdict"].value == "lost"]
    return [(f"Lost more than a single finding may: {', '.join(lost)}.",)] if lost else []


def _size(role: Fact) -> Phrase:
    return (f"{role['split'].text}, ", *_images(role))


def _images(role: Fact) -> Phrase:
    images: Phrase = (*number(role["images"], COUNT), " images")
    if role["patients_known"].value is False or not role["patients"].known:
        return images
    return (*images, " of ", *number(role["patients"], COUNT), " patients")


def _calibrated(role: Fact) -> Phrase:
    if not role.known:
        return (" No INT8 was calibrated.",)
    return (
        " Both are disjoint from the images that INT8 was calibrated on (",
        *_size(role),
        "), by digest.",
    )
