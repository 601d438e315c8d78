"""The ways of `benchmarks.peers_ways`: the engine where nothing is asked of it, and each rule does what its name says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import peers
from benchmarks.peers_ways import Peers, Unit, Way, scored
from models.null_years import peaks_of
from models.parameters import Parameters
from models.simulated_panel import deployment_of, known_path, panel_of, score_year
from models.simulator import SimulatedYear, make


@pytest.fixture(scope="module")
def year() -> SimulatedYear:
    return make(11, 60, areas=2, drift="step", size_points=8.0, share=0.2)


def test_as_it_is_the_engine_itself_scores(year: SimulatedYear) -> None:
    panel = panel_of(year, groups=False)
    mine, engine = scored(year, panel, "as it is"), score_year(year, panel, Parameters())
    assert mine.target_statistic.tobytes() == engine.target_statistic.tobytes()
    assert mine.level_statistic.tobytes() == engine.level_statistic.tobytes()


def test_a_factor_of_one_and_blocks_of_a_day_change_nothing(year: SimulatedYear) -> None:
    panel, here = panel_of(year, groups=False), deployment_of(year)
    same = Way(weigh=lambda model, _: np.ones(len(model.band)), level=lambda model, day: model.slow_before(day))
    model = Peers(here, Parameters(), known_path(year, here), same.block_days, way=same)
    model.score(panel, 0, len(here.days) - 1, {})
    assert model.target_statistic.tobytes() == score_year(year, panel, Parameters()).target_statistic.tobytes()


def test_a_true_effect_leaves_nothing_to_the_peers(year: SimulatedYear) -> None:
    model = scored(year, panel_of(year, groups=False), "the true effect")
    assert np.abs(model.effect).max() < 1e-6


def test_drifters_that_are_left_out_no_longer_pull_the_others(year: SimulatedYear) -> None:
    """With a fifth drifting by 8 points the effect of the others lies lower once they are out."""
    panel = panel_of(year, groups=False)
    last = {
        way: scored(year, panel, way).effect[-20:].mean() for way in ("as it is", "left out while evidence ≥ 2", "the drifters left out")
    }
    assert last["the drifters left out"] < last["as it is"] - 0.02
    assert last["left out while evidence ≥ 2"] < last["as it is"] - 0.02


def test_evidence_goes_both_ways(year: SimulatedYear) -> None:
    """Upwards it is T's, but for the uncertainty of the effect; a school that drifts up has it there and not downwards."""
    model = scored(year, panel_of(year, groups=False), "as it is")
    drifting = year.drifting
    assert np.median(model.evidence(+1)[drifting]) > 5.0
    assert np.median(model.evidence(-1)[drifting]) < 1.0


def test_what_is_kept_of_a_unit_gives_the_delays_at_any_limit(year: SimulatedYear) -> None:
    unit = Unit("10 %, 2 pp", 0, 3, 60)
    made = unit.year()
    panel = panel_of(made, groups=False)
    model = scored(made, panel, "as it is")
    kept = unit.run(["as it is"])["as it is"]
    for h in (1.0, 3.0):
        for row, school in zip(peers.delays(kept, h), made.drifting.tolist(), strict=True):
            onset = int(made.truth.onset_day[school]) - 1
            over = np.flatnonzero(model.target_statistic[:, school] >= h)
            if len(over) and over[0] < onset:
                assert np.isnan(row)
            else:
                assert row == min([*(over - onset + 1), 80])


def test_no_two_cases_share_a_year_and_null_years_keep_peaks() -> None:
    units = [Unit(case, number, 3, 20) for case in peers.YEARS for number in ((0, 1) if case == "null" else (0,))]
    assert len({u.file for u in units}) == len(units)
    first = [u.year().absences.tobytes() for u in units]
    assert len(set(first)) == len(first)
    null = replace(units[0], case="null")
    made = null.year()
    np.testing.assert_array_equal(
        null.run(["as it is"])["as it is"], peaks_of(score_year(made, panel_of(made, groups=False), Parameters()), "T")
    )


def test_the_limit_is_passed_at_the_rate() -> None:
    peaks = np.random.default_rng(1).exponential(size=20_000)
    assert -np.log1p(-np.mean(peaks >= peers.limit(peaks))) == pytest.approx(0.5, abs=1e-3)
