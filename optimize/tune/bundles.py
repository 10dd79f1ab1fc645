"""The graphs of a tuning, as bundles in its work folder: each is made once, and found again when resumed."""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ...datasets import Dataset, load_images
from ...runtime.backends.openvino import OpenVINOBackend
from ...runtime.bundle.folder import GOLDEN, MODEL, ONNX, WEIGHTS, Bundle, write_bundle
from ...runtime.files import write_file
from ...runtime.images.crops import SHARED_PLANS, exact_plan
from ..export.export import (
    GOLDEN_IMAGES,
    export_checkpoint,
    golden_images,
    golden_pictures,
)
from ..export.head_alignment import Alignment, align_head
from ..gate.image_copies import leave_out_copies
from ..quantize.calibration import CalibrationSet, draw_calibration
from ..quantize.int8 import GOLDEN_TOLERANCE, parent_provenance, tool_versions
from ..quantize.nncf_ptq import quantize_model
from ..quantize.onnx_form import make_onnx_form
from ..settings import ExportSettings, QuantizeSettings
from .plan import Graph
from .roles import Roles
from .settings import TuneSettings
from .source import Source

if TYPE_CHECKING:
    import openvino

BUNDLES = "bundles"


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Makes the bundles of graphs, what they share only once."""

    source: Source
    dataset: Dataset
    settings: TuneSettings
    roles: Roles
    folder: Path
    """The work folder."""

    def bundle(self, graph: Graph) -> Bundle:
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
            return self._lowered(graph, path)
        return self._quantized(graph, path)

    def path(self, graph: Graph) -> Path:
        """Where the bundle of a graph lies, or will lie."""
        return self.folder / BUNDLES / f"{graph.key}.xopt"

    @cached_property
    def calibration(self) -> CalibrationSet:
        """The images that INT8 is calibrated on, the same for all graphs, none with another role."""
        drawn = draw_calibration(self.dataset, self.settings.calibration_size, seed=self.settings.seed)
        return leave_out_copies(
            drawn, [self.roles.gate_pixels, self.roles.report_pixels], self.source.preprocessing
        )

    @cached_property
    def alignment(self) -> Alignment | None:
        """The head for shared plans, aligned once: windows of the ten-crop hold those of the five-crop."""
        assert self.source.checkpoint is not None
        home = self.home(Graph(precision="FP32", crops="ten-shared"))
        preprocessing = replace(self.source.preprocessing, crops=home)
        return align_head(self.source.checkpoint, preprocessing, self.dataset, self.settings.alignment_size)

    def home(self, graph: Graph) -> str:
        """The plan that a graph's network is calibrated in: ten crops before others, else the first."""
        plans = [plan for plan in self.settings.crops if plan in self.source.plans]
        alike = [plan for plan in plans if replace(graph, crops=plan).family == graph.family]
        return max(alike, key=lambda plan: exact_plan(plan) == "ten")

    def parent(self, graph: Graph) -> Bundle:
        """The FP32 bundle of a graph's plan."""
        return self.bundle(Graph(precision="FP32", crops=graph.crops))

    def _export(self, graph: Graph, path: Path) -> Bundle:
        if self.source.bundle is not None:
            given = self.source.bundle
            names = given.manifest.files
            return write_bundle(path, given.manifest, {name: given.read(name) for name in names})
        assert self.source.checkpoint is not None
        settings = ExportSettings(
            crops=graph.crops, name=graph.key, alignment_size=self.settings.alignment_size, parity_images=4
        )
        alignment = self.alignment if graph.crops in SHARED_PLANS else None
        return export_checkpoint(
            self.source.checkpoint, path, settings=settings, dataset=self.dataset, alignment=alignment
        ).bundle

    def _lowered(self, graph: Graph, path: Path) -> Bundle:
        """The FP32 graph, to be computed in BF16."""
        parent = self.parent(graph)
        manifest = replace(
            parent.manifest,
            name=graph.key,
            precision="BF16",
            golden={"images": GOLDEN_IMAGES, "tolerance": GOLDEN_TOLERANCE},
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

    def _quantized(self, graph: Graph, path: Path) -> Bundle:
        from ..export.openvino_ir import encode_ir, read_ir
        from ..quantize.subgraph import cut_network, join_network

        parent, home = self.parent(graph), self.home(graph)
        whole = read_ir(parent.read(MODEL), parent.read(WEIGHTS))
        how = QuantizeSettings(
            calibration_size=self.settings.calibration_size,
            preset=graph.preset or "performance",
            seed=self.settings.seed,
        )
        if graph.layers_back:
            return self._returned(graph, path, whole, how)
        if graph.crops == home:
            images_NHW = load_images(self.calibration.images, parent.manifest.preprocessing)
            model = quantize_model(whole, images_NHW, parent.manifest.preprocessing, how)
        else:
            # Plans of a family differ in what they cut out of the image, not in the network.
            quantized = self.bundle(replace(graph, crops=home))
            model = join_network(whole, cut_network(read_ir(quantized.read(MODEL), quantized.read(WEIGHTS))))
        return self._write_int8(graph, path, encode_ir(model), how)

    def _returned(self, graph: Graph, path: Path, whole: "openvino.Model", how: QuantizeSettings) -> Bundle:
        """The INT8 graph with its most harmful layers in floating point, without a new calibration."""
        from ..export.openvino_ir import encode_ir, read_ir
        from ..quantize.revert_layers import return_layers

        plain = self.bundle(replace(graph, layers_back=0))
        rounded = read_ir(plain.read(MODEL), plain.read(WEIGHTS))
        names = self._ranking(graph, whole, rounded)[: graph.layers_back]
        model = encode_ir(return_layers(whole, rounded, names))
        return self._write_int8(graph, path, model, replace(how, keep_floating_point=names))

    def _ranking(self, graph: Graph, whole: "openvino.Model", rounded: "openvino.Model") -> tuple[str, ...]:
        """Layers of an INT8 graph, the most harmful first; measured once for each plan and preset."""
        from ..quantize.layer_sensitivity import rank_layers

        file = self.folder / f"ranking-{replace(graph, layers_back=0).key}.json"
        if not file.is_file():
            preprocessing = self.parent(graph).manifest.preprocessing
            images_NHW = load_images(self.calibration.images, preprocessing)
            effects = rank_layers(whole, rounded, images_NHW, preprocessing)
            write_file(file, json.dumps([effect.name for effect in effects]) + "\n")
        return tuple(json.loads(file.read_text()))

    def _write_int8(
        self, graph: Graph, path: Path, model: tuple[bytes, bytes], how: QuantizeSettings
    ) -> Bundle:
        parent = self.parent(graph)
        size = parent.manifest.preprocessing.size
        xml, weights = model
        backend = OpenVINOBackend(xml, weights)
        pictures_NHW = golden_pictures(size)
        onnx = make_onnx_form(parent, xml, weights, backend, pictures_NHW, tolerance=GOLDEN_TOLERANCE)
        files = {MODEL: xml, WEIGHTS: weights, GOLDEN: golden_images(backend, size)}
        if onnx.content is not None:
            files[ONNX] = onnx.content
        manifest = replace(
            parent.manifest,
            name=graph.key,
            precision="INT8",
            golden={"images": GOLDEN_IMAGES, "tolerance": GOLDEN_TOLERANCE},
            provenance={
                **parent_provenance(parent),
                "settings": {**how.to_json(), "calibrated_in": self.home(graph)},
                "calibration": self.calibration.to_json(),
                "onnx": onnx.to_json(),
                "inference_precision": "f32",
                "versions": tool_versions(),
            },
        )
        return write_bundle(path, manifest, files)
