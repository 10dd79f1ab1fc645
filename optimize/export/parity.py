"""Parity: the difference of an exported graph's answers from its PyTorch network's, on images.

Shape suffixes: N images, K crops, C classes, H x W pixels.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...datasets import Dataset, load_images
from ...datasets.phantoms import draw_images
from ...models.checkpoint import Checkpoint
from ...runtime.backends.base import Backend
from ...runtime.errors import OutputError
from ...runtime.images.crops import exact_plan
from ...runtime.images.preprocessing import Preprocessing
from ..settings import ExportSettings
from .torch_reference import torch_probabilities

MAX_DIFFERENCE = 1e-4
"""Largest difference of a probability with which an export is still the network that was trained."""
IMAGES = ExportSettings.parity_images
"""Most images that parity is measured on."""
_SPLITS = ("test", "val")
_PHANTOM_SEED = 1


@dataclass(frozen=True, kw_only=True)
class ParityImages:
    """Images to compare on, and where they are from."""

    images_NHW: NDArray[np.uint8]
    source: str
    """Name of the dataset, or "phantoms"."""
    split: str | None
    digest: str | None
    """SHA-256 over the names and labels of the images, where they come from a dataset."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The difference of the shared plan's answers from the exact one's, both in PyTorch."""

    plan: str
    """The exact plan."""
    max_difference: float
    """Largest absolute difference of a probability."""
    mean_difference: float
    """Mean absolute difference of the probabilities."""

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {"plan": self.plan, "max_abs": self.max_difference, "mean_abs": self.mean_difference}


@dataclass(frozen=True, kw_only=True)
class ExportParity:
    """The result of comparing a graph with PyTorch."""

    max_difference: float
    """Largest absolute difference of any probability."""
    images: ParityImages
    exact: "Agreement | None" = None
    """For the shared plan, how far it is from the plan that it stands for."""

    def check(self, out: Path) -> None:
        """Refuse a graph that is not the network that was trained.

        Raises:
            OutputError: a probability differs by more than MAX_DIFFERENCE; the message says that `out` was
                not written.
        """
        if not self.max_difference <= MAX_DIFFERENCE:
            raise OutputError(
                f"the exported graph differs from PyTorch by {self.max_difference:.2g} in probability, "
                f"allowed is {MAX_DIFFERENCE:.0e}; {out} was not written; try other versions of torch or "
                "openvino"
            )

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values, for a manifest."""
        return {
            "against": "PyTorch eager, float32",
            "max_abs": self.max_difference,
            "allowed": MAX_DIFFERENCE,
            "images": len(self.images.images_NHW),
            "source": self.images.source,
            "split": self.images.split,
            "digest": self.images.digest,
            "exact": None if self.exact is None else self.exact.to_json(),
        }


def parity_images(dataset: Dataset | None, preprocessing: Preprocessing, count: int = IMAGES) -> ParityImages:
    """Images to measure parity on: of the dataset's test split, else val, else any; phantoms without one.

    Raises:
        DataError, InputError: an image is absent or cannot be decoded.
    """
    if dataset is None:
        phantoms_NHW = draw_images(count, seed=_PHANTOM_SEED, size=preprocessing.size)
        return ParityImages(images_NHW=phantoms_NHW, source="phantoms", split=None, digest=None)
    name = next(name for name in (*_SPLITS, *dataset.splits) if name in dataset.splits)
    split = dataset.split(name)
    chosen = split.spread(count)
    return ParityImages(
        images_NHW=load_images(chosen, preprocessing), source=dataset.name, split=name, digest=chosen.digest
    )


def measure_export(
    checkpoint: Checkpoint,
    preprocessing: Preprocessing,
    backend: Backend,
    images: ParityImages,
    *,
    trained: Checkpoint,
) -> ExportParity:
    """Compare a backend with a network in PyTorch, image by image.

    Args:
        checkpoint: what was exported.
        preprocessing: with the plan that was exported.
        backend: the exported graph.
        images: to compare on.
        trained: what the exact plan would run: the checkpoint before its head was aligned.
    """
    # One after the other: threads of the one library spin while those of the other want to work.
    wanted_NC = np.stack([torch_probabilities(checkpoint, preprocessing, i) for i in images.images_NHW])
    exact = _agreement(trained, preprocessing, wanted_NC, images)
    answers_NC = np.stack([backend.infer(image) for image in images.images_NHW])
    return ExportParity(
        max_difference=float(np.abs(answers_NC - wanted_NC).max()), images=images, exact=exact
    )


def _agreement(
    trained: Checkpoint,
    preprocessing: Preprocessing,
    answers_NC: NDArray[np.float32],
    images: ParityImages,
) -> Agreement | None:
    plan = exact_plan(preprocessing.crops)
    if plan == preprocessing.crops:
        return None
    exact = replace(preprocessing, crops=plan)
    wanted_NC = np.stack([torch_probabilities(trained, exact, image) for image in images.images_NHW])
    difference_NC = np.abs(answers_NC - wanted_NC)
    return Agreement(
        plan=plan, max_difference=float(difference_NC.max()), mean_difference=float(difference_NC.mean())
    )
