from dataclasses import replace

import numpy as np
import pytest

from xopt.benchmarks.bundle_engine import BundleVariant
from xopt.benchmarks.torch_engine import TorchEngine, TorchVariant
from xopt.models.registry import spec
from xopt.runtime import BundleError, Classifier, Preprocessing
from xopt.runtime.images.crops import CROP_PLANS

from ..small_network import ARCHITECTURE, CROP, PREPROCESSING, SIZE


def images(count=3):
    return np.random.default_rng(3).integers(0, 256, (count, SIZE, SIZE), dtype=np.uint8)


class EngineContract:
    """What every engine does alike; each engine's tests inherit it."""

    def variant(self, small):
        raise NotImplementedError

    @pytest.fixture
    def engine(self, small):
        return self.variant(small).open()

    def test_answers_as_openvino_answers(self, engine, small):
        with Classifier.load(small.bundle) as classifier:
            for image in images():
                answer = engine.infer(image)
                assert answer.dtype == np.float32
                assert answer == pytest.approx(classifier.infer(image), abs=1e-5)

    def test_repeats_its_answer_bit_for_bit(self, engine):
        image = images(1)[0]
        assert np.array_equal(engine.infer(image), engine.infer(image))

    def test_answers_files_in_order_as_their_decoded_images(self, engine, tmp_path):
        from PIL import Image

        for number, image in enumerate(images(5)):
            Image.fromarray(image).save(tmp_path / f"{number}.png")
        answers = engine.infer_files([str(tmp_path / f"{number}.png") for number in range(5)])
        assert answers.dtype == np.float32
        assert np.array_equal(answers, np.stack([engine.infer(image) for image in images(5)]))

    def test_counts_the_work_of_all_crops(self, engine, small):
        classes = len(engine.classes)
        assert engine.macs() == 10 * spec(ARCHITECTURE, classes).macs(CROP)

    def test_says_what_it_answers_for(self, engine, small):
        classes, preprocessing, size_mb = engine.describe()
        assert classes == Classifier.load(small.bundle).manifest.classes
        assert preprocessing == PREPROCESSING
        assert 0 < size_mb < 1


class TestTorchEngine(EngineContract):
    def variant(self, small):
        pytest.importorskip("torch")
        return TorchVariant(name="torch", path=str(small.checkpoint), crops="ten")


class TestOnnxRuntimeEngine(EngineContract):
    def variant(self, small):
        pytest.importorskip("onnxruntime")
        return BundleVariant(
            engine="onnxruntime",
            name="onnx",
            path=str(small.bundle),
            precision="FP32",
            crops="ten",
            threads=1,
        )

    def test_a_bundle_without_onnx_is_refused(self, small):
        pytest.importorskip("onnxruntime")
        with pytest.raises(BundleError, match=r"holds no model\.onnx"):
            replace(self.variant(small), path=str(small.other)).open()


class TestOpenVINOEngine(EngineContract):
    def variant(self, small):
        return BundleVariant(name="openvino", path=str(small.bundle), precision="FP32", crops="ten")


def transparent(task="multi-label", **facts):
    """An engine whose network answers with what it sees."""
    from torch import nn

    return TorchEngine(nn.Flatten(), ("a",), Preprocessing.square(**facts), task=task)


@pytest.mark.parametrize(("size", "crop"), [(256, 224), (72, 64), (33, 20), (20, 20)])
def test_torch_cuts_what_torchvisions_ten_crop_cuts(size, crop):
    torch = pytest.importorskip("torch")
    transforms = pytest.importorskip("torchvision.transforms")
    image = np.random.default_rng(0).integers(0, 256, (size, size), dtype=np.uint8)
    expected = torch.stack(transforms.TenCrop(crop)(torch.from_numpy(image)[None]))
    engine = transparent(size=size, crop=crop, crops="ten")
    assert torch.equal(engine.cut(image), expected)


def test_torch_normalises_as_torchvision_does():
    torch = pytest.importorskip("torch")
    transforms = pytest.importorskip("torchvision.transforms")
    from PIL import Image

    image = np.random.default_rng(0).integers(0, 256, (72, 72), dtype=np.uint8)
    engine = transparent(size=72, crop=64, crops="ten")
    facts = engine.preprocessing
    # The public CheXNet code's own steps, on the same grey image in three channels.
    picture = Image.fromarray(image).convert("RGB")
    normalise = transforms.Normalize(list(facts.mean), list(facts.std))
    steps = [normalise(transforms.ToTensor()(crop)) for crop in transforms.TenCrop(64)(picture)]
    assert torch.allclose(engine.normalise(engine.cut(image)), torch.stack(steps), atol=1e-6)


@pytest.mark.parametrize("plan", CROP_PLANS)
def test_torch_averages_over_the_crops_of_its_plan(plan):
    torch = pytest.importorskip("torch")
    image = np.random.default_rng(0).integers(0, 256, (12, 12), dtype=np.uint8)
    engine = transparent(size=12, crop=8, planes=1, mean=(0.5,), std=(0.25,), crops=plan)
    batch = torch.stack(
        [torch.tensor(cut[0].numpy().astype(np.float32)).flatten() for cut in engine.cut(image)]
    )
    expected = torch.sigmoid((batch / 255 - 0.5) / 0.25).mean(0).numpy()
    assert engine.infer(image) == pytest.approx(expected, abs=1e-6)


def test_a_multi_class_network_takes_a_softmax():
    pytest.importorskip("torch")
    image = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    engine = transparent("multi-class", size=8, crop=8, planes=1, mean=(0.5,), std=(0.25,))
    assert engine.infer(image).sum() == pytest.approx(1)
