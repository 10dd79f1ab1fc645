"""How often the AUC gate passes a candidate that has lost just the margin, and one that has lost less.

    python -m tools.gate_simulation --draws 2000

The first share is the gate's error, 5 % by design, the others are its power. Each draw is a new sample of
patients with binormal scores (Hanley 1988), for which the true AUCs are known in closed form. The reference
scores y * mu + e; the candidate adds noise of standard deviation tau, which is what rounding does, and sees y
at another distance, so that any true drop goes with any noise: AUC = Phi(mu / sqrt(2 (1 + tau^2))). A
patient's images share part of e, so that a variance over images in place of patients would be too small.

Shapes: N images, C classes.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from xopt.metrics.delong import mean_drop
from xopt.runtime.console import progress, table

_NORMAL = NormalDist()
SIZES = (100, 300, 600)
"""Patients of a study."""
_SLIGHT = 0.1
"""Noise of a network that was rounded well."""
_FOURTEEN = (0.12, 0.04, 0.1, 0.22, 0.08, 0.05, 0.26, 0.03, 0.04, 0.08, 0.03, 0.05, 0.07, 0.012)
"""About the prevalences of ChestX-ray14's findings among the images of a small validation list."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One kind of study."""

    patients: int = 300
    images_per_patient: int = 2
    prevalences: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2)
    """Of each class."""
    auc: float = 0.75
    """True AUC of the reference, for every class."""
    drop: float = 0.01
    """True drop of the candidate, for every class."""
    margin: float = 0.01
    """Allowed drop in mean AUC."""
    noise: float | None = None
    """Standard deviation of what the candidate adds to a score, whose own is 1 within a label. None: as much
    as costs the margin by itself."""
    shared: float = 0.5
    """Share of a score's variance that the images of a patient have in common, 0..1."""

    @property
    def tau(self) -> float:
        """The candidate's noise, in standard deviations of a score."""
        if self.noise is not None:
            return self.noise
        return sqrt((_NORMAL.inv_cdf(self.auc) / _NORMAL.inv_cdf(self.auc - self.margin)) ** 2 - 1)


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How often a candidate passed."""

    setting: Setting
    draws: int
    passed: int
    seconds: float

    @property
    def rate(self) -> float:
        """Share of the draws, 0..1."""
        return self.passed / self.draws

    @property
    def standard_error(self) -> float:
        """Of the rate, binomial."""
        return sqrt(self.rate * (1 - self.rate) / self.draws)


def draw(
    setting: Setting, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], tuple[str, ...]]:
    """One study: labels (N, C), scores of the reference and of the candidate (N, C), patients (N)."""
    count, classes = setting.patients * setting.images_per_patient, len(setting.prevalences)
    patient_N = np.repeat(np.arange(setting.patients), setting.images_per_patient)
    labels_NC = (random.random((count, classes)) < np.array(setting.prevalences)).astype(np.int64)
    common_NC = random.normal(size=(setting.patients, classes))[patient_N]
    own_NC = random.normal(size=(count, classes))
    noise_NC = sqrt(setting.shared) * common_NC + sqrt(1 - setting.shared) * own_NC
    distance = sqrt(2) * _NORMAL.inv_cdf(setting.auc)
    seen = sqrt(2 * (1 + setting.tau**2)) * _NORMAL.inv_cdf(setting.auc - setting.drop)
    added_NC = setting.tau * random.normal(size=(count, classes))
    return (
        labels_NC,
        distance * labels_NC + noise_NC,
        seen * labels_NC + noise_NC + added_NC,
        tuple(f"{p:06}" for p in patient_N),
    )


def pass_rate(setting: Setting, *, draws: int, seed: int = 0) -> Rate:
    """Share of `draws` studies in which the upper bound of the drop is within the margin."""
    random = np.random.default_rng(seed)
    started, passed = time.perf_counter(), 0
    for _ in progress(range(draws), label=f"drop {setting.drop:g}", total=draws):
        found = mean_drop(*draw(setting, random))
        passed += found is not None and found.upper() <= setting.margin
    return Rate(setting=setting, draws=draws, passed=passed, seconds=time.perf_counter() - started)


def studies(margin: float = 0.01) -> Iterator[Setting]:
    """What `main` simulates: the gate's error at several sizes and with two kinds of loss, then its power."""
    for patients in SIZES:
        # All of the loss is noise, as much as there can be.
        yield Setting(patients=patients, drop=margin, margin=margin)
    # A small validation list, whose rarest finding a patient or two have.
    small = Setting(patients=142, images_per_patient=1, prevalences=_FOURTEEN, margin=margin)
    yield replace(small, drop=margin)
    for drop in (margin, margin / 2, 0.0):
        for patients in SIZES:
            yield Setting(patients=patients, drop=drop, margin=margin, noise=_SLIGHT)
        yield replace(small, drop=drop, noise=_SLIGHT)


def main() -> None:
    """Measure and print; about three minutes of one core with the defaults."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=2000, help="at a true drop of the margin")
    parser.add_argument("--power-draws", type=int, default=400, help="at smaller true drops")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rates = []
    for setting in studies():
        draws = options.draws if setting.drop == setting.margin else options.power_draws
        rates.append(pass_rate(setting, draws=draws, seed=1))
    if options.json:
        print(json.dumps([{**asdict(rate), "rate": rate.rate} for rate in rates], indent=2))
        return
    print(describe(rates))


def describe(rates: list[Rate]) -> str:
    """A line a study: its size, its candidate, and how often that passed."""
    rows = [
        [
            str(len(rate.setting.prevalences)),
            str(rate.setting.patients),
            str(rate.setting.patients * rate.setting.images_per_patient),
            f"{rate.setting.tau:.2f}",
            f"{rate.setting.drop:.3f}",
            f"{rate.rate:.1%}",
            f"{rate.standard_error:.1%}",
            str(rate.draws),
        ]
        for rate in rates
    ]
    headings = ["findings", "patients", "images", "noise", "true drop", "passed", "standard error", "draws"]
    first = rates[0].setting
    return f"{table(headings, rows)}\n\nallowed drop {first.margin:g}, true AUC {first.auc:g}"


if __name__ == "__main__":
    main()
