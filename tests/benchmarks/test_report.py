import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib")

from xopt.benchmarks import plots
from xopt.benchmarks.report import render
from xopt.report.plots import to_svg

from .made import FINDINGS, made_comparison

VOID = {"meta", "br", "img", "hr", "link", "input"}


class Checker(HTMLParser):
    """Counts what a validator would: unclosed tags, repeated ids, references to the outside."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.tags, self.text = [], [], [], []
        self.references = []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href"):
                self.references.append(value)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def comparison():
    return made_comparison()


@pytest.fixture(scope="module")
def page(comparison):
    return render(comparison)


@pytest.fixture(scope="module")
def parsed(page):
    checker = Checker()
    checker.feed(page)
    return checker


def test_every_tag_is_closed_and_every_id_stands_once(parsed):
    assert parsed.open == []
    assert len(parsed.ids) == len(set(parsed.ids))


def test_the_page_needs_nothing_from_outside(page, parsed):
    assert "script" not in parsed.tags
    assert "http" not in page
    assert "//" not in re.sub(r"<style>.*?</style>", "", page, flags=re.S)
    assert all(reference.startswith("#") for reference in parsed.references)
    assert {reference[1:] for reference in parsed.references} <= set(parsed.ids)


def test_the_page_shows_every_variant_and_finding(parsed, comparison):
    text = " ".join(parsed.text)
    for row in comparison.rows:
        assert row.name in text
    for finding in FINDINGS:
        assert finding in text
    assert comparison.split.digest in text
    assert comparison.bundles[1].digest in text
    assert "Research only" in text


def test_names_from_outside_are_escaped(page):
    assert "Effusion <b>" not in page
    assert "Effusion &lt;b&gt;" in page
    assert "Mass &amp; Nodule" in page


def test_the_same_comparison_gives_the_same_bytes(page):
    assert render(made_comparison()) == page


def test_curves_are_drawn_for_findings_with_both_labels(page):
    # Latency-AUC, distributions, and two panels for each finding but Hernia.
    assert page.count("<svg") == 2 + 2 * (len(FINDINGS) - 1)


def test_a_comparison_without_any_auc_still_has_a_page():
    page = render(made_comparison(auc=False))
    assert "there is no AUC" in page
    assert page.count("<svg") == 1


def test_one_variant_alone_has_a_page():
    whole = made_comparison()
    from dataclasses import replace

    page = render(replace(whole, rows=whole.rows[:1]))
    assert "PyTorch eager" in page


def test_the_plot_alone_is_a_file_of_its_own(comparison):
    svg = to_svg(plots.latency_auc(comparison))
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg")
    assert "metadata" not in svg
    assert svg == to_svg(plots.latency_auc(made_comparison()))


def test_every_variant_has_a_colour_of_its_own(comparison):
    tint = plots.colours(comparison)
    assert len(set(tint.values())) == len(comparison.rows)


def test_more_variants_than_colours_start_over():
    from dataclasses import replace

    whole = made_comparison()
    assert len(plots.colours(replace(whole, rows=whole.rows * 2))) == len(whole.rows)
