"""The gate, asked about one candidate after another: images and the reference's answers are the same for all.

Shape suffixes: N images, H x W pixels.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...datasets import Split, load_images
from ...runtime.backends.base import Backend
from ...runtime.bundle.manifest import Manifest
from ...runtime.console import progress
from ..settings import GateSettings
from .gate import GateResult, run_gate


@dataclass(frozen=True, eq=False)
class AskedGate:
    """What candidates of one FP32 bundle are held against."""

    dataset: str
    """Its name, for the record."""
    manifest: Manifest
    """The FP32 bundle's."""
    split: Split
    """That gates, its label columns in the order of the bundle's classes."""
    reference: Backend
    """The FP32 bundle, to be run."""
    settings: GateSettings
    """What is allowed."""

    def judge(self, candidate: Backend) -> GateResult:
        """What the gate says of a candidate.

        Raises:
            DataError, InputError: an image is absent or cannot be decoded.
        """
        return run_gate(
            self.dataset,
            self.manifest.classes,
            self.split,
            self._expected,
            self._answers(candidate, f"gate on {self.split.name}"),
            self.settings,
            self.manifest.thresholds,
        )

    @cached_property
    def _images(self) -> NDArray[np.uint8]:
        return load_images(self.split, self.manifest.preprocessing)

    @cached_property
    def _expected(self) -> NDArray[np.float32]:
        return self._answers(self.reference, f"FP32 on {self.split.name}")

    def _answers(self, backend: Backend, label: str) -> NDArray[np.float32]:
        images_NHW = self._images
        shown = progress(images_NHW, label=label, total=len(images_NHW))
        return np.stack([backend.infer(image_HW) for image_HW in shown])
