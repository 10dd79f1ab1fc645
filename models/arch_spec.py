"""Architecture specs: a network as blocks of convolutions in a row, counted before anything is built.

Searched networks are specs. `models.spec_network` builds the torch module of one; its parameters and
multiply-accumulates are known from here without torch.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """A square convolution without bias, padded to keep the side at stride 1, with batch normalisation."""

    inputs: int
    outputs: int
    kernel: int = 1
    """Side in pixels, odd."""
    stride: int = 1
    groups: int = 1
    """As many as `inputs` make it depthwise."""
    relu: bool = True
    """Whether a ReLU follows the normalisation."""

    @cached_property
    def weights(self) -> int:
        """Weights of the convolution itself."""
        return self.kernel**2 * (self.inputs // self.groups) * self.outputs

    @property
    def parameters(self) -> int:
        """Trainable weights, with scale and shift of the normalisation."""
        return self.weights + 2 * self.outputs

    def side(self, side: int) -> int:
        """Side of the map it gives for one of this side."""
        return -(-side // self.stride)


@dataclass(frozen=True, kw_only=True)
class Block:
    """Convolutions in a row."""

    convolutions: tuple[Convolution, ...]
    """At least one."""
    shortcut: bool = False
    """Whether the block's input is added to what they give."""

    @cached_property
    def parameters(self) -> int:
        """Trainable weights."""
        return sum(convolution.parameters for convolution in self.convolutions)

    @property
    def stride(self) -> int:
        """Pixels of its input between neighbouring cells of its output."""
        return prod(convolution.stride for convolution in self.convolutions)

    def side(self, side: int) -> int:
        """Side of the map it gives for one of this side."""
        for convolution in self.convolutions:
            side = convolution.side(side)
        return side

    def macs(self, side: int) -> int:
        """Multiply-accumulates of its convolutions on a map of this side."""
        count = 0
        for convolution in self.convolutions:
            side = convolution.side(side)
            count += convolution.weights * side**2
        return count


@dataclass(frozen=True, kw_only=True)
class ArchitectureSpec:
    """Blocks in a row, then the mean over the map and a linear layer."""

    blocks: tuple[Block, ...]
    """Stem and last convolution are blocks, too."""
    classes: int

    @property
    def features(self) -> int:
        """Inputs of the linear layer."""
        return self.blocks[-1].convolutions[-1].outputs

    @property
    def parameters(self) -> int:
        """Trainable weights."""
        return sum(block.parameters for block in self.blocks) + (self.features + 1) * self.classes

    @property
    def stride(self) -> int:
        """Pixels of the input between neighbouring cells of the last map."""
        return prod(block.stride for block in self.blocks)

    def macs(self, size: int) -> int:
        """Multiply-accumulates of convolutions and linear layer for one image of size x size pixels."""
        count = self.features * self.classes
        for block in self.blocks:
            count += block.macs(size)
            size = block.side(size)
        return count


# A search counts thousands of networks made of the same few blocks.
@lru_cache(maxsize=4096)
def inverted_residual(*, inputs: int, outputs: int, kernel: int, expansion: int, stride: int) -> Block:
    """1x1 to `expansion` times as many channels, depthwise, 1x1 without ReLU (Sandler et al. 2018).

    Its shortcut stands where input and output are alike.
    """
    hidden = inputs * expansion
    return Block(
        convolutions=(
            Convolution(inputs=inputs, outputs=hidden),
            Convolution(inputs=hidden, outputs=hidden, kernel=kernel, stride=stride, groups=hidden),
            Convolution(inputs=hidden, outputs=outputs, relu=False),
        ),
        shortcut=stride == 1 and inputs == outputs,
    )
