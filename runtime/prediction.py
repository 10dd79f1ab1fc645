"""`xopt predict`: many images through one bundle, one CSV row each, nothing lost on the way."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

from .classifier import Classifier
from .errors import InputError
from .files import write_file
from .heatmap import encode_png, overlay, overlay_name
from .images.image import SUFFIXES, decode
from .results import Failure, Result


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image file and the name it has in the results."""

    name: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Results by image name, in the order given, and the images that failed."""

    results: dict[str, Result]
    failures: dict[str, str]
    """Image name to reason."""

    @classmethod
    def gather(cls, answered: Iterable[tuple[Picture, Result | Failure]]) -> "Answers":
        """Sort answers into results and failures."""
        answers = cls(results={}, failures={})
        for picture, answer in answered:
            if isinstance(answer, Failure):
                answers.failures[picture.name] = str(answer.error)
                continue
            # A thousand results must not hold on to a thousand images.
            answers.results[picture.name] = replace(answer, explain=None)
        return answers


def find_pictures(places: Sequence[Path]) -> list[Picture]:
    """The images named, and those below the folders named, sorted within each folder.

    In a folder an image is named by its path below it, elsewhere by its file name.

    Raises:
        InputError: a place does not exist, a folder holds no image, or two images would share a name.
    """
    pictures = [picture for place in places for picture in _at(place)]
    seen: dict[str, Path] = {}
    for picture in pictures:
        if picture.name in seen:
            raise InputError(
                f"{picture.path} and {seen[picture.name]} would both be named {picture.name}; "
                "predict them in two runs"
            )
        seen[picture.name] = picture.path
    return pictures


def predict_all(
    classifier: Classifier, pictures: Sequence[Picture]
) -> Iterator[tuple[Picture, Result | Failure]]:
    """Classify the images in order; one that fails does not stop the others."""
    answers = classifier.stream_all(picture.path for picture in pictures)
    yield from zip(pictures, answers, strict=True)


def write_heatmaps(
    answered: Iterable[tuple[Picture, Result | Failure]], folder: Path, *, force: bool = False
) -> Iterator[tuple[Picture, Result | Failure]]:
    """Pass answers on, and write an overlay for every finding of each; for the likeliest class without one.

    Raises:
        OutputError: an overlay is there already and `force` is not given, or the disk refused.
        BundleError: the bundle gives no activation maps.
    """
    for picture, answer in answered:
        if isinstance(answer, Result):
            likeliest = max(answer.probabilities, key=lambda name: answer.probabilities[name])
            image_HW = decode(picture.path)
            for name in answer.findings or (likeliest,):
                pixels = overlay(image_HW, answer.heatmap(name))
                write_file(folder / overlay_name(picture.name, name), encode_png(pixels), force=force)
        yield picture, answer


def to_csv(answers: Answers, classes: Sequence[str]) -> str:
    """One row an image: its name, then its probabilities in the order of the classes."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", *classes])
    for name, result in answers.results.items():
        # Nine digits tell any two float32 apart: nothing is rounded away for `xopt score`.
        writer.writerow([name, *(f"{result.probabilities[c]:.9g}" for c in classes)])
    return text.getvalue()


def _at(place: Path) -> list[Picture]:
    if place.is_file():
        return [Picture(name=place.name, path=place)]
    if not place.is_dir():
        raise InputError(f"no image or folder at {place}; check the path")
    found = sorted(p for p in place.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise InputError(f"no image in {place}; PNG, JPEG and DICOM are looked for ({', '.join(SUFFIXES)})")
    return [Picture(name=str(path.relative_to(place)), path=path) for path in found]
