"""Many tests at once: the step-down correction of Holm, Scandinavian Journal of Statistics 6 (1979) 65-70."""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Corrected p-values: those at most alpha hold together with an error rate of alpha for all of them.

    The smallest p-value counts as many times as there are tests, the next one once less, and none is
    smaller than the one before it. It needs no independence: findings of one image are anything but.

    Args:
        p_values: 0..1 each, in any order.

    Returns:
        as many, in the same order.

    Raises:
        ValueError: a value outside 0..1.
    """
    if any(not 0 <= p <= 1 for p in p_values):
        raise ValueError(f"p-values must be in 0..1, got {list(p_values)}.")
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = highest
    return tuple(corrected)
