import json

import pytest

from xopt.runtime.doctor import int8_advice


def test_doctor_says_the_same_as_text_and_json(xopt):
    text, facts = xopt("doctor").out, json.loads(xopt("doctor", "--json").out)
    assert facts["int8"] in text
    assert facts["cpu"] in text
    assert facts["libraries"]["openvino"] in text
    assert "CPU" in facts["devices"]
    assert facts["conflict"] is None
    assert "Conflict" not in text


@pytest.mark.parametrize(
    ("features", "says"),
    [
        (("avx2", "avx512f", "avx512_vnni"), "INT8 pays"),
        (("avx2", "avx_vnni"), "INT8 pays"),
        (("asimddp",), "INT8 pays"),
        (("avx2",), "at most 2 x"),
        (("avx2", "avx512f"), "at most 2 x"),
        ((), "measure with xopt bench"),
    ],
)
def test_the_instruction_sets_decide_the_advice(features, says):
    assert says in int8_advice(features)
