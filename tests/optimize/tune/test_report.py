"""The report against the JSON that it is made of: every number, every name, every null."""

import json
import re
from html.parser import HTMLParser

import pytest

pytest.importorskip("matplotlib")

from xopt.optimize.tune.report import curves, plots, to_html, to_markdown, write_html
from xopt.optimize.tune.report.facts import Fact
from xopt.runtime.errors import OutputError

from .made_facts import CHOSEN, FINDINGS, REFERENCE, made_facts, without_auc, without_choice

VOID = {"meta", "br", "img", "hr", "link", "input"}
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]\d+)?")
# What the report says of itself, with no number of the JSON in it.
CONSTANTS = ("95\u00a0%", "95 %", "SHA-256", "FP32", "INT8", "p50", "p90", "p99", "90th")
# Drawn, or told by a number beside them; everything else has to be readable.
IN_FIGURES = (
    r"/schema",
    r"/curves/.*",
    r"/reliability/.*/bins/.*",
    r"/variants/\d+/latency_ms/histogram/.*",
    r"/variants/\d+/auc_(gate|report)/standard_error",
)
FIGURES = {
    "gate": lambda facts: plots.trade(facts, "auc_gate"),
    "report": lambda facts: plots.trade(facts, "auc_report"),
    "latencies": plots.latencies,
    "decoding": plots.decoding,
    "forest": curves.forest,
    "roc": lambda facts: curves.roc(facts, "Cardiomegaly", "a-"),
    "precision-recall": lambda facts: curves.precision_recall(facts, "Cardiomegaly", "a-"),
    "reliability": curves.reliability,
}


class Reader(HTMLParser):
    """Reads a page: numbers with their places, words outside of them, tags, ids, references."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.tags, self.references = [], [], [], []
        self.numbers, self.words, self.within = [], [], None

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in values:
            self.ids.append(values["id"])
        self.references += [values[name] for name in ("src", "href", "xlink:href") if name in values]
        if tag == "data":
            self.within = (values["data-from"], json.loads(values["value"]))

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "data":
            self.within = None

    def handle_data(self, data):
        if self.within is not None:
            self.numbers.append((*self.within, data))
        elif not {"style", "svg"} & set(self.open):
            self.words.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def leaves(value, pointer=""):
    """Everything in the JSON that holds nothing else, by its place."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from leaves(entry, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from leaves(entry, f"{pointer}/{index}")
    else:
        yield pointer, value


def set_at(facts, pattern, value):
    """A copy with every leaf and branch under a pattern replaced; `*` is any step."""
    copy = json.loads(json.dumps(facts))

    def walk(holder, steps):
        keys = range(len(holder)) if isinstance(holder, list) else list(holder)
        for key in keys:
            if steps[0] not in ("*", str(key)):
                continue
            if len(steps) == 1:
                holder[key] = value
            elif isinstance(holder[key], dict | list):
                walk(holder[key], steps[1:])

    walk(copy, pattern.split("/"))
    return copy


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def rounds_to(value, text):
    """Whether a text is the value, rounded to as many digits as it shows."""
    plain = text.replace(",", "")
    mantissa, _, exponent = plain.partition("e")
    digits = len(mantissa.partition(".")[2])
    unit = 10.0 ** (int(exponent or 0) - digits)
    return abs(float(plain) - value) <= 0.5000001 * unit


def without_strings(facts, text):
    """A text without what it takes from the JSON as it is, and without what it says of itself."""
    known = {value for _, value in leaves(facts) if isinstance(value, str)} | set(FINDINGS)
    for string in sorted(known, key=len, reverse=True):
        text = text.replace(string.rstrip("."), " ")
    for constant in CONSTANTS:
        text = text.replace(constant, " ")
    return text


@pytest.fixture(scope="module")
def facts():
    return made_facts()


@pytest.fixture(scope="module")
def few(facts):
    """The same with four variants, whose figures are drawn in a moment; the chosen one is the last."""
    names = (REFERENCE, "OpenVINO FP32 center", "OpenVINO INT8 mixed ten-shared", CHOSEN)
    by_name = {variant["name"]: variant for variant in facts["variants"]}
    curves = {"Cardiomegaly": facts["curves"]["Cardiomegaly"]}
    return {**facts, "variants": [by_name[name] for name in names], "curves": curves}


