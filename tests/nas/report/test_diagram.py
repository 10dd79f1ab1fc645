"""A network as a drawing."""

from xml.etree import ElementTree

import pytest

from xopt.models.registry import spec
from xopt.nas.report import draw
from xopt.runtime.errors import UsageError


@pytest.mark.parametrize(
    "architecture", ["macro-00000000", "macro-12122122", "macro-21-depths1.1-widths8.16"]
)
def test_every_block_is_a_box_between_the_image_and_the_answer(architecture):
    svg = ElementTree.fromstring(draw(architecture, size=32, classes=5))
    network = spec(architecture, classes=5, channels=1)
    assert len(svg.findall(".//rect")) == len(network.blocks) + 2
    assert len(svg.findall(".//path")) == sum(block.shortcut for block in network.blocks)
    assert f"{network.parameters:,} parameters" in svg.find("title").text


def test_boxes_say_kernel_expansion_channels_and_map():
    words = "".join(ElementTree.fromstring(draw("macro-12000000", size=32, classes=2)).itertext())
    for said in ("MB 3x3 e3", "MB 5x5 e6", "32 → 64", "64 → 64", "stride 2", "16²", "2 out", "32 x 32"):
        assert said in words


def test_a_long_network_goes_on_in_the_next_row():
    narrow = ElementTree.fromstring(draw("macro-12122122", size=32, classes=5, columns=4))
    assert len(narrow.findall("g")) == 3
    wide = ElementTree.fromstring(draw("macro-12122122", size=32, classes=5, columns=20))
    assert len(wide.findall("g")) == 1
    assert len(narrow.findall(".//rect")) == len(wide.findall(".//rect"))


def test_only_searched_networks_are_drawn():
    with pytest.raises(ValueError, match="searched network's"):
        draw("resnet18", size=32, classes=1)
    with pytest.raises(UsageError):
        draw("macro-3", size=32, classes=1)
