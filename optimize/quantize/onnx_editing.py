"""An ONNX graph that is being changed: look-ups by name, new nodes put where they belong.

Nothing is known of quantization here but the steps that values have.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .openvino_quantizers import Steps

if TYPE_CHECKING:
    import onnx


class OnnxGraph:
    """An ONNX graph with what has to be looked up in it, and the nodes that are added."""

    def __init__(self, model: "onnx.ModelProto", known: frozenset[str]) -> None:
        self.model = model
        self.known = known
        self.nodes = list(model.graph.node)
        self.by_name = {node.name: node for node in self.nodes}
        self.makers = {value: node for node in self.nodes for value in node.output}
        self.initializers = {value.name: value for value in model.graph.initializer}
        self.steps: dict[str, Steps] = {}
        """Steps of the values that DequantizeLinear nodes of ours put out."""
        self._behind: dict[str, list[onnx.NodeProto]] = {}
        self._first: list[onnx.NodeProto] = []

    def consumers(self, name: str) -> list["onnx.NodeProto"]:
        return [node for node in self.nodes if name in node.input]

    def region(self, end: str) -> list["onnx.NodeProto"]:
        """The nodes that make a value from values that the OpenVINO graph has, too.

        OpenVINO fuses some (sigmoid and product to one Swish), and the values between them vanish.
        """
        found: list[onnx.NodeProto] = []
        waiting = [end]
        while waiting:
            maker = self.makers.get(waiting.pop())
            if maker is None or any(maker is node for node in found):
                continue
            found.append(maker)
            waiting += [value for value in maker.input if value not in self.known]
        return found

    def add(self, name: str, array: NDArray[np.generic]) -> str:
        from onnx import numpy_helper

        if name not in self.initializers:
            self.initializers[name] = numpy_helper.from_array(array, name)
        return name

    def node(self, kind: str, inputs: list[str], output: str, *, after: str | None, axis: int | None) -> str:
        """Add a node behind the one that makes `after`, or before all others."""
        from onnx import helper

        made = helper.make_node(kind, inputs, [output], name=output)
        if axis is not None:
            made.attribute.append(helper.make_attribute("axis", axis))
        (self._first if after is None else self._behind.setdefault(after, [])).append(made)
        return output

    def finish(self) -> None:
        """Put the new nodes in their places and drop what nothing uses any more."""
        graph = self.model.graph
        ordered = list(self._first)
        for name in [value.name for value in graph.input]:
            ordered += self._behind.get(name, [])
        for node in self.nodes:
            ordered.append(node)
            for value in node.output:
                ordered += self._behind.get(value, [])
        used = {value for node in ordered for value in node.input}
        del graph.node[:], graph.initializer[:]
        graph.node.extend(ordered)
        graph.initializer.extend(v for name, v in self.initializers.items() if name in used)
