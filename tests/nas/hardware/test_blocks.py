"""Blocks as hardware sees them: their shapes, their work, and latencies fitted to whole networks."""

import numpy as np
import pytest

from xopt.models.registry import spec
from xopt.nas.hardware.blocks import WORK, fit, held_out_ms, placed_blocks
from xopt.nas.hardware.measuring import draw_networks
from xopt.nas.macro import MacroSpace
from xopt.runtime.errors import UsageError

RATES = np.array([0.01, 0.04, 0.2, 0.05, 0.0001, 0.001])


@pytest.mark.parametrize(
    "architecture", ["macro-00000000", "macro-12122122", "macro-21-depths1.1-widths8.16"]
)
@pytest.mark.parametrize("size", [32, 33, 224])
def test_the_work_of_all_blocks_is_the_macs_of_the_network(architecture, size):
    network = spec(architecture, classes=1, channels=1)
    work = np.sum([b.work() for b in placed_blocks(architecture, size=size, channels=1)], axis=0)
    macs = dict(zip(WORK, work, strict=True))
    found = sum(macs[f"{kind}_mmacs"] for kind in ("pointwise", "depthwise", "dense")) * 1e6
    assert found == pytest.approx(network.macs(size) - network.features)


def test_a_block_is_named_by_operation_channels_resolution_and_shortcut():
    keys = [block.key for block in placed_blocks("macro-12000000", size=32, channels=1)]
    assert keys[0] == "3x3 1>32 @32"
    assert keys[1] == "1x1 32>96, 3x3dw 96/2, 1x1 96>64 @32"
    assert keys[2] == "1x1 64>384, 5x5dw 384, 1x1 384>64 @16 +"
    assert keys[3] == "1x1 64>128/2 @16"


def test_blocks_of_one_shape_share_an_entry_wherever_they_stand():
    keys = [block.key for block in placed_blocks("macro-00011011", size=32, channels=1)]
    assert len(keys) - len(set(keys)) == 2


def test_the_resolution_is_part_of_the_shape():
    small = {block.key for block in placed_blocks("macro-11111111", size=32, channels=1)}
    large = {block.key for block in placed_blocks("macro-11111111", size=48, channels=1)}
    assert not small & large


@pytest.mark.parametrize("name", ["resnet18", "macro-3", "nothing"])
def test_only_searched_networks_have_blocks(name):
    with pytest.raises(UsageError):
        placed_blocks(name, size=32, channels=1)


@pytest.fixture(scope="module")
def networks():
    space = MacroSpace(channels=1)
    codes = draw_networks(space, 40, seed=3)
    return [placed_blocks(space.architecture(code), size=32, channels=1) for code in codes]


def taken(networks, *, odd_key: str = "", odd_ms: float = 0.0):
    """What networks take where blocks follow RATES, but for one shape."""
    return np.array(
        [
            0.1 + sum(float(RATES @ block.work()) + odd_ms * (block.key == odd_key) for block in blocks)
            for blocks in networks
        ]
    )


def test_latencies_that_follow_the_work_are_met(networks):
    latency_ms = taken(networks)
    fitted = fit(networks[:30], latency_ms[:30])
    predicted = np.array([fitted.network_ms(blocks) for blocks in networks[30:]])
    assert predicted == pytest.approx(latency_ms[30:], rel=0.005)


def test_a_shape_that_is_slower_than_its_work_gets_a_correction(networks):
    key = "1x1 64>384, 5x5dw 384, 1x1 384>64 @16 +"
    latency_ms = taken(networks, odd_key=key, odd_ms=0.4)
    fitted = fit(networks, latency_ms)
    assert max(fitted.corrections_ms, key=fitted.corrections_ms.get) == key
    assert held_out_ms(networks, latency_ms) == pytest.approx(latency_ms, rel=0.06)


def test_a_shape_never_measured_is_predicted_by_its_work(networks):
    fitted = fit(networks, taken(networks))
    other = placed_blocks("macro-12122122", size=48, channels=1)
    assert fitted.network_ms(other) == pytest.approx(taken([other])[0], rel=0.05)


def test_held_out_predictions_have_not_seen_their_network(networks):
    latency_ms = taken(networks)
    spoilt = latency_ms.copy()
    spoilt[5] *= 10
    assert held_out_ms(networks, spoilt)[5] < 5 * latency_ms[5]


def test_noise_of_three_per_cent_predicts_within_three_per_cent(networks):
    noise = np.exp(np.random.default_rng(1).normal(0, 0.03, len(networks)))
    latency_ms = taken(networks)
    errors = held_out_ms(networks, latency_ms * noise) / latency_ms - 1
    assert np.median(np.abs(errors)) < 0.03


def test_nothing_takes_less_than_nothing(networks):
    noise = np.exp(np.random.default_rng(2).normal(0, 0.5, len(networks)))
    fitted = fit(networks, taken(networks) * noise)
    assert fitted.fixed_ms >= 0
    assert min(fitted.rates_ms) >= 0
    assert min(fitted.block_ms(block) for blocks in networks for block in blocks) >= 0


@pytest.mark.parametrize("count", [0, 1])
def test_a_fit_needs_two_networks(networks, count):
    with pytest.raises(ValueError, match="two or more networks"):
        fit(networks[:count], np.ones(count))


def test_drawn_networks_hold_every_shape_several_times():
    space = MacroSpace(channels=1)
    codes = draw_networks(space, 36)
    assert len(set(codes)) == 36
    assert {"00000000", "22222222"} <= set(codes)
    assert all(space.canonical(code) == code for code in codes)
    keys = [b.key for c in codes for b in placed_blocks(space.architecture(c), size=32, channels=1)]
    assert min(keys.count(key) for key in set(keys)) >= 4
    assert len(set(keys)) == 17
