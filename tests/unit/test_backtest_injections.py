"""What is planted in a real year changes exactly the schools and days that it says."""

from __future__ import annotations

import numpy as np
import pytest

from models.backtest.injections import inject, onset_window, watch_window
from models.backtest.scenario import parse, seed_of
from models.panel import Panel
from models.year_group_counts import GROUP_BITS, Series
from schemas.errors import BrokenPromise, WrongUsage

DAYS, SCHOOLS = 155, 60
AREA = np.arange(SCHOOLS) % 3


def a_panel() -> Panel:
    rng = np.random.default_rng(1)
    out = Panel(DAYS, SCHOOLS)
    out.winner[:] = 0
    out.possible[:] = 400
    out.absences[:] = rng.binomial(400, 0.06, out.absences.shape)
    return out


@pytest.mark.parametrize("name", ["step:3", "ramp:3"])
def test_a_drift_changes_a_tenth_of_the_schools_from_their_onset_on(name: str) -> None:
    before = a_panel()
    after, planted = inject(before, AREA, parse(name), np.random.default_rng(2))
    assert len(planted.schools) == 6
    assert (planted.onset >= 44).all()
    assert (planted.onset <= 89).all()
    extra = after.absences - before.absences
    rest = np.setdiff1d(np.arange(SCHOOLS), planted.schools)
    assert (extra[:, :, rest] == 0).all()
    for school, onset in zip(planted.schools, planted.onset, strict=True):
        assert (extra[:onset, :, school] == 0).all()
        assert (extra[onset:, 0, school] == extra[onset:, 1, school]).all()
        # Bin(400, .03) over at least 36 full days: 12 a day, standard error under .6.
        assert extra[onset + 30 :, 0, school].mean() == pytest.approx(12.0, abs=2.4)
    assert after.possible.tobytes() == before.possible.tobytes()


def test_a_ramp_begins_small() -> None:
    before = a_panel()
    after, planted = inject(before, AREA, parse("ramp:3"), np.random.default_rng(3))
    extra = after.absences - before.absences
    first = np.mean([extra[o : o + 5, 0, s].mean() for s, o in zip(planted.schools, planted.onset, strict=True)])
    assert first == pytest.approx(400 * 0.03 * 3 / 30, abs=0.7)


def test_nobody_is_absent_who_was_not_on_roll() -> None:
    before = a_panel()
    before.absences[:] = 395
    after, _ = inject(before, AREA, parse("step:30"), np.random.default_rng(4))
    assert after.absences.max() == 400


def test_a_shock_is_of_one_area_and_a_week() -> None:
    before = a_panel()
    after, planted = inject(before, AREA, parse("shock"), np.random.default_rng(5))
    moved = (after.absences != before.absences).any(axis=1)
    assert planted.days == 5
    assert len(np.unique(AREA[planted.schools])) == 1
    assert np.array_equal(np.flatnonzero(moved.any(axis=0)), planted.schools)
    assert np.array_equal(np.flatnonzero(moved.any(axis=1)), np.arange(planted.onset[0], planted.onset[0] + 5))
    share = after.absences[planted.onset[0], :, planted.schools].mean() / 400
    # .06 moved up by .6 logit is .104.
    assert share == pytest.approx(0.104, abs=0.01)


def test_defects_take_registers_or_absences_away_or_add_some() -> None:
    before = a_panel()
    missing, _ = inject(before, AREA, parse("missing"), np.random.default_rng(6))
    lost = ~missing.sent
    assert 0.015 < lost.mean() < 0.03
    assert (missing.possible[lost] == 0).all()
    assert missing.absences[~lost].tobytes() == before.absences[~lost].tobytes()
    full, _ = inject(before, AREA, parse("all-present"), np.random.default_rng(6))
    assert 0.005 < (full.absences == 0).mean() < 0.015
    more, _ = inject(before, AREA, parse("provisional"), np.random.default_rng(6))
    assert more.absences.sum() / before.absences.sum() == pytest.approx(1.06, abs=0.005)


