"""Engines that run a bundle's graph: OpenVINO, ONNX Runtime."""
