"""What the history teaches the predictor: phi and the share of the daily variance that comes back the next day."""

from __future__ import annotations

import numpy as np
import pytest

from models.history import _memory, _noise


def _noisy(phi: float, share: float, schools: int, days: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """AR(1) with unit variance times the share, and white noise for the rest, (days, schools)."""
    rng = np.random.default_rng(seed)
    x, out = rng.normal(size=schools), np.zeros((days, schools))
    for d in range(days):
        x = phi * x + np.sqrt(1 - phi * phi) * rng.normal(size=schools)
        out[d] = np.sqrt(share) * x + np.sqrt(1 - share) * rng.normal(size=schools)
    return 0.2 * out


@pytest.mark.parametrize(("phi", "share"), [(0.5, 0.9), (0.7, 0.4)])
def test_an_autoregression_with_noise_is_found_again(phi: float, share: float) -> None:
    """400 schools of 180 days: the pooled lags have an sd of some 1 / sqrt(72,000) = .004, phi's is about .02, s's .02; and own
    means cost 1 / 180 of the long-run variance, a few times .01. Tolerance .05."""
    residual = _noisy(phi, share, 400, 180, 1)
    found = _noise(residual, np.full(residual.shape, 0.1), np.ones(residual.shape, bool))
    assert found is not None
    assert found["phi"] == pytest.approx(phi, abs=0.05)
    assert found["ar_share"] == pytest.approx(share, abs=0.06)


def test_days_that_were_not_scored_are_in_no_pair() -> None:
    residual = _noisy(0.5, 0.9, 300, 180, 2)
    scored = np.random.default_rng(3).random(residual.shape) < 0.8
    found = _noise(np.where(scored, residual, 50.0), np.full(residual.shape, 0.1), scored)
    assert found is not None
    assert found["phi"] == pytest.approx(0.5, abs=0.06)
    assert found["ar_share"] == pytest.approx(0.9, abs=0.1)


def test_the_formula_and_its_bounds() -> None:
    phi, share = _memory([[10.0, 6.0, 3.0, 1.5]], [[10, 10, 10, 10]])
    assert (phi, share) == (0.5, 0.98)
    assert _memory([[10.0, 4.0, 2.0, 1.0]], [[10, 10, 10, 10]]) == (0.5, 0.8)
    assert _memory([[10.0, -1.0, 0.0, 0.0]], [[10, 10, 10, 10]]) == (0.05, 0.05)
