"""Blocks as hardware sees them: their shapes, their work."""

import numpy as np
import pytest

from xopt.models.registry import spec
from xopt.nas.hardware.blocks import WORK, placed_blocks
from xopt.runtime.errors import UsageError


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
