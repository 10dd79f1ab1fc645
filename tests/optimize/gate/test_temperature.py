"""A temperature is found where it is known, and the graphs compute what the formula says."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("nncf")

from xopt.optimize.gate.temperature import (
    apply_temperature,
    fit_temperature,
    negative_log_likelihood,
)


def drawn(temperature: float, *, exclusive: bool) -> tuple[np.ndarray, np.ndarray]:
    """Labels that follow some probabilities, and probabilities that are too sure by `temperature`."""
    random = np.random.default_rng(0)
    logits = random.normal(size=(20_000, 3)) * 2
    if exclusive:
        true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        labels = np.eye(3, dtype=np.uint8)[[random.choice(3, p=row) for row in true]]
        sure = np.exp(logits * temperature)
        return labels, sure / sure.sum(axis=1, keepdims=True)
    labels = (random.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.uint8)
    return labels, 1 / (1 + np.exp(-logits * temperature))


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_probabilities_too_sure_is_found(temperature, exclusive):
    labels, sure = drawn(temperature, exclusive=exclusive)
    found = fit_temperature(labels, sure, exclusive=exclusive)
    assert found == pytest.approx(temperature, rel=0.05)
    before = negative_log_likelihood(labels, sure, exclusive=exclusive)
    after = negative_log_likelihood(
        labels, apply_temperature(sure, found, exclusive=exclusive), exclusive=exclusive
    )
    assert after <= before


@pytest.mark.parametrize(
    ("given", "temperature", "exclusive", "expected"),
    [
        ([[0.5, 0.9]], 1.0, False, [[0.5, 0.9]]),
        ([[0.5, 0.9]], 2.0, False, [[0.5, 0.75]]),
        ([[0.75, 0.1]], 0.5, False, [[0.9, 1 / 82]]),
        ([[0.8, 0.2]], 1.0, True, [[0.8, 0.2]]),
        ([[0.8, 0.2]], 2.0, True, [[2 / 3, 1 / 3]]),
        ([[0.0, 1.0]], 1.0, False, [[0.0, 1.0]]),
    ],
)
def test_a_temperature_divides_the_logits(given, temperature, exclusive, expected):
    found = apply_temperature(np.array(given), temperature, exclusive=exclusive)
    assert found == pytest.approx(np.array(expected), abs=1e-6)
