"""Which rows a benchmark has: the reference, ONNX Runtime, OpenVINO, and PyTorch's own best efforts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..runtime.bundle.bundle import ONNX, Bundle
from ..runtime.errors import BundleError, UsageError
from ..runtime.images.crops import CROP_PLANS, SHARED_PLANS, exact_plan
from ..runtime.requires import need
from .bundle_engine import BundleVariant
from .engines import Variant
from .torch_engine import Mode, TorchVariant, check_compiler

PEERS: tuple[tuple[str, Mode], ...] = (
    ("torch.compile FP32", "compile"),
    ("torch.compile BF16", "compile-bf16"),
)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The checkpoint whose PyTorch network is the reference row."""

    path: str
    architecture: str | None = None
    """For a bare weights file, which does not say."""
    crops: str | None = None
    """Crop plan; None takes the exact plan of the first bundle's."""
    peers: bool = False
    """Also run it under torch.compile, in FP32 and in BF16."""

    def __post_init__(self) -> None:
        exact = tuple(plan for plan in CROP_PLANS if plan not in SHARED_PLANS)
        if self.crops is not None and self.crops not in exact:
            raise UsageError(f"the reference's crops must be one of {', '.join(exact)}, got {self.crops}")


def list_variants(
    bundles: Sequence[Bundle],
    *,
    classes: tuple[str, ...],
    reference: Reference | None = None,
    threads: int | None = None,
) -> list[Variant]:
    """All rows, the reference first: the checkpoint in PyTorch, or else the first bundle on OpenVINO.

    A bundle with a model.onnx gets an ONNX Runtime row, too, where that is installed.

    Args:
        bundles: opened, at least one.
        classes: of the data; bare weights files get them, bundles must have the same.
        reference: the checkpoint.
        threads: for every engine; None leaves the number to each.

    Raises:
        BundleError: a bundle has other classes, or another image size than the first.
        DependencyError: what the reference or its peers need is not installed.
    """
    check_alike(bundles, classes)
    names = row_names([bundle.path for bundle in bundles])
    rows: list[Variant] = [] if reference is None else _torch_rows(reference, bundles[0], classes, threads)
    peers, rows = rows[1:], rows[:1]
    onnx_rows: list[Variant] = []
    openvino_rows: list[Variant] = []
    for bundle, name in zip(bundles, names, strict=True):
        facts: dict[str, Any] = {
            "path": str(bundle.path),
            "precision": bundle.manifest.precision,
            "crops": bundle.manifest.preprocessing.crops,
            "threads": threads,
        }
        openvino_rows.append(BundleVariant(name=f"OpenVINO {name}", **facts))
        if bundle.has(ONNX) and find_spec("onnxruntime") is not None:
            onnx_rows.append(BundleVariant(name=f"ONNX Runtime {name}", engine="onnxruntime", **facts))
    # Without a checkpoint the first bundle is the reference, and the reference stands first.
    first = [] if rows else openvino_rows[:1]
    return [*rows, *first, *onnx_rows, *openvino_rows[len(first) :], *peers]


def row_names(paths: Sequence[Path]) -> list[str]:
    """The bundles' folder names without .xopt, with as many parent folders as it takes to tell them apart."""
    depth = 1
    names = [path.resolve() for path in paths]
    if len(set(names)) != len(names):
        raise UsageError("a bundle is given twice; name each once")
    while True:
        shown = ["/".join((*path.parts[-depth:-1], path.name.removesuffix(".xopt"))) for path in names]
        if max(Counter(shown).values()) == 1:
            return shown
        depth += 1


def check_alike(bundles: Sequence[Bundle], classes: tuple[str, ...]) -> None:
    """Check that bundles answer the question that the data asks, from the same resized image.

    Raises:
        BundleError: other classes or another order than the data's, or another image size than the first.
    """
    size = bundles[0].manifest.preprocessing.size
    for bundle in bundles:
        check_classes(str(bundle.path), bundle.manifest.classes, classes)
        found = bundle.manifest.preprocessing.size
        if found != size:
            raise BundleError(
                f"{bundle.path} takes {found} x {found} images, {bundles[0].path} takes {size} x {size}; "
                "their clocks would start at different images, so bench them in two runs"
            )


def check_classes(name: str, found: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    """Check that a variant's outputs are the data's label columns.

    Raises:
        BundleError: they are others, or in another order.
    """
    if found == wanted:
        return
    if sorted(found) == sorted(wanted):
        raise BundleError(
            f"{name} has the data's classes in another order ({', '.join(found)}); the data has "
            f"{', '.join(wanted)}; export with the data's order"
        )
    raise BundleError(
        f"{name} answers for {len(found)} classes ({', '.join(found)}), the data has {len(wanted)} "
        f"({', '.join(wanted)}); use the data it was made for"
    )


def _torch_rows(
    reference: Reference, first: Bundle, classes: tuple[str, ...], threads: int | None
) -> list[Variant]:
    need("torch", extra="train")
    if not Path(reference.path).exists():
        raise UsageError(f"no checkpoint at {reference.path}; check --reference")
    wanted: list[tuple[str, Mode]] = [("PyTorch eager", "eager")]
    if reference.peers:
        check_compiler()
        wanted += PEERS
    return [
        TorchVariant(
            name=name,
            path=reference.path,
            crops=reference.crops or exact_plan(first.manifest.preprocessing.crops),
            task=first.manifest.task,
            mode=mode,
            threads=threads,
            architecture=reference.architecture,
            classes=classes if reference.architecture is not None else None,
        )
        for name, mode in wanted
    ]
