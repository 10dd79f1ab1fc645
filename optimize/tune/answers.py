"""What a graph answers for a split, kept in the work folder: a killed tuning goes on at the next image.

Shapes: N images, C classes.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from ...datasets import Split
from ...runtime.backends import open_backend
from ...runtime.backends.base import Backend, usable_cores
from ...runtime.bundle.folder import Bundle
from ...runtime.console import progress
from ...runtime.files import write_file
from ...runtime.images.image import prepare

FOLDER = "answers"
SAVED_EVERY_S = 20.0
"""How much work a kill can cost."""


def answers(bundle: Bundle, split: Split, folder: Path, *, label: str) -> NDArray[np.float32]:
    """Probabilities float32 (N, C) of a bundle's graph on OpenVINO, in the split's order.

    As many images at once as there are cores, one thread each: the answers are those of one at a time.

    Args:
        bundle: opened.
        split: N images.
        folder: the work folder.
        label: of the progress bar.

    Raises:
        DataError, InputError: an image is absent or cannot be decoded.
        BundleError: the graph cannot be run.
    """
    kept = folder / FOLDER / f"{bundle.digest[:16]}-{split.digest[:16]}.npy"
    done = list(np.load(kept)) if kept.is_file() else []
    if len(done) < len(split):
        kept.parent.mkdir(exist_ok=True)
        saved = monotonic()
        rest = progress(
            _stream(bundle, split, len(done)), label=label, total=len(split) - len(done), unit="images"
        )
        for answer_C in rest:
            done.append(answer_C)
            if monotonic() - saved > SAVED_EVERY_S:
                _keep(kept, done)
                saved = monotonic()
        _keep(kept, done)
    return np.stack(done).astype(np.float32)


def _stream(bundle: Bundle, split: Split, start: int) -> Iterator[NDArray[np.float32]]:
    workers = usable_cores()
    backend = open_backend(bundle, mode="throughput")
    waiting: deque[Future[NDArray[np.float32]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for index in range(start, len(split)):
                waiting.append(pool.submit(_answer, backend, bundle, split, index))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
    backend.close()


def _answer(backend: Backend, bundle: Bundle, split: Split, index: int) -> NDArray[np.float32]:
    return backend.infer(prepare(split.source(index), bundle.manifest.preprocessing).image_HW)


def _keep(path: Path, done: list[NDArray[np.float32]]) -> None:
    buffer = BytesIO()
    np.save(buffer, np.stack(done))
    write_file(path, buffer.getvalue(), force=True)
