"""Names of the tensors by which a bundle's graph is fed and read."""

INPUT = "image"
"""uint8 (1, size, size)."""
OUTPUT = "probabilities"
"""float32 (1, C)."""
MAPS = "activation_maps"
"""float32 (1, V, C, H, W): logits of the head at every cell of every view's feature map. Bundles from before
there were heatmaps lack it."""
