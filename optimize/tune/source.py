"""The source of a tuning: a checkpoint, or the FP32 bundle of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...runtime.bundle.bundle import MANIFEST, Bundle
from ...runtime.bundle.manifest import Manifest
from ...runtime.errors import BundleError
from ...runtime.images.crops import CROP_PLANS, exact_plan
from ...runtime.images.preprocessing import Preprocessing

if TYPE_CHECKING:
    from ...models.checkpoint import Checkpoint


@dataclass(frozen=True, kw_only=True)
class Source:
    """A checkpoint or a bundle, opened."""

    path: Path
    checkpoint: "Checkpoint | None"
    bundle: Bundle | None
    architecture: str | None = None
    """Given for a bare weights file."""

    @property
    def name(self) -> str:
        """Its file or folder."""
        return self.path.resolve().name

    @property
    def digest(self) -> str:
        """SHA-256 of the weights file, or the bundle's identity."""
        if self.bundle is not None:
            return self.bundle.digest
        assert self.checkpoint is not None
        return self.checkpoint.digest

    @property
    def preprocessing(self) -> Preprocessing:
        """The network's own; its crop plan is a bundle's only."""
        return self._known.preprocessing

    @property
    def classes(self) -> tuple[str, ...]:
        """Name per output."""
        return self._known.classes

    @property
    def task(self) -> str:
        """One of runtime.bundle.manifest.TASKS."""
        return self._known.task

    @property
    def crop_plans(self) -> tuple[str, ...]:
        """The crop plans that it can be exported in."""
        return CROP_PLANS if self.bundle is None else (self.bundle.manifest.preprocessing.crops,)

    @property
    def reference_crops(self) -> str:
        """The crop plan of the reference: the exact ten crops, or the bundle's own."""
        return exact_plan("ten") if self.bundle is None else self.bundle.manifest.preprocessing.crops

    @property
    def _known(self) -> "Checkpoint | Manifest":
        if self.bundle is not None:
            return self.bundle.manifest
        assert self.checkpoint is not None
        return self.checkpoint


def open_source(
    path: Path, *, architecture: str | None = None, classes: Sequence[str] | None = None
) -> Source:
    """Open what is to be tuned.

    Args:
        path: a bundle's folder, or whatever `models.checkpoint.load_checkpoint` takes.
        architecture, classes: for a bare weights file.

    Raises:
        BundleError: a bundle that is damaged, or not FP32.
        CheckpointError: a checkpoint that cannot be read.
        UsageError: what a bare weights file needs is not given.
    """
    if (path / MANIFEST).is_file() or path.name.endswith(".xopt"):
        bundle = Bundle.open(path)
        if bundle.manifest.precision != "FP32":
            raise BundleError(
                f"{path} is {bundle.manifest.precision} already; tune the FP32 bundle or its checkpoint"
            )
        return Source(path=path, checkpoint=None, bundle=bundle)
    from ...models.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(path, architecture=architecture, classes=classes)
    return Source(path=path, checkpoint=checkpoint, bundle=None, architecture=architecture)