@pytest.fixture(scope="module")
def drawn(few):
    """The figures of these four."""
    return {name: draw(Fact(few)) for name, draw in FIGURES.items()}


@pytest.fixture(scope="module")
def page(facts):
    return to_html(facts)


@pytest.fixture(scope="module")
def reader(page):
    return read(page)


@pytest.fixture(scope="module")
def document(facts):
    return to_markdown(facts)


def test_every_number_on_the_page_stands_in_the_json_where_it_says(facts, reader):
    known = dict(leaves(facts))
    assert len(reader.numbers) > 500
    for pointer, value, text in reader.numbers:
        assert known[pointer] == value
        # Billions of operations are the only numbers in another unit.
        assert rounds_to(value / 1e9 if pointer.endswith("/macs") else value, text), (pointer, value, text)


def test_no_number_stands_outside_of_those(facts, reader):
    text = without_strings(facts, " \n ".join(reader.words))
    assert re.findall(r".{0,30}\d.{0,30}", text) == []


def test_every_number_of_the_json_is_on_the_page(facts, reader):
    shown = {pointer for pointer, _, _ in reader.numbers}
    measured = [variant["status"] == "measured" for variant in facts["variants"]]
    absent = [
        pointer
        for pointer, value in leaves(facts)
        if is_number(value)
        and pointer not in shown
        and not any(re.fullmatch(pattern, pointer) for pattern in IN_FIGURES)
        # Of what was not measured to the end, the page has the reason and what was seen until then.
        and not (pointer.startswith("/variants/") and not measured[int(pointer.split("/")[2])])
    ]
    # The reference has nothing to be held against.
    own = r"/variants/0/(auc_\w+/(drop|drop_ci/\d|upper_one_sided)|speedup_ci/\d)"
    assert [pointer for pointer in absent if not re.fullmatch(own, pointer)] == []


def test_markdown_has_the_numbers_of_the_page(reader, document):
    on_page = {text for _, _, text in reader.numbers}
    assert on_page - set(NUMBER.findall(document)) == set()


def test_markdown_has_no_number_that_is_not_the_jsons(facts, reader, document):
    on_page = {text for _, _, text in reader.numbers}
    text = without_strings(facts, re.sub(r"\\(.)", r"\1", document))
    assert {found for found in NUMBER.findall(text) if found not in on_page} == set()


@pytest.mark.parametrize(
    ("place", "value", "shown"),
    [
        ("variants/22/auc_report/drop", 0.0312, "+0.0312"),
        ("variants/22/speedup", 26.5, "26.5"),
        ("variants/1/auc_gate/ci/0", 0.1234, "0.1234"),
        ("findings/2/chosen/confusion/fn", 977, "977"),
        ("findings/0/p_value", 0.0234, "0.023"),
        ("roles/report/images", 4321, "4,321"),
        ("heatmaps/pointing_agreement", 0.4567, "0.457"),
        ("machine/fp32_peak_gmacs_per_s", 77.7, "77.7"),
        ("settings/seed", 17, "17"),
    ],
)
def test_another_number_in_the_json_is_another_number_in_the_report(facts, document, place, value, shown):
    changed = to_markdown(set_at(facts, place, value))
    lines = set(changed.splitlines()) - set(document.splitlines())
    assert lines
    assert any(shown in line for line in lines)


@pytest.mark.parametrize(
    ("figure", "place", "value"),
    [
        ("gate", "variants/3/latency_ms/p90", 19.0),
        ("gate", "variants/3/auc_gate/ci/0", 0.5),
        ("gate", "variants/3/auc_gate/drop", 0.02),
        ("report", "variants/3/auc_report/upper_one_sided", 0.02),
        ("report", "objective/max_auc_drop", 0.02),
        ("latencies", "variants/3/latency_ms/histogram/counts/0", 99),
        ("latencies", "variants/3/latency_ms/p99", 18.0),
        ("decoding", "variants/3/decode_ms/p50", 9.0),
        ("forest", "findings/1/drop_ci/1", 0.07),
        ("forest", "findings/1/verdict", "lost"),
        ("roc", "curves/Cardiomegaly/chosen/roc/5/1", 0.99),
        ("precision-recall", "curves/Cardiomegaly/reference/precision_recall/5/1", 0.05),
        ("reliability", "reliability/chosen/bins/2/share_positive", 0.9),
        ("reliability", "reliability/chosen/bins/2/images", 3),
    ],
)
def test_another_number_in_the_json_is_another_figure(few, drawn, figure, place, value):
    assert FIGURES[figure](Fact(set_at(few, place, value))) != drawn[figure]


