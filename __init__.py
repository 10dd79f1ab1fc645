"""xopt takes trained image classifiers to the edge and proves what was lost on the way."""

__version__ = "0.1.0"
