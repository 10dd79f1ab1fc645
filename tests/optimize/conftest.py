"""One small exported network for all tests of this folder: real, untrained, quick."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from ..made_once import made_once

SIZE, CROP = 72, 64


@dataclass(frozen=True, kw_only=True)
class Small:
    """A run folder, its FP32 bundle, and synthetic data with the classes of both."""

    run: Path
    bundle: Path
    data: Path


@pytest.fixture(scope="session")
def small(request) -> Small:
    """A ResNet-18 that has seen nothing, exported with ten crops of 64 x 64 pixels out of 72 x 72."""
    pytest.importorskip("torch")
    pytest.importorskip("nncf")
    folder = made_once(request.config, small_resnet)
    return Small(run=folder / "run", bundle=folder / "fp32.xopt", data=folder / "phantoms")


def small_resnet(folder: Path) -> None:
    import torch

    from xopt.datasets import open_source, phantoms
    from xopt.models.checkpoint import load_checkpoint, save_checkpoint
    from xopt.models.registry import build
    from xopt.optimize import export_checkpoint
    from xopt.runtime import Preprocessing

    run, data, bundle = folder / "run", folder / "phantoms", folder / "fp32.xopt"
    run.mkdir()
    phantoms.write(data, count=150, seed=5, size=96)
    classes = open_source(data).classes
    torch.manual_seed(0)
    network = build("resnet18", len(classes)).eval()
    with torch.no_grad():
        # Fresh networks answer every image alike; a larger head spreads the answers out.
        network.fc.weight.mul_(20)
    save_checkpoint(
        run,
        network,
        architecture="resnet18",
        classes=classes,
        preprocessing=Preprocessing.square(SIZE, CROP),
        notes={"trained": False},
    )
    export_checkpoint(load_checkpoint(run), bundle, dataset=open_source(data))
