"""X-ray networks: five stages of inverted residuals behind a stem, for images of up to 224 pixels.

A network's name is `xray-CODE`, with 17 digits of 0, 1 or 2:

    xray-21 121 012 210 111 022     (written without the spaces)

The first digit is the resolution it is trained and deployed with (160, 192 or 224 pixels), the second the
width of all stages (a half, three quarters, all of WIDTHS, in eights). Then three digits a stage: its depth
(1, 2 or 3 blocks), the depthwise kernel (3, 5 or 7) and the expansion (2, 4 or 6) of its blocks.
"""

import re
from dataclasses import dataclass

from ..runtime.errors import UsageError
from .arch_spec import ArchitectureSpec, Block, Convolution, inverted_residual

FAMILY = "xray"
OPTIONS = 3
RESOLUTIONS = (160, 192, 224)
SHARES = (0.5, 0.75, 1.0)
DEPTHS = (1, 2, 3)
KERNELS = (3, 5, 7)
EXPANSIONS = (2, 4, 6)
STEM = 16
WIDTHS = (24, 40, 80, 112, 192)
STRIDES = (2, 2, 2, 1, 2)
HEAD = 960
DIGITS = 2 + 3 * len(WIDTHS)
_CODE = re.compile(rf"[0-2]{{{DIGITS}}}")
_SHOWN = 80


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Blocks that are alike."""

    depth: int
    """Blocks."""
    kernel: int
    """Side of the depthwise convolution in pixels."""
    expansion: int
    width: int
    """Channels."""
    stride: int
    """Of the first block."""


def check(code: str) -> None:
    """Check that a code has 17 digits of 0, 1 or 2.

    Raises:
        UsageError: it has not.
    """
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise UsageError(
            f"an xray code has {DIGITS} digits of 0, 1 or 2, such as {'21' + '121' * len(WIDTHS)}, "
            f"got {str(code)[:_SHOWN]!r}"
        )


def parse(name: str) -> str:
    """The code of a name.

    Raises:
        UsageError: not the name of an X-ray network.
    """
    family, _, code = name.partition("-")
    if family != FAMILY:
        raise UsageError(f"an xray network is called {FAMILY}-CODE, got {name[:_SHOWN]!r}")
    check(code)
    return code


def resolution(code: str) -> int:
    """Side in pixels of the images a network is trained and deployed with."""
    check(code)
    return RESOLUTIONS[int(code[0])]


def stages(code: str) -> tuple[Stage, ...]:
    """The stages that the digits after the first two describe."""
    check(code)
    share = SHARES[int(code[1])]
    found = []
    for place, (width, stride) in enumerate(zip(WIDTHS, STRIDES, strict=True)):
        depth, kernel, expansion = (int(digit) for digit in code[2 + 3 * place : 5 + 3 * place])
        found.append(
            Stage(
                depth=DEPTHS[depth],
                kernel=KERNELS[kernel],
                expansion=EXPANSIONS[expansion],
                width=_eights(width * share),
                stride=stride,
            )
        )
    return tuple(found)


def spec(code: str, *, classes: int, channels: int = 3) -> ArchitectureSpec:
    """Build the architecture spec of a code.

    Raises:
        UsageError: not a code.
    """
    blocks = [Block(convolutions=(Convolution(inputs=channels, outputs=STEM, kernel=3, stride=2),))]
    inputs = STEM
    for stage in stages(code):
        for place in range(stage.depth):
            blocks.append(
                inverted_residual(
                    inputs=inputs,
                    outputs=stage.width,
                    kernel=stage.kernel,
                    expansion=stage.expansion,
                    stride=stage.stride if place == 0 else 1,
                )
            )
            inputs = stage.width
    blocks.append(Block(convolutions=(Convolution(inputs=inputs, outputs=HEAD),)))
    return ArchitectureSpec(blocks=tuple(blocks), classes=classes)


def _eights(width: float) -> int:
    """Round to a multiple of 8 channels, which suits vector instructions."""
    return max(8, round(width / 8) * 8)
