"""The report of a finished search."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from xopt.nas.report import render

from .made import made_finished

VOID = {"meta", "br"}


class Page(HTMLParser):
    """Checks that every element is closed, and gathers text and addresses."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs if name in ("src", "href", "xlink:href", "action")]

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def html():
    return render(made_finished())


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_the_page_is_well_formed_and_whole_in_itself(html, page):
    assert page.open == []
    assert all(link.startswith("#") for link in page.links)
    assert "<script" not in html
    assert not re.search(r"url\((?!#)|@import|https?://", html)
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.parametrize(
    "said",
    [
        "Network 22, the best of 4",
        "mean AUC on split test",
        "AUC lost by INT8 on split val",
        "failed: out of memory",
        "finalist",
        "stopped early",
        "dropped: 9 ms measured, allowed are 1 ms",
        "The test split was scored once, for the winner.",
        "median error 1.5%",
        "Limit: 1 ms",
        "ROC curves",
        "Precision-recall curves",
        "A CPU, 2 cores",
        "openvino 2026.4.1",
        "Split train",
    ],
)
def test_the_page_says(page, said):
    assert said in page.text


def test_every_candidate_has_its_row(page):
    for row in made_finished().rows:
        assert f"{row.parameters:,}" in page.text
        assert row.code in page.text


def test_the_digests_of_data_and_bundle_are_there(page):
    facts = made_finished()
    assert facts.bundle.digest in page.text
    assert all(split.digest in page.text for split in facts.dataset.splits.values())


def test_names_from_data_are_text_and_never_markup(html, page):
    assert "Mass <b>&amp;" in page.text
    assert "Mass <b>" not in html
    assert "made <search>" in page.text


def test_the_same_facts_give_the_same_bytes(html):
    assert render(made_finished()) == html


def test_a_second_look_at_the_test_split_is_said():
    finished = made_finished()
    again = replace(finished, tested=replace(finished.tested, looks=3))
    assert "has been scored with 3 bundles" in Page(render(again)).text


def test_without_test_split_and_table_the_report_leaves_them_out():
    bare = Page(render(made_finished(tested=None, table=None)))
    assert bare.open == []
    assert "The data has no test split." in bare.text
    assert "ROC curves" not in bare.text
    assert "The table of block latencies" not in bare.text


def test_the_json_has_the_same_facts_and_no_nan():
    facts = json.loads(json.dumps(made_finished().to_json(), allow_nan=False))
    assert facts["winner"] == "22"
    assert [f["architecture"] for f in facts["finalists"]] == ["22", "10", "00"]
    assert facts["latency_table"]["median_error"] == pytest.approx(0.015)
    assert facts["test"]["looks"] == 1
