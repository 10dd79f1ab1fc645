"""Checkpoint to edge: export to OpenVINO, calibration, INT8, the gate on AUC.

    from xopt.optimize import export_checkpoint, quantize_bundle

The names below are resolved when they are first used, since what stands behind them is heavy.
"""

from typing import TYPE_CHECKING

from ..runtime.lazy import resolver

if TYPE_CHECKING:
    from .calibration import CalibrationSet, draw_calibration, stratified_sample
    from .export import Exported, ExportSettings, export_checkpoint
    from .gate import GateResult, GateSettings, Verdict, judge, run_gate
    from .int8 import Quantized, RejectedError, quantize_bundle
    from .parity import ExportParity
    from .quantize import QuantizeSettings, quantize_model
    from .quantized_parts import return_layers
    from .sensitivity import LayerEffect, rank_layers

__all__ = [
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
    "Verdict",
    "draw_calibration",
    "export_checkpoint",
    "judge",
    "quantize_bundle",
    "quantize_model",
    "rank_layers",
    "return_layers",
    "run_gate",
    "stratified_sample",
]

_HOMES = {
    "calibration": ("CalibrationSet", "draw_calibration", "stratified_sample"),
    "export": ("ExportSettings", "Exported", "export_checkpoint"),
    "gate": ("GateResult", "GateSettings", "Verdict", "judge", "run_gate"),
    "int8": ("Quantized", "RejectedError", "quantize_bundle"),
    "parity": ("ExportParity",),
    "quantize": ("QuantizeSettings", "quantize_model"),
    "quantized_parts": ("return_layers",),
    "sensitivity": ("LayerEffect", "rank_layers"),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
