"""Bayesian linear regression over features and their products, with its few scales chosen by evidence.

The model of a target y of a network with features x in 0..1 (centred at a half):

    y = b + sum_i w_i x_i + sum_(i<j) v_ij x_i x_j + noise,    w_i ~ N(trend * scale, scale^2),
    v_ij ~ N(0, pairs * scale^2),   noise ~ N(0, ratio * scale^2),   b ~ N(0, wide)

`scale`, `pairs`, `ratio` and `trend` are those of a grid with the highest evidence (MacKay 1992) times a weak
prior of their own. It is computed in its dual form, as large as the observations are many (Rasmussen and
Williams 2006, chapter 2); for samples of the whole function see Matheron's rule (Wilson et al. 2020).

Shape suffixes: N observations, M networks, F features, and in `_choose` the axes of the grid: P pairs,
R ratios, T trends, C scales.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_PAIRS = np.array([0.0, 0.03, 0.1, 0.3, 1.0])
_RATIOS = np.geomspace(1e-3, 10, 9)
_SCALES = np.geomspace(0.02, 0.6, 9)
_TRENDS = np.array([0.0, 0.5, 1.0])
# What an upgrade and the noise are worth before anything is known: a tenth of the error.
_SCALE_GUESS, _RATIO_GUESS = 0.1, 0.1
# Spread of the guesses in natural logarithms: a factor of e either way is nothing unusual.
_SPREAD = 1.0
_RATIO_SPREAD = 2.0
# Of the constant, in units of scale: wide enough to be free.
_WIDE = 100.0


@dataclass(frozen=True, kw_only=True)
class Scales:
    """The scales of the model, as the evidence chose them."""

    scale: float
    """Standard deviation of a feature's weight."""
    pairs: float
    """Variance of a product's weight, in units of scale^2."""
    ratio: float
    """Variance of the noise, in units of scale^2."""
    trend: float
    """Mean of a feature's weight, in units of scale."""

    def kernel(self, left_MF: Array, right_NF: Array) -> Array:
        """Covariance of the function between two sets of networks, (M, N), in units of scale^2."""
        linear_MN, products_MN = _kernels(left_MF, right_NF)
        # In place: this is where a simulation of thousands of asks spends its time.
        products_MN *= self.pairs
        products_MN += linear_MN
        products_MN += _WIDE
        return products_MN


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """The model of every network's value after the observations."""

    scales: Scales
    centre: float
    """The targets' mean, around which everything is computed."""
    features_NF: Array
    """Of the observed networks, centred."""
    rest_N: Array
    """Targets less their prior means."""
    inverse_NN: Array
    """Of the covariance of the observations, in units of scale^2."""

    def predict(self, features_MF: Array) -> tuple[Array, Array]:
        """Mean (M,) and standard deviation (M,) of the function, without the noise."""
        queries_MF = features_MF - 0.5
        scale = self.scales.scale
        cross_MN = self.scales.kernel(queries_MF, self.features_NF)
        gain_MN = cross_MN @ self.inverse_NN
        mean_M = self._prior_mean(queries_MF) + gain_MN @ self.rest_N
        variance_M = self._prior_variance(queries_MF) - np.einsum("mn,mn->m", gain_MN, cross_MN)
        return mean_M, scale * np.sqrt(np.maximum(variance_M, 0))

    def sample(self, random: np.random.Generator) -> Callable[[Array], Array]:
        """One draw of the whole function: from features (M, F) to values (M,)."""
        scale, width = self.scales.scale, self.features_NF.shape[1]
        constant = np.sqrt(_WIDE) * random.normal()
        weights_F = random.normal(size=width)
        products_FF = np.triu(random.normal(size=(width, width)), 1) * np.sqrt(self.scales.pairs)

        def before(centred_MF: Array) -> Array:
            products_M = ((centred_MF @ products_FF) * centred_MF).sum(1)
            drawn_M: Array = scale * (constant + centred_MF @ weights_F + products_M)
            return drawn_M

        noise_N = scale * np.sqrt(self.scales.ratio) * random.normal(size=len(self.rest_N))
        surprise_N = self.inverse_NN @ (self.rest_N - before(self.features_NF) - noise_N)

        def drawn(features_MF: Array) -> Array:
            centred_MF = features_MF - 0.5
            correction_M = self.scales.kernel(centred_MF, self.features_NF) @ surprise_N
            drawn_M: Array = self._prior_mean(centred_MF) + before(centred_MF) + correction_M
            return drawn_M

        return drawn

    def _prior_mean(self, queries_MF: Array) -> Array:
        mean_M: Array = self.centre + self.scales.trend * self.scales.scale * queries_MF.sum(1)
        return mean_M

    def _prior_variance(self, queries_MF: Array) -> Array:
        squares_MF = queries_MF**2
        total_M = squares_MF.sum(1)
        products_M = (total_M**2 - (squares_MF**2).sum(1)) / 2
        variance_M: Array = _WIDE + total_M + self.scales.pairs * products_M
        return variance_M


