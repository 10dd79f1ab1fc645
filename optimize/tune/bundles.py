"""The graphs of a tuning as bundles in its work folder: each is made once, and found again when resumed."""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ...benchmarks.bundle_engine import BundleVariant
from ...benchmarks.engines import Variant
from ...benchmarks.torch_engine import TorchVariant
from ...datasets import Dataset, load_images
from ...runtime.backends.openvino import OpenVINOBackend
from ...runtime.bundle.bundle import GOLDEN, MODEL, ONNX, WEIGHTS, Bundle, write_bundle
from ...runtime.files import write_file
from ...runtime.images.crops import SHARED_PLANS, exact_plan
from ..export.export import (
    GOLDEN_IMAGES,
    export_checkpoint,
    golden_images,
    golden_pictures,
)
from ..export.head_alignment import Alignment, align_head
from ..export.onnx import encode_onnx
from ..export.openvino_ir import encode_ir, from_onnx
from ..gate.image_copies import leave_out_copies
from ..quantize.calibration import CalibrationSet, draw_calibration
from ..quantize.int8 import GOLDEN_TOLERANCE, parent_provenance, tool_versions
from ..quantize.layer_sensitivity import rank_layers
from ..quantize.network import cut_network, join_network, read_onnx
from ..quantize.nncf_ptq import quantize_model
from ..quantize.onnx_form import make_onnx_form
from ..quantize.revert_layers import return_layers
from ..settings import ExportSettings, QuantizeSettings
from .search_space import Candidate, Graph
from .settings import TuneSettings
from .source import Source
from .splits import RoleSplits

if TYPE_CHECKING:
    import onnx

BUNDLES = "bundles"


