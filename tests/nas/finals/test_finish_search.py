"""From a search's folder to its bundle."""

import numpy as np
import pytest
from PIL import Image

from xopt.nas.finals.finish_search import finish_search
from xopt.nas.finals.settings import FinalsSettings
from xopt.nas.macro import MacroSpace
from xopt.nas.search.candidates import Outcome
from xopt.nas.search.settings import Budget, SearchSettings
from xopt.nas.search.trial_store import TrialStore

from .made import made_recipe


def unsure_data(folder):
    """Lists of images whose signs of illness are all uncertain: there is an AUC only where -1 counts as 1."""
    random = np.random.default_rng(0)
    (folder / "classes.txt").write_text("ill\n")
    for split in ("train", "val"):
        lines = []
        for number in range(16):
            name = f"{split}{number}.png"
            pixels = random.integers(0, 256, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name)
            lines.append(f"{name} {-(number % 2)}\n")
        (folder / f"{split}_list.txt").write_text("".join(lines))
    return folder


@pytest.mark.slow
def test_labels_are_read_as_the_search_read_them(tmp_path):
    (tmp_path / "data").mkdir()
    found = tmp_path / "found"
    found.mkdir()
    settings = SearchSettings(
        data=unsure_data(tmp_path / "data"),
        uncertain="ones",
        recipe=made_recipe(),
        budget=Budget(candidates=1),
        study="found",
    )
    settings.write(found, owner="me", storage="", context="c")
    store = TrialStore.open(
        f"sqlite:///{found / 'search.db'}",
        "found",
        owner="me",
        context="c",
        space=MacroSpace(classes=1, channels=1, size=16),
        objective="val mean AUC",
    )
    row = store.begin("00000000", latency_ms=None)
    store.finish(row, Outcome(value=0.5, curve=(0.5,)))
    how = FinalsSettings(finalists=1, seeds=1, precision="FP32", resamples=50)
    finished = finish_search(found, tmp_path / "net.xopt", settings=how)
    assert finished.dataset.split("val").marked_labels.sum() == 8
    assert finished.winner.row.code == "00000000"
    assert finished.tested is None
