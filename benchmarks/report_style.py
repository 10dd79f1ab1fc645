"""The look of a report, the same for every page that xopt writes."""

from ..datasets.page_style import STYLE

__all__ = ["STYLE"]
