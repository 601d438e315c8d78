"""Thresholds from null years: the law is found again, its errors are honest, what counts as a first passage, and the noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.calibration import CHECK_RATES, Calibrated, FittedLaw, calibrate, first_passages, fit, table
from models.history import learn
from models.null_years import NullYears, Peaks, null_year, peaks_of, year_seed
from models.parameters import Parameters
from models.simulated_panel import deployment_of, panel_of, score_year
from models.simulator import make
from models.simulator_laws import autoregression
from models.simulator_noise import MatchedNoise, block_factor
from models.thresholds import BANDS, CHARTS, SHIPPED, limit, read_thresholds
from schemas.errors import BrokenPromise

if TYPE_CHECKING:
    from models.numbers import Floats

A, B = 8.0, 1.2


def gumbel(n: int, seed: int, *, days: int = 190) -> Floats:
    """Peaks of n school-years whose first passages follow the law A exp(-B h) exactly."""
    rate = -np.log(np.random.default_rng(seed).random(n)) / (days / 190)
    return np.log(A / rate) / B


def test_the_law_is_found_again_within_its_errors() -> None:
    """40,000 peaks: A and B give back every rate within 4 standard errors, which are under 2 % from .5 to .1."""
    law = fit(gumbel(40_000, 1), np.arange(40_000, dtype=np.int32), 190)
    for rate in (0.5, 0.25, 0.1):
        true = A * math.exp(-B * law.limit(rate))
        assert abs(math.log(rate / true)) < 4 * law.error(rate) + 1e-3
        assert 0 < law.error(rate) < 0.02
    assert law.counted[0] == pytest.approx(0.5, rel=0.02)


def test_a_shorter_year_gives_the_same_rates_a_school_year() -> None:
    law = fit(gumbel(40_000, 2, days=95), np.arange(40_000, dtype=np.int32), 95)
    assert A * math.exp(-B * law.limit(0.1)) == pytest.approx(0.1, rel=0.08)
    assert first_passages(gumbel(40_000, 3, days=95), math.log(A / 0.25) / B, 95) == pytest.approx(0.25, rel=0.06)


def test_errors_are_as_large_as_the_spread_of_repeated_calibrations() -> None:
    """Of 120 fits to 1,500 peaks the limits' true log rates scatter with the stated error: a chi-square ratio within 4 of its
    standard errors sqrt(2 / 120)."""
    for rate in (0.5, 0.1):
        ratios = []
        for seed in range(120):
            law = fit(gumbel(1_500, 100 + seed), np.arange(1_500, dtype=np.int32), 190)
            true = A * math.exp(-B * law.limit(rate))
            ratios.append((math.log(true / rate) / law.error(rate)) ** 2)
        assert abs(float(np.mean(ratios)) - 1.0) < 4 * math.sqrt(2 / 120)


def test_schools_that_share_a_year_count_for_less() -> None:
    """The same peaks four times, each four of one year, teach no more than once."""
    once = gumbel(2_000, 5)
    year = np.arange(2_000, dtype=np.int32)
    alone, shared = fit(once, year, 190), fit(np.tile(once, 4), np.tile(year, 4), 190)
    pretended = fit(np.tile(once, 4), np.arange(8_000, dtype=np.int32), 190)
    assert shared.error(0.1) == pytest.approx(alone.error(0.1), rel=1e-3)
    assert pretended.error(0.1) == pytest.approx(alone.error(0.1) / 2, rel=1e-3)


def test_too_few_school_years_give_no_law() -> None:
    with pytest.raises(BrokenPromise, match="too few"):
        fit(gumbel(100, 1), np.arange(100, dtype=np.int32), 190)
    with pytest.raises(BrokenPromise, match="too few"):
        fit(np.full(1_000, -np.inf), np.arange(1_000, dtype=np.int32), 190)


def test_the_file_says_what_was_fitted() -> None:
    laws: Calibrated = {
        band: {c: FittedLaw(2.0 + i, 1.0 + j, 1.0, ((0.0, 0.0), (0.0, 0.0)), 9, (0.5,) * len(CHECK_RATES)) for j, c in enumerate(CHARTS)}
        for i, band in enumerate(BANDS)
    }
    text = table(laws, {"command": 'headway calibrate "x" \\ y', "seed": 3})
    held = read_thresholds(text)
    assert held.provenance == {"command": 'headway calibrate "x" \\ y', "seed": 3}
    assert held.laws[2] == (4.0, 1.0, 4.0, 2.0, 4.0, 3.0)


def test_a_peak_is_on_a_scored_day_after_warm_up_the_last_ten_days_included() -> None:
    year = make(4, 40, days=60, areas=2)
    model = score_year(year, panel_of(year), Parameters())
    model.target_statistic[:], model.level_statistic[:], model.year_groups.statistic[:] = 0.5, 0.5, 0.5
    model.scored[3, 0] = False
    for statistic in (model.target_statistic, model.level_statistic, model.year_groups.statistic):
        statistic[3, 0], statistic[5, 1], statistic[59, 2] = 9.0, 8.0, 7.0
    model.year_groups.scored[3, 0] = False
    assert peaks_of(model, "T")[:3].tolist() == [0.5, 8.0, 7.0]
    assert peaks_of(model, "C")[:3].tolist() == [0.5, 0.5, 7.0], "C warms up on the sixth day"
    assert peaks_of(model, "G")[:3].tolist() == [0.5, 0.5, 7.0]


@pytest.mark.slow
def test_a_year_follows_from_seed_and_number_alone() -> None:
    plan = NullYears(1, Parameters(), charts=("T", "C"))
    one, again, other = null_year(plan, 3), null_year(plan, 3), null_year(plan, 4)
    assert all(np.array_equal(one.peaks[c], again.peaks[c]) for c in "TC")
    assert not np.array_equal(one.peaks["T"], other.peaks["T"])
    assert "G" not in one.peaks
    assert year_seed(1, 3) != year_seed(2, 3)


def test_each_band_has_the_law_of_its_own_schools_and_all_of_them_that_of_all() -> None:
    rng = np.random.default_rng(8)
    years = []
    for seed in range(20):
        band = rng.integers(0, len(BANDS) - 1, 400).astype(np.int32)
        base = gumbel(400, 200 + seed)
        years.append(Peaks(band, {"T": base + band, "C": base, "G": base}))
    laws = calibrate(years, 190)
    for place, name in enumerate(BANDS[:-1]):
        assert laws[name]["T"].limit(0.25) == pytest.approx(math.log(A / 0.25) / B + place, abs=0.25)
        assert laws[name]["C"].school_years < 2_000
    assert laws["all"]["T"].school_years == 8_000


def test_the_block_factor_is_that_of_simulated_noise() -> None:
    """15 x var of 15-day means over the variance, of 40,000 independent blocks: within 4 sqrt(2 / 40,000) of the factor."""
    for phi in (0.0, 0.5, 0.9):
        path = autoregression(np.random.default_rng(1), 15, 40_000, phi, np.ones(40_000), from_zero=False)
        assert 15 * path.mean(axis=0).var() == pytest.approx(float(block_factor(phi)), rel=4 * math.sqrt(2 / 40_000))


def test_shipped_constants_match_the_simulators_own_noise() -> None:
    plain, matched = make(2, 30, days=20), make(2, 30, days=20, noise=MatchedNoise(Parameters()))
    assert np.array_equal(plain.absences, matched.absences)


def test_a_history_is_matched_in_its_daily_and_its_long_run_variance() -> None:
    """Constants of other noise, put into simulated years, are learned again from such years. The tolerance of a third is the
    scatter of a fit to some 270 primaries and the peers' own correction of what is common."""
    wanted = Parameters().with_row(0, a_long=0.3, a_short=0.05)
    year = make(11, 400, noise=MatchedNoise(wanted))
    learned = learn(deployment_of(year), panel_of(year, groups=False), Parameters())
    assert learned.a_short[0] == pytest.approx(0.05, rel=0.33)
    assert learned.a_long[0] == pytest.approx(0.3, rel=0.33)
    assert learned.a_short[1] == pytest.approx(0.016, rel=0.5), "a phase that was not changed"


