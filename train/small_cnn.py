"""A small network for small images, trained from random weights: `small-cnn`.

    stage   convolutions        channels   map of a 28-pixel image
    1       3x3, 3x3            32         28 x 28
    2       3x3 / 2, 3x3        64         14 x 14
    3       3x3 / 2, 3x3        128         7 x 7
    4       1x1                 256         7 x 7

Each convolution is followed by BatchNorm and ReLU; the mean over the map and a linear layer give the logits.
320,417 parameters for one grey channel and one class, 31 million multiply-accumulates at 28 pixels.
"""

from .plans import Block, Convolution, Plan

NAME = "small-cnn"
_WIDTHS = (32, 64, 128)
_LAST = 256


def plan(classes: int, channels: int) -> Plan:
    """The network as a plan."""
    blocks = []
    width = channels
    for number, stage_width in enumerate(_WIDTHS):
        stride = 1 if number == 0 else 2
        blocks += [
            Block(convolutions=(Convolution(inputs=width, outputs=stage_width, kernel=3, stride=stride),)),
            Block(convolutions=(Convolution(inputs=stage_width, outputs=stage_width, kernel=3),)),
        ]
        width = stage_width
    blocks.append(Block(convolutions=(Convolution(inputs=width, outputs=_LAST),)))
    return Plan(blocks=tuple(blocks), classes=classes)
