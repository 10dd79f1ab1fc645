"""The accuracy-aware path on a network that INT8 breaks."""

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("nncf")

from xopt.datasets import Split
from xopt.datasets.phantoms import draw
from xopt.optimize import AwareSettings, GateSettings, MixedPrecision, rank_layers, run_gate
from xopt.optimize.export.openvino_ir import encode_ir, from_onnx
from xopt.optimize.quantize.interleaved_latency import Latency
from xopt.optimize.quantize.layer_sensitivity import LATER_ASKS, LATER_LEVEL
from xopt.optimize.quantize.mixed_precision import Candidate, return_harmful_layers
from xopt.optimize.quantize.nncf_ptq import QuantizeSettings, quantize_model
from xopt.optimize.terminal import describe_mixed_precision
from xopt.runtime import UsageError
from xopt.runtime.backends.openvino import OpenVINOBackend

from ..fragile_graph import make_fragile_graph
from .graphs import answers, openvino

PAIRS = (("layer1.0.conv1", "layer1.0.conv2"), ("layer1.1.conv1", "layer1.1.conv2"))
BROKEN = {"layer1.0.conv2", "layer1.1.conv2"}
CALIBRATE = draw(16, seed=6, size=72).images_NHW
GATE = draw(60, seed=7, size=72).images_NHW
QUICK = AwareSettings(images=4, measurements=40, rounds=5)


@pytest.fixture(scope="module")
def fragile(model):
    return make_fragile_graph(model, PAIRS)


@pytest.fixture(scope="module")
def reference_answers(fragile):
    return answers(fragile, GATE)


@pytest.fixture(scope="module")
def split(reference_answers):
    """Labels that the FP32 network knows perfectly: whatever INT8 confuses is a drop in AUC."""
    labels_NC = (reference_answers > np.quantile(reference_answers, 0.6, axis=0)).astype(np.uint8)
    names = tuple(f"image-{index}.png" for index in range(len(GATE)))
    return Split(name="val", images=names, labels_NC=labels_NC, patients=names, folders=())


@pytest.fixture(scope="module")
def int8(fragile, bundle):
    return quantize_model(fragile, CALIBRATE, bundle.manifest.preprocessing, QuantizeSettings())


@pytest.fixture(scope="module")
def gate_of(split, reference_answers):
    """Ask the gate about what a backend answers."""

    def ask(backend, settings=None):
        candidate_NC = np.stack([backend.infer(image) for image in GATE])
        classes = tuple(f"class-{index}" for index in range(reference_answers.shape[1]))
        margin = settings or GateSettings(max_auc_drop=0.06, resamples=200)
        return run_gate("drawn", classes, split, reference_answers, candidate_NC, margin)

    return ask


@pytest.fixture(scope="module")
def plain(int8, gate_of):
    xml, weights = encode_ir(from_onnx(int8))
    backend = OpenVINOBackend(xml, weights)
    return Candidate(model=int8, xml=xml, weights=weights, backend=backend, gate=gate_of(backend))


@pytest.fixture(scope="module")
def run(fragile, plain, bundle, gate_of):
    reference = openvino(fragile)

    def mixed(settings, candidate=plain, measure=gate_of):
        return return_harmful_layers(
            fragile, reference, candidate, CALIBRATE, bundle.manifest.preprocessing, measure, settings
        )

    return mixed


@pytest.fixture(scope="module")
def made(run):
    return run(QUICK)


def test_the_fragile_graph_computes_what_the_sound_one_does(model, fragile):
    np.testing.assert_allclose(answers(fragile, GATE[:4]), answers(model, GATE[:4]), atol=2e-5)


def test_the_layers_that_were_made_fragile_are_ranked_first(fragile, int8, bundle):
    effects = rank_layers(fragile, int8, CALIBRATE, bundle.manifest.preprocessing, images=4)
    assert {effect.name for effect in effects[:2]} == BROKEN
    assert effects[1].error > 3 * effects[2].error
    assert sum(effect.share for effect in effects) == pytest.approx(1)
    assert [effect.error for effect in effects] == sorted((effect.error for effect in effects), reverse=True)


def test_one_measurement_ranks_all_layers_alike(fragile, int8, bundle):
    effects = rank_layers(fragile, int8, CALIBRATE, bundle.manifest.preprocessing, images=1, measurements=1)
    assert len({effect.error for effect in effects}) == 1
    assert {effect.group for effect in effects} == {len(effects)}


