"""The simulator's laws, each against its moments; every tolerance is derived where it is used."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest

from models import simulator_laws as laws
from models.numbers import Ints, log_odds, ratio
from models.simulator import ABSENCE, GROUP_MIN, NOISE_SD, ROLL_MEDIAN, Drift, DriftKind, Shock, make, previous_year
from schemas.errors import BrokenPromise


def test_one_seed_gives_one_year() -> None:
    a, b = (make(3, 30, days=20, drift="step", shock=Shock()) for _ in range(2))
    assert np.array_equal(a.absences, b.absences)
    assert np.array_equal(a.known_shape, b.known_shape)
    assert not np.array_equal(a.absences, make(4, 30, days=20, drift="step", shock=Shock()).absences)


def test_a_drift_leaves_every_other_draw_of_the_logits_alone() -> None:
    plain, drifting = make(3, 30, days=40), make(3, 30, days=40, drift="ramp")
    assert np.array_equal(plain.truth.noise, drifting.truth.noise)
    assert np.array_equal(plain.truth.area, drifting.truth.area)
    assert np.array_equal(plain.schools.groups, drifting.schools.groups)
    before = int(drifting.truth.onset_day[drifting.drifting].min()) - 1
    assert np.array_equal(plain.absences[:, :before], drifting.absences[:, :before])


def test_absences_are_never_negative_and_never_exceed_the_pupils() -> None:
    year = make(5, 100, drift="step", size_points=40.0, share=1.0)
    assert year.absences.min() >= 0
    assert np.all(year.absences <= year.possible)


@pytest.mark.parametrize(("schools", "areas", "days"), [(1, 1, 1), (8, 10, 10), (3, 1, 190), (57, 1, 12)])
def test_small_and_short_years_are_years(schools: int, areas: int, days: int) -> None:
    year = make(1, schools, areas=areas, days=days, drift="year group", share=1.0, shock=Shock())
    assert year.absences.shape == (schools, days, 2, 7)
    assert np.all((year.truth.onset_day >= 1) & (year.truth.onset_day <= days))
    assert year.truth.shock is not None
    assert 1 <= year.truth.shock.first_day <= year.truth.shock.last_day <= days


@pytest.mark.parametrize(("schools", "areas", "days"), [(0, 1, 10), (1, 0, 10), (1, 1, 0), (1, 1, 191)])
def test_a_year_without_schools_areas_or_days_is_refused(schools: int, areas: int, days: int) -> None:
    with pytest.raises(BrokenPromise):
        make(1, schools, areas=areas, days=days)


def test_phases_stand_in_their_shares_and_year_groups_hold_at_least_five() -> None:
    s = make(2, 400, days=1).schools
    assert np.bincount(s.phase).tolist() == [272, 104, 24]
    groups = np.count_nonzero(s.groups, axis=1)
    assert np.array_equal(groups, np.where(s.phase == 0, 7, 5))
    assert s.groups[s.groups > 0].min() >= GROUP_MIN
    assert np.array_equal(s.area, np.arange(400) % 10)


def test_rolls_and_levels_have_the_medians_of_the_law() -> None:
    """Of n draws with log sd s the log of the median has sd 1.2533 s / sqrt(n): 4 of these, n = 2,720, 1,040, 240 of 4,000 schools.

    The clips at 60-900, 300-2000 and 50-300 leave the medians, and raising year groups to 5 pupils touches only rolls far below.
    """
    s = make(11, 4_000, days=1).schools
    for phase, (n, sd) in enumerate([(2_720, 0.45), (1_040, 0.35), (240, 0.45)]):
        mine = s.phase == phase
        assert abs(np.log(np.median(s.roll[mine]) / ROLL_MEDIAN[phase])) < 4 * 1.2533 * sd / np.sqrt(n) + 1 / ROLL_MEDIAN[phase]
        level_sd = (0.25, 0.30, 0.25)[phase]
        assert abs(np.mean(s.level[mine]) - log_odds(ABSENCE)[phase]) < 4 * level_sd / np.sqrt(n)


def test_fixed_differences_of_year_groups_are_centred_by_size() -> None:
    s = make(2, 50, days=1).schools
    assert np.abs((s.group_logits * s.groups).sum(axis=1)).max() < 1e-9


def test_the_school_days_are_weekdays_with_half_terms_and_holidays() -> None:
    days = [date(1970, 1, 1) + timedelta(days=int(d)) for d in laws.school_dates(190, 2026)]
    assert len(set(days)) == 190
    assert all(d.weekday() == i % 5 for i, d in enumerate(days))
    assert days[0] == date(2026, 9, 7)
    assert days[-1] == date(2027, 7, 16)
    gaps = {i + 1: (b - a).days for i, (a, b) in enumerate(pairwise(days)) if (b - a).days > 3}
    assert gaps == {35: 10, 70: 17, 100: 10, 130: 17, 155: 10}


def test_the_calendar_adds_up_beside_holidays() -> None:
    c = laws.calendar(190)
    assert c[:5].tolist() == [0.06, 0.0, -0.02, 0.0, 0.13]
    assert c[33:36] == pytest.approx([0.08, 0.13 + 0.22, 0.06 + 0.08])
    assert c[68:71] == pytest.approx([0.08, 0.13 + 0.22 + 0.15, 0.06 + 0.08])
    assert c[189] == pytest.approx(0.13 + 0.22 + 0.15)


def test_the_season_peaks_where_it_is_told_to() -> None:
    plain, early = (laws.season_path(laws.Season(shift, 1.0, 1.0), 190) for shift in (0.0, 3.0))
    assert abs(int(np.argmax(plain[0, :90])) + 1 - 13 * 5) <= 5
    assert abs(int(np.argmax(early[0, :90])) + 1 - 10 * 5) <= 5
    assert np.abs(plain.mean(axis=1)).max() < 1e-12
    year = make(1, 5, season=(3.0, 1.8))
    assert np.ptp(year.truth.season[0]) > 1.4 * np.ptp(plain[0])


def test_an_autoregression_has_its_stationary_sd_and_its_memory() -> None:
    """4,000 independent paths, one value each: the sd of a mean square is sqrt(2/4000) = .0224 of it; 4 of these are .09.

    The same holds for the lag-one product about phi (its variance is at most 2 sd^4): .09. From 0, day 1 has variance 1 - phi^2.
    """
    for from_zero in (False, True):
        x = laws.autoregression(np.random.default_rng(1), 60, 4_000, 0.7, np.array(0.14), from_zero=from_zero)
        first = (1 - 0.49 if from_zero else 1.0) * 0.14**2
        assert np.mean(x[0] ** 2) == pytest.approx(first, rel=0.09)
        assert np.mean(x[-1] ** 2) == pytest.approx(0.14**2, rel=0.09)
        assert np.mean(x[-1] * x[-2]) / 0.14**2 == pytest.approx(0.7, abs=0.09)


def test_the_noise_of_a_school_has_its_phases_sd() -> None:
    """A mean square over n schools and 190 days of AR(.7): its squares correlate .49, so 190 days are worth 190 (1-.49)/(1+.49) = 65.

    The relative sd is sqrt(2 / (65 n)), n = 272, 104, 24: at most .036; 4 of these.
    """
    year = make(8, 400)
    for phase, n in enumerate((272, 104, 24)):
        mean_square = np.mean(year.truth.noise[:, year.schools.phase == phase] ** 2)
        assert mean_square == pytest.approx(NOISE_SD[phase] ** 2, rel=4 * np.sqrt(2 / (65 * n)))


def test_pupils_keep_the_mean_and_absence_carries_over_within_the_day() -> None:
    """Constant p = .08, n = 50, 2,000 series of 40 days.

    A session's pairs correlate .9 within the day and at most .45 from day to day, so the sum of a series of 80 has a variance of
    at most 80 n p (1-p) * 2 * (1 + 2 * .45 / (1 - .45)) = 80 * 5.3 n p (1-p), and the mean of all 8 million pupil-sessions an sd of
    at most sqrt(5.3 p (1-p) / 8e6) = 2.2e-4; 4 of these. Given the session before, the mean is b n + rho a exactly, so the slope
    is rho; its sd from m pairs is below sqrt((1 - rho^2) / m): .0016 for the 80,000 afternoons, .02 for 2,000 single nights.
    """
    rng = np.random.default_rng(2)
    enrolled = np.full((2_000, 1), 50, np.int32)
    logits = np.full((40, 2_000), log_odds(np.array(0.08)))
    a = laws.pupils(rng, enrolled, logits, np.zeros((40, 2_000, 1)))[:, :, :, 0]
    p = ratio(logits[0, 0] + np.array([-0.015, 0.015]))
    assert a.mean() / 50 == pytest.approx(p.mean(), abs=4 * 2.2e-4)

    def slope(before: Ints, after: Ints) -> float:
        return float(np.cov(before.ravel(), after.ravel())[0, 1] / np.var(before, ddof=1))

    assert slope(a[:, :, 0], a[:, :, 1]) == pytest.approx(0.90, abs=4 * 0.0016)
    assert slope(a[:, 1, 1], a[:, 2, 0]) == pytest.approx(0.45, abs=4 * 0.02)
    assert slope(a[:, 4, 1], a[:, 5, 0]) == pytest.approx(0.25, abs=4 * 0.022)


def test_area_blocks_come_one_and_a_half_times_a_year() -> None:
    """3,000 area-years: Poisson(4,500), sd 67; 4 of these. Mean length 5 and mean size .475 within 4 sd of 4,500 uniform draws."""
    events = laws.area_events(np.random.default_rng(3), 190, 3_000)
    assert abs(len(events) - 4_500) < 4 * 67
    assert all(5 <= e.first_day <= 179 and 2 <= e.last_day - e.first_day + 1 <= 8 for e in events)
    assert np.mean([e.last_day - e.first_day + 1 for e in events]) == pytest.approx(5, abs=4 * 2 / np.sqrt(4_500))
    assert np.mean([e.logits for e in events]) == pytest.approx(0.475, abs=4 * 0.13 / np.sqrt(4_500))


def test_a_shock_stands_in_area_0_for_its_days_only() -> None:
    plain, shocked = make(6, 40), make(6, 40, shock=Shock(1.8, 1, 2))
    shock = shocked.truth.shock
    assert shock is not None
    assert 60 <= shock.first_day <= 119
    assert shock.last_day - shock.first_day in {0, 1}
    difference = shocked.truth.area - plain.truth.area
    assert np.flatnonzero(np.abs(difference).sum(axis=0) > 1e-9).tolist() == [0]
    assert np.flatnonzero(difference[:, 0] > 1e-9).tolist() == list(range(shock.first_day - 1, shock.last_day))
    assert difference[shock.first_day - 1, 0] == pytest.approx(1.8)


@pytest.mark.parametrize("kind", ["step", "ramp", "year group"])
def test_the_truth_about_drifts_is_what_was_planted(kind: DriftKind) -> None:
    year = make(9, 100, drift=kind, size_points=2.0, share=0.1)
    truth, p = year.truth, year.schools.target_absence
    assert len(year.drifting) == 10
    assert all(60 <= truth.onset_day[i] <= 110 for i in year.drifting)
    for i in year.drifting:
        onset = int(truth.onset_day[i])
        assert np.all(truth.drift[: onset - 1, i] == 0)
        reached = ratio(year.schools.level[i] + truth.drift[:, i]) - p[i]
        assert reached[onset - 1] == pytest.approx(0.02 / 30 if kind == "ramp" else 0.02)
        assert reached[onset + 28] == pytest.approx(0.02)
        assert (truth.drift_group[i] >= 0) == (kind == "year group")
    assert np.all(truth.drift[:, truth.onset_day == 0] == 0)


def test_a_mix_of_drifts_is_taken_in_turn_and_leaves_who_and_when_alone() -> None:
    one = make(9, 100, days=130, drift="step", share=0.05).truth
    mixed = make(9, 100, days=130, mix=(Drift("step", 3.0), Drift("ramp", 2.0)), share=0.05).truth
    assert np.array_equal(one.onset_day, mixed.onset_day)
    assert sorted(d.kind for d in mixed.drifts if d) == ["ramp", "ramp", "step", "step", "step"]
    assert {d.size_points for d in one.drifts if d} == {2.0}
    assert [d is not None for d in mixed.drifts] == (mixed.onset_day > 0).tolist()


def test_a_drift_of_five_points_costs_about_five_points() -> None:
    """The same schools with and without, after day 141, all drifting: the difference of the ratios is 5 points times the convexity.

    At p the slope p (1-p) of every common and own effect is shared by both, so what the season does multiplies the drop by
    1 +- .2; with 200 schools and 50 days the noise, shared in its logits, is far below a tenth of a point. 4 to 6.5 points.
    """
    plain, dropped = make(4, 200), make(4, 200, drift="step", size_points=5.0, share=1.0)
    late = slice(140, 190)
    rates = [y.absences[:, late].sum() / y.possible[:, late].sum() for y in (plain, dropped)]
    assert 0.04 < rates[1] - rates[0] < 0.065


def test_a_year_group_drifts_alone() -> None:
    plain, dropped = make(4, 200), make(4, 200, drift="year group", size_points=20.0, share=1.0)
    late = slice(140, 190)
    more = (dropped.absences[:, late].sum(axis=(1, 2)) - plain.absences[:, late].sum(axis=(1, 2))) / np.maximum(plain.schools.groups, 1)
    assert np.mean(np.argmax(more, axis=1) == dropped.truth.drift_group) > 0.99


def test_the_true_level_varies_about_the_target_by_off_level() -> None:
    """1,000 draws: the sd of a sd is 1/sqrt(2000) = .022 of it; 4 of these."""
    year = make(4, 1_000, days=1, off_level=0.1)
    assert np.std(year.truth.off_level) == pytest.approx(0.1, rel=0.09)
    assert np.all(make(4, 10, days=1).truth.off_level == 0)


def test_schools_on_target_meet_it_about_as_often_as_the_design_measured() -> None:
    """detection.md 3.9: a third of schools with off_level .1 met the target. That fixes how the calendar enters: centred, .20-.42.

    Not centred, every year would lie .05 logits higher and about one school in eight would. Over 8 years the common effects of
    a year (sd .02 logits of a spread of .11) leave an sd of .03.
    """
    met = []
    for seed in range(8):
        year = make(seed, 200, off_level=0.1)
        met.append(np.mean(year.absences.sum(axis=(1, 2, 3)) / (380 * year.schools.roll) <= year.schools.target_absence))
    assert 0.20 < np.mean(met) < 0.42


def test_the_year_before_is_of_the_same_schools_in_the_season_that_the_monitor_knows() -> None:
    year = make(7, 60, drift="step", off_level=0.2)
    before = previous_year(year)
    assert before.schools is year.schools
    assert not len(before.drifting)
    assert np.all(before.truth.off_level == 0)
    assert np.all(before.dates < year.dates[0])
    shape = before.truth.season + before.truth.calendar
    known = year.known_shape - year.known_shape.mean(axis=1, keepdims=True)
    # What the monitor knows beside the season is the calendar with errors of sd .02.
    assert np.abs(known - shape).max() < 0.02 * 5
    assert np.array_equal(before.absences, previous_year(year).absences)
