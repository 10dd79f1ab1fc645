"""Checkpoint to FP32 bundle."""
