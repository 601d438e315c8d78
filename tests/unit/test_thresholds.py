"""The thresholds table: what it says, what it refuses, and that rank and limit are the two sides of one law."""

from __future__ import annotations

import math
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from models.parameters import BUDGET, Budget, Parameters
from models.thresholds import BANDS, CHARTS, SHIPPED, bands, limit, once_in_school_years, rarity, read_thresholds
from schemas.errors import BrokenPromise
from tests import deployments

TEXT = files("models").joinpath("thresholds.toml").read_text("utf-8")


@pytest.mark.parametrize("chart", CHARTS)
def test_a_statistic_at_its_limit_appears_once_in_as_many_school_years_as_the_rate_says(chart: str) -> None:
    every = np.arange(len(BANDS), dtype=np.int32)
    for rate in (0.5, 0.105, 0.001):
        assert once_in_school_years(SHIPPED.laws, limit(SHIPPED.laws, rate, every, chart), every, chart) == pytest.approx(1 / rate)


def test_each_chart_has_a_law_of_its_own_in_each_band() -> None:
    every = np.arange(len(BANDS), dtype=np.int32)
    limits = {chart: limit(SHIPPED.laws, 0.1, every, chart) for chart in CHARTS}
    for number, row in enumerate(SHIPPED.laws):
        for place, chart in enumerate(CHARTS):
            assert limits[chart][number] == pytest.approx(math.log(row[2 * place] / 0.1) / row[2 * place + 1])


def test_rates_may_differ_from_school_to_school() -> None:
    band = np.array([0, 0], np.int32)
    both = limit(SHIPPED.laws, np.array([0.5, 0.1]), band, "T")
    assert both[0] < both[1]


def test_a_school_takes_the_band_of_its_phase_and_roll() -> None:
    phase = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2], np.int32)
    roll = np.array([149, 150, 300, np.nan, 799, 800, np.nan, 60, np.nan])
    assert bands(phase, roll).tolist() == [0, 1, 2, 6, 3, 4, 6, 5, 5]


def test_the_shipped_table_says_what_made_it() -> None:
    assert {"command", "seed", "school_years", "engine_version"} <= SHIPPED.provenance.keys()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("[provenance]", "[provenience]"), "no file of thresholds"),
        (("[[band]]", "[[row]]"), "no file of thresholds"),
        (('"special"', '"nursery"'), "the bands are"),
        (("A = ", "A = -"), "A is no number over 0"),
        (("B = ", "X = "), "B is no number over 0"),
        (("A = ", "A = inf, Z = "), "A is no number over 0"),
    ],
)
def test_a_file_that_is_no_table_is_refused(change: tuple[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_thresholds(TEXT.replace(*change))


def test_a_table_of_its_own_changes_the_digest_of_the_parameters_and_survives_their_file() -> None:
    doubled = tuple((2 * row[0], *row[1:]) for row in SHIPPED.laws)
    own = Parameters(thresholds=doubled)
    assert own.digest != Parameters().digest
    assert Parameters.of_json(own.to_json()) == own


@pytest.mark.parametrize(
    ("once", "words"),
    [
        (None, None),
        (1.99, None),
        (2.0, "on a school on track, a signal this strong appears once in 2 school-years"),
        (999.6, "on a school on track, a signal this strong appears once in 1,000 school-years"),
        (1000.0, "on a school on track, a signal this strong appears once in 1,000 school-years"),
        (1000.1, "on a school on track, a signal this strong appears once in more than 1,000 school-years"),
    ],
)
def test_rank_in_words(once: float | None, words: str | None) -> None:
    assert rarity(once) == words


def test_the_default_budget_is_two_false_alerts_a_term_over_57_schools() -> None:
    here = deployments.deployment(57, 20, np.random.default_rng(1))
    a_year = sum(float(BUDGET.rates(chart, here).sum()) for chart in CHARTS)
    assert a_year == pytest.approx(6)
    assert float(BUDGET.rates("T", here)[0]) == pytest.approx(0.55 * 6 / 57)


def test_a_budget_without_a_number_of_schools_is_shared_by_each_hub() -> None:
    here = deployments.deployment(30, 20, np.random.default_rng(1))
    hubs = np.where(np.arange(30) < 20, 20, 10).astype(np.int32)
    rates = Budget.of_hub(1.0).rates("C", replace(here, hubs=hubs))
    assert rates[:20].sum() == pytest.approx(0.15 * 3)
    assert rates[20:].sum() == pytest.approx(0.15 * 3)


def test_no_chart_gets_more_than_its_law_holds_for() -> None:
    here = deployments.deployment(2, 20, np.random.default_rng(1))
    assert Budget.of_hub(2.0).rates("T", here).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("rate", [0.0, -0.1, 0.51, float("nan"), float("inf")])
def test_a_rate_outside_the_law_is_a_broken_promise(rate: float) -> None:
    with pytest.raises(BrokenPromise):
        Budget.of_rate(rate)