def test_ranking_without_images_is_refused(fragile, int8, bundle):
    with pytest.raises(UsageError, match="at least 1 image"):
        rank_layers(fragile, int8, CALIBRATE[:0], bundle.manifest.preprocessing)


def test_plain_int8_misses_the_gate_and_the_broken_layers_back_in_floating_point_pass_it(plain, made):
    candidate, record = made
    assert not plain.gate.verdict.passed
    assert candidate.gate.verdict.passed
    assert set(record.returned) >= BROKEN
    assert len(record.returned) <= 8
    assert record.logit_rms[1] < record.logit_rms[0] / 2
    assert record.macs_share <= 0.5


def test_every_look_at_the_gate_is_recorded_with_its_level(made):
    candidate, record = made
    assert record.asks[0].layers == 0
    assert record.asks[-1].layers == len(record.returned)
    assert 2 <= len(record.asks) <= 1 + LATER_ASKS
    assert [ask.level for ask in record.asks[1:]] == [LATER_LEVEL / LATER_ASKS] * (len(record.asks) - 1)
    assert record.asks[-1].bound > candidate.gate.verdict.drop.upper_one_sided
    assert "at 0.5%" in candidate.gate.verdict.reason


def test_the_three_networks_latencies_are_measured_in_one_go(made):
    _, record = made
    assert set(record.latency_ms) == {"fp32", "int8", "result"}
    assert all(one.p10 <= one.median <= one.p90 for one in record.latency_ms.values())
    assert {one.rounds for one in record.latency_ms.values()} == {QUICK.rounds}
    json.dumps(record.to_json(), allow_nan=False)


def test_the_text_names_what_returned_and_what_it_cost(made):
    _, record = made
    text = "\n".join(describe_mixed_precision(record))
    assert f"the {len(record.returned)} most harmful returned to floating point, and it passed" in text
    assert f"returned: {record.returned[0]} (" in text
    assert "latency  " in text


@pytest.mark.parametrize(
    ("fp32", "int8", "result", "kept"),
    [(4, 2, 2, 1), (4, 1, 2, 1 / 3), (4, 2, 4, 0), (4, 4, 4, None), (4, 5, 4, None), (4, 2, 8, -0.5)],
)
def test_the_share_kept_is_of_what_int8_gains_over_fp32(fp32, int8, result, kept):
    times = {"fp32": fp32, "int8": int8, "result": result}
    latency = {name: Latency(median=ms, p10=ms, p90=ms, rounds=5) for name, ms in times.items()}
    assert MixedPrecision(reason="", latency_ms=latency).kept_speedup == (
        kept if kept is None else pytest.approx(kept)
    )


def test_nothing_happens_where_it_is_not_wanted(run, plain):
    assert run(AwareSettings(mode="never")) == (plain, None)


def test_where_plain_int8_passes_only_an_explicit_wish_ranks_the_layers(run, plain, gate_of):
    wide = GateSettings(max_auc_drop=1, resamples=100)
    passed = replace(plain, gate=gate_of(plain.backend, wide))
    assert run(QUICK, passed) == (passed, None)
    kept, record = run(replace(QUICK, mode="always", measurements=2), passed)
    assert kept is passed
    assert record.returned == ()
    assert record.effects
    assert record.latency_ms is None
    assert "no layer was returned" in record.reason


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"max_auc_drop": -1}, "a margin of -1 asks for more than FP32 has"),
        ({"max_auc_drop": 0}, "a margin of 0 asks for more than FP32 has"),
    ],
)
def test_what_not_even_fp32_can_pass_is_not_tried(run, plain, gate_of, change, said):
    gate = GateSettings(resamples=100, **change)
    kept, record = run(QUICK, replace(plain, gate=gate_of(plain.backend, gate)))
    assert kept.backend is plain.backend
    assert said in record.reason
    assert record.effects == ()
    assert len(record.asks) == 1


@pytest.mark.slow
def test_no_more_returns_than_the_limit_allows(run):
    candidate, record = run(replace(QUICK, max_macs_share=0.01, measurements=4))
    assert not candidate.gate.verdict.passed
    assert record.macs_share <= 0.01
    assert not set(record.returned) & BROKEN
    assert "did not pass either" in record.reason


@pytest.mark.parametrize(
    "wrong", [{"mode": "maybe"}, {"max_macs_share": 0}, {"images": 0}, {"rounds": 0}, {"measurements": 0}]
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError):
        AwareSettings(**wrong)
