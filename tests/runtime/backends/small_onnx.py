"""The small IR's twin in ONNX, and what malformed or dishonest graphs look like."""

import numpy as np


def onnx_graph(shape: tuple[int, ...], weights: np.ndarray, *, last: str = "Sigmoid") -> bytes:
    """uint8 image (batch, size, size) times weights (size * size, C), through the last operation."""
    from onnx import TensorProto, helper, numpy_helper

    flat = numpy_helper.from_array(np.array([-1, shape[0] * shape[1]], np.int64), "flat_shape")
    whole = numpy_helper.from_array(np.array(255, np.float32), "whole")
    nodes = [
        helper.make_node("Cast", ["image"], ["grey"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["grey", "whole"], ["part"]),
        helper.make_node("Reshape", ["part", "flat_shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
        helper.make_node(last, ["scores"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", *shape])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", weights.shape[1]])],
        [flat, whole, numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    encoded: bytes = model.SerializeToString()
    return encoded


def small_weights(size: int) -> np.ndarray:
    """Weights (size * size, 3): how bright, how far to the left, how far to the top."""
    ramp = np.linspace(1, -1, size, dtype=np.float32)
    planes = np.stack([np.ones((size, size)), np.tile(ramp, (size, 1)), np.tile(ramp[:, None], (1, size))])
    return planes.reshape(3, -1).T.astype(np.float32) / size


def with_tensor_elsewhere(encoded: bytes, place: str) -> bytes:
    """The graph with its weights in a file beside it."""
    import onnx

    model = onnx.load_from_string(encoded)
    tensor = next(value for value in model.graph.initializer if value.name == "weights")
    length = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", place), ("offset", "0"), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    changed: bytes = model.SerializeToString()
    return changed
