"""Training: recipes, the loop, networks by name, checkpoints. What needs torch is imported when asked for."""

from typing import TYPE_CHECKING

from ..runtime.lazy import resolver

if TYPE_CHECKING:
    from .loop import train
    from .recipe import Recipe, load_recipe
    from .results import Epoch, Trained

__all__ = [
    "Epoch",
    "Recipe",
    "Trained",
    "load_recipe",
    "train",
]

_HOMES = {
    "loop": ("train",),
    "recipe": ("Recipe", "load_recipe"),
    "results": ("Epoch", "Trained"),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
