"""Each challenger equals a plain restatement of it, one school at a time; PageHinkley equals River's own object."""

from __future__ import annotations

import math

import numpy as np
import pytest
from river import drift

from models.backtest import challengers, oracle, river_detectors
from models.backtest.oracle import CHANGE_DAYS, NoiseLaw, drift_shape, fit_noise
from models.backtest.scenario import parse

DAYS, SCHOOLS = 70, 6


def a_year(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """rate, pupils, p0, p1 (days, schools) with a rise half way, and which days count."""
    rng = np.random.default_rng(seed)
    pupils = np.broadcast_to(rng.integers(60, 1500, SCHOOLS).astype(float), (DAYS, SCHOOLS)).copy()
    aim = rng.uniform(0.04, 0.12, SCHOOLS)
    p0 = np.clip(aim * np.exp(rng.normal(0, 0.1, (DAYS, SCHOOLS))), 0.01, 0.5)
    rise = np.where(np.arange(DAYS)[:, None] >= DAYS // 2, 0.03, 0.0)
    rate = rng.binomial(pupils.astype(int), p0 + rise) / pupils
    return rate, pupils, p0, challengers.shifted(p0, aim), rng.random((DAYS, SCHOOLS)) < 0.9


def carried(value: float, on: bool, step: float) -> float:
    """One day of a CUSUM in plain Python."""
    return max(0.0, value + step) if on else value


def test_a_p_chart_counts_binomial_standard_deviations() -> None:
    out = challengers.p_chart(np.array([[0.08]]), np.array([[400.0]]), np.array([0.05]))
    assert out[0, 0] == pytest.approx(0.03 / math.sqrt(0.05 * 0.95 / (1.05 * 400)))


def test_an_ewma_forgets_at_its_rate_and_sleeps_through_days_that_do_not_count() -> None:
    x = np.array([[1.0], [3.0], [7.0]])
    on = np.array([[True], [False], [True]])
    assert challengers.ewma(x, on, 0.25)[:, 0].tolist() == [0.25, 0.25, 0.25 + 0.25 * 6.75]


def test_a_shift_of_two_points_is_two_points_at_the_target() -> None:
    assert challengers.shifted(np.array([0.05]), np.array([0.05]))[0] == pytest.approx(0.07)


@pytest.mark.parametrize("seed", range(3))
def test_the_binomial_cusum_adds_up_log_likelihood_ratios(seed: int) -> None:
    rate, pupils, p0, p1, on = a_year(seed)
    out = challengers.binomial_cusum(rate, pupils, p0, p1, on)
    for i in range(SCHOOLS):
        w = 0.0
        for d in range(DAYS):
            y, n = 1.05 * rate[d, i] * pupils[d, i], 1.05 * pupils[d, i]
            up, down = math.log(p1[d, i] / p0[d, i]), math.log((1 - p1[d, i]) / (1 - p0[d, i]))
            w = carried(w, bool(on[d, i]), y * up + (n - y) * down)
            assert out[d, i] == pytest.approx(w, abs=1e-9)
    assert out.max() > 5


@pytest.mark.parametrize("seed", range(3))
def test_the_beta_binomial_cusum_adds_up_log_likelihood_ratios(seed: int) -> None:
    rate, pupils, p0, p1, on = a_year(seed)
    rho = np.linspace(0.001, 0.02, SCHOOLS)
    out = challengers.beta_binomial_cusum(rate, pupils, p0, p1, rho, on)

    def log_beta(a: float, b: float) -> float:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

    for i in range(SCHOOLS):
        w, size = 0.0, (1 - rho[i]) / rho[i]
        for d in range(DAYS):
            y, n = rate[d, i] * pupils[d, i], pupils[d, i]

            def score(p: float, y: float = y, n: float = n, size: float = size) -> float:
                return log_beta(y + p * size, n - y + (1 - p) * size) - log_beta(p * size, (1 - p) * size)

            w = carried(w, bool(on[d, i]), score(p1[d, i]) - score(p0[d, i]))
            assert out[d, i] == pytest.approx(w, abs=1e-7)
    assert out.max() > 1


def test_log_gamma_is_that_of_the_library() -> None:
    """Stirling's series from 10 on has an error under 1/1188 / 10**9 < 1e-12; the recurrence adds rounding of some 1e-13."""
    x = np.concatenate([np.linspace(1e-3, 12.0, 400), np.geomspace(12.0, 1e6, 200)])
    expected = np.array([math.lgamma(v) for v in x])
    np.testing.assert_allclose(challengers.log_gamma(x), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("delta", [0.005, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_page_hinkley_alarms_on_the_day_on_which_rivers_does_at_any_threshold(seed: int, delta: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (120, 4)) * (delta * 3) + np.where(np.arange(120)[:, None] > 60, 2 * delta, 0.0)
    on = rng.random(x.shape) < 0.9
    statistic = challengers.page_hinkley(x, on, delta)
    alarms = 0
    for i in range(4):
        for threshold in np.quantile(statistic[:, i], [0.3, 0.6, 0.9, 0.97]):
            detector = drift.PageHinkley(min_instances=30, delta=delta, threshold=float(threshold), mode="up")
            theirs = None
            for d in np.flatnonzero(on[:, i]).tolist():
                detector.update(float(x[d, i]))
                if detector.drift_detected:
                    theirs = d
                    break
            ours = np.flatnonzero(on[:, i] & (statistic[:, i] > threshold))
            assert (int(ours[0]) if len(ours) else None) == theirs
            alarms += theirs is not None
    assert alarms > 8


def test_adwin_names_the_strictest_rung_that_alarmed_on_a_rise() -> None:
    rng = np.random.default_rng(3)
    up, down = rng.normal(0, 1, 90), rng.normal(0, 1, 90)
    up[45:] += 3
    down[45:] -= 3
    x = np.stack([up, down], axis=1)
    out = river_detectors.adwin(x, np.ones(x.shape, bool))
    rung = int(out[-1, 0])
    assert rung >= 10
    assert (np.diff(out, axis=0) >= 0).all()
    detector = drift.ADWIN(delta=river_detectors.ADWIN_DELTAS[rung - 1], clock=1)
    alarms = [d for d, value in enumerate(up.tolist()) if _updated(detector, value)]
    assert alarms[0] == int(np.argmax(out[:, 0] == rung))
    assert out[-1, 1] < rung


def _updated(detector: drift.ADWIN, value: float) -> bool:
    detector.update(value)
    return bool(detector.drift_detected)


def test_kswin_rises_only_with_what_rises() -> None:
    rng = np.random.default_rng(4)
    x = np.stack([rng.normal(0, 1, 100), rng.normal(0, 1, 100)], axis=1)
    x[70:, 0] += 3
    x[70:, 1] -= 3
    out = river_detectors.kswin(x, np.ones(x.shape, bool), seed=1)
    assert (out[: river_detectors.KSWIN_WINDOW - 1] == 0).all()
    assert out[89, 0] > 8
    assert out[89, 1] == 0
    assert out.tobytes() == river_detectors.kswin(x, np.ones(x.shape, bool), seed=1).tobytes()


@pytest.mark.parametrize("name", ["step:2", "ramp:1.5"])
def test_the_oracle_is_the_best_of_all_change_days_in_plain_python(name: str) -> None:
    rng = np.random.default_rng(5)
    days, schools = 80, 3
    residual, sampling = rng.normal(0, 0.3, (days, schools)), np.full((days, schools), 0.02)
    on = rng.random((days, schools)) < 0.95
    phase = np.array([0, 1, 2])
    law = NoiseLaw((0.01, 0.02, 0.03), ((0.02, 1.0),) * 3, ((0.015, 0.3),) * 3)
    shape = drift_shape(parse(name), np.array([0.05, 0.08, 0.13]))
    out = oracle.oracle(residual, sampling, on, phase, shape, law)
    for i in range(schools):
        total, phi = 0.02 + 0.02, (0.015 + 0.3 * 0.02) / 0.04
        e = residual[:, i] - law.mean[i]
        for t in range(days):
            best = 0.0
            for start in range(max(0, t - CHANGE_DAYS + 1), t + 1):
                ratio = 0.0
                for d in range(start, t + 1):
                    if not on[d, i]:
                        continue
                    memory = phi if d and on[d - 1, i] else 0.0
                    age = d - start
                    signal = shape[age, i] - (memory * shape[age - 1, i] if age else 0.0)
                    innovation = e[d] - (memory * e[d - 1] if memory else 0.0)
                    ratio += (innovation * signal - signal**2 / 2) / (total * (1 - memory**2))
                best = max(best, ratio)
            assert out[t, i] == pytest.approx(best, abs=1e-9)


def test_the_oracles_law_is_found_again() -> None:
    """2,000 days of 90 AR(1) paths: a variance is good to some 2 %, and the line through schools to some 5 %."""
    rng = np.random.default_rng(6)
    days, schools = 2_000, 90
    v = rng.uniform(0.005, 0.05, schools)
    phase = np.repeat([0, 1, 2], 30)
    variance, phi = 0.02 + v, 0.6
    e = np.zeros((days, schools))
    for d in range(1, days):
        e[d] = phi * e[d - 1] + rng.normal(0, 1, schools) * np.sqrt(variance * (1 - phi**2))
    law = fit_noise([e + 0.5], [np.broadcast_to(v, e.shape)], [phase])
    for f in range(3):
        assert law.mean[f] == pytest.approx(0.5, abs=0.01)
        assert law.variance[f][0] + law.variance[f][1] * 0.03 == pytest.approx(0.05, rel=0.05)
        assert law.covariance[f][0] + law.covariance[f][1] * 0.03 == pytest.approx(0.03, rel=0.07)
