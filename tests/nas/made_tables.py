"""Tables that nobody trained: landscapes of other shapes than the published one, to judge proposers on.

Each gives accuracies in percent with three noisy runs a network; what differs is what makes a network good.
"""

from itertools import product

import numpy as np

from xopt.nas.tabular_benchmarks import Record, Table


def table(name, choices, quality, *, noise=0.15, sizes=None):
    """Accuracies from a quality: one more halves the error, the best has an error of 5 %."""
    codes = list(product(*(range(count) for count in choices)))
    qualities = np.array([quality(np.array(code)) for code in codes])
    errors = np.minimum(5 * 2 ** (qualities.max() - qualities), 60)
    random = np.random.default_rng(len(codes))
    runs = 100 - errors[:, None] * np.exp(random.normal(0, noise / 5, size=(len(codes), 3)))
    records = {}
    for code, mine in zip(codes, runs, strict=True):
        size = None if sizes is None else sizes(np.array(code))
        records["".join(map(str, code))] = Record(
            mean=float(mine.mean()), runs=tuple(map(float, mine)), parameters=size, macs=size
        )
    return Table(name, records)


def larger_is_worse():
    """6 layers of 4: every upgrade costs accuracy but in one layer, as on a small and noisy data set."""
    random = np.random.default_rng(1)
    steps = -random.uniform(0.0, 0.5, size=(6, 3))
    steps[2] = (0.5, 0.3, -0.4)
    return table(
        "larger-is-worse", (4,) * 6, lambda code: sum(steps[i, :d].sum() for i, d in enumerate(code))
    )


def identity_wins():
    """7 layers of 3: the best networks leave most layers out, and which they keep matters."""
    random = np.random.default_rng(2)
    worth = random.normal(-0.5, 0.3, size=(7, 3))
    worth[:, 0] = 0
    worth[[0, 4]] = (0.0, 0.9, 0.5)
    return table("identity-wins", (3,) * 7, lambda code: sum(worth[i, d] for i, d in enumerate(code)))


def interactions():
    """5 layers of 5: what an operation is worth depends on the next two layers (Kauffman's NK, K = 2)."""
    worth = np.random.default_rng(3).normal(0, 0.5, size=(5, 5, 5, 5))
    return table(
        "interactions",
        (5,) * 5,
        lambda code: sum(worth[i, code[i], code[(i + 1) % 5], code[(i + 2) % 5]] for i in range(5)),
    )


def pairs():
    """8 layers of 2, 3 and 4: main effects, and as strong ones of neighbouring layers together."""
    random = np.random.default_rng(4)
    choices = (2, 3, 4, 3, 2, 3, 4, 3)
    alone = random.normal(0, 0.4, size=(8, 4))
    together = random.normal(0, 0.4, size=(8, 4, 4))
    return table(
        "pairs",
        choices,
        lambda code: (
            sum(alone[i, d] for i, d in enumerate(code))
            + sum(together[i, code[i], code[i + 1]] for i in range(7))
        ),
    )


ALL = (larger_is_worse, identity_wins, interactions, pairs)
