"""A space in words: what each digit of a code stands for, layer by layer."""

from ...models import xray
from ..macro import MacroSpace
from ..space import Space
from ..xray import XraySpace

_OPERATIONS = """\
Operations:
0 identity; at stride 1 it is nothing, at stride 2 a 1x1 convolution with batch normalisation
1 inverted residual block, 3x3 depthwise convolution, expansion 3
2 inverted residual block, 5x5 depthwise convolution, expansion 6"""


def layer_table(space: Space) -> str:
    """Operations and layers of a space; of a space of unknown make, how many operations each layer has."""
    layers = len(space.choices)
    heading = (
        f"A network is a string of {layers} digits, one for each layer in order: the number of its operation."
    )
    if isinstance(space, MacroSpace):
        return f"{heading}\n{_OPERATIONS}\n{_macro(space)}"
    if isinstance(space, XraySpace):
        return f"A network is a string of {layers} digits, each 0, 1 or 2.\n{_xray(space)}"
    rows = [f"Layer {n}: operations 0 to {count - 1}" for n, count in enumerate(space.choices, 1)]
    return "\n".join([heading, *rows])


def _macro(space: MacroSpace) -> str:
    skeleton = space.skeleton
    rows = ["Layers (input channels, output channels, stride):"]
    rows.append(f"stem: 3x3 convolution, {space.channels}, {skeleton.stem}, 1")
    inputs, layer = skeleton.stem, 0
    for depth, width in zip(skeleton.depths, skeleton.widths, strict=True):
        for place in range(depth):
            layer += 1
            rows.append(f"layer {layer}: {inputs}, {width}, {2 if place == 0 else 1}")
            inputs = width
    rows.append(
        f"head: 1x1 convolution, {inputs}, {skeleton.head}, 1; mean over the map; {space.classes} outputs"
    )
    rows.append(
        f"The input has {space.size} x {space.size} pixels. Identities at stride 1 are nothing, so codes "
        "that differ only in their places within a stage are one network; below they are written behind."
    )
    return "\n".join(rows)


def _xray(space: XraySpace) -> str:
    def options(values: tuple[float, ...]) -> str:
        return " or ".join(f"{value:g}" for value in values)

    rows = [
        f"digit 1: side of the input, {options(xray.RESOLUTIONS)} pixels",
        f"digit 2: width of all stages, times {options(xray.SHARES)}",
    ]
    for stage, (width, stride) in enumerate(zip(xray.WIDTHS, xray.STRIDES, strict=True)):
        rows.append(
            f"digits {3 + 3 * stage}, {4 + 3 * stage}, {5 + 3 * stage}: stage {stage + 1} of inverted "
            f"residual blocks, {width} channels at full width, stride {stride}: {options(xray.DEPTHS)} "
            f"blocks; depthwise kernel {options(xray.KERNELS)}; expansion {options(xray.EXPANSIONS)}"
        )
    rows.append(f"Input planes: {space.channels}; outputs: {space.classes}.")
    return "\n".join(rows)
