"""Scores of a graph on a split: its probabilities, kept in the work folder, and the gate's result for them.

A killed tuning goes on at the next image.

Shapes: N images, C classes.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...datasets import Split
from ...metrics.bootstrap import AucIntervals, auc_intervals
from ...runtime.backends import open_backend
from ...runtime.backends.base import Backend, usable_cores
from ...runtime.bundle.bundle import Bundle
from ...runtime.console import progress
from ...runtime.files import write_file
from ...runtime.images.image import prepare
from ..gate.gate import GateResult, run_gate
from ..settings import GateSettings
from .settings import TuneSettings

FOLDER = "answers"
SAVED_EVERY_S = 20.0
"""Work that a kill can cost."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Score:
    """The probabilities of a function for a split, compared with the reference's."""

    answers_NC: NDArray[np.float32]
    intervals: AucIntervals
    """Of its own AUCs."""
    result: GateResult
    """Its drop, with bounds and the verdict."""

    def to_json(self, *, gated: bool) -> dict[str, Any]:
        """The fields as plain JSON values; `passes` is null where no drop is asked for."""
        drop, interval = self.result.verdict.drop, self.intervals.mean
        return {
            "auc": self.result.candidate_auc,
            "ci": None if interval is None else interval.to_json(),
            "drop": drop.drop,
            "drop_ci": [drop.lower, drop.upper],
            "upper_one_sided": drop.upper_one_sided,
            "standard_error": drop.standard_error,
            "degrees_of_freedom": drop.degrees_of_freedom,
            "passes": self.result.verdict.passed if gated else None,
        }


def score(
    dataset: str,
    classes: tuple[str, ...],
    split: Split,
    answers_NC: NDArray[np.float32],
    reference_NC: NDArray[np.float32],
    settings: TuneSettings,
) -> Score:
    """Score probabilities (N, C) on a split against those of the reference.

    Args:
        dataset: its name, for the record.
        classes: name per column.
        split: N images.
        answers_NC, reference_NC: in the split's order.
        settings: the limits, resamples and seed.
    """
    objective = settings.objective
    result = run_gate(
        dataset,
        classes,
        split,
        reference_NC,
        answers_NC,
        GateSettings(
            # A margin of 1 is no gate at all: no AUC can fall by more.
            max_auc_drop=1.0 if objective.max_auc_drop is None else objective.max_auc_drop,
            max_class_auc_drop=objective.max_class_auc_drop,
            split=split.name,
            resamples=settings.resamples,
            seed=settings.seed,
        ),
    )
    intervals = auc_intervals(
        split.marked_labels,
        answers_NC.astype(np.float64),
        split.patients,
        resamples=settings.resamples,
        seed=settings.seed,
    )
    return Score(answers_NC=answers_NC, intervals=intervals, result=result)


def predict(bundle: Bundle, split: Split, folder: Path, *, label: str) -> NDArray[np.float32]:
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
