"""The table of a training, a row an epoch, as it grows."""

from ..runtime.console import note
from .results import Epoch

_HEADINGS = ("epoch", "train loss", "val loss", "val AUC", "accuracy", "rate", "ms/step", "seconds")


class Display:
    """Prints a heading before the first epoch, and a row after each, on stderr."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self._widths = [max(len(heading), 9) for heading in _HEADINGS]
        self._begun = False

    def show(self, epoch: Epoch) -> None:
        """Print one epoch."""
        if not self._begun:
            note(self._line(_HEADINGS))
            self._begun = True
        cells = (
            f"{epoch.epoch}/{self.epochs}",
            f"{epoch.train_loss:.4f}",
            f"{epoch.val_loss:.4f}",
            "-" if epoch.val_auc is None else f"{epoch.val_auc:.4f}",
            f"{epoch.val_accuracy:.4f}",
            f"{epoch.learning_rate:.2g}",
            f"{epoch.step_ms:.1f}",
            f"{epoch.seconds:.1f}",
        )
        note(self._line(cells))

    def _line(self, cells: tuple[str, ...]) -> str:
        return "  ".join(cell.rjust(width) for cell, width in zip(cells, self._widths, strict=True))
