"""The reading of labels where a source leaves a choice: uncertain ones, and which findings."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ..runtime.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNCERTAIN_OPTION = typer.Option("--uncertain", help="What a label of -1 counts as: ignore, zeros or ones.")
FINDINGS_OPTION = typer.Option("--findings", help="Of CheXpert's findings: competition (five) or all (14).")
UNCERTAIN = ("ignore", "zeros", "ones")
FINDINGS = ("competition", "all")


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """The choices a source may leave; formats that do not leave one take no notice."""

    uncertain: Annotated[str, UNCERTAIN_OPTION] = "ignore"
    """`zeros` and `ones` count a label of -1 as that, `ignore` leaves it out of training and measuring (the
    U-Zeros, U-Ones and U-Ignore of Irvin et al., AAAI 2019)."""
    findings: Annotated[str, FINDINGS_OPTION] = "competition"
    """Of CheXpert's 14 findings, the five of its competition, or `all`."""

    def __post_init__(self) -> None:
        if self.uncertain not in UNCERTAIN:
            raise UsageError(f"--uncertain must be one of {', '.join(UNCERTAIN)}, got {self.uncertain!r}")
        if self.findings not in FINDINGS:
            raise UsageError(f"--findings must be one of {', '.join(FINDINGS)}, got {self.findings!r}")

    def settle(self, marked_NC: "NDArray[np.int8]") -> tuple["NDArray[np.uint8]", "NDArray[np.bool_] | None"]:
        """Labels of 0, 1 and -1 as 0 and 1, and a mask where some are to be left out (see Split.mask_NC)."""
        import numpy as np

        unsure_NC = marked_NC < 0
        labels_NC = np.where(unsure_NC, self.uncertain == "ones", marked_NC).astype(np.uint8)
        return labels_NC, ~unsure_NC if self.uncertain == "ignore" and unsure_NC.any() else None


DEFAULTS = ReadOptions()
