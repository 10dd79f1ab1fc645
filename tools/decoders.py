"""Which PNG decoder earns its place: `python -m tools.decoders FOLDER`, on one core, interleaved.

Every decoder that is installed reads the same bytes and gives 8-bit grey; Pillow resizes the result to
256 x 256, so that only decoding differs. Ratios are taken image by image within a round, and survive a busy
machine better than times do.
"""

import os
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from statistics import quantiles
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xopt.runtime.images import image
from xopt.runtime.images.preprocessing import Preprocessing

Grey = NDArray[np.uint8]
ROUNDS = 5
SIZE = 256


def bare_pillow(content: bytes) -> Grey:
    """Pillow without xopt's checks."""
    from PIL import Image

    with Image.open(BytesIO(content)) as picture:
        return np.asarray(picture.convert("L"))


def decoders() -> dict[str, Callable[[bytes], Grey]]:
    """The decoders that are installed, by name; xopt's own first."""
    found: dict[str, Callable[[bytes], Grey]] = {"xopt": image.decode, "pillow": bare_pillow}
    if find_spec("cv2"):
        import cv2

        cv2.setNumThreads(1)
        found["opencv"] = lambda content: np.asarray(
            cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
        )
    if find_spec("imagecodecs"):
        import imagecodecs

        found["imagecodecs libpng"] = lambda content: np.asarray(imagecodecs.png_decode(content))
        found["imagecodecs spng"] = lambda content: np.asarray(imagecodecs.spng_decode(content))
    if find_spec("pyspng"):
        import pyspng

        found["pyspng"] = lambda content: np.asarray(pyspng.load(content)).squeeze()
    return found


def resizers(decode: dict[str, Callable[[bytes], Grey]]) -> dict[str, Callable[[bytes], Grey]]:
    """The decoders, each followed by a resize; xopt's own as the runtime does both."""
    preprocessing = Preprocessing.square(SIZE, SIZE)
    followed = {name: _then_resize(way) for name, way in decode.items()}
    return followed | {"xopt": lambda content: image.prepare(content, preprocessing).image_HW}


def _then_resize(decode: Callable[[bytes], Grey]) -> Callable[[bytes], Grey]:
    return lambda content: image.resize(decode(content), SIZE)


def time_ways(ways: dict[str, Callable[[bytes], Grey]], contents: list[bytes]) -> dict[str, list[float]]:
    """Milliseconds of each way, one for each image and round."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for round_number in range(ROUNDS + 1):
        for content in contents:
            for name, way in ways.items():
                started = time.perf_counter()
                way(content)
                if round_number:  # the first round warms up
                    times[name].append(1000 * (time.perf_counter() - started))
    return times


def describe(times: dict[str, list[float]]) -> list[str]:
    """A line for each decoder: quartiles of its milliseconds, and of its ratio to bare Pillow."""
    lines = []
    for name, spent_ms in times.items():
        ratios = [a / b for a, b in zip(spent_ms, times["pillow"], strict=True)]
        low, middle, high = quantiles(spent_ms, n=4)
        low_ratio, ratio, high_ratio = quantiles(ratios, n=4)
        lines.append(
            f"  {name:20s} {middle:6.2f} ms ({low:.2f}..{high:.2f})   "
            f"x {ratio:.2f} ({low_ratio:.2f}..{high_ratio:.2f})"
        )
    return lines


def shortcuts(contents: list[bytes]) -> list[str]:
    """What Pillow's own shortcuts would save, and by how many grey levels they change the answer."""
    from PIL import Image

    pictures = [Image.fromarray(image.decode(content)) for content in contents]
    ways: dict[str, Callable[[Any], Any]] = {
        "resize": lambda p: p.resize((SIZE, SIZE), Image.Resampling.BILINEAR),
        "reducing_gap=3": lambda p: p.resize((SIZE, SIZE), Image.Resampling.BILINEAR, reducing_gap=3.0),
        "reducing_gap=2": lambda p: p.resize((SIZE, SIZE), Image.Resampling.BILINEAR, reducing_gap=2.0),
        "reduce(2), resize": lambda p: p.reduce(2).resize((SIZE, SIZE), Image.Resampling.BILINEAR),
    }
    return _compare("resizing a decoded image", ways, pictures)


def drafts(contents: list[bytes]) -> list[str]:
    """The same of libjpeg's scaled decoding, on the images as JPEG of quality 95."""
    from PIL import Image

    coded = []
    for content in contents:
        buffer = BytesIO()
        Image.fromarray(image.decode(content)).save(buffer, format="JPEG", quality=95)
        coded.append(buffer.getvalue())

    def drafted(content: bytes, size: int | None) -> Any:
        with Image.open(BytesIO(content)) as picture:
            if size:
                picture.draft("L", (size, size))
            return picture.resize((SIZE, SIZE), Image.Resampling.BILINEAR)

    ways: dict[str, Callable[[Any], Any]] = {
        "whole": lambda c: drafted(c, None),
        "draft to 512": lambda c: drafted(c, 512),
        "draft to 256": lambda c: drafted(c, 256),
    }
    return _compare("decoding and resizing a JPEG", ways, coded)


def _compare(title: str, ways: dict[str, Callable[[Any], Any]], sources: list[Any]) -> list[str]:
    spent: dict[str, list[float]] = {name: [] for name in ways}
    apart: dict[str, list[Grey]] = {name: [] for name in ways}
    for source in sources:
        answers = {}
        for name, way in ways.items():
            started = time.perf_counter()
            answers[name] = np.asarray(way(source)).astype(np.int16)
            spent[name].append(1000 * (time.perf_counter() - started))
        exact = next(iter(answers.values()))
        for name, answer in answers.items():
            apart[name].append(np.abs(answer - exact).astype(np.uint8))
    return [title] + [
        f"  {name:20s} {quantiles(spent[name], n=4)[1]:6.2f} ms   grey levels apart: "
        f"mean {np.mean(apart[name]):.3f}, most {np.max(apart[name])}"
        for name in ways
    ]


def main() -> None:
    """Time every installed decoder on the grey PNG files of a folder."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m tools.decoders FOLDER_OF_PNG_FILES")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    contents = [path.read_bytes() for path in sorted(Path(sys.argv[1]).glob("*.png"))]
    # Byte 25 is the colour type: decoders differ in what they make of colour.
    contents = [content for content in contents if content[25] == 0]
    decode = decoders()
    lines = [f"{len(contents)} images, {ROUNDS} rounds, one core; median (quartiles), ratio to bare Pillow"]
    lines += ["decoding", *describe(time_ways(decode, contents))]
    lines += ["decoding and resizing", *describe(time_ways(resizers(decode), contents))]
    print("\n".join([*lines, *shortcuts(contents), *drafts(contents)]))


if __name__ == "__main__":
    main()
