"""Checkpoint to FP32 bundle: ONNX, OpenVINO IR, golden images, and proof that it is the same network."""

import re
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ... import __version__
from ...datasets import Dataset
from ...datasets.phantoms import draw_images
from ...models.checkpoint import Checkpoint
from ...runtime.backends.base import Backend
from ...runtime.backends.openvino import PRECISION_HINT, OpenVINOBackend
from ...runtime.bundle.bundle import GOLDEN, MODEL, ONNX, WEIGHTS, Bundle, write_bundle
from ...runtime.bundle.golden import encode_golden
from ...runtime.bundle.manifest import INPUT, MAPS, OUTPUT, Manifest, Port
from ...runtime.files import check_free
from ...runtime.images.preprocessing import Preprocessing
from ..libraries import need_export
from ..phase_times import Clock
from ..settings import ExportSettings
from .head_alignment import Alignment, align_head
from .onnx import encode_onnx
from .parity import ExportParity, measure_export, parity_images

if TYPE_CHECKING:
    from onnx import ModelProto

GOLDEN_IMAGES = 4
GOLDEN_TOLERANCE = 1e-4
"""Float32 sums are taken in another order on another CPU; probabilities then differ by about 1e-6."""
_GOLDEN_SEED = 20
_THRESHOLD = 0.5


@dataclass(frozen=True, kw_only=True)
class Exported:
    """The result of an export."""

    bundle: Bundle
    parity: ExportParity
    alignment: Alignment | None
    """Of the head to the shared plan, where there were training images."""
    seconds: dict[str, float]
    """Seconds per phase."""


def export_checkpoint(
    checkpoint: Checkpoint,
    out: Path,
    *,
    settings: ExportSettings | None = None,
    dataset: Dataset | None = None,
    alignment: Alignment | None = None,
    force: bool = False,
) -> Exported:
    """Export a checkpoint to an FP32 bundle.

    The bundle holds no time and no path: the same checkpoint, images and versions give the same digest.

    Args:
        checkpoint: as loaded by models.checkpoint.
        out: the bundle's folder.
        settings: crop plan, name and intended use.
        dataset: where the images come from on which parity is measured; synthetic phantoms without one.
        alignment: of the head to a shared plan, where it was aligned already.
        force: replace a bundle that is there.

    Raises:
        OutputError: the graph answers otherwise than the PyTorch network, or `out` may not be written.
        CheckpointError: torch cannot export the network.
        DataError, InputError: an image of the dataset cannot be used.
        DependencyError: onnx, onnxscript or torch is not installed.
    """
    need_export()
    check_free(out, force=force)
    chosen = settings or ExportSettings()
    from .openvino_ir import encode_ir, from_onnx

    preprocessing = replace(checkpoint.preprocessing, crops=chosen.crops)
    name = chosen.name or bundle_name(out)
    clock = Clock()
    if alignment is None:
        alignment = align_head(checkpoint, preprocessing, dataset, chosen.alignment_size)
    source = checkpoint if alignment is None else alignment.checkpoint
    if alignment is not None:
        clock.lap("alignment")
    onnx = _to_onnx(source, preprocessing)
    clock.lap("onnx")
    xml, weights = encode_ir(from_onnx(onnx, name=name))
    backend = OpenVINOBackend(xml, weights, maps=True)
    clock.lap("openvino")
    images = parity_images(dataset, preprocessing, chosen.parity_images)
    parity = measure_export(source, preprocessing, backend, images, trained=checkpoint)
    clock.lap("parity")
    parity.check(out)
    golden = golden_images(backend, preprocessing.size)
    maps = backend.activation_maps(images.images_NHW[0])
    manifest = _manifest(checkpoint, preprocessing, chosen, name, parity, alignment, maps.shape)
    files = {MODEL: xml, WEIGHTS: weights, ONNX: encode_onnx(onnx), GOLDEN: golden}
    bundle = write_bundle(out, manifest, files, force=force)
    seconds = {**clock.seconds, "total": clock.total}
    return Exported(bundle=bundle, parity=parity, alignment=alignment, seconds=seconds)


def _to_onnx(source: Checkpoint, preprocessing: Preprocessing) -> "ModelProto":
    from .graph import InferenceGraph, fold_grey_planes
    from .onnx import to_onnx

    # Parity is measured against the network before folding, so folding has to prove itself, too.
    network, planes = fold_grey_planes(source.network, preprocessing)
    parts = replace(source, network=network).parts
    graph = InferenceGraph(network, parts, planes, source.task).eval()
    return to_onnx(graph, size=preprocessing.size)


def golden_images(backend: Backend, size: int) -> bytes:
    """The bytes of golden.npz: phantoms, so that no patient's image ships, with what the backend answers."""
    images_NHW = golden_pictures(size)
    return encode_golden(images_NHW, np.stack([backend.infer(image) for image in images_NHW]))


def golden_pictures(size: int) -> NDArray[np.uint8]:
    """The phantoms that every bundle carries, uint8 (GOLDEN_IMAGES, size, size)."""
    return draw_images(GOLDEN_IMAGES, seed=_GOLDEN_SEED, size=size)


def bundle_name(out: Path) -> str:
    """A bundle's name by its folder: `chexnet-int8` for chexnet-int8.xopt."""
    return re.sub(r"\.xopt$", "", out.resolve().name)


def versions(*packages: str) -> dict[str, str]:
    """Versions of xopt and of the packages that made a bundle."""
    return {"xopt": __version__, **{package: metadata.version(package) for package in packages}}


def _manifest(
    checkpoint: Checkpoint,
    preprocessing: Preprocessing,
    settings: ExportSettings,
    name: str,
    parity: ExportParity,
    alignment: Alignment | None,
    maps_shape: tuple[int, ...],
) -> Manifest:
    size = preprocessing.size
    provenance: dict[str, Any] = {
        "checkpoint": {
            "file": checkpoint.source,
            "sha256": checkpoint.digest,
            "architecture": checkpoint.architecture,
            "notes": checkpoint.notes,
        },
        "parity": parity.to_json(),
        "alignment": None if alignment is None else alignment.to_json(),
        "inference_precision": PRECISION_HINT,
        "versions": versions("openvino", "torch", "torchvision", "onnx", "onnxscript", "numpy"),
    }
    return Manifest(
        name=name,
        task=checkpoint.task,
        classes=checkpoint.classes,
        thresholds=dict.fromkeys(checkpoint.classes, _THRESHOLD),
        preprocessing=preprocessing,
        inputs=(Port(name=INPUT, shape=(1, size, size), dtype="uint8"),),
        outputs=(
            Port(name=OUTPUT, shape=(1, len(checkpoint.classes)), dtype="float32"),
            Port(name=MAPS, shape=(1, *maps_shape), dtype="float32"),
        ),
        precision="FP32",
        golden={"images": GOLDEN_IMAGES, "tolerance": GOLDEN_TOLERANCE},
        provenance=provenance,
        intended_use=settings.intended_use,
    )