def test_the_page_needs_nothing_from_outside(page, reader):
    assert "script" not in reader.tags
    assert "http" not in page
    assert "//" not in re.sub(r"<style>.*?</style>", "", page, flags=re.S)
    assert "url(" not in re.sub(r"url\(#[^)]*\)", "", page)
    assert all(reference.startswith("#") for reference in reader.references)
    assert {reference[1:] for reference in reader.references} <= set(reader.ids)
    assert len(reader.ids) == len(set(reader.ids))


def test_the_page_is_made_for_paper_and_for_a_phone(page):
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert "@media print" in page
    assert "@media (max-width: 30rem)" in page
    # A wide table scrolls by itself, so that the page does not.
    assert page.count("<table><thead>") - page.count("<table><caption>") <= page.count("<div class='scroll'>")


def test_the_same_json_gives_the_same_figures(few, drawn):
    again = Fact(json.loads(json.dumps(few)))
    for name in ("gate", "latencies", "roc"):
        assert FIGURES[name](again) == drawn[name]


@pytest.mark.parametrize("finding", FINDINGS)
def test_every_finding_is_named_in_the_words_of_the_json(reader, finding):
    assert finding in reader.words


def test_every_variant_is_on_the_page_with_its_reason(facts, reader):
    text = " ".join(reader.words)
    for variant in facts["variants"]:
        assert variant["name"] in text
        assert variant["why"] is None or variant["why"] in text
    for role in facts["roles"].values():
        assert role["digest"] in text
    assert facts["intended_use"] in text
    assert facts["machine"]["advice"][0] in text
    assert "features.conv0" in text


HOSTILE = "</style><script>alert(1)</script>`|*_[x](y)\n# & $\\alpha_{1}$ {0}"


def test_hostile_names_stay_text_on_the_page_and_in_figures(few):
    text = json.dumps(few)
    for name in ("Effusion <b>", CHOSEN, REFERENCE, "Cardiomegaly", "made"):
        text = text.replace(json.dumps(name), json.dumps(HOSTILE + name))
    hostile = json.loads(text)
    page = to_html(hostile)
    reader = read(page)
    assert "script" not in reader.tags
    assert page.count("<svg") == 8
    assert page.count("</style>") == 1 + 8
    assert "alert(1)" in " ".join(reader.words)


def test_hostile_names_stay_text_in_markdown(facts):
    hostile = json.loads(json.dumps(facts).replace("Effusion <b>", json.dumps(HOSTILE)[1:-1]))
    document = to_markdown(hostile)
    bare = re.sub(r"\\.", "", document)
    assert "<" not in bare
    assert "](" not in bare
    table = [line for line in document.splitlines() if line.startswith("| ") and "alert" in line]
    assert len(table) == 4
    # As many cells as the other findings have.
    for line in table:
        assert re.sub(r"\\.", "", line).count("|") in (10, 8, 6, 5)


def test_without_any_auc_the_page_says_so_and_keeps_the_latencies(facts):
    page = to_html(without_auc(facts))
    text = " ".join(read(page).words)
    assert "It has no AUC on the report split" in text
    assert "No variant has both an AUC and a latency" in text
    assert "Heatmaps were not compared" in text
    assert "no curves" in text
    assert page.count("<svg") == 2


def test_without_a_choice_the_page_says_that_the_goal_was_not_met(few):
    text = " ".join(read(to_html(without_choice(few))).words)
    assert "No variant met the goal" in text
    assert "The goal was not met." in text
    assert "none of 12 variants passed the gate" in text


