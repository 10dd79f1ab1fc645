"""As `fragile.py`, for a graph that is exported already."""

import numpy as np

from xopt.runtime.backends.openvino import import_openvino


def make_fragile_graph(model, pairs, *, channels: int = 4, factor: float = 50.0):
    """A copy of an FP32 graph with large channels between the convolutions of each pair of names."""
    changed = model.clone()
    operations = {op.get_friendly_name(): op for op in changed.get_ordered_ops()}
    for first, second in pairs:
        made, taken = (operations.get(f"{name}/WithoutBiases", operations[name]) for name in (first, second))
        _multiply(made.input(1), axis=0, channels=channels, factor=factor)
        if made is not operations[first]:
            _multiply(operations[first].input(1), axis=1, channels=channels, factor=factor)
        _multiply(taken.input(1), axis=1, channels=channels, factor=1 / factor)
    changed.validate_nodes_and_infer_types()
    return changed


def _multiply(port, *, axis, channels, factor):
    """Multiply the first few channels along an axis of a constant."""
    node = port.get_source_output().get_node()
    factors = np.ones(node.data.shape[axis], np.float32)
    factors[:channels] = factor
    shape = [-1 if place == axis else 1 for place in range(node.data.ndim)]
    constant = import_openvino().opset13.constant(node.data * factors.reshape(shape))
    constant.set_friendly_name(node.get_friendly_name())
    port.replace_source_output(constant.output(0))
