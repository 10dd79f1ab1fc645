"""Names of the tensors by which an exported graph is cut, beyond those by which it is fed and read."""

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