def test_the_nearest_variant_is_shown_where_none_was_chosen(facts):
    nearest = set_at(set_at(facts, "chosen", None), "objective/outcome", "not_met")
    document = to_markdown(nearest)
    assert f"The nearest to it: {CHOSEN} answers" in document
    assert "nearest AUC" in document
    assert "chosen AUC" not in document


def test_a_choice_that_the_report_split_does_not_confirm_is_not_called_met(facts):
    document = to_markdown(set_at(facts, "variants/22/auc_report/passes", False))
    assert "the report split does not confirm it" in document
    assert "more than was allowed" in document
    assert "The goal was met.**" not in document


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("objective/kind", "best-auc", "the variant with the best mean AUC"),
        ("objective/max_latency_ms", 40, "answers nine of ten images within 40 ms"),
        ("objective/max_auc_drop", None, "Wanted: the fastest variant; no single finding"),
        ("roles/calibrate", None, "No INT8 was calibrated"),
        ("roles/report/patients_known", False, "On 260 images that had no part in the choice"),
        ("resumed", 3, "times resumed: 3"),
        ("chosen", REFERENCE, f"# {REFERENCE}"),
        ("findings/0/verdict", "lost", "Lost more than a single finding may: Atelectasis"),
        ("findings/0/positive_patients", 9, "Too few positives to tell what became of Atelectasis"),
        ("method", [], "Drops are paired"),
        ("objective/max_auc_drop", 1.0, "the AUC decided nothing here"),
    ],
)
def test_the_words_follow_the_facts(facts, place, value, said):
    assert said in to_markdown(set_at(facts, place, value))


def test_findings_with_too_few_positives_are_named_at_the_top(facts, document):
    few = [finding["name"] for finding in facts["findings"] if finding["verdict"] == "too_few"]
    assert few
    said = next(line for line in document.splitlines() if line.startswith("- Too few positives"))
    assert all(name in said.replace("\\", "") for name in few)
    assert "Without both labels on the report split, so in no mean: Hernia" in document


def patterns(facts):
    """Each place of the JSON once, however many variants and findings have it; also the branches."""
    found = set()
    for pointer, _ in leaves({key: value for key, value in facts.items() if key != "curves"}):
        steps = ["*" if step.isdigit() else step for step in pointer[1:].split("/")]
        found |= {"/".join(steps[: depth + 1]) for depth in range(len(steps))}
    return sorted(found)


def test_whatever_is_null_the_report_still_stands(few):
    for pattern in patterns(few):
        assert to_markdown(set_at(few, pattern, None)).startswith("# ")


@pytest.mark.parametrize(
    ("figure", "place"),
    [
        ("gate", "variants/*/auc_gate/ci"),
        ("gate", "variants/*/auc_gate/drop"),
        ("gate", "variants/*/latency_ms/p90"),
        ("gate", "objective"),
        ("gate", "reference"),
        ("report", "variants/*/engine"),
        ("report", "variants/*/auc_report/drop_ci"),
        ("report", "variants/*/auc_report/upper_one_sided"),
        ("latencies", "variants/*/latency_ms/p90"),
        ("latencies", "variants/*/latency_ms/histogram"),
        ("decoding", "variants/2/decode_ms"),
        ("forest", "findings/*/drop_ci"),
        ("forest", "findings/*/verdict"),
        ("forest", "findings/*/positives"),
        ("forest", "chosen"),
        ("roc", "curves/Cardiomegaly/chosen"),
        ("reliability", "reliability/chosen"),
        ("reliability", "reliability/reference/bins/3"),
    ],
)
def test_whatever_is_null_the_figures_still_stand(few, drawn, figure, place):
    assert FIGURES[figure](Fact(set_at(few, place, None))) != drawn[figure]


def test_nothing_at_all_is_a_page_too():
    assert "No variant met the goal" in to_html({})


def test_the_page_is_written_once_and_not_over_another_file(facts, tmp_path):
    bare = {"intended_use": facts["intended_use"]}
    write_html(bare, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == to_html(bare)
    with pytest.raises(OutputError, match="--force"):
        write_html(bare, tmp_path / "report.html")
