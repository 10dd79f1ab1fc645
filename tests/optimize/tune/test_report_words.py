"""The report's words: they follow the facts, hostile names stay text, and nulls are survived."""

import json
import re

import pytest

pytest.importorskip("matplotlib")

from xopt.optimize.tune.report import to_html, to_markdown, write_html
from xopt.runtime.errors import OutputError

from .made_facts import without_auc, without_choice
from .made_variants import CHOSEN, FINDINGS, REFERENCE
from .reading import leaves, read, set_at


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


def test_nothing_at_all_is_a_page_too():
    assert "No variant met the goal" in to_html({})


def test_the_page_is_written_once_and_not_over_another_file(facts, tmp_path):
    bare = {"intended_use": facts["intended_use"]}
    write_html(bare, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == to_html(bare)
    with pytest.raises(OutputError, match="--force"):
        write_html(bare, tmp_path / "report.html")
