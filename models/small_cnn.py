"""A small network for small images, trained from random weights: `small-cnn`.

    stage   convolutions        channels   map of a 28-pixel image
    1       5x5 / 2, 3x3 +      32         14 x 14
    2       3x3 / 2, 3x3 +      64         7 x 7
    3       3x3, 3x3 +          128        7 x 7
    4       1x1                 256        7 x 7

Each convolution is followed by BatchNorm and ReLU; + adds what it was given to what it gives. The mean over
the map and a linear layer give the logits. 320,929 parameters for one grey channel and one class, 17 million
multiply-accumulates at 28 pixels.
"""

from .arch_spec import Block, Convolution, Plan

NAME = "small-cnn"
_STAGES = ((5, 2, 32), (3, 2, 64), (3, 1, 128))
"""Kernel and stride of the first convolution, channels."""
_LAST = 256


def plan(classes: int, channels: int) -> Plan:
    """The network as a plan."""
    blocks = []
    width = channels
    for kernel, stride, outputs in _STAGES:
        first = Convolution(inputs=width, outputs=outputs, kernel=kernel, stride=stride)
        second = Convolution(inputs=outputs, outputs=outputs, kernel=3)
        blocks += [Block(convolutions=(first,)), Block(convolutions=(second,), shortcut=True)]
        width = outputs
    blocks.append(Block(convolutions=(Convolution(inputs=width, outputs=_LAST),)))
    return Plan(blocks=tuple(blocks), classes=classes)
