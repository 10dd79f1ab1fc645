"""A made tuning and its report, for all tests of the report."""

import pytest

from .made_facts import made_facts
from .made_variants import CHOSEN, REFERENCE
from .reading import read


@pytest.fixture(scope="package")
def facts():
    return made_facts()


@pytest.fixture(scope="package")
def few(facts):
    """The same with four variants, whose figures are drawn in a moment; the chosen one is the last."""
    names = (REFERENCE, "OpenVINO FP32 center", "OpenVINO INT8 mixed ten-shared", CHOSEN)
    by_name = {variant["name"]: variant for variant in facts["variants"]}
    curves = {"Cardiomegaly": facts["curves"]["Cardiomegaly"]}
    return {**facts, "variants": [by_name[name] for name in names], "curves": curves}


@pytest.fixture(scope="package")
def page(facts):
    pytest.importorskip("matplotlib")
    from xopt.optimize.tune.report import to_html

    return to_html(facts)


@pytest.fixture(scope="package")
def reader(page):
    return read(page)


@pytest.fixture(scope="package")
def document(facts):
    from xopt.optimize.tune.report import to_markdown

    return to_markdown(facts)
