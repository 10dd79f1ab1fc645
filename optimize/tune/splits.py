"""The splits of a tuning's roles: calibrate on train, select on the gate split, report on the report split.

No image has two roles, and no patient both gates and reports.
"""

from dataclasses import dataclass
from typing import Any

from ...datasets import Dataset, Split
from ...datasets.roles import Scored, check_fitted
from ...runtime.bundle.bundle import Bundle
from ...runtime.errors import DataError, UsageError
from ..gate.evaluator import label_columns
from ..gate.gate import check_gate_split
from ..quantize.calibration import TRAIN
from .settings import TuneSettings
from .source import Source


@dataclass(frozen=True, kw_only=True)
class RoleSplits:
    """The gate and report splits with digests of their pixels, which find an image also under another name.

    Label columns are in the order of the network's classes.
    """

    gate_pixels: Scored
    report_pixels: Scored

    @property
    def gate(self) -> Split:
        """The split that the choice is made on."""
        return self.gate_pixels.split

    @property
    def report(self) -> Split:
        """The split that the chosen variant is evaluated on, once."""
        return self.report_pixels.split

    def check(self, bundle: Bundle) -> None:
        """Check that a bundle was fitted to none of the images.

        Raises:
            DataError: it was, to one at least.
        """
        for scored in (self.gate_pixels, self.report_pixels):
            check_fitted([bundle], scored)


def assign_roles(dataset: Dataset, source: Source, settings: TuneSettings) -> RoleSplits:
    """Find the splits of the roles and check that no image or patient has two roles.

    Raises:
        UsageError: the training split, which calibrates, is given as the gate or the report split.
        DataError: a split is absent, has no AUC, or shares images or patients with another role.
    """
    names = {"gate": settings.gate_split, "report": settings.report_split}
    for role, name in names.items():
        if name == TRAIN:
            raise UsageError(f"the {TRAIN} split calibrates; choose another --{role}-split")
    gate, report = (label_columns(dataset, dataset.split(name), source) for name in names.values())
    for split in (gate, report):
        check_gate_split(split)
    _check_apart(gate, report)
    if TRAIN in dataset.splits:
        for split in (gate, report):
            _check_images_apart(dataset.split(TRAIN), split)
    splits = RoleSplits(
        gate_pixels=Scored(split=gate, preprocessing=source.preprocessing),
        report_pixels=Scored(split=report, preprocessing=source.preprocessing),
    )
    _check_pixels_apart(splits.gate_pixels, splits.report_pixels)
    return splits


def role_facts(split: Split, classes: tuple[str, ...]) -> dict[str, Any]:
    """The images of a role as plain JSON values."""
    return {
        "split": split.name,
        "images": len(split),
        "patients": len(set(split.patients)),
        "patients_known": split.patients_known,
        "digest": split.digest,
        "positives": {name: int((split.marked_labels[:, c] == 1).sum()) for c, name in enumerate(classes)},
    }


def _check_apart(first: Split, second: Split) -> None:
    _check_images_apart(first, second)
    if shared := sorted(set(first.patients) & set(second.patients)):
        raise DataError(
            f"{len(shared)} patients stand in {first.name} and in {second.name} ({shared[0]} is one), so the "
            "report would not be independent of the choice; split by patient: xopt data split"
        )


def _check_images_apart(first: Split, second: Split) -> None:
    if shared := sorted(set(first.images) & set(second.images)):
        raise DataError(
            f"{len(shared)} images stand in {first.name} and in {second.name} ({shared[0]} is one); an image "
            "may calibrate, gate or report, never two of these: use splits without common images"
        )


def _check_pixels_apart(first: Scored, second: Scored) -> None:
    names = dict(zip(first.pixels, first.split.images, strict=False))
    images = zip(second.pixels, second.split.images, strict=False)
    copies = [(names[pixels], image) for pixels, image in images if pixels in names]
    if copies:
        raise DataError(
            f"{len(copies)} images of {first.split.name} are also in {second.split.name} under another name "
            f"({copies[0][0]} is {copies[0][1]}); an image may gate or report, not both: remove them from "
            "one of the splits (xopt data check lists them)"
        )
