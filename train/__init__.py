"""Training: recipes, the loop, networks by name, checkpoints. What needs torch is imported when asked for."""

from typing import TYPE_CHECKING

from ..runtime.lazy import resolver

if TYPE_CHECKING:
    from .checkpoints import Checkpoint, load_checkpoint, save_checkpoint
    from .loop import train
    from .models import ARCHITECTURES, build
    from .recipe import Recipe, load_recipe
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
    "checkpoints": ("Checkpoint", "load_checkpoint", "save_checkpoint"),
    "loop": ("train",),
    "models": ("ARCHITECTURES", "build"),
    "recipe": ("Recipe", "load_recipe"),
    "results": ("Epoch", "Trained"),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
