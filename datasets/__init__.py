"""Labelled images from every source format, and synthetic phantoms. Free of torch."""

from .lists import FINDINGS
from .loading import load_images
from .records import Dataset, Split
from .sources import FORMATS, Format, open_source
from .statistics import Statistics, find_overlaps, gather_statistics

__all__ = [
    "FINDINGS",
    "FORMATS",
    "Dataset",
    "Format",
    "Split",
    "Statistics",
    "find_overlaps",
    "gather_statistics",
    "load_images",
    "open_source",
]
