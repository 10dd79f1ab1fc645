"""The report against the JSON that it is made of: every number of the one in the other."""

import re

from .made_variants import FINDINGS
from .reading import leaves

NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]\d+)?")
# What the report says of itself, with no number of the JSON in it.
CONSTANTS = ("95\u00a0%", "95 %", "SHA-256", "FP32", "INT8", "p50", "p90", "p99", "90th")
# Drawn, or told by a number beside them; everything else has to be readable.
IN_FIGURES = (
    r"/schema",
    r"/curves/.*",
    r"/reliability/.*/bins/.*",
    r"/variants/\d+/latency_ms/histogram/.*",
    r"/variants/\d+/auc_(gate|report)/(standard_error|degrees_of_freedom)",
)


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
