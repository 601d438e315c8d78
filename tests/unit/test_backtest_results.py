"""Tables from hand-made trials: limits by stratum, hubs, the name of a year group, shocks and area alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from models.backtest.results import BY_STRATUM, ONE, SHIPPED, Evidence, limits_of, rows_of
from models.backtest.scenario import parse
from models.thresholds import BANDS

if TYPE_CHECKING:
    from models.backtest.trial import Trial

NEVER = -np.inf


def a_trial(peaks: list[float], **more: Any) -> Trial:
    """A year of schools with these largest statistics of T; nothing planted unless more says so."""
    n = len(peaks)
    out: Trial = {
        "days": np.array([190, 190]),
        "areas": np.array([1]),
        "band": np.zeros(n, np.int32),
        "hub": np.zeros(n, np.int32),
        "watched": np.zeros(0, np.int32),
        "onset": np.zeros(0, np.int32),
        "area_on": np.zeros((0, 2), np.int32),
        "area_events": np.zeros((0, 3), np.int32),
        "early:T": np.full(n, NEVER),
        "peak:T": np.array(peaks),
        "year:T": np.array(peaks),
        "before:T": np.zeros(0),
        "after:T": np.zeros((0, 80)),
    }
    return out | {key: np.asarray(value) for key, value in more.items()}


def reaching(*days: int | None) -> np.ndarray:
    """Running maxima from the onset on that reach 9 on these days (from 1)."""
    out = np.zeros((len(days), 80))
    for row, day in zip(out, days, strict=True):
        if day is not None:
            row[day - 1 :] = 9.0
    return out


NULL = a_trial([1.0] * 60 + [4.0] * 40, band=[0] * 50 + [4] * 50)


def test_a_stratum_has_its_own_limit_and_all_have_one() -> None:
    """Of 50 small schools none stands out; of 50 large ones 40 do, far more than a rate of .5 allows."""
    evidence = Evidence(1, {parse("null"): (NULL,)}, (0.5,))
    by_stratum = limits_of(evidence, BY_STRATUM, "T", 0.5)
    one = limits_of(evidence, ONE, "T", 0.5)
    assert by_stratum is not None
    assert one is not None
    assert by_stratum[0] == np.inf
    assert by_stratum[4] == np.inf
    assert (one == np.inf).all()
    evidence = Evidence(1, {parse("null"): (a_trial([1.0] * 70 + [4.0] * 30),)}, (0.5,))
    again = limits_of(evidence, BY_STRATUM, "T", 0.5)
    assert again is not None
    assert again[0] == 4.0
    shipped = limits_of(evidence, SHIPPED, "T", 0.5)
    assert shipped is not None
    assert len(shipped) == len(BANDS)
    assert limits_of(evidence, SHIPPED, "p-chart", 0.5) is None


def test_a_hub_counts_each_alarming_school_once_and_only_what_came_after_its_onset_as_true() -> None:
    """Seven schools in two hubs; four drift: found on day 3, found on day 60, alarmed before its onset, never found. Of the
    other three one alarms."""
    hub = a_trial(
        [9.0, 9.0, 9.0, 0.0, 9.0, 0.0, 0.0],
        hub=[0, 0, 0, 0, 1, 1, 1],
        watched=[0, 1, 2, 3],
        onset=[60, 60, 60, 60],
        **{"before:T": [0.0, 0.0, 9.0, 0.0], "after:T": reaching(3, 60, 1, None)},
    )
    evidence = Evidence(1, {parse("null"): (a_trial([1.0] * 70 + [4.0] * 30),), parse("hub:2"): (hub,)}, (0.5,), (ONE,))
    row = next(r for r in rows_of(evidence)["hubs"] if r["method"] == "T")
    assert row["hubs"] == 2
    assert row["alerts_a_hub_year"] == 2.0
    assert row["precision"] == 0.5
    assert row["false_a_hub_term"] == pytest.approx(1 / 3, abs=1e-6)
    assert row["found_within_40"] == 0.25
    assert row["median"] == 60.0


def test_the_year_group_is_the_one_that_leads_on_the_day_of_the_alarm() -> None:
    leading = np.full((2, 80), 255, np.uint8)
    leading[0, 4:], leading[1, :2], leading[1, 2:] = 7, 7, 8
    drift = a_trial([9.0] * 4, watched=[0, 1], onset=[60, 60], group=np.array([7, 7], np.uint8), leading=leading)
    null = a_trial([1.0] * 70 + [4.0] * 30)
    for trial in (drift, null):
        for key in ("early", "peak", "year"):
            trial[f"{key}:G"] = trial.pop(f"{key}:T")
    drift["before:G"], drift["after:G"] = np.zeros(2), reaching(5, 4)
    evidence = Evidence(1, {parse("null"): (null,), parse("group:4"): (drift,)}, (0.5,), (ONE,))
    row = next(r for r in rows_of(evidence)["delays"] if r["stratum"] == "all")
    assert row["named_right"] == 0.5
    assert row["median"] == 4.5


def test_a_shock_is_held_against_schools_that_were_quiet_inside_and_outside() -> None:
    shock = a_trial(
        [9.0, 9.0, 0.0, 0.0],
        watched=[0, 1, 2, 3],
        onset=[60] * 4,
        inside=[True, True, False, False],
        area_events=[[0, 10, 12], [0, 60, 64]],
        area_on=[[0, 11], [0, 60], [0, 100]],
        **{"before:T": [9.0, 0.0, 0.0, 0.0], "after:T": reaching(1, 2, None, None)[:, :10]},
    )
    evidence = Evidence(1, {parse("null"): (a_trial([1.0] * 70 + [4.0] * 30),), parse("shock"): (shock,)}, (0.5,), (ONE,))
    rows = rows_of(evidence)
    assert [(r["inside"], r["inside_schools"], r["outside"]) for r in rows["shocks"]] == [(1.0, 1, 0.0)]
    area = next(r for r in rows["areas"] if r["scenario"] == "shock")
    assert (area["events"], area["found"], area["same_day"]) == (2, 2, 1)
    assert area["false_an_area_year"] == 1.0
    assert (area["shocks"], area["shocks_with_exactly_one"], area["shocks_same_day"]) == (1, 1, 1)


def test_schools_of_one_shock_count_as_one_draw_for_the_error() -> None:
    """Four shocks, in one of which all schools alarm: as uncertain as four coins, not as forty."""

    def shock(days: int | None) -> Trial:
        quiet = {"before:T": np.zeros(10), "after:T": reaching(*[days] * 10)[:, :10]}
        return a_trial([0.0] * 10, watched=np.arange(10), onset=[60] * 10, inside=[True] * 10, **quiet)

    trials = (shock(1), shock(None), shock(None), shock(None))
    evidence = Evidence(1, {parse("null"): (a_trial([1.0] * 70 + [4.0] * 30),), parse("shock"): trials}, (0.5,), (ONE,))
    row = rows_of(evidence)["shocks"][0]
    assert (row["inside"], row["inside_error"]) == (0.25, 0.25)
    assert (row["outside"], row["outside_error"]) == (None, None)
