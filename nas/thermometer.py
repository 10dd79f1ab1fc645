"""Codes as numbers a linear model can learn from.

Shape suffixes: N networks, F features.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def thermometer(codes: Sequence[str], choices: Sequence[int]) -> NDArray[np.float64]:
    """For each digit, whether it is at least 1, at least 2, ...: float64 (N, F), 0 or 1.

    A weight is then what one step up is worth, at whatever digit a network stands.

    Args:
        codes: of one length.
        choices: how many values each digit has.
    """
    digits = np.array([list(code.encode("ascii")) for code in codes], dtype=np.int64).reshape(
        -1, len(choices)
    )
    digits -= ord("0")
    columns = [digits[:, place] >= least for place, count in enumerate(choices) for least in range(1, count)]
    return np.stack(columns, axis=1).astype(np.float64)
