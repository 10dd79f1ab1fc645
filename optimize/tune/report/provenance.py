"""The provenance of a report: the data and its roles, the method, the machine, the versions."""

from typing import Any

from .blocks import Block, Definitions, Paragraph, Row, Table
from .facts import COUNT, NOTHING, SIZE, TYPED, Fact, Phrase, Styled, number, short

ROLES = {
    "calibrate": "INT8 was calibrated",
    "gate": "the choice was made",
    "report": "the claim was checked",
}


def data(facts: Fact) -> list[Block]:
    """The three roles with their digests, and how many images have each finding."""
    roles = [(name, facts["roles"][name]) for name in ROLES]
    rows = [
        Row(
            cells=[
                (f"{name}: {ROLES[name]}",),
                (role["split"].text,),
                number(role["images"], COUNT),
                ("not known",) if role["patients_known"].value is False else number(role["patients"], COUNT),
                (Styled(style="code", parts=(role["digest"].text,)),),
            ]
        )
        for name, role in roles
    ]
    blocks: list[Block] = [
        Table(headings=("role", "split", "images", "patients", "digest"), rows=rows, look="words"),
        Paragraph(
            phrase=(
                "Digest: SHA-256 over names and labels. The three sets of images share none; a tuning of "
                "overlapping ones is refused.",
            ),
            note=True,
        ),
    ]
    classes = [name.text for name in facts["data"]["classes"]]
    counted = [
        Row(cells=[(name,), *(number(role["positives"][name], COUNT) for _, role in roles)])
        for name in classes
    ]
    if counted:
        headings = ("positive images", *(name for name, _ in roles))
        blocks.append(Table(headings=headings, rows=counted, look="narrow"))
    return blocks


def method(facts: Fact) -> list[Block]:
    """The method of measurement in words, and the settings."""
    given: list[Phrase] = [(sentence.text,) for sentence in facts["method"]]
    sentences: list[Phrase] = given or [
        (
            "AUC is the mean over findings with both labels. Drops are paired: reference and variant "
            "answered the same images. Intervals are from the same resamples of patients (",
            *number(facts["settings"]["resamples"], COUNT),
            "). “Drop at most” is the one-sided 95 % upper bound, from DeLong's variance over patients and "
            "Student's t; a variant passes where it is within the "
            "allowed drop, so that too few images cannot pass.",
        ),
        (
            "Variants were measured interleaved, image by image. One that another clearly outruns, or that "
            "no AUC could make the chosen one, was stopped early and is listed with the reason. Only the "
            "reference, the chosen variant and those on the Pareto front were scored on the report split.",
        ),
    ]
    sentences.append(
        (
            "Every number here is one of the JSON file's, rounded; in the HTML each one carries its place "
            "there as a JSON pointer.",
        )
    )
    settings = [(_words(name), _value(value)) for name, value in facts["settings"].items()]
    return [*(Paragraph(phrase=sentence) for sentence in sentences), Definitions(facts=settings)]


def machine(facts: Fact) -> list[Block]:
    """The machine, the versions, the source and the time it took."""
    found = facts["machine"]
    libraries: list[tuple[str, Phrase]] = []
    if found["libraries"].value != facts["versions"].value:
        libraries = [("Libraries", (_versions(found["libraries"]),))]
    known: list[tuple[str, Phrase]] = [
        ("CPU", (f"{found['cpu'].text}, ", *number(found["cores"], COUNT), " cores")),
        (
            "Instructions",
            (", ".join(name.text for name in found["features"]) or "no known vector extension",),
        ),
        ("Memory", (*number(found["memory_mb"], COUNT), " MB")),
        ("FP32 peak", (*number(found["fp32_peak_gmacs_per_s"], short), " GMAC/s in a large matrix product")),
        ("Load average", number(found["load_average"], short)),
        ("System", (f"{found['system'].text}, Python {found['python'].text}",)),
        *libraries,
        ("Versions", (_versions(facts["versions"]),)),
        ("Source", (facts["source"]["name"].text,)),
        ("Source digest", (Styled(style="code", parts=(facts["source"]["sha256"].text,)),)),
        ("AUCs held against", (facts["auc_reference"].text,)),
        ("Time taken", _seconds(facts["seconds"])),
        ("Times resumed", number(facts["resumed"], COUNT)),
    ]
    return [Definitions(facts=known)]


def _seconds(phases: Fact) -> Phrase:
    parts: list[Any] = []
    for name, seconds in phases.items():
        parts += [f"{', ' if parts else ''}{_words(name)} ", *number(seconds, SIZE), " s"]
    return tuple(parts) or (NOTHING,)


def _versions(libraries: Fact) -> str:
    return ", ".join(f"{name} {version.text}" for name, version in libraries.items()) or NOTHING


def _words(name: str) -> str:
    return name.replace("_", " ")


def _value(fact: Fact) -> Phrase:
    value = fact.value
    if value is None:
        return ("not set",)
    if isinstance(value, bool):
        return ("yes" if value else "no",)
    if isinstance(value, int | float):
        return number(fact, TYPED)
    if isinstance(value, list):
        return _joined([_value(entry) for entry in fact])
    if isinstance(value, dict):
        return _joined([(f"{_words(name)} ", *_value(entry)) for name, entry in fact.items()])
    return (str(value),)


def _joined(phrases: list[Phrase]) -> Phrase:
    parts: list[Any] = []
    for phrase in phrases:
        parts += [*([", "] if parts else []), *phrase]
    return tuple(parts) or ("none",)
