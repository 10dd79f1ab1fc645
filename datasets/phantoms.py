"""Synthetic chest phantoms: X-ray-like pictures with known findings, for demos and tests.

Nothing here comes from a patient, and nothing measured on phantoms says anything about patients. They are
made so that a small network learns them in a minute and still errs: signs run from plain to barely visible,
and healthy chests show look-alikes (see phantom_findings.py).

Shape suffixes: N images, H = W = size pixels, C findings.
"""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count as numbers_from
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..runtime.console import progress
from ..runtime.files import check_free, staged_folder
from . import phantom_anatomy as anatomy
from . import phantom_canvas as canvases
from . import phantom_findings as findings
from .phantom_findings import FINDINGS, Lesion

MARKER = "phantoms.json"
"""The file that tells a folder of phantoms from other folders."""

_MOST = 100_000
# Shares of the images up to which patients go to train and val; the rest is test.
_TRAIN_UNTIL, _VAL_UNTIL = 0.70, 0.85
# Chances of exactly one and of at most two images of a patient; the rest has three.
_SMALLEST = 32
_ONE_IMAGE, _TWO_IMAGES = 0.55, 0.85
# How often a follow-up image still shows a finding.
_PERSISTS = 0.85

_README = """SYNTHETIC IMAGES: phantoms drawn by a program (xopt data phantoms), not X-rays of people.

They resemble chest X-rays so that a pipeline can be tried from end to end. Nothing measured on them says
anything about patients, and a network trained on them must never see a patient's image in earnest.

images/            8-bit grey PNG, phantom<PATIENT>_<IMAGE>.png
<split>_list.txt   image name, then 0 or 1 for each class; no patient stands in two splits
classes.txt        the class names, in the order of the labels
lesions.csv        the box around each finding's sign, in pixels (bottom and right are the first outside)
phantoms.json      how they were made: the same settings give the same images
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Phantom:
    """One synthetic image."""

    name: str
    """File name, `phantom<PATIENT>_<IMAGE>.png`."""
    image_HW: NDArray[np.uint8]
    lesions: tuple[Lesion, ...]
    """What it shows, at most one of each finding, in the order of FINDINGS."""

    @property
    def labels(self) -> list[int]:
        """0 or 1 for each of FINDINGS."""
        present = {lesion.finding for lesion in self.lesions}
        return [int(name in present) for name in FINDINGS]


@dataclass(frozen=True, kw_only=True, eq=False)
class Phantoms:
    """Synthetic images with all that is known about them."""

    names: tuple[str, ...]
    """N file names; the same patient's share what stands before the `_`."""
    images_NHW: NDArray[np.uint8]
    labels_NC: NDArray[np.uint8]
    """0 or 1, uint8 (N, C)."""
    classes: tuple[str, ...]
    """C finding names."""
    lesions: tuple[tuple[Lesion, ...], ...]
    """For each image, the box around each sign it shows."""


def draw(count: int, *, seed: int, size: int = 256) -> Phantoms:
    """Draw phantoms into memory.

    The first images do not depend on `count`, and findings do not depend on `size`.

    Args:
        count: number of images, 1 to 100,000.
        seed: at least 0; the same seed gives the same bytes.
        size: side in pixels, at least 32.

    Raises:
        ValueError: a setting is out of its range.
    """
    drawn = list(islice(_all(seed=seed, size=size), _checked(count, seed, size)))
    return Phantoms(
        names=tuple(phantom.name for phantom in drawn),
        images_NHW=np.stack([phantom.image_HW for phantom in drawn]),
        labels_NC=np.array([phantom.labels for phantom in drawn], dtype=np.uint8),
        classes=FINDINGS,
        lesions=tuple(phantom.lesions for phantom in drawn),
    )


def draw_images(count: int, *, seed: int, size: int) -> NDArray[np.uint8]:
    """Phantoms without their labels, for a network of any input size: uint8 (count, size, size).

    Below 32 pixels, where no sign could be drawn, they are drawn at 32 and shrunk.

    Raises:
        ValueError: a setting is out of its range.
    """
    from ..runtime.images.image import resize

    drawn_NHW = draw(count, seed=seed, size=max(size, _SMALLEST)).images_NHW
    return drawn_NHW if size >= _SMALLEST else np.stack([resize(image, size) for image in drawn_NHW])


