"""FP32 bundle to INT8 bundle."""
