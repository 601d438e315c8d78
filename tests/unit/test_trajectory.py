"""The path: exact annual mean, ramp, holidays, and what a school without a target gets."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.deployment import AM, BOTH, PM, expected_sessions, lay_path, relay_path
from models.parameters import Parameters
from models.trajectory import annual_mean, holiday_effects, path, shape
from tests import deployments


@pytest.mark.parametrize("seed", range(5))
def test_the_annual_mean_is_the_target_to_1e12(seed: int) -> None:
    rng = np.random.default_rng(seed)
    days, schools = int(rng.integers(20, 200)), 50
    shapes = rng.normal(0, 0.4, (days, 1)) + rng.normal(0, 0.1, (days, schools))
    planned = rng.random((days, schools)) < 0.95
    planned[0] = True
    weight = np.where(planned, rng.integers(1, 3, (days, schools)), 0).astype(float)
    baseline = rng.uniform(0.005, 0.6, schools)
    target = baseline * rng.uniform(0.6, 1.3, schools)
    eta, _ = path(shapes, weight, planned, baseline, target, grid=False)
    np.testing.assert_allclose(annual_mean(eta, weight), target, atol=1e-12, rtol=0)
    none = np.full(schools, np.nan)
    flat, _ = path(shapes, weight, planned, baseline, none, grid=False)
    np.testing.assert_allclose(annual_mean(flat, weight), baseline, atol=1e-12, rtol=0)


def test_the_ramp_takes_sixty_of_the_schools_own_days() -> None:
    days = 100
    planned = np.ones((days, 2), bool)
    planned[:20, 1] = False
    weight = planned.astype(float)
    eta, _ = path(np.zeros((days, 2)), weight, planned, np.array([0.1, 0.1]), np.array([0.08, 0.08]), grid=False)
    for school, first in ((0, 0), (1, 20)):
        steps = np.diff(eta[first:, school])
        assert np.allclose(steps[:59], steps[0])
        assert np.allclose(steps[60:], 0, atol=1e-15)
        assert steps[0] < 0


def test_a_path_of_one_school_is_that_school_among_many() -> None:
    rng = np.random.default_rng(3)
    shapes, weight = rng.normal(0, 0.3, (60, 2000)), np.full((60, 2000), 2.0)
    planned, baseline = np.ones((60, 2000), bool), rng.uniform(0.02, 0.3, 2000)
    many, _ = path(shapes, weight, planned, baseline, baseline * 0.95)
    one, _ = path(shapes[:, 7:8], weight[:, 7:8], planned[:, 7:8], baseline[7:8], baseline[7:8] * 0.95)
    assert many[:, 7:8].tobytes() == one.tobytes()


def test_days_beside_a_holiday_are_raised_and_a_weekend_is_none() -> None:
    days = np.array([0, 1, 4, 5, 15, 16, 19], np.int32)  # Thursday, Friday, Monday, Tuesday; a week off; Friday, Saturday is not used
    effect = holiday_effects(days, np.ones(7, bool))
    assert effect[0] == effect[1] == 0
    assert effect[2] == pytest.approx(0.08)  # the day before the last day
    assert effect[3] == pytest.approx(0.22)  # the last day before a holiday
    assert effect[4] == pytest.approx(0.08)  # the first day back
    assert effect[6] == pytest.approx(0.22 + 0.15)  # the last day of the year ends a term


def test_the_season_and_the_weekday_are_those_of_the_date() -> None:
    days = deployments.school_days(5)
    season, weekday = np.zeros(53), np.array([0.06, 0, -0.02, 0, 0.13])
    season[36] = 1.0  # ISO week 37 of 2026 holds 7 to 11 September
    assert shape(days, np.ones(5, bool), season, weekday, holidays=False) == pytest.approx(1 + weekday, abs=1e-9)


@pytest.mark.parametrize(
    ("bits", "history", "expected"),
    [
        pytest.param([BOTH] * 3, 0, [BOTH] * 3, id="both sent, both expected"),
        pytest.param([AM] * 3, 0, [AM] * 3, id="one mark a day from the first day: the other is not missing"),
        pytest.param([0, AM, AM], 0, [BOTH, AM, AM], id="before anything was sent both are expected"),
        pytest.param([0, 0], AM, [AM, AM], id="the history says one mark a day"),
        pytest.param([AM, BOTH, AM], 0, [AM, BOTH, BOTH], id="a session seen this year stays expected"),
        pytest.param([BOTH] + [AM] * 10, 0, [BOTH] * 10 + [AM], id="a session not sent on 10 days with a register is dropped"),
        pytest.param([BOTH] + [AM] * 9 + [0], 0, [BOTH] * 11, id="a day without a register does not count among the 10"),
        pytest.param([0, BOTH], AM, [AM, BOTH], id="before the first register the history speaks"),
        pytest.param([AM] * 11 + [PM], AM, [AM] * 11 + [BOTH], id="a session sent again is expected again"),
    ],
)
def test_expected_sessions(bits: list[int], history: int, expected: list[int]) -> None:
    sent = np.array([[[bool(b & AM)], [bool(b & PM)]] for b in bits])
    assert expected_sessions(sent, np.array([history], np.int32))[:, 0].tolist() == expected


def test_laying_the_path_again_for_some_schools_equals_laying_it_for_all() -> None:
    rng = np.random.default_rng(5)
    made = deployments.deployment(12, 30, rng)
    both = np.full((30, 12), BOTH, np.uint8)
    mixed = both.copy()
    mixed[10:, 3] = AM
    moved = lay_path(made, both.copy(), Parameters())
    first = relay_path(made, moved, np.array([2, 3]), mixed[:, [2, 3]], Parameters())
    afresh = lay_path(made, mixed, Parameters())
    assert moved.eta.tobytes() == afresh.eta.tobytes()
    assert first == int(np.flatnonzero((lay_path(made, both, Parameters()).eta != afresh.eta).any(axis=1))[0])
    assert not math.isnan(float(moved.eta.sum()))