@dataclass(frozen=True, kw_only=True)
class BundleStore:
    """Makes the bundles of graphs, and what they share, only once."""

    source: Source
    dataset: Dataset
    settings: TuneSettings
    splits: RoleSplits
    folder: Path
    """The work folder."""

    def get(self, graph: Graph) -> Bundle:
        """The bundle of a graph: found in the work folder, or made.

        Raises:
            XoptError: it cannot be made; the message says why.
        """
        path = self.path(graph)
        if path.is_dir():
            return Bundle.open(path)
        path.parent.mkdir(exist_ok=True)
        if graph.precision == "FP32":
            return self._export(graph, path)
        if graph.precision == "BF16":
            return self._bf16(graph, path)
        return self._int8(graph, path)

    def path(self, graph: Graph) -> Path:
        """The folder of a graph's bundle, also before it is made; one that was given stays where it is."""
        if graph.precision == "FP32" and self.source.bundle is not None:
            return self.source.bundle.path
        return self.folder / BUNDLES / f"{graph.key}.xopt"

    def engine_variant(self, candidate: Candidate) -> Variant:
        """The variant as a benchmark opens it, in a process of its own."""
        graph, source = candidate.graph, self.source
        if candidate.engine == "torch":
            return TorchVariant(
                name=candidate.name,
                path=str(source.path),
                crops=graph.crops,
                task=source.task,
                threads=candidate.threads,
                architecture=source.architecture,
                classes=source.classes if source.architecture is not None else None,
            )
        return BundleVariant(
            name=candidate.name,
            engine=candidate.engine,
            path=str(self.path(graph)),
            precision=graph.precision,
            crops=graph.crops,
            threads=candidate.threads,
        )

    @cached_property
    def calibration(self) -> CalibrationSet:
        """The images that INT8 is calibrated on, the same for all graphs, none with another role."""
        drawn = draw_calibration(self.dataset, self.settings.calibration_size, seed=self.settings.seed)
        return leave_out_copies(
            drawn, [self.splits.gate_pixels, self.splits.report_pixels], self.source.preprocessing
        )

    @cached_property
    def alignment(self) -> Alignment | None:
        """The head for shared plans, aligned once: windows of the ten-crop hold those of the five-crop."""
        assert self.source.checkpoint is not None
        crops = self.calibration_crops(Graph(precision="FP32", crops="ten-shared"))
        preprocessing = replace(self.source.preprocessing, crops=crops)
        return align_head(self.source.checkpoint, preprocessing, self.dataset, self.settings.alignment_size)

    def calibration_crops(self, graph: Graph) -> str:
        """The crop plan that a graph's network is calibrated in: ten crops before others, else the first."""
        plans = [crops for crops in self.settings.crops if crops in self.source.crop_plans]
        alike = [crops for crops in plans if replace(graph, crops=crops).family == graph.family]
        return max(alike, key=lambda crops: exact_plan(crops) == "ten")

    def parent(self, graph: Graph) -> Bundle:
        """The FP32 bundle of a graph's plan."""
        return self.get(Graph(precision="FP32", crops=graph.crops))

    def _export(self, graph: Graph, path: Path) -> Bundle:
        assert self.source.checkpoint is not None
        settings = ExportSettings(
            crops=graph.crops, name=graph.key, alignment_size=self.settings.alignment_size, parity_images=4
        )
        alignment = self.alignment if graph.crops in SHARED_PLANS else None
        return export_checkpoint(
            self.source.checkpoint, path, settings=settings, dataset=self.dataset, alignment=alignment
        ).bundle

    def _bf16(self, graph: Graph, path: Path) -> Bundle:
        """The FP32 graph, to be computed in BF16."""
        parent = self.parent(graph)
        manifest = replace(
            parent.manifest,
            name=graph.key,
            precision="BF16",
            golden={"images": GOLDEN_IMAGES, "tolerance": GOLDEN_TOLERANCE},
            gate=None,
            provenance={
                **parent_provenance(parent),
                "inference_precision": "bf16",
                "versions": tool_versions(),
            },
        )
        xml, weights = parent.read(MODEL), parent.read(WEIGHTS)
        backend = OpenVINOBackend(xml, weights, manifest=manifest)
        golden = golden_images(backend, manifest.preprocessing.size)
        return write_bundle(path, manifest, {MODEL: xml, WEIGHTS: weights, GOLDEN: golden})

    def _int8(self, graph: Graph, path: Path) -> Bundle:
        fp32 = read_onnx(self.parent(graph))
        how = QuantizeSettings(
            calibration_size=self.settings.calibration_size,
            preset=graph.preset or "performance",
            seed=self.settings.seed,
        )
        if not graph.layers_back:
            return self._write_int8(graph, path, self._quantized(graph, fp32, how), how)
        # The most harmful layers in floating point, without a new calibration.
        int8 = self._quantized(graph, fp32, how)
        names = self._ranking(graph, fp32, int8)[: graph.layers_back]
        model = return_layers(fp32, int8, names)
        return self._write_int8(graph, path, model, replace(how, keep_floating_point=names))

    def _quantized(self, graph: Graph, fp32: "onnx.ModelProto", how: QuantizeSettings) -> "onnx.ModelProto":
        """The graph quantized; plans of a family differ in what they cut out, not in the network."""
        import onnx

        calibrated = replace(graph, crops=self.calibration_crops(graph), layers_back=0)
        file = self.folder / f"network-{calibrated.key}.onnx"
        if not file.is_file():
            parent = self.parent(calibrated)
            preprocessing = parent.manifest.preprocessing
            images_NHW = load_images(self.calibration.images, preprocessing)
            network = cut_network(quantize_model(read_onnx(parent), images_NHW, preprocessing, how))
            write_file(file, encode_onnx(network))
        return join_network(fp32, onnx.load_from_string(file.read_bytes()))

    def _ranking(self, graph: Graph, fp32: "onnx.ModelProto", int8: "onnx.ModelProto") -> tuple[str, ...]:
        """Layers of an INT8 graph, the most harmful first; measured once for each plan and preset."""
        file = self.folder / f"ranking-{replace(graph, layers_back=0).key}.json"
        if not file.is_file():
            preprocessing = self.parent(graph).manifest.preprocessing
            images_NHW = load_images(self.calibration.images, preprocessing)
            effects = rank_layers(fp32, int8, images_NHW, preprocessing)
            write_file(file, json.dumps([effect.name for effect in effects]) + "\n")
        return tuple(json.loads(file.read_text()))

    def _write_int8(
        self, graph: Graph, path: Path, model: "onnx.ModelProto", how: QuantizeSettings
    ) -> Bundle:
        parent = self.parent(graph)
        size = parent.manifest.preprocessing.size
        xml, weights = encode_ir(from_onnx(model))
        backend = OpenVINOBackend(xml, weights)
        onnx = make_onnx_form(model, backend, golden_pictures(size), tolerance=GOLDEN_TOLERANCE)
        files = {MODEL: xml, WEIGHTS: weights, GOLDEN: golden_images(backend, size)}
        if onnx.content is not None:
            files[ONNX] = onnx.content
        manifest = replace(
            parent.manifest,
            name=graph.key,
            precision="INT8",
            golden={"images": GOLDEN_IMAGES, "tolerance": GOLDEN_TOLERANCE},
            calibration=self.calibration.to_json(),
            gate=None,
            provenance={
                **parent_provenance(parent),
                "settings": {**how.to_json(), "calibrated_in": self.calibration_crops(graph)},
                "onnx": onnx.to_json(),
                "inference_precision": "f32",
                "versions": tool_versions(),
            },
        )
        return write_bundle(path, manifest, files)
