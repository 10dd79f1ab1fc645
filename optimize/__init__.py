"""Checkpoint to edge: export to OpenVINO, calibration, INT8, the gate on AUC.

    from xopt.optimize import export_checkpoint, quantize_bundle

The names below are resolved when they are first used, since what stands behind them is heavy.
"""

from typing import TYPE_CHECKING

from ..runtime.lazy import resolver

if TYPE_CHECKING:
    from .calibration import CalibrationSet, draw_calibration, stratified_sample
    from .coverage import covering_radius, farthest_points, image_features
    from .export import Exported, ExportSettings, export_checkpoint
    from .gate import GateResult, GateSettings, Verdict, judge, run_gate
    from .int8 import Quantized, RejectedError, quantize_bundle
    from .parity import ExportParity
    from .quantize import QuantizeSettings, quantize_model
    from .quantized_parts import return_layers
    from .rescue import AwareSettings, Rescue
    from .sensitivity import LayerEffect, rank_layers
    from .smoothing import smooth_network

__all__ = [
    "AwareSettings",
    "CalibrationSet",
    "ExportParity",
    "ExportSettings",
    "Exported",
    "GateResult",
    "GateSettings",
    "LayerEffect",
    "QuantizeSettings",
    "Quantized",
    "RejectedError",
    "Rescue",
    "Verdict",
    "covering_radius",
    "draw_calibration",
    "export_checkpoint",
    "farthest_points",
    "image_features",
    "judge",
    "quantize_bundle",
    "quantize_model",
    "rank_layers",
    "return_layers",
    "run_gate",
    "smooth_network",
    "stratified_sample",
]

_HOMES = {
    "calibration": ("CalibrationSet", "draw_calibration", "stratified_sample"),
    "coverage": ("covering_radius", "farthest_points", "image_features"),
    "export": ("ExportSettings", "Exported", "export_checkpoint"),
    "gate": ("GateResult", "GateSettings", "Verdict", "judge", "run_gate"),
    "int8": ("Quantized", "RejectedError", "quantize_bundle"),
    "parity": ("ExportParity",),
    "quantize": ("QuantizeSettings", "quantize_model"),
    "quantized_parts": ("return_layers",),
    "rescue": ("AwareSettings", "Rescue"),
    "sensitivity": ("LayerEffect", "rank_layers"),
    "smoothing": ("smooth_network",),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
