"""Answers of a classifier: probabilities, findings, heatmaps, and the bundle and engine they come from."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The provenance of an answer, enough to get it again."""

    bundle: str
    """The bundle's name."""
    bundle_digest: str
    """The bundle's identity, SHA-256 of its manifest."""
    precision: str
    """FP32 or INT8."""
    crops: str
    """The crop plan."""
    engine: str
    """openvino or onnxruntime."""
    device: str
    """CPU, GPU, NPU or AUTO, as it was asked for."""
    versions: dict[str, str]
    """Of xopt, the engine and the libraries that decode."""

    def to_json(self) -> dict[str, Any]:
        """The facts as plain JSON values."""
        return {
            "bundle": self.bundle,
            "digest": self.bundle_digest,
            "precision": self.precision,
            "crops": self.crops,
            "engine": self.engine,
            "device": self.device,
            "versions": self.versions,
        }


@dataclass(frozen=True, kw_only=True)
class Result:
    """The answer for one image, traceable to the bundle that gave it."""

    source: str
    """The image's path, or "bytes" or "array"."""
    probabilities: dict[str, float]
    """Per class, in 0..1."""
    findings: tuple[str, ...]
    """Classes at or above their operating thresholds, the most probable first."""
    trace: Trace
    """Which bundle answered, on what."""
    notes: dict[str, str] = field(default_factory=dict)
    """What decided the grey values: the format, of a DICOM also its window."""
    explain: Callable[[str], NDArray[np.float32]] | None = field(default=None, repr=False, compare=False)
    """What `heatmap` calls; it holds on to the resized image (size x size bytes)."""

    @property
    def bundle_digest(self) -> str:
        """SHA-256 of the manifest of the bundle that answered."""
        return self.trace.bundle_digest

    def heatmap(self, name: str) -> NDArray[np.float32]:
        """Show where in the image the evidence for a class is: float32 (H, W) in 0..1, in its own pixels.

        Computed when the first one is asked for, by one more inference on the bundle that answered.
        0 is the least and 1 the most evidence within this image: a heatmap says where, not how much.

        Raises:
            InputError: the bundle has no such class, or this result is a copy from another process.
            BundleError: the bundle's graph gives no activation maps.
        """
        if name not in self.probabilities:
            raise InputError(f"no class {name!r}; the bundle answers for {', '.join(self.probabilities)}")
        if self.explain is None:
            raise InputError("this result has lost its image; ask for heatmaps where it was predicted")
        return self.explain(name)

    def __getstate__(self) -> dict[str, Any]:
        # A graph cannot go to another process; the answer can.
        return {**self.__dict__, "explain": None}


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An image of a stream that could not be classified."""

    source: str
    error: InputError
