"""Accuracy-aware INT8: where plain INT8 misses the gate, its most harmful layers return to floating point.

How many is decided on images that calibrate, by the error of the logits. The gate's images are asked about
the one network that was chosen, and about one more if that misses: every further look at the same images is
a further chance to pass in error (docs/decisions/0055).

Shape suffixes: N images, H x W pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...runtime.backends.base import Backend
from ...runtime.backends.openvino import OpenVINOBackend
from ...runtime.errors import UsageError
from ...runtime.images.preprocessing import Preprocessing
from ..export.openvino_ir import encode_ir, from_onnx
from ..gate.evaluator import at_stricter_level
from ..gate.gate import MIN_PATIENTS, GateResult
from .interleaved_latency import ROUNDS, Latency, interleaved_latency
from .layer_sensitivity import (
    FIRST_LEVEL,
    IMAGES,
    LATER_ASKS,
    LATER_LEVEL,
    MEASUREMENTS,
    Chooser,
    LayerEffect,
    rank_layers,
)
from .revert_layers import return_layers

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, kw_only=True)
class AwareSettings:
    """Settings of the accuracy-aware path: whether layers may return to floating point, and how many."""

    mode: Literal["auto", "always", "never"] = "auto"
    """auto: where plain INT8 misses the gate. always: rank the layers also where it passes."""
    max_macs_share: float = 0.5
    """Largest part of the multiply-accumulates that may return; beyond it little of INT8 is left."""
    images: int = IMAGES
    """Calibration images that rank the layers; twice as many decide how many return."""
    measurements: int = MEASUREMENTS
    """Groups of layers that are measured at most."""
    rounds: int = ROUNDS
    """How often each network answers for its latency."""

    def __post_init__(self) -> None:
        if self.mode not in ("auto", "always", "never"):
            raise UsageError(f"mode must be auto, always or never, got {self.mode!r}")
        if not 0 < self.max_macs_share <= 1:
            raise UsageError(f"max_macs_share must be in (0, 1], got {self.max_macs_share}")
        for name in ("images", "measurements", "rounds"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One look at the gate's images."""

    layers: int
    """How many had returned."""
    level: float
    """How often a network at the margin passes."""
    outcome: str
    drop: float
    bound: float
    """Upper bound of the drop at that level."""

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {
            "layers": self.layers,
            "level": self.level,
            "outcome": self.outcome,
            "auc_drop": self.drop,
            "auc_drop_upper_one_sided": self.bound,
        }


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A quantized graph, what runs it, and what the gate said."""

    model: "onnx.ModelProto"
    xml: bytes
    weights: bytes
    backend: Backend
    gate: GateResult


@dataclass(frozen=True, kw_only=True)
class MixedPrecision:
    """The result of the accuracy-aware path."""

    reason: str
    """One line: what was done, or why nothing could be."""
    effects: tuple[LayerEffect, ...] = ()
    """Of all layers, the most harmful first; empty where none were ranked."""
    returned: tuple[str, ...] = ()
    """What is in floating point now, the most harmful first."""
    macs_share: float = 0.0
    """Part of the multiply-accumulates in floating point."""
    logit_rms: tuple[float, float] | None = None
    """Error of the logits of plain INT8 and of the result, on calibration images."""
    asks: tuple[Ask, ...] = ()
    latency_ms: dict[str, Latency] | None = None
    """Of fp32, int8 and result, interleaved on this machine."""

    @property
    def kept_speedup(self) -> float | None:
        """The share of INT8's gain that is left: (speed-up of the result - 1) / (that of plain INT8 - 1).

        None where plain INT8 is no faster than FP32.
        """
        if self.latency_ms is None:
            return None
        fp32, int8, result = (self.latency_ms[name].median for name in ("fp32", "int8", "result"))
        return (fp32 / result - 1) / (fp32 / int8 - 1) if int8 < fp32 else None

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values, for a manifest."""
        by_name = {effect.name: effect for effect in self.effects}
        latency = self.latency_ms
        return {
            "reason": self.reason,
            "returned": [by_name[name].to_json() for name in self.returned],
            "ranking": [effect.to_json() for effect in self.effects],
            "macs_share": self.macs_share,
            "logit_rms": None
            if self.logit_rms is None
            else {"int8": self.logit_rms[0], "result": self.logit_rms[1]},
            "asks": [ask.to_json() for ask in self.asks],
            "latency_ms": None if latency is None else {name: one.to_json() for name, one in latency.items()},
            "kept_speedup": self.kept_speedup,
        }