def fit(features_NF: Array, targets_N: Array, *, upgrades_help: bool) -> Posterior:
    """Choose the scales and condition on the observations; there may be none.

    Args:
        features_NF: in 0..1.
        targets_N: finite.
        upgrades_help: whether a weight may have a positive mean before anything is known.
    """
    centre = _mean(targets_N)
    scales = _choose(features_NF - 0.5, targets_N - centre, _TRENDS if upgrades_help else _TRENDS[:1])
    return condition(scales, features_NF, targets_N)


def condition(
    scales: Scales, features_NF: Array, targets_N: Array, *, centre: float | None = None
) -> Posterior:
    """The posterior with scales as they are; `centre` is the targets' mean by default."""
    centred_NF = features_NF - 0.5
    middle = _mean(targets_N) if centre is None else centre
    covariance_NN = scales.kernel(centred_NF, centred_NF) + scales.ratio * np.eye(len(targets_N))
    return Posterior(
        scales=scales,
        centre=middle,
        features_NF=centred_NF,
        rest_N=targets_N - middle - scales.trend * scales.scale * centred_NF.sum(1),
        inverse_NN=np.asarray(np.linalg.inv(covariance_NN), dtype=np.float64),
    )


def _mean(targets_N: Array) -> float:
    return float(targets_N.mean()) if len(targets_N) else 0.0


def _choose(centred_NF: Array, rest_N: Array, trends_T: Array) -> Scales:
    """The scales of the grid with the highest evidence."""
    linear_NN, products_NN = _kernels(centred_NF, centred_NF)
    kernels_PNN = _WIDE + linear_NN + _PAIRS[:, None, None] * products_NN
    values_PN, vectors_PNN = np.linalg.eigh(kernels_PNN)
    # In the eigenvectors' coordinates the observations are independent, whatever the noise.
    targets_PN = np.einsum("pnk,n->pk", vectors_PNN, rest_N)
    trend_PN = np.einsum("pnk,n->pk", vectors_PNN, centred_NF.sum(1))
    spread_PRN = np.maximum(values_PN, 0)[:, None] + _RATIOS[:, None]
    squares_PR = (targets_PN[:, None] ** 2 / spread_PRN).sum(-1)
    mixed_PR = (targets_PN[:, None] * trend_PN[:, None] / spread_PRN).sum(-1)
    slope_PR = (trend_PN[:, None] ** 2 / spread_PRN).sum(-1)
    logs_PR = np.log(spread_PRN).sum(-1)
    scale_C, trend_TC = _SCALES, trends_T[:, None]
    squares_PRTC = (
        squares_PR[..., None, None] / scale_C**2
        - 2 * trend_TC * mixed_PR[..., None, None] / scale_C
        + trend_TC**2 * slope_PR[..., None, None]
    )
    count = len(rest_N)
    evidence_PRTC = -0.5 * (squares_PRTC + logs_PR[..., None, None] + 2 * count * np.log(scale_C))
    evidence_PRTC += _prior(trends_T)
    p, r, t, c = np.unravel_index(np.argmax(evidence_PRTC), evidence_PRTC.shape)
    return Scales(
        scale=float(_SCALES[c]), pairs=float(_PAIRS[p]), ratio=float(_RATIOS[r]), trend=float(trends_T[t])
    )


def _prior(trends_T: Array) -> Array:
    """Log density of the scales before anything is known, (P, R, T, C) broadcast."""
    ratio_R = -0.5 * (np.log(_RATIOS / _RATIO_GUESS) / _RATIO_SPREAD) ** 2
    scale_C = -0.5 * (np.log(_SCALES / _SCALE_GUESS) / _SPREAD) ** 2
    pairs_P = -0.5 * (np.log((_PAIRS + 0.03) / 0.13) / _SPREAD) ** 2
    trend_T = -0.5 * ((trends_T - 0.5) / 0.5) ** 2 if len(trends_T) > 1 else np.zeros(1)
    return pairs_P[:, None, None, None] + ratio_R[:, None, None] + trend_T[:, None] + scale_C


def _kernels(left_MF: Array, right_NF: Array) -> tuple[Array, Array]:
    """Covariances (M, N) of the sum and of the products, with weights of variance 1."""
    linear_MN = left_MF @ right_NF.T
    products_MN = linear_MN * linear_MN
    # Of the square of a sum, the squares go and every product stands twice.
    products_MN -= left_MF**2 @ (right_NF**2).T
    products_MN /= 2
    return linear_MN, products_MN
