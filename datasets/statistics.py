"""Statistics of a data source: images, patients, prevalence, and patients that stand in two splits."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

from ..runtime.console import table
from .records import Dataset, Split


@dataclass(frozen=True, kw_only=True)
class SplitStatistics:
    """The counts of one split."""

    name: str
    images: int
    patients: int | None
    """Number of patients; None where images do not tell whose they are."""
    positives: dict[str, int]
    """Images that have the finding, for each class."""
    known: dict[str, int]
    """Images whose label is known, for each class: fewer where uncertain ones are left out."""
    without_finding: int
    """Images that have none of the classes, and no label that is left out."""
    digest: str
    """SHA-256 of names and labels."""

    def prevalence(self, name: str) -> float:
        """Share that has a class, 0..1, of the images whose label is known."""
        return self.positives[name] / max(1, self.known[name])


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Patients that stand in two splits: what is learned on one is no longer unseen in the other."""

    splits: tuple[str, str]
    patients: tuple[str, ...]
    """Their names, sorted, at least one."""

    def __str__(self) -> str:
        few = ", ".join(self.patients[:3])
        more = f" and {len(self.patients) - 3} more" if len(self.patients) > 3 else ""
        stand = "patient stands" if len(self.patients) == 1 else "patients stand"
        return f"{len(self.patients)} {stand} in both {self.splits[0]} and {self.splits[1]}: {few}{more}"


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """The counts of a data source."""

    name: str
    classes: tuple[str, ...]
    splits: tuple[SplitStatistics, ...]
    overlaps: tuple[Overlap, ...]

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {
            "data": self.name,
            "classes": list(self.classes),
            "splits": {
                split.name: {
                    "images": split.images,
                    "patients": split.patients,
                    "without_finding": split.without_finding,
                    "positives": split.positives,
                    "known": split.known,
                    "prevalence": {name: split.prevalence(name) for name in self.classes},
                    "digest": split.digest,
                }
                for split in self.splits
            },
            "overlaps": [
                {"splits": list(overlap.splits), "patients": list(overlap.patients)}
                for overlap in self.overlaps
            ],
        }

    def to_text(self) -> str:
        """A table: a row for each class, a column for each split, positives with their share."""
        headings = ["", *(split.name for split in self.splits)]
        rows = [
            ["images", *(str(split.images) for split in self.splits)],
            ["patients", *("not known" if s.patients is None else str(s.patients) for s in self.splits)],
            ["no finding", *(_share(split.without_finding, split.images) for split in self.splits)],
        ]
        rows += [
            [name, *(_share(s.positives[name], s.known[name]) for s in self.splits)] for name in self.classes
        ]
        if any(split.known[name] < split.images for split in self.splits for name in self.classes):
            left_out = [sum(s.images - s.known[name] for name in self.classes) for s in self.splits]
            rows.append(["labels left out", *map(str, left_out)])
        return table(headings, rows)


def _share(count: int, images: int) -> str:
    return f"{count}  {100 * count / max(1, images):5.1f} %"


def gather_statistics(dataset: Dataset) -> Statistics:
    """Count what a data source holds; images are not opened."""
    return Statistics(
        name=dataset.name,
        classes=dataset.classes,
        splits=tuple(_count(split, dataset.classes) for split in dataset.splits.values()),
        overlaps=find_overlaps(dataset),
    )


def find_overlaps(dataset: Dataset) -> tuple[Overlap, ...]:
    """Patients that stand in two splits, for each pair of splits that shares one."""
    patients = {name: set(split.patients) for name, split in dataset.splits.items()}
    pairs = ((pair, patients[pair[0]] & patients[pair[1]]) for pair in combinations(patients, 2))
    return tuple(Overlap(splits=pair, patients=tuple(sorted(both))) for pair, both in pairs if both)


def _count(split: Split, classes: tuple[str, ...]) -> SplitStatistics:
    positives_C = split.labels_NC.sum(axis=0, dtype=int).tolist()
    known_C = (split.marked_labels >= 0).sum(axis=0, dtype=int).tolist()
    return SplitStatistics(
        name=split.name,
        images=len(split),
        patients=len(set(split.patients)) if split.patients_known else None,
        positives=dict(zip(classes, positives_C, strict=True)),
        known=dict(zip(classes, known_C, strict=True)),
        without_finding=int((split.marked_labels == 0).all(axis=1).sum()),
        digest=split.digest,
    )
