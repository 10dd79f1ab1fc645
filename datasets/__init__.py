"""Labelled images from every source format, and synthetic phantoms. Free of torch.

    from xopt.datasets import open_source

The names below are resolved when they are first used, so that the command line answers at once.
"""

from typing import TYPE_CHECKING

from ..runtime.lazy import resolver

if TYPE_CHECKING:
    from .checking import Checked, CheckSettings, check
    from .executors import Workers, open_executor, run_all
    from .lists import FINDINGS
    from .loading import load_images
    from .preparing import Prepared, prepare
    from .records import Dataset, Split
    from .sources import FORMATS, Format, open_source
    from .splitting import SplitSettings, divide
    from .statistics import Statistics, find_overlaps, gather_statistics

__all__ = [
    "FINDINGS",
    "FORMATS",
    "CheckSettings",
    "Checked",
    "Dataset",
    "Format",
    "Prepared",
    "Split",
    "SplitSettings",
    "Statistics",
    "Workers",
    "check",
    "divide",
    "find_overlaps",
    "gather_statistics",
    "load_images",
    "open_executor",
    "open_source",
    "prepare",
    "run_all",
]

_HOMES = {
    "checking": ("CheckSettings", "Checked", "check"),
    "executors": ("Workers", "open_executor", "run_all"),
    "lists": ("FINDINGS",),
    "loading": ("load_images",),
    "preparing": ("Prepared", "prepare"),
    "records": ("Dataset", "Split"),
    "sources": ("FORMATS", "Format", "open_source"),
    "splitting": ("SplitSettings", "divide"),
    "statistics": ("Statistics", "find_overlaps", "gather_statistics"),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
