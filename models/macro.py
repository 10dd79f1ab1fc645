"""Macro networks: three stages of choice blocks between a stem and a head (after Su et al., CVPR 2021).

A network's name is `macro-CODE`, with what differs from the default behind it, in this order:

    macro-12122122[-stem32][-depths2.3.3][-widths64.128.256][-head1280]

CODE has one digit a block: 0 identity, 1 inverted residual 3x3 with expansion 3, 2 inverted residual 5x5 with
expansion 6. The first block of a stage halves the map; there an identity is a 1x1 convolution, elsewhere it
is nothing. Every network has one name: what is the default is left out.
"""

import re
from dataclasses import dataclass, fields

from ..runtime.errors import UsageError
from .arch_spec import ArchitectureSpec, Block, Convolution, inverted_residual

FAMILY = "macro"
OPERATIONS = 3
MAX_PARAMETERS = 100_000_000
"""Networks beyond are refused before they are built: a name is data, and may come from a language model."""
_MAX_NAME = 160
_MAX_STAGES = 5
_MAX_BLOCKS = 40
_KERNEL_AND_EXPANSION = {1: (3, 3), 2: (5, 6)}
_NUMBER = "[1-9][0-9]{0,3}"
_NUMBERS = rf"{_NUMBER}(?:\.{_NUMBER})*"
_NAME = re.compile(
    rf"{FAMILY}-(?P<code>[0-9]+)(?:-stem(?P<stem>{_NUMBER}))?(?:-depths(?P<depths>{_NUMBERS}))?"
    rf"(?:-widths(?P<widths>{_NUMBERS}))?(?:-head(?P<head>{_NUMBER}))?"
)


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """The stem, stages and head that all networks of a macro space share."""

    stem: int = 32
    """Channels after the first 3x3 convolution."""
    depths: tuple[int, ...] = (2, 3, 3)
    """Choice blocks of each stage."""
    widths: tuple[int, ...] = (64, 128, 256)
    """Channels of each stage."""
    head: int = 1280
    """Channels of the last 1x1 convolution."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.depths) <= _MAX_STAGES or len(self.depths) != len(self.widths):
            raise ValueError(
                f"a macro network has 1 to {_MAX_STAGES} stages with a depth and a width each, got depths "
                f"{self.depths} and widths {self.widths}."
            )
        if min(self.stem, self.head, *self.depths, *self.widths) < 1:
            raise ValueError(f"stem, depths, widths and head must be at least 1, got {self}.")
        if sum(self.depths) > _MAX_BLOCKS:
            raise ValueError(
                f"a macro network has at most {_MAX_BLOCKS} choice blocks, got {sum(self.depths)}."
            )

    @property
    def suffix(self) -> str:
        """The part of a name that describes it; values that are the default are left out."""
        parts = [(field.name, getattr(self, field.name), field.default) for field in fields(self)]
        return "".join(
            f"-{name}{'.'.join(map(str, value)) if isinstance(value, tuple) else value}"
            for name, value, default in parts
            if value != default
        )

    def name(self, code: str) -> str:
        """The architecture name of one of its networks."""
        return f"{FAMILY}-{code}{self.suffix}"

    def canonical(self, code: str) -> str:
        """The code with the identities that are nothing moved behind the other blocks of their stage.

        Raises:
            UsageError: not a code of this skeleton.
        """
        self.check(code)
        stages = []
        for depth in self.depths:
            stage, code = code[:depth], code[depth:]
            rest = stage[1:].replace("0", "")
            stages.append(stage[0] + rest + "0" * (depth - 1 - len(rest)))
        return "".join(stages)

    def check(self, code: str) -> None:
        """Check that a code has a digit of 0, 1 or 2 for every block.

        Raises:
            UsageError: it does not.
        """
        blocks = sum(self.depths)
        if not isinstance(code, str) or len(code) != blocks or not set(code) <= set("012"):
            raise UsageError(
                f"a macro code has {blocks} digits of 0, 1 or 2, such as {('12122122' * 5)[:blocks]}, "
                f"got {str(code)[:_MAX_NAME]!r}"
            )

    def spec(self, code: str, *, classes: int, channels: int = 3) -> ArchitectureSpec:
        """Build the architecture spec of a code.

        Raises:
            UsageError: not a code of this skeleton.
        """
        self.check(code)
        blocks = [Block(convolutions=(Convolution(inputs=channels, outputs=self.stem, kernel=3),))]
        width = self.stem
        digits = iter(code)
        for depth, stage_width in zip(self.depths, self.widths, strict=True):
            for place in range(depth):
                stride = 2 if place == 0 else 1
                blocks += _choice(int(next(digits)), width, stage_width, stride)
                width = stage_width
        blocks.append(Block(convolutions=(Convolution(inputs=width, outputs=self.head),)))
        return ArchitectureSpec(blocks=tuple(blocks), classes=classes)


def parse(name: str) -> tuple[Skeleton, str]:
    """The skeleton and the code that a name stands for.

    Raises:
        UsageError: not a macro network's name, or a network beyond MAX_PARAMETERS; the message says how a
            name is written.
    """
    found = _NAME.fullmatch(name) if len(name) <= _MAX_NAME else None
    if found is None:
        raise UsageError(
            f"unknown architecture {name[:_MAX_NAME]!r}; a macro network is called like macro-12122122 or "
            "macro-12122122-stem32-depths2.3.3-widths64.128.256-head1280, less what is the default"
        )
    given: dict[str, int | tuple[int, ...]] = {}
    for key in ("stem", "head"):
        if found[key]:
            given[key] = int(found[key])
    for key in ("depths", "widths"):
        if found[key]:
            given[key] = tuple(map(int, found[key].split(".")))
    try:
        skeleton = Skeleton(**given)  # type: ignore[arg-type]
    except ValueError as error:
        raise UsageError(f"architecture {name}: {error}") from error
    code = found["code"]
    size = skeleton.spec(code, classes=1).parameters
    if size > MAX_PARAMETERS:
        raise UsageError(
            f"architecture {name} has {size:,} parameters, at most {MAX_PARAMETERS:,} are built; "
            "choose smaller widths"
        )
    if skeleton.name(code) != name:
        raise UsageError(f"architecture {name} is written {skeleton.name(code)}: the default is left out")
    return skeleton, code


def _choice(operation: int, inputs: int, outputs: int, stride: int) -> list[Block]:
    """The block of an operation; none for an identity that changes nothing."""
    if operation:
        kernel, expansion = _KERNEL_AND_EXPANSION[operation]
        return [
            inverted_residual(
                inputs=inputs, outputs=outputs, kernel=kernel, expansion=expansion, stride=stride
            )
        ]
    if stride == 1:
        return []
    return [Block(convolutions=(Convolution(inputs=inputs, outputs=outputs, stride=stride, relu=False),))]
