"""A folder as README assumes it: the checkpoint and the X-rays under their names, fewer of them."""

from pathlib import Path

import numpy as np
import pytest

SMALL = 120
"""Images of each split of pneumonia28."""
SPLITS = {"train": 50, "val": 164, "test": 6}


@pytest.fixture
def place(shared: Path, tmp_path: Path) -> Path:
    folder, data = tmp_path, shared / "data"
    for file in (data / "checkpoints").iterdir():
        (folder / file.name).symlink_to(file)
    mini = folder / "nih-mini"
    mini.mkdir()
    for name in ("images", "originals", "originals_list.txt"):
        (mini / name).symlink_to(data / "nih-mini" / name)
    for split, count in SPLITS.items():
        lines = (data / "nih-mini" / f"{split}_list.txt").read_text().splitlines(keepends=True)
        (mini / f"{split}_list.txt").write_text("".join(lines[:count]))
    (folder / "chest.png").symlink_to(data / "nih-mini/originals/00000061_012.png")
    with np.load(data / "pneumonia28.npz") as arrays:
        small = {name: array[:SMALL] for name, array in arrays.items()}
    np.savez(folder / "pneumonia28.npz", **small)
    return folder
