"""How often the AUC gate passes a candidate whose true drop is just the margin, and one that lost nothing.

    python -m xopt.benchmarks.gate_simulation --draws 2000

Each draw is a new sample of patients with binormal scores (Hanley 1988), for which the true AUCs are known in
closed form: the reference scores y * mu + e, the candidate adds independent noise of standard deviation tau,
which is what rounding does. With e and the noise normal, AUC = Phi(mu / sqrt(2 (1 + tau^2))). A patient's
images share part of e, so that resampling images in place of patients would be too sure of itself.

Shapes: N images, C classes.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ..runtime.console import progress, table
from .bootstrap import paired_auc_drop

_NORMAL = NormalDist()


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
    shared: float = 0.5
    """Share of a score's variance that the images of a patient have in common, 0..1."""


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
    reference_NC = distance * labels_NC + noise_NC
    wanted = sqrt(2) * _NORMAL.inv_cdf(setting.auc - setting.drop)
    tau = sqrt((distance / wanted) ** 2 - 1) if setting.drop else 0.05
    candidate_NC = reference_NC + tau * random.normal(size=(count, classes))
    return labels_NC, reference_NC, candidate_NC, tuple(f"{p:06}" for p in patient_N)


def pass_rate(setting: Setting, *, draws: int, resamples: int = 500, seed: int = 0) -> Rate:
    """Share of `draws` studies in which the upper bound of the drop is within the margin."""
    random = np.random.default_rng(seed)
    started, passed = time.perf_counter(), 0
    for i in progress(range(draws), label=f"drop {setting.drop:g}", total=draws):
        labels_NC, reference_NC, candidate_NC, patients = draw(setting, random)
        found = paired_auc_drop(labels_NC, reference_NC, candidate_NC, patients, resamples=resamples, seed=i)
        passed += found.upper_one_sided <= setting.margin
    return Rate(setting=setting, draws=draws, passed=passed, seconds=time.perf_counter() - started)


def main() -> None:
    """Measure and print; about a minute a thousand draws and row on one core."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rates = [
        pass_rate(
            Setting(patients=patients, drop=drop), draws=options.draws, resamples=options.resamples, seed=1
        )
        for patients in (100, 300, 1000)
        for drop in (0.01, 0.005, 0.0)
    ]
    if options.json:
        print(json.dumps([{**asdict(rate), "rate": rate.rate} for rate in rates], indent=2))
        return
    rows = [
        [
            str(rate.setting.patients),
            str(rate.setting.patients * rate.setting.images_per_patient),
            f"{rate.setting.drop:.3f}",
            f"{rate.rate:.1%}",
            f"{rate.standard_error:.1%}",
        ]
        for rate in rates
    ]
    print(table(["patients", "images", "true drop", "passed", "standard error"], rows))
    first = rates[0].setting
    print(f"\nallowed drop {first.margin:g}, true AUC {first.auc:g}, {options.draws} draws a row")


if __name__ == "__main__":
    main()
