"""Variants as a race opens them, each in a process of its own."""

from typing import Any

from ...benchmarks.engines import Variant
from ...benchmarks.onnxruntime_engine import OnnxRuntimeVariant
from ...benchmarks.openvino_engine import OpenVINOVariant
from ...benchmarks.torch_engine import TorchVariant
from .bundles import Workshop
from .candidates import Row
from .latency_race import Entry

REFERENCE_LOADER = "xopt.models.checkpoint:load_reference"
"""Loads the checkpoint for the PyTorch reference, in the process that runs it."""
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def entry_of(row: Row, workshop: Workshop) -> Entry:
    """What a race opens for a variant."""
    threads = row.candidate.threads
    # Libraries below an engine start pools of their own, sized by these.
    environment = {} if threads is None else dict.fromkeys(_THREAD_VARIABLES, str(threads))
    return Entry(variant=_variant(row, workshop), function=row.function, environment=environment)


def _variant(row: Row, workshop: Workshop) -> Variant:
    candidate, source = row.candidate, workshop.source
    if candidate.engine == "torch":
        return TorchVariant(
            name=row.name,
            path=str(source.path),
            loader=REFERENCE_LOADER,
            crops=candidate.graph.crops,
            task=source.task,
            threads=candidate.threads,
            architecture=source.architecture,
            classes=source.classes if source.architecture is not None else None,
        )
    facts: dict[str, Any] = {
        "name": row.name,
        "path": str(workshop.path(candidate.graph)),
        "precision": candidate.graph.precision,
        "crops": candidate.graph.crops,
        "threads": candidate.threads,
    }
    return OnnxRuntimeVariant(**facts) if candidate.engine == "onnxruntime" else OpenVINOVariant(**facts)