def return_harmful_layers(
    original: "onnx.ModelProto",
    reference: Backend,
    plain: Candidate,
    images_NHW: NDArray[np.uint8],
    preprocessing: Preprocessing,
    evaluate: Callable[[Backend], GateResult],
    settings: AwareSettings,
) -> tuple[Candidate, MixedPrecision | None]:
    """Return layers of a candidate to floating point until it passes the gate, if it does not.

    Args:
        original: the FP32 graph that was quantized.
        reference: the same, to be run.
        plain: plain INT8 with its gate result.
        images_NHW: those that calibrated, uint8 (N, size, size).
        preprocessing: the bundle's.
        evaluate: the gate.
        settings: whether and how far.

    Returns:
        the candidate that is to be kept, passed or not, and what was done; None where nothing was to be done.
    """
    passed = plain.gate.verdict.passed
    if settings.mode == "never" or (settings.mode == "auto" and passed):
        return plain, None
    first = _ask(plain.gate, 0, FIRST_LEVEL)
    if not passed and (reason := _hopeless(plain.gate)):
        return plain, MixedPrecision(reason=reason, asks=(first,))
    limits = {"images": settings.images, "measurements": settings.measurements}
    effects = rank_layers(original, plain.model, images_NHW, preprocessing, **limits)
    if passed:
        reason = "plain INT8 passed, so no layer was returned"
        return plain, MixedPrecision(reason=reason, effects=effects, asks=(first,))
    return _return_layers(original, reference, plain, effects, images_NHW, preprocessing, evaluate, settings)


def _return_layers(
    original: "onnx.ModelProto",
    reference: Backend,
    plain: Candidate,
    effects: tuple[LayerEffect, ...],
    images_NHW: NDArray[np.uint8],
    preprocessing: Preprocessing,
    evaluate: Callable[[Backend], GateResult],
    settings: AwareSettings,
) -> tuple[Candidate, MixedPrecision]:
    names = _affordable(effects, settings.max_macs_share)
    chooser = Chooser(
        original, plain.model, plain.gate, names, images_NHW, preprocessing, 2 * settings.images
    )
    count, asks, best = chooser.choose(), [_ask(plain.gate, 0, FIRST_LEVEL)], plain
    for _ in range(LATER_ASKS):
        best = _candidate(return_layers(original, plain.model, names[:count]), evaluate)
        asks.append(_ask(best.gate, count, LATER_LEVEL / LATER_ASKS))
        if best.gate.verdict.passed or count == len(names):
            break
        count = min(2 * count, len(names))
    returned = names[: asks[-1].layers]
    outcome = "and it passed" if best.gate.verdict.passed else "and it did not pass either"
    reason = (
        f"plain INT8 did not pass ({plain.gate.verdict.reason}); the {len(returned)} most harmful returned "
        f"to floating point, {outcome}"
    )
    total = sum(effect.macs for effect in effects) or 1
    running = {"fp32": reference, "int8": plain.backend, "result": best.backend}
    return best, MixedPrecision(
        reason=reason,
        effects=effects,
        returned=tuple(returned),
        macs_share=sum(effect.macs for effect in effects if effect.name in returned) / total,
        logit_rms=(chooser.error(0), chooser.error(len(returned))),
        asks=tuple(asks),
        latency_ms=interleaved_latency(running, images_NHW[:ROUNDS], rounds=settings.rounds),
    )


def _candidate(model: "onnx.ModelProto", evaluate: Callable[[Backend], GateResult]) -> Candidate:
    xml, weights = encode_ir(from_onnx(model))
    backend = OpenVINOBackend(xml, weights)
    gate = at_stricter_level(evaluate(backend), LATER_LEVEL / LATER_ASKS)
    return Candidate(model=model, xml=xml, weights=weights, backend=backend, gate=gate)


def _hopeless(gate: GateResult) -> str | None:
    """Why not even the FP32 network itself would pass."""
    margin, patients = gate.settings.max_auc_drop, gate.verdict.drop.patients
    if margin <= 0:
        return (
            f"no layer was returned: a margin of {margin:g} asks for more than FP32 has, and layers in "
            "floating point only come nearer to FP32; allow a drop above 0"
        )
    if patients < MIN_PATIENTS:
        return (
            f"no layer was returned: with {patients} patients not even FP32 would pass; gate on a split of "
            f"at least {MIN_PATIENTS}"
        )
    return None


def _affordable(effects: tuple[LayerEffect, ...], max_share: float) -> list[str]:
    """The names of the most harmful layers, without those that would be too much work."""
    room, names = max_share * sum(effect.macs for effect in effects), []
    for effect in effects:
        if effect.macs <= room:
            room -= effect.macs
            names.append(effect.name)
    return names


def _ask(gate: GateResult, layers: int, level: float) -> Ask:
    drop = gate.verdict.drop
    return Ask(
        layers=layers,
        level=level,
        outcome=gate.verdict.outcome,
        drop=drop.drop,
        bound=drop.upper_at(level),
    )
