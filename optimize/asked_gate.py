"""The gate, asked about one candidate after another: images and the reference's answers are the same for all.

Shape suffixes: N images, H x W pixels.
"""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..datasets import Split, load_images
from ..runtime.backend import Backend
from ..runtime.console import progress
from ..runtime.manifest import Manifest
from .gate import GateResult, GateSettings, run_gate


class AskedGate:
    """What candidates of one FP32 bundle are held against.

    Args:
        dataset: the dataset's name, for the record.
        manifest: the FP32 bundle's.
        split: that gates, its label columns in the order of the bundle's classes.
        reference: the FP32 bundle, to be run.
        settings: what is allowed.
    """

    def __init__(
        self, dataset: str, manifest: Manifest, split: Split, reference: Backend, settings: GateSettings
    ) -> None:
        self._dataset = dataset
        self._manifest = manifest
        self._split = split
        self._reference = reference
        self._settings = settings

    def judge(self, candidate: Backend) -> GateResult:
        """What the gate says of a candidate.

        Raises:
            DataError, InputError: an image is absent or cannot be decoded.
        """
        return run_gate(
            self._dataset,
            self._manifest.classes,
            self._split,
            self._expected,
            self._answers(candidate, f"gate on {self._split.name}"),
            self._settings,
            self._manifest.thresholds,
        )

    @cached_property
    def _images(self) -> NDArray[np.uint8]:
        return load_images(self._split, self._manifest.preprocessing)

    @cached_property
    def _expected(self) -> NDArray[np.float32]:
        return self._answers(self._reference, f"FP32 on {self._split.name}")

    def _answers(self, backend: Backend, label: str) -> NDArray[np.float32]:
        images_NHW = self._images
        shown = progress(images_NHW, label=label, total=len(images_NHW))
        return np.stack([backend.infer(image_HW) for image_HW in shown])