def write(folder: Path, *, count: int = 600, seed: int = 0, size: int = 256, force: bool = False) -> None:
    """Write phantoms as a data source in list format.

    Patients are split into train, val and test with about 70, 15 and 15 % of the images. The folder also
    holds `lesions.csv`, `phantoms.json` and a README.txt that says they are synthetic.

    Args:
        folder: to be made; complete or absent.
        count: number of images, 20 to 100,000 (fewer do not fill three splits).
        seed: at least 0; the same seed gives the same images.
        size: side in pixels, at least 32.
        force: replace an earlier folder of phantoms.

    Raises:
        ValueError: a setting is out of its range.
        OutputError: the folder cannot be written or may not be replaced.
    """
    _checked(count, seed, size, least=20)
    check_free(folder, force=force, marker=MARKER)
    from PIL import Image

    lists: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    boxes = [["image", "finding", "top", "left", "bottom", "right"]]
    # A split ends only where a patient does.
    split, patient = "train", ""
    with staged_folder(folder, force=force, marker=MARKER) as stage:
        (stage / "images").mkdir()
        drawn = islice(_all(seed=seed, size=size), count)
        for done, phantom in enumerate(progress(drawn, label="drawing phantoms", total=count)):
            owner = phantom.name.partition("_")[0]
            if owner != patient:
                patient, split = owner, _split_at(done / count)
            Image.fromarray(phantom.image_HW).save(stage / "images" / phantom.name)
            lists[split].append(" ".join([phantom.name, *map(str, phantom.labels)]))
            boxes += [
                [phantom.name, box.finding, *map(str, (box.top, box.left, box.bottom, box.right))]
                for box in phantom.lesions
            ]
        for name, lines in lists.items():
            (stage / f"{name}_list.txt").write_text("\n".join(lines) + "\n")
        (stage / "classes.txt").write_text("\n".join(FINDINGS) + "\n")
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows(boxes)
        (stage / "lesions.csv").write_text(table.getvalue())
        (stage / "README.txt").write_text(_README)
        facts = {"synthetic": True, "images": count, "seed": seed, "size": size}
        (stage / MARKER).write_text(json.dumps(facts, indent=2) + "\n")


def _checked(count: int, seed: int, size: int, *, least: int = 1) -> int:
    if not least <= count <= _MOST:
        raise ValueError(f"the number of images must be in {least}..{_MOST}, got {count}.")
    if seed < 0:
        raise ValueError(f"seed must be at least 0, got {seed}.")
    if not _SMALLEST <= size <= 4096:
        raise ValueError(f"size must be in {_SMALLEST}..4096 pixels, got {size}.")
    return count


def _split_at(share: float) -> str:
    if share < _TRAIN_UNTIL:
        return "train"
    return "val" if share < _VAL_UNTIL else "test"


def _all(*, seed: int, size: int) -> Iterator[Phantom]:
    """Every phantom of a seed, patient by patient, without end."""
    # glibc hands blocks above a threshold back to the system as soon as they are freed, and half the drawing
    # time went into faulting planes in anew. Freeing one larger block, never touched, raises that threshold.
    np.empty(31 << 20, dtype=np.uint8)
    for patient in numbers_from(1):
        # A generator for each patient: what one shows never depends on the others.
        yield from _images_of(patient, np.random.default_rng([seed, patient]), size)


def _images_of(patient: int, random: np.random.Generator, size: int) -> Iterator[Phantom]:
    body = anatomy.draw_anatomy(random)
    signs = findings.draw_signs(random)
    present = findings.draw_findings(random)
    draw_number = random.random()
    images = 1 if draw_number < _ONE_IMAGE else 2 if draw_number < _TWO_IMAGES else 3
    # Pixel noise takes a number of draws that depends on size: it must not stand between the others.
    plans = [(canvases.draw_view(random), _follow_up(random, present, first=i == 0)) for i in range(images)]
    for index, (view, shown) in enumerate(plans):
        image_HW, lesions = _expose(random, size, body, view, {n: signs[n] for n in FINDINGS if n in shown})
        yield Phantom(name=f"phantom{patient:05d}_{index:02d}.png", image_HW=image_HW, lesions=lesions)


def _follow_up(random: np.random.Generator, present: frozenset[str], *, first: bool) -> frozenset[str]:
    rolls = {name: random.random() for name in FINDINGS}
    return present if first else frozenset(name for name in present if rolls[name] < _PERSISTS)


def _expose(
    random: np.random.Generator,
    size: int,
    body: anatomy.Anatomy,
    view: canvases.View,
    signs: dict[str, findings.Sign],
) -> tuple[NDArray[np.uint8], tuple[Lesion, ...]]:
    """Draw one image of a patient: uint8 (H, W), and the boxes of the signs in it."""
    boxes: dict[str, canvases.Slices] = {}
    canvas = anatomy.start(size, body, view)
    anatomy.paint_trunk(canvas, body)
    bottom = canvas.diaphragm_HW
    if "Effusion" in signs:
        bottom, boxes["Effusion"] = findings.fluid_level(canvas, body, signs["Effusion"])
    air = anatomy.paint_lungs(canvas, bottom)
    markings = air
    if "Pneumothorax" in signs:
        rim, boxes["Pneumothorax"] = findings.collapse(canvas, signs["Pneumothorax"])
        markings = air * (1 - rim)
    heart = anatomy.paint_middle(canvas, body, findings.heart_width(body, signs.get("Cardiomegaly")), bottom)
    if "Cardiomegaly" in signs:
        boxes["Cardiomegaly"] = heart
    anatomy.paint_bones(canvas, body)
    anatomy.paint_vessels(canvas, body, markings)
    texture = canvases.mottle(random, size, 26)
    canvas.density_HW[:] += 0.025 * texture * markings
    findings.paint_lookalikes(canvas, body, random, air)
    if "Consolidation" in signs:
        boxes["Consolidation"] = findings.paint_consolidation(
            canvas, body, signs["Consolidation"], air, texture
        )
    if "Mass" in signs:
        boxes["Mass"] = findings.paint_mass(canvas, body, signs["Mass"])
    if "Nodule" in signs:
        boxes["Nodule"] = findings.paint_nodule(canvas, body, signs["Nodule"])
    lesions = tuple(Lesion.around(name, boxes[name]) for name in FINDINGS if name in boxes)
    return canvases.develop(canvas, random), lesions
