"""How often a training saves where it stands: `500steps`, `2epochs`."""

import re
from dataclasses import dataclass

from ..runtime.errors import UsageError

_WORD = re.compile(r"([1-9]\d*) ?(step|epoch)s?")


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A number of steps, or of epochs."""

    steps: int | None = None
    epochs: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Interval":
        """Read `500steps` or `2epochs`; `1epoch` and a space before the word are fine.

        Raises:
            UsageError: anything else.
        """
        found = _WORD.fullmatch(text.strip())
        if found is None:
            raise UsageError(
                f"--checkpoint-every takes a number of steps or epochs such as 500steps, got {text!r}"
            )
        count = int(found[1])
        return cls(steps=count) if found[2] == "step" else cls(epochs=count)

    def after_step(self, step: int) -> bool:
        """Whether to save after so many steps."""
        return self.steps is not None and step % self.steps == 0

    def after_epoch(self, epoch: int) -> bool:
        """Whether to save after so many epochs."""
        return self.epochs is not None and epoch % self.epochs == 0


EVERY_EPOCH = Interval(epochs=1)
