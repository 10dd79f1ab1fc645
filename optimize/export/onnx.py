"""PyTorch to ONNX, as one self-contained file without traces of the machine that wrote it.

The names below are those of the tensors by which an exported graph is cut, beyond its inputs and outputs.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...runtime.bundle.manifest import INPUT, MAPS, OUTPUT
from ...runtime.errors import CheckpointError

if TYPE_CHECKING:
    import onnx

    from .graph import InferenceGraph

NETWORK = "network."
"""What InferenceGraph puts before the names of the network's own layers."""


def to_onnx(graph: "InferenceGraph", *, size: int) -> "onnx.ModelProto":
    """Export a graph with a dynamic batch: uint8 `image` (N, size, size) to float32 `probabilities` (N, C).

    A second output, `activation_maps` (N, V, C, H, W), is what heatmaps are made of. The tensors `crops`,
    `crop_probabilities` and `crop_activation_maps` keep their names inside the graph, and every layer with
    weights is named as in the PyTorch network (`features.conv0`).

    Args:
        graph: in eval mode.
        size: side of the image in pixels.

    Raises:
        CheckpointError: torch cannot express the network in ONNX.
    """
    import torch

    # Two images, since torch.export takes a batch of one for a constant.
    example = (torch.zeros(2, size, size, dtype=torch.uint8),)
    try:
        with _quiet():
            program = torch.onnx.export(
                graph,
                example,
                None,
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT, MAPS, CROP_OUTPUT, CROP_MAPS, CROPS],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"torch cannot export this network to ONNX ({reason}); try another torch"
        ) from error
    if program is None:
        raise CheckpointError("torch exported no ONNX graph; try another torch")
    model: onnx.ModelProto = program.model_proto
    _tidy(model)
    return model


def encode_onnx(model: "onnx.ModelProto") -> bytes:
    """The bytes of model.onnx; the same graph gives the same bytes."""
    encoded: bytes = model.SerializeToString(deterministic=True)
    return encoded


def _tidy(model: "onnx.ModelProto") -> None:
    """Drop the inner outputs, name layers, and remove stack traces, which hold paths of this machine."""
    graph = model.graph
    del graph.output[2:]
    graph.ClearField("metadata_props")
    # The inner shapes speak of the example's batch in symbols that no reader needs.
    graph.ClearField("value_info")
    taken: set[str] = set()
    for node in graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
        name = _name(node, taken)
        if name:
            node.name = name
            taken.add(name)
    for value in (*graph.initializer, *graph.input, *graph.output):
        value.ClearField("metadata_props")


def _name(node: "onnx.NodeProto", taken: set[str]) -> str:
    """Name a node by its layer, or, for the steps that no layer does, as the graph knows it."""
    if POOLING in node.input:
        return POOLING
    layer = next((i.rpartition(".")[0] for i in node.input if i.startswith(NETWORK)), "")
    name = layer.removeprefix(NETWORK)
    # The head is applied twice: to the windows' features first, then to every cell of the map.
    return name if name not in taken else f"{name}{AT_CELLS}" if f"{name}{AT_CELLS}" not in taken else ""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter prints its steps and warns of torch's own deprecations; neither concerns a user."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


CROPS = "crops"
"""uint8 (V * N, 1, side, side): the stacked views, where the network begins."""
CROP_OUTPUT = "crop_probabilities"
"""float32 (V * N, W, C): probabilities per window, where the network ends."""
CROP_MAPS = "crop_activation_maps"
"""float32 (V * N, C, H, W): activation maps per view, where the network's other end is."""

POOLING = "pooling"
"""The weights (W, H * W) that pool windows from a feature map, and the operation that applies them."""
AT_CELLS = "/cells"
"""After the name of a layer of the head: the same layer at every cell of the feature map."""