def test_nothing_changes_nothing_and_never_the_panel_that_was_given() -> None:
    before = a_panel()
    kept = before.absences.tobytes()
    after, planted = inject(before, AREA, parse("null"), np.random.default_rng(7))
    assert after.absences.tobytes() == kept
    assert len(planted.schools) == 0
    inject(before, AREA, parse("step:2"), np.random.default_rng(7))
    assert before.absences.tobytes() == kept
    with pytest.raises(BrokenPromise, match="without year groups"):
        inject(before, AREA, parse("group:4"), np.random.default_rng(7))


def test_windows_shrink_with_a_short_year_and_stay_within_it() -> None:
    assert (onset_window(155), watch_window(155)) == ((44, 89), (44, 139))
    assert watch_window(60) == (13, 43)


@pytest.mark.parametrize("text", ["nothing", "step:0", "step:x", "shock:2", "step:31", "step:nan", "hub:-1"])
def test_a_scenario_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(WrongUsage, match="--drift"):
        parse(text)


def test_a_seed_depends_on_its_year_and_scenario_alone() -> None:
    seeds = {seed_of(1, parse(name), year) for name in ("null", "check", "step:1", "step:2") for year in range(50)}
    assert len(seeds) == 200
    assert seed_of(1, parse("step:2"), 3) == seed_of(1, parse("step:2.0"), 3)
    assert seed_of(1, parse("step:2"), 3) != seed_of(2, parse("step:2"), 3)


def with_year_groups(panel: Panel) -> Panel:
    """The same with the pupils of each school in two year groups of 200, half of the absent in each."""
    series = Series(np.array([(s << GROUP_BITS) | g for s in range(SCHOOLS) for g in (9, 10)], np.int32))
    for day in range(DAYS):
        absences = np.repeat(panel.absences[day], 2, axis=1)
        absences[:, ::2] //= 2
        absences[:, 1::2] -= absences[:, ::2]
        panel.groups.put(day, series, np.concatenate([np.full(absences.shape, 200), absences]).astype(np.uint16))
    return panel


def test_one_year_group_drifts_and_the_school_with_it() -> None:
    before = with_year_groups(a_panel())
    after, planted = inject(before, AREA, parse("group:4"), np.random.default_rng(8))
    assert len(planted.group) == len(planted.schools) == 6
    series = after.groups.series
    for school, onset, group in zip(planted.schools, planted.onset, planted.group, strict=True):
        place = np.flatnonzero((series.school == school) & (series.group == group))[0]
        moved = [np.flatnonzero((after.groups.on(d) != before.groups.on(d)).any(axis=0)) for d in range(DAYS)]  # type: ignore[union-attr]
        assert all(place not in columns for columns in moved[:onset])
        assert sum(place in columns for columns in moved[onset:]) > 0.9 * (DAYS - onset)
    for d in range(DAYS):
        sheet = after.groups.on(d)
        assert sheet is not None
        for session in range(2):
            assert np.array_equal(np.bincount(series.school, sheet[2 + session]), after.absences[d, session])
    extra = (after.absences - before.absences)[:, 0, planted.schools]
    late = np.concatenate([extra[o:, i] for i, o in enumerate(planted.onset)])
    # Bin(200, .04): 8 a day; some 500 days, so a standard error of .13.
    assert late.mean() == pytest.approx(8.0, abs=0.6)


@pytest.mark.parametrize("name", ["step:3", "shock", "provisional", "missing", "all-present"])
def test_year_groups_and_school_stay_of_one_mind(name: str) -> None:
    after, _ = inject(with_year_groups(a_panel()), AREA, parse(name), np.random.default_rng(9))
    for d in range(DAYS):
        sheet = after.groups.on(d)
        assert sheet is not None
        assert (sheet[2:] <= sheet[:2]).all()
        for session in range(2):
            assert np.array_equal(np.bincount(after.groups.series.school, sheet[2 + session]), after.absences[d, session])
            assert np.array_equal(np.bincount(after.groups.series.school, sheet[session]), after.possible[d, session])
