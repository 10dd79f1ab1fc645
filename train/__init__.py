"""Training: recipes, the loop, networks by name, checkpoints. What needs torch is imported when asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from .checkpoints import Checkpoint, load_checkpoint, save_checkpoint
    from .loop import train
    from .models import ARCHITECTURES, build
    from .results import Epoch, Trained

__all__ = [
    "ARCHITECTURES",
    "Checkpoint",
    "Epoch",
    "Recipe",
    "Trained",
    "build",
    "load_checkpoint",
    "load_recipe",
    "save_checkpoint",
    "train",
]

_HOMES = {
    "ARCHITECTURES": "models",
    "Checkpoint": "checkpoints",
    "Epoch": "results",
    "Trained": "results",
    "build": "models",
    "load_checkpoint": "checkpoints",
    "save_checkpoint": "checkpoints",
    "train": "loop",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
