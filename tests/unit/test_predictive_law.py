"""The laws of a session's absent: exact against SciPy and against whole sums, far out in the tails as well."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from models import predictive_law
from models.numbers import normal_cdf
from tests import restated_law

PUPILS = np.array([30, 60, 280, 1000, 2000])
P = np.array([0.02, 0.3, 0.05, 0.09, 0.12])
VARIANCE = np.array([3.0, 0.2, 0.08, 0.03, 0.2])


def test_the_morning_is_scipys_beta_binomial_with_relative_precision_in_its_tail() -> None:
    law = predictive_law.beta_binomial(PUPILS, P, VARIANCE)
    for i, n in enumerate(PUPILS.tolist()):
        spread = n * P[i] * (1 - P[i])
        rho = min(max((spread * VARIANCE[i] - 1) / (n - 1), 1e-5), 0.5)
        judge = stats.betabinom(n, P[i] * (1 - rho) / rho, (1 - P[i]) * (1 - rho) / rho)
        chance = judge.pmf(np.arange(n + 1))
        np.testing.assert_allclose(law[i, : n + 1], chance, rtol=1e-8, atol=1e-290)
        assert not law[i, n + 1 :].any()
        assert predictive_law.upper_tail(law[i : i + 1], np.array([n]))[0] == pytest.approx(chance[-1], rel=1e-8)


def test_the_variance_of_the_morning_is_that_of_the_logit_times_the_squared_slope() -> None:
    law = predictive_law.beta_binomial(PUPILS, P, VARIANCE)
    k = np.arange(law.shape[1])
    mean = predictive_law.mean_of(law)
    np.testing.assert_allclose(mean, PUPILS * P, rtol=1e-10)
    np.testing.assert_allclose((law * (k - mean[:, None]) ** 2).sum(axis=1), (PUPILS * P * (1 - P)) ** 2 * VARIANCE, rtol=1e-9)


def test_a_variance_under_what_chance_makes_gives_nearly_a_binomial() -> None:
    law = predictive_law.beta_binomial(np.array([300]), np.array([0.05]), np.array([0.0]))
    np.testing.assert_allclose(law[0], stats.binom(300, 0.05).pmf(np.arange(301)), atol=3e-4)


@pytest.mark.parametrize(
    ("n", "absent", "stay", "new"), [(30, 0, 0.9, 0.01), (280, 14, 0.9, 0.005), (400, 400, 0.9, 0.1), (90, 45, 0.5, 0.1)]
)
def test_the_afternoon_is_the_sum_of_two_binomials(n: int, absent: int, stay: float, new: float) -> None:
    law = predictive_law.afternoon(np.array([n]), np.array([absent]), np.array([stay]), np.array([new]))[0]
    if stay + new < 1:
        np.testing.assert_allclose(law, restated_law.afternoon_law(n, absent, stay, new), rtol=1e-7, atol=1e-250)
    assert law.sum() == pytest.approx(1.0, abs=1e-12)
    for least in (0, absent, min(absent + 20, n), n):
        tail = predictive_law.afternoon_tail(np.array([n]), np.array([absent]), np.array([stay]), np.array([new]), np.array([least]))
        assert tail[0] == pytest.approx(law[least:].sum(), rel=1e-9, abs=1e-290)


def test_more_absent_than_there_are_pupils_have_no_chance() -> None:
    law = predictive_law.binomial(np.array([20, 40]), np.array([0.1, 0.1]))
    assert predictive_law.upper_tail(law, np.array([21, 41])).tolist() == [0.0, 0.0]
    one = predictive_law.afternoon_tail(np.array([20]), np.array([3]), np.array([0.9]), np.array([0.01]), np.array([21]))
    assert one[0] == 0.0


@pytest.mark.parametrize("cover", [0.5, 0.8, 0.95])
def test_an_interval_holds_at_least_its_share_and_a_tighter_one_does_not(cover: float) -> None:
    law = predictive_law.beta_binomial(PUPILS, P, VARIANCE)
    low, high = predictive_law.interval(law, cover)
    for i in range(len(PUPILS)):
        assert law[i, low[i] : high[i] + 1].sum() >= cover - 1e-12
        assert law[i, : low[i]].sum() < (1 - cover) / 2
        assert law[i, : high[i]].sum() < (1 + cover) / 2
    assert predictive_law.quantile(law, 0.5).tolist() == [int(np.argmax(np.cumsum(row) >= 0.5)) for row in law]


def test_randomised_transforms_are_uniform_and_half_of_the_counts_chance_is_the_middle() -> None:
    """Kolmogorov-Smirnov at 4,000 draws: the 1e-4 limit is 2.23 / sqrt(4000) = .035."""
    rng = np.random.default_rng(5)
    law = predictive_law.beta_binomial(np.array([90]), np.array([0.05]), np.array([0.2]))
    drawn = rng.choice(91, 4_000, p=law[0])
    rows = np.repeat(law, len(drawn), axis=0)
    where = rng.random(len(drawn))
    at = predictive_law.pit(rows, drawn, where)
    assert stats.kstest(at, "uniform").statistic < 0.035
    assert predictive_law.pit(law, np.array([0]), np.array([0.0]))[0] == 0.0
    assert predictive_law.mid_pit(law, np.array([3]))[0] == pytest.approx(law[0, :3].sum() + law[0, 3] / 2)


def test_the_normal_distribution_function_is_scipys() -> None:
    z = np.linspace(-12, 12, 2_001)
    np.testing.assert_allclose(normal_cdf(z), stats.norm.cdf(z), rtol=1e-8, atol=1e-15)
    assert normal_cdf(np.array([-40.0, 0.0, 40.0])).tolist() == pytest.approx([0.0, 0.5, 1.0], abs=1e-15)


def test_the_shape_of_the_morning_without_its_law() -> None:
    law = predictive_law.beta_binomial(PUPILS, P, VARIANCE)
    spread, skewness = predictive_law.beta_binomial_shape(PUPILS, P, VARIANCE)
    off = np.arange(law.shape[1]) - predictive_law.mean_of(law)[:, None]
    np.testing.assert_allclose(spread, np.sqrt((law * off**2).sum(axis=1)), rtol=1e-9)
    np.testing.assert_allclose(skewness, (law * off**3).sum(axis=1) / spread**3, rtol=1e-7)


def test_no_tail_under_1e5_lies_nearer_than_the_screen_of_sudden_flags() -> None:
    """Whole sums over pupils, rates and variances: where the tail passes 1e-5 the count is further than 4 + 1.5 g deviations,
    or further than half the way to everybody."""
    for n in (30, 60, 120, 280, 600, 1_000):
        for p in (0.01, 0.03, 0.06, 0.12, 0.25):
            for v in (1e-6, 0.01, 0.03, 0.1, 0.3, 1.0):
                one = np.array([n]), np.array([p]), np.array([v])
                tails = np.cumsum(predictive_law.beta_binomial(*one)[0][::-1])[::-1]
                least = int(np.argmax(tails < 1e-5))
                spread, skewness = predictive_law.beta_binomial_shape(*one)
                if tails.min() < 1e-5 and least - n * p >= 10:
                    assert least - n * p >= min((4 + 1.5 * skewness[0]) * spread[0], 0.5 * n * (1 - p))
