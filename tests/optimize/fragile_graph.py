"""As `fragile.py`, for a graph that is exported already."""

import numpy as np

from xopt.optimize.quantize.network import constants, layers, set_constants


def make_fragile_graph(model, pairs, *, channels: int = 4, factor: float = 50.0):
    """A copy of an FP32 graph with large channels between the convolutions of each pair of names."""
    changed = type(model)()
    changed.CopyFrom(model)
    known, stored = layers(changed), constants(changed)

    def multiply(name, axis, by):
        factors = np.ones(stored[name].shape[axis], np.float32)
        factors[:channels] = by
        shape = [-1 if place == axis else 1 for place in range(stored[name].ndim)]
        stored[name] = stored[name] * factors.reshape(shape)

    for first, second in pairs:
        for name in known[first].input[1:]:
            multiply(name, 0, factor)
        multiply(known[second].input[1], 1, 1 / factor)
    set_constants(changed, stored)
    return changed
