"""The three roles of images: some calibrate, others decide, others are the claim. Nobody has two of them."""

from dataclasses import dataclass
from typing import Any

from ...datasets import Dataset, Split
from ...datasets.roles import Scored, check_fitted
from ...runtime.bundle.folder import Bundle
from ...runtime.errors import DataError, UsageError
from ..gate.evaluator import label_columns
from ..gate.gate import check_gate_split
from ..quantize.calibration import TRAIN
from .settings import TuneSettings
from .source import Source


@dataclass(frozen=True, kw_only=True)
class Roles:
    """The splits that decide and that are the claim, label columns in the order of the network's classes."""

    gate: Split
    report: Split
    gate_pixels: Scored
    report_pixels: Scored
    """The same with digests of their pixels, which find an image also under another name."""

    def check(self, bundle: Bundle) -> None:
        """Check that a bundle was fitted to none of the images.

        Raises:
            DataError: it was, to one at least.
        """
        for scored in (self.gate_pixels, self.report_pixels):
            check_fitted([bundle], scored)


def assign(dataset: Dataset, network: Source, settings: TuneSettings) -> Roles:
    """Find the splits of the roles and check that no image or patient has two roles.

    Raises:
        UsageError: the training split, which calibrates, is to decide or to be the claim.
        DataError: a split is absent, has no AUC, or shares images or patients with another role.
    """
    names = {"gate": settings.gate_split, "report": settings.report_split}
    for role, name in names.items():
        if name == TRAIN:
            raise UsageError(f"the {TRAIN} split calibrates; choose another --{role}-split")
    found = {role: label_columns(dataset, dataset.split(name), network) for role, name in names.items()}
    for split in found.values():
        check_gate_split(split)
    _check_apart(found["gate"], found["report"])
    if TRAIN in dataset.splits:
        for split in found.values():
            _check_images_apart(dataset.split(TRAIN), split)
    gate, report = (
        Scored(split=found[role], preprocessing=network.preprocessing) for role in ("gate", "report")
    )
    _check_pixels_apart(gate, report)
    return Roles(gate=found["gate"], report=found["report"], gate_pixels=gate, report_pixels=report)


def role_facts(split: Split, classes: tuple[str, ...]) -> dict[str, Any]:
    """A role for the record."""
    return {
        "split": split.name,
        "images": len(split),
        "patients": len(set(split.patients)),
        "patients_known": split.patients_known,
        "digest": split.digest,
        "positives": {name: int((split.marked_labels[:, c] == 1).sum()) for c, name in enumerate(classes)},
    }


def _check_apart(one: Split, other: Split) -> None:
    _check_images_apart(one, other)
    if shared := sorted(set(one.patients) & set(other.patients)):
        raise DataError(
            f"{len(shared)} patients stand in {one.name} and in {other.name} ({shared[0]} is one), so the "
            "report would not be independent of the choice; split by patient: xopt data split"
        )


def _check_images_apart(one: Split, other: Split) -> None:
    if shared := sorted(set(one.images) & set(other.images)):
        raise DataError(
            f"{len(shared)} images stand in {one.name} and in {other.name} ({shared[0]} is one); an image "
            "may calibrate, gate or report, never two of these: use splits without common images"
        )


def _check_pixels_apart(one: Scored, other: Scored) -> None:
    names = dict(zip(one.pixels, one.split.images, strict=False))
    copies = [
        (names[pixels], image)
        for pixels, image in zip(other.pixels, other.split.images, strict=False)
        if pixels in names
    ]
    if copies:
        raise DataError(
            f"{len(copies)} images of {one.split.name} are also in {other.split.name} under another name "
            f"({copies[0][0]} is {copies[0][1]}); an image may gate or report, not both: remove them from "
            "one of the splits (xopt data check lists them)"
        )
