"""Checkpoint to edge: export to OpenVINO, calibration, INT8, the gate on AUC.

    from xopt.optimize import export_checkpoint, quantize_bundle

The names below are resolved when they are first used, since what stands behind them is heavy.
"""

from typing import TYPE_CHECKING

from ..runtime.lazy import resolver

if TYPE_CHECKING:
    from .export.export import Exported, export_checkpoint
    from .export.parity import ExportParity
    from .gate.gate import GateResult, Verdict, judge, run_gate
    from .quantize.activations import covering_radius, farthest_points, image_features
    from .quantize.calibration import CalibrationSet, draw_calibration, stratified_sample
    from .quantize.int8 import Quantized, RejectedError, quantize_bundle
    from .quantize.layer_sensitivity import LayerEffect, rank_layers
    from .quantize.mixed_precision import AwareSettings, MixedPrecision
    from .quantize.nncf_ptq import quantize_model
    from .quantize.revert_layers import return_layers
    from .quantize.smoothing import smooth_network
    from .settings import ExportSettings, GateSettings, QuantizeSettings

__all__ = [
    "AwareSettings",
    "CalibrationSet",
    "ExportParity",
    "ExportSettings",
    "Exported",
    "GateResult",
    "GateSettings",
    "LayerEffect",
    "MixedPrecision",
    "QuantizeSettings",
    "Quantized",
    "RejectedError",
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
    "export.export": ("Exported", "export_checkpoint"),
    "export.parity": ("ExportParity",),
    "gate.gate": ("GateResult", "Verdict", "judge", "run_gate"),
    "quantize.calibration": ("CalibrationSet", "draw_calibration", "stratified_sample"),
    "quantize.activations": ("covering_radius", "farthest_points", "image_features"),
    "quantize.int8": ("Quantized", "RejectedError", "quantize_bundle"),
    "quantize.layer_sensitivity": ("LayerEffect", "rank_layers"),
    "quantize.mixed_precision": ("AwareSettings", "MixedPrecision"),
    "quantize.nncf_ptq": ("quantize_model",),
    "quantize.revert_layers": ("return_layers",),
    "quantize.smoothing": ("smooth_network",),
    "settings": ("ExportSettings", "GateSettings", "QuantizeSettings"),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
