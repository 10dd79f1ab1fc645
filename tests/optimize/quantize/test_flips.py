"""Two thousand flips over an exported bundle, manifest included: each is refused when it is opened."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("torchvision")

from torchvision.models import DenseNet  # noqa: E402

from xopt.datasets import open_source, phantoms  # noqa: E402
from xopt.models.checkpoint import Checkpoint  # noqa: E402
from xopt.optimize.export.export import export_checkpoint  # noqa: E402
from xopt.runtime import Bundle, BundleError, Preprocessing  # noqa: E402

FLIPS = 2000


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A DenseNet of four layers, exported with ten crops: all five files, small enough to hash often."""
    folder = tmp_path_factory.mktemp("flips")
    phantoms.write(folder / "phantoms", count=40, seed=5, size=48)
    torch.manual_seed(3)
    network = DenseNet(growth_rate=4, block_config=(1, 1, 1, 1), num_init_features=8, num_classes=3)
    checkpoint = Checkpoint(
        architecture="densenet121",
        task="multi-label",
        classes=("a", "b", "c"),
        preprocessing=Preprocessing.square(40, 32),
        network=network.eval(),
        digest="0" * 64,
        source="one.safetensors",
        notes={},
    )
    dataset = open_source(folder / "phantoms")
    export_checkpoint(checkpoint, folder / "one.xopt", dataset=dataset)
    return folder / "one.xopt"


@pytest.mark.slow
def test_two_thousand_flipped_bytes_are_all_refused(exported):
    names = sorted(path.name for path in exported.iterdir())
    assert names == ["golden.npz", "manifest.json", "model.bin", "model.onnx", "model.xml"]
    rng = np.random.default_rng(2026)
    Bundle.open(exported)
    # Each file gets its share, however small it is: by length alone the manifest would hardly get any.
    for name in names:
        content = (exported / name).read_bytes()
        places = rng.integers(0, len(content), FLIPS // len(names))
        for place, mask in zip(places.tolist(), rng.integers(1, 256, len(places)).tolist(), strict=True):
            with (exported / name).open("r+b") as file:
                file.seek(place)
                file.write(bytes([content[place] ^ mask]))
            with pytest.raises(BundleError) as caught:
                Bundle.open(exported)
            assert "\n" not in str(caught.value)
            with (exported / name).open("r+b") as file:
                file.seek(place)
                file.write(content[place : place + 1])
    Bundle.open(exported)
