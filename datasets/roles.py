"""Three roles of images: some fit a bundle, some decide about it, some are reported. No image has two.

Images that calibrated or aligned a bundle flatter it, and a drop on the images that let it pass is the best
of what was tried. A bundle's manifest says which images had a part in it: by name where it was fitted to
them, and by digests of their pixels, so that a copy under another name is found, too. Digests are of the
resized image, 64 bits of SHA-256: the same picture stored without loss has the same one, a picture that was
compressed again has not (`xopt data check` finds such pairs).

Shape suffixes: N images, H x W pixels.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.backends.base import usable_cores
from ..runtime.bundle.bundle import Bundle
from ..runtime.console import progress
from ..runtime.errors import DataError, InputError
from ..runtime.images.image import prepare
from ..runtime.images.preprocessing import Preprocessing
from . import Dataset, Split

FITTED = {"calibration": "calibrated", "alignment": "aligned"}
"""Parts of a manifest that name images a bundle was fitted to, and what those did."""
DECIDED = {"gate": "gated", "operating_points": "chose the thresholds of"}
"""The same for images that decided about it."""
PIXELS = "pixels"
"""Where such a part keeps the digests of its images, one after the other with a space between."""
ALLOW = "--allow-gate-images"
_DIGITS = 16


@dataclass(frozen=True, kw_only=True)
class Reused:
    """Images of a split that had a part in a bundle."""

    bundle: str
    did: str
    """What they did to it."""
    images: tuple[str, ...]
    """Their names in the split."""
    first_called: str
    """What the first of them was called then, where that is known."""

    def __str__(self) -> str:
        first = self.images[0]
        there = f", there called {self.first_called}" if self.first_called not in ("", first) else ""
        return f"{len(self.images)} of the images to score {self.did} {self.bundle} ({first} is one{there})"


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """The images that are about to be scored."""

    split: Split
    preprocessing: Preprocessing
    """Of the bundles; its size is that of the images whose pixels are compared."""

    @cached_property
    def pixels(self) -> tuple[str, ...]:
        """Digests of the images; empty where an image is absent, and names are all there is."""
        try:
            return pixel_digests(self.split, self.preprocessing)
        except (DataError, InputError):
            return ()


def pixel_digests(split: Split, preprocessing: Preprocessing) -> tuple[str, ...]:
    """A digest of each image, resized as the network gets it; in the split's order.

    Raises:
        DataError: an image is absent.
        InputError: an image cannot be decoded.
    """

    def digest(index: int) -> str:
        return _digest(prepare(split.source(index), preprocessing).image_HW)

    with ThreadPoolExecutor(max_workers=usable_cores()) as pool:
        found = pool.map(digest, range(len(split)))
        return tuple(progress(found, label=f"digests of {split.name}", total=len(split)))


def joined(digests: Iterable[str]) -> str:
    """Digests as a manifest keeps them."""
    return " ".join(digests)


def without_pixels(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A part of a manifest for a reader: digests by the thousand stay in the manifest."""
    return {key: value for key, value in facts.items() if key != PIXELS}


def check_fitted(bundles: Sequence[Bundle], scored: Scored) -> None:
    """Check that no image to be scored has calibrated or aligned one of the bundles.

    Raises:
        DataError: one has: ranges or a head were fitted to it, and its score would flatter the bundle.
    """
    for found in _reused(bundles, FITTED, scored):
        raise DataError(f"{found}; use a split that had no part in it, not {scored.split.name}")


def check_roles(
    bundles: Sequence[Bundle], dataset: Dataset, scored: Scored, *, allow_gate_images: bool = False
) -> tuple[str, ...]:
    """Check that images to be reported on had no part in the bundles.

    Args:
        bundles: all that are scored.
        dataset: of the split, to find images and patients that gated by what it knows of them.
        scored: the images.
        allow_gate_images: only say so where images gated a bundle or chose its thresholds.

    Returns:
        what a reader of the scores has to know: sentences, none where the roles are apart.

    Raises:
        DataError: images calibrated or aligned a bundle, or decided about it and that is not allowed.
    """
    check_fitted(bundles, scored)
    notes = []
    if any(_keeps_pixels(bundle) for bundle in bundles) and not scored.pixels:
        notes.append(
            f"images of split {scored.split.name} are absent, so only their names were looked up in the "
            "bundles, not their pixels"
        )
    for found in _reused(bundles, DECIDED, scored, dataset):
        if not allow_gate_images:
            raise DataError(
                f"{found}, so scores there are those it was chosen by; use a split that had no part in it, "
                f"not {scored.split.name}, or {ALLOW}"
            )
        notes.append(f"{found}: what is measured on them is better than elsewhere")
    for bundle in bundles:
        notes += _patients(bundle, dataset, scored.split)
    return tuple(dict.fromkeys(notes))


def _reused(
    bundles: Sequence[Bundle], parts: Mapping[str, str], scored: Scored, dataset: Dataset | None = None
) -> Iterator[Reused]:
    for bundle in bundles:
        for part, did in parts.items():
            facts = bundle.manifest.part(part)
            names = set(facts.get("images") or ()) if isinstance(facts.get("images"), list) else set()
            if dataset is not None and (same := _same_split(facts, dataset)) is not None:
                names |= set(same.images)
            called = _called(facts)
            pixels = scored.pixels if called else ()
            hits = [
                index
                for index, image in enumerate(scored.split.images)
                if image in names or (pixels and pixels[index] in called)
            ]
            if hits:
                first = scored.split.images[hits[0]]
                was = first if first in names else called[pixels[hits[0]]]
                yield Reused(
                    bundle=str(bundle.path),
                    did=did,
                    images=tuple(scored.split.images[index] for index in hits),
                    first_called=was,
                )


def _keeps_pixels(bundle: Bundle) -> bool:
    parts = [bundle.manifest.part(part) for part in (*FITTED, *DECIDED)]
    return any(PIXELS in facts for facts in parts)


def _called(facts: Mapping[str, object]) -> dict[str, str]:
    """Digests of the images of a part, with their names where it keeps them."""
    digests = str(facts.get(PIXELS) or "").split()
    images = facts.get("images")
    names = images if isinstance(images, list) and len(images) == len(digests) else [""] * len(digests)
    return dict(zip(digests, names, strict=True))


def _same_split(facts: Mapping[str, object], dataset: Dataset) -> Split | None:
    """The split of a dataset that a part of a manifest was made on, if it is still the same."""
    split = dataset.splits.get(str(facts.get("split")))
    return split if split is not None and split.digest == facts.get("digest") else None


def _patients(bundle: Bundle, dataset: Dataset, split: Split) -> Iterator[str]:
    """Sentences about patients who have other images in another role, where patients are known."""
    patient_of = {
        image: patient
        for one in dataset.splits.values()
        for image, patient in zip(one.images, one.patients, strict=True)
    }
    for part, did in {**FITTED, **DECIDED}.items():
        facts = bundle.manifest.part(part)
        same = _same_split(facts, dataset)
        images = facts.get("images") if same is None else same.images
        known = images if isinstance(images, list | tuple) else ()
        others = {patient_of[image] for image in known if image in patient_of} & set(split.patients)
        if others and split.patients_known and not set(known) & set(split.images):
            yield (
                f"other images of {len(others)} patients of split {split.name} {did} {bundle.path} "
                f"({min(others)} is one), so the two are not independent; split by patient: xopt data split"
            )


def _digest(image_HW: NDArray[np.uint8]) -> str:
    return hashlib.sha256(np.ascontiguousarray(image_HW).tobytes()).hexdigest()[:_DIGITS]
