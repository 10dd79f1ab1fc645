"""Networks by name, by architecture spec, from weights files and from checkpoints.

    from xopt.models import build, load_checkpoint

The names below are resolved when they are first used, so that importing the package costs nothing.
"""

from typing import TYPE_CHECKING

from ..runtime.lazy import resolver

if TYPE_CHECKING:
    from .checkpoint import Checkpoint, load_checkpoint, save_checkpoint
    from .registry import ARCHITECTURES, build

__all__ = [
    "ARCHITECTURES",
    "Checkpoint",
    "build",
    "load_checkpoint",
    "save_checkpoint",
]

_HOMES = {
    "checkpoint": ("Checkpoint", "load_checkpoint", "save_checkpoint"),
    "registry": ("ARCHITECTURES", "build"),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