def test_year_groups_are_matched_too() -> None:
    wanted = Parameters().with_row(1, group_a_long=0.5, group_a_short=0.08)
    drawn = make(11, 60, days=20).schools
    phi, sd = MatchedNoise(wanted).year_groups(drawn)
    plain_phi, plain_sd = MatchedNoise(Parameters()).year_groups(drawn)
    secondary = drawn.phase == 1
    assert np.array_equal(phi[~secondary], plain_phi[~secondary])
    assert np.array_equal(sd[~secondary], plain_sd[~secondary])
    assert bool((sd[secondary] > plain_sd[secondary]).all())
    contrast = sd[secondary] ** 2 * (1 + 1 / 4)
    assert contrast - plain_sd[secondary] ** 2 * (1 + 1 / 4) == pytest.approx(0.08 - 0.015)


@pytest.mark.slow
def test_the_limits_of_shipped_and_fitted_tables_are_close() -> None:
    """12 null years of 400 schools put the shipped .5 limit of all schools at .5 first passages, within 4 standard errors."""
    years = [null_year(NullYears(77, Parameters()), i) for i in range(12)]
    law = calibrate_all(years)
    for chart in CHARTS:
        shipped = float(limit(SHIPPED.laws, 0.5, np.array([6], np.int32), chart)[0])
        seen = first_passages(np.concatenate([y.peaks[chart] for y in years]), shipped, 190)
        assert abs(math.log(seen / 0.5)) < 4 * law[chart].error(0.5) + 0.02


def calibrate_all(years: list[Peaks]) -> dict[str, FittedLaw]:
    number = np.repeat(np.arange(len(years), dtype=np.int32), [len(y) for y in years])
    return {chart: fit(np.concatenate([y.peaks[chart] for y in years]), number, 190) for chart in CHARTS}
