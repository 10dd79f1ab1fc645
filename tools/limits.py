"""How close the runtime is to its limits: `python -m tools.limits BUNDLE FOLDER_OF_IMAGES`.

Two questions, each answered by interleaved rounds in one run:

- What does `Classifier.infer` add to a bare OpenVINO request on the same graph?
- How much of what decoding plus inference can reach does `Classifier.stream` reach? The limit is work on all
  cores without a gap: 1 / (1 / decoded a second + 1 / inferred a second) images a second, both rates measured
  with every core at that work alone.
"""

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xopt.benchmarks.bundle_engine import prediction_graph
from xopt.runtime.backends.base import usable_cores
from xopt.runtime.backends.openvino import PRECISION_HINT, compile_graph, import_openvino
from xopt.runtime.bundle.bundle import Bundle
from xopt.runtime.classifier import Classifier
from xopt.runtime.images.image import SUFFIXES, prepare

ROUNDS = 7
CALLS = 20
"""Inferences of each kind in a round of the first question."""


def bare_requests(bundle: Bundle, settings: dict[str, Any]) -> Any:
    """A bundle's graph compiled by OpenVINO alone, as the runtime compiles it."""
    model, weights = prediction_graph(bundle)
    settings = {"INFERENCE_PRECISION_HINT": PRECISION_HINT, **settings}
    return compile_graph(import_openvino().Core(), model, "CPU", settings), weights


def overhead(path: Path, images: Sequence[NDArray[np.uint8]]) -> list[str]:
    """Milliseconds that `Classifier.infer` takes beyond a bare request, image by image."""
    compiled, _kept = bare_requests(Bundle.open(path), {"PERFORMANCE_HINT": "LATENCY"})
    request = compiled.create_infer_request()
    spent: dict[str, list[float]] = {"bare": [], "infer": []}
    with Classifier.load(path) as classifier:
        ways: dict[str, Callable[[NDArray[np.uint8]], object]] = {
            "bare": lambda image: request.infer([image[np.newaxis]]),
            "infer": classifier.infer,
        }
        for turn in range(ROUNDS * CALLS):
            image = images[turn % len(images)]
            for name in ("bare", "infer") if turn % 2 else ("infer", "bare"):
                started = time.perf_counter()
                ways[name](image)
                spent[name].append(1e3 * (time.perf_counter() - started))
    low, middle, high = quantiles([b - a for a, b in zip(spent["bare"], spent["infer"], strict=True)], n=4)
    bare = median(spent["bare"])
    return [
        f"bare request               {bare:8.2f} ms",
        f"infer                      {median(spent['infer']):8.2f} ms",
        f"overhead                   {middle:+8.2f} ms ({low:+.2f}..{high:+.2f}), {middle / bare:+.1%}",
    ]


def streaming(path: Path, files: Sequence[Path]) -> list[str]:
    """Images a second of `Classifier.stream`, and the limit that decoding and inference set."""
    cores = usable_cores()
    bundle = Bundle.open(path)
    preprocessing = bundle.manifest.preprocessing
    images = [prepare(file, preprocessing).image_HW for file in files]
    hint = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": cores}
    compiled, _kept = bare_requests(bundle, hint)
    requests = [compiled.create_infer_request() for _ in range(cores)]

    def infer_share(number: int) -> None:
        for image in images[number::cores]:
            requests[number].infer([image[np.newaxis]])

    rates: dict[str, list[float]] = {"decode": [], "infer": [], "stream": [], "share": []}
    with Classifier.load(path, mode="throughput") as classifier, ThreadPoolExecutor(cores) as pool:
        ways: dict[str, Callable[[], object]] = {
            "decode": lambda: list(pool.map(lambda file: prepare(file, preprocessing).image_HW, files)),
            "infer": lambda: list(pool.map(infer_share, range(cores))),
            "stream": lambda: list(classifier.stream(files)),
        }
        for turn in range(ROUNDS + 1):
            found = {}
            for name, way in ways.items():
                started = time.perf_counter()
                way()
                found[name] = len(files) / (time.perf_counter() - started)
            # The first round warms up.
            if turn:
                found["share"] = found["stream"] * (1 / found["decode"] + 1 / found["infer"])
                for name, rate in found.items():
                    rates[name].append(rate)
    lines = {
        "decode": f"decoding on {cores} cores",
        "infer": f"inference on {cores} cores",
        "stream": "stream",
    }
    return [
        *(f"{label:27s}{_spread(rates[name], '8.2f')} images/s" for name, label in lines.items()),
        f"{'of the limit':27s}{_spread(rates['share'], '8.1%')}",
    ]


def _spread(values: Sequence[float], form: str) -> str:
    """The median, with the least and the most."""
    tight = form.lstrip("8")
    return f"{median(values):{form}} ({min(values):{tight}}..{max(values):{tight}})"


def main() -> None:
    """Measure and print."""
    if len(sys.argv) != 3:
        raise SystemExit("usage: python -m tools.limits BUNDLE FOLDER_OF_IMAGES")
    path, folder = Path(sys.argv[1]), Path(sys.argv[2])
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    if not files:
        raise SystemExit(f"no image in {folder}; give a folder of PNG or JPEG files")
    preprocessing = Bundle.open(path).manifest.preprocessing
    print(f"{path.name}, {len(files)} files of {folder.name}, {ROUNDS} rounds")
    print("\n".join(overhead(path, [prepare(file, preprocessing).image_HW for file in files[:CALLS]])))
    print("\n".join(streaming(path, files)))


if __name__ == "__main__":
    main()
