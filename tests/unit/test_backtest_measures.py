"""Measures on hand-made sequences."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.backtest import measures
from models.backtest.measures import Delays

NEVER = -np.inf


def test_the_matched_limit_gives_the_asked_rate_of_first_passages() -> None:
    rng = np.random.default_rng(1)
    peaks = rng.exponential(1.0, 4_000)
    early = np.full(4_000, NEVER)
    for rate in (0.1, 0.5, 1.0):
        limit = measures.matched_limit(early, peaks, 190, rate)
        share = (peaks >= limit).mean()
        assert -math.log(1 - share) == pytest.approx(rate, abs=1e-3)
        assert share <= 1 - math.exp(-rate)


def test_the_matched_limit_counts_a_school_only_while_it_was_quiet_before() -> None:
    """Half of the schools stood high from the start: they are no first passages, and no school-years either."""
    rng = np.random.default_rng(2)
    peaks = rng.exponential(1.0, 4_000)
    early = np.where(np.arange(4_000) < 2_000, 50.0, NEVER)
    both = np.where(early > 0, 60.0, peaks)
    limit = measures.matched_limit(early, both, 190, 0.5)
    assert limit == measures.matched_limit(early[2_000:], peaks[2_000:], 190, 0.5)


def test_ties_stand_or_fall_together_on_the_side_of_fewer_alarms() -> None:
    none = np.full(10, NEVER)
    peaks = np.array([1.0] * 6 + [2.0] * 4)
    assert measures.matched_limit(none, peaks, 190, 0.5) == math.inf
    assert measures.matched_limit(none, peaks, 190, 0.6) == 2.0
    assert measures.matched_limit(none, np.full(10, NEVER), 190, 0.5) == math.inf


def test_fewer_days_make_more_alarms_a_school_year() -> None:
    alarmed = np.array([True, False, False, False])
    seen = measures.false_alarms(alarmed, 95)
    assert seen.value == pytest.approx(-math.log(0.75) * 2)
    assert seen.error == pytest.approx(math.sqrt(0.25 / 0.75 / 4) * 2)
    assert math.isfinite(measures.false_alarms(np.array([True, True]), 190).value)


def test_a_delay_of_one_is_an_alarm_on_the_first_day() -> None:
    before = np.array([0.0, 0.0, 5.0, 0.0])
    after = np.array([[3.0, 3.0, 3.0], [0.0, 1.0, 2.0], [9.0, 9.0, 9.0], [0.0, 0.0, 1.9]])
    seen = measures.delays(before, after, np.full(4, 2.0))
    assert seen.days.tolist() == [1.0, 3.0, 1.0, math.inf]
    assert seen.quiet.tolist() == [True, True, False, True]


def test_figures_of_delays_are_those_of_the_quiet_schools() -> None:
    days = np.array([1.0, 10.0, 20.0, 21.0, 40.0, 41.0, math.inf, 2.0])
    quiet = np.array([True] * 7 + [False])
    out = measures.delay_figures(Delays(days, quiet), np.random.default_rng(1))
    assert out["median"].value == 21.0
    assert out["p90"].value == math.inf
    assert out["within_20"].value == pytest.approx(3 / 7)
    assert out["within_40"].value == pytest.approx(5 / 7)
    assert out["mean"].value == pytest.approx((1 + 10 + 20 + 21 + 40 + 41 + 80) / 7)
    nothing = measures.delay_figures(Delays(days, np.zeros(8, bool)), np.random.default_rng(1))
    assert all(math.isnan(figure.value) for figure in nothing.values())


def test_an_even_number_of_schools_has_its_median_in_the_middle() -> None:
    out = measures.delay_figures(Delays(np.array([1.0, 3.0, 5.0, 9.0]), np.ones(4, bool)), np.random.default_rng(1))
    assert out["median"].value == 4.0


def test_errors_are_those_of_a_bootstrap_over_schools() -> None:
    """Against 2,000 drawn resamples (their spread is good to 1.6 %); a median's own 200 are good to 5 %: 12 % is allowed."""
    rng = np.random.default_rng(2)
    mine = Delays(np.minimum(rng.exponential(20.0, 400), 90.0).round() + 1, rng.random(400) < 0.9)
    best = Delays(np.maximum(mine.days - rng.integers(0, 9, 400), 1.0), rng.random(400) < 0.9)
    draws = rng.integers(0, 400, (2_000, 400))

    def capped(seen: Delays, rows: np.ndarray) -> float:
        return float(np.minimum(seen.days[rows][seen.quiet[rows]], 80.0).mean())

    figures = measures.delay_figures(mine, np.random.default_rng(3))
    means = np.array([capped(mine, rows) for rows in draws])
    ratios = means / np.array([capped(best, rows) for rows in draws])
    medians = np.array([np.median(mine.days[rows][mine.quiet[rows]]) for rows in draws])
    assert figures["mean"].error == pytest.approx(means.std(), rel=0.06)
    assert measures.ratio_figure(mine, best).error == pytest.approx(ratios.std(), rel=0.06)
    assert figures["median"].error == pytest.approx(medians.std(), rel=0.12)


def test_a_ratio_is_of_means_over_each_charts_own_quiet_schools() -> None:
    mine = Delays(np.array([10.0, 20.0, 99.0]), np.array([True, True, False]))
    best = Delays(np.array([10.0, math.inf, 5.0]), np.array([True, False, True]))
    assert measures.ratio_figure(mine, best).value == pytest.approx(15.0 / 7.5)
