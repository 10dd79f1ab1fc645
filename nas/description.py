"""Spaces by name, and what is known of one network before it is built."""

from dataclasses import dataclass
from typing import Any

from ..models import macro
from ..models.registry import spec
from ..runtime.console import table
from ..runtime.errors import UsageError
from .macro import MacroSpace
from .space import Cost, Space
from .xray import XraySpace

SPACES = ("macro", "xray")


@dataclass(frozen=True, kw_only=True)
class Description:
    """A network on paper."""

    space: str
    code: str
    """As it was given."""
    canonical: str
    architecture: str
    """What `models.registry.build` calls it."""
    classes: int
    channels: int
    size: int
    """Side of its input in pixels."""
    cost: Cost
    blocks: tuple[tuple[int, int, int, int], ...]
    """Of each block: channels it gives, side of its map, parameters, multiply-accumulates."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        names = ("channels", "side", "parameters", "macs")
        return {
            "space": self.space,
            "code": self.code,
            "canonical": self.canonical,
            "architecture": self.architecture,
            "classes": self.classes,
            "channels": self.channels,
            "size": self.size,
            "parameters": self.cost.parameters,
            "macs": self.cost.macs,
            "memory_mb": self.cost.memory_mb,
            "blocks": [dict(zip(names, block, strict=True)) for block in self.blocks],
        }

    def to_text(self) -> str:
        """A table for people."""
        rows = [
            [str(number), *(f"{fact:,}" for fact in block)]
            for number, block in enumerate(self.blocks, start=1)
        ]
        same = "" if self.code == self.canonical else f" (the same network as {self.canonical})"
        return "\n".join(
            [
                f"{self.code}{same}: {self.architecture}, {self.classes} classes, "
                f"{self.size} x {self.size} pixels",
                f"{self.cost.parameters:,} parameters ({self.cost.memory_mb:.2f} MB), "
                f"{self.cost.macs:,} multiply-accumulates",
                "",
                table(["block", "channels", "side", "parameters", "MACs"], rows),
            ]
        )


def make_space(name: str, *, classes: int, channels: int = 3, size: int | None = None) -> Space:
    """A space by name, on its default skeleton.

    Args:
        name: one of SPACES.
        classes: outputs of its networks.
        channels: input planes, 1 or 3.
        size: side of the input in pixels, 32 by default; the codes of `xray` say it themselves.

    Raises:
        UsageError: an unknown name, or numbers no network can have.
    """
    if name == "macro":
        return MacroSpace(classes=classes, channels=channels, size=32 if size is None else size)
    if name != "xray":
        raise UsageError(f"unknown space {name!r}; known are {', '.join(SPACES)}")
    if size is not None:
        raise UsageError("the first digit of an xray code is its resolution; leave the size out")
    return XraySpace(classes=classes, channels=channels)


def describe(
    code: str, *, space: str = "macro", classes: int = 5, channels: int = 3, size: int | None = None
) -> Description:
    """Describe a network by its code, or by its whole architecture name (`macro-121-depths1.2-...`).

    Raises:
        UsageError: not a network of the space.
    """
    if code.startswith(f"{macro.FAMILY}-"):
        skeleton, digits = macro.parse(code)
        chosen: Space = MacroSpace(
            skeleton=skeleton, classes=classes, channels=channels, size=32 if size is None else size
        )
    else:
        family, _, digits = code.rpartition("-")
        chosen = make_space(family or space, classes=classes, channels=channels, size=size)
    architecture, side = chosen.architecture(digits), chosen.input_size(digits)
    planned = spec(architecture, classes, channels)
    blocks, now = [], side
    for block in planned.blocks if planned else ():
        macs, now = block.macs(now), block.side(now)
        blocks.append((block.convolutions[-1].outputs, now, block.parameters, macs))
    return Description(
        space=chosen.name,
        code=digits,
        canonical=chosen.canonical(digits),
        architecture=architecture,
        classes=classes,
        channels=channels,
        size=side,
        cost=chosen.cost(digits),
        blocks=tuple(blocks),
    )
