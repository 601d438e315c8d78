"""One unit of work: one year of one scenario, scored and watched, reduced to what the measures need.

A trial is a few arrays by name, so it can be saved as it is and read again: the same unit gives the same bytes whatever ran
before it and beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.backtest.injections import Planted, inject, watch_window
from models.backtest.methods import Subject, Watched, watch
from models.backtest.oracle import NoiseLaw, fit_noise, true_residual
from models.backtest.scenario import Kind, Scenario, seed_of
from models.backtest.seen import see
from models.backtest.simulated import score_year
from models.close import YearModel
from models.simulator import DriftKind, Shock, SimulatedYear, make
from schemas.codes import YEAR_GROUP_IDS

if TYPE_CHECKING:
    from models.deployment import Deployment, Path
    from models.numbers import Floats, Ints
    from models.panel import Panel
    from models.parameters import Parameters

__all__ = ["HORIZON_DAYS", "HUBS", "HUB_SCHOOLS", "History", "Plan", "Trial", "fit_oracle", "run", "run_on_history"]

HORIZON_DAYS = 80
"""A delay is followed so far, and its mean is capped there."""
SHOCK_AFTER_DAYS = 5
HUB_SCHOOLS, HUBS = 57, 7
"""A unit of the `hub` scenario is so many lone hubs."""
LAW_YEARS = 4
"""Null years that the oracle's law is fitted on."""
_HARD_SHOCK, _WRONG_SEASON = Shock(1.8, 2, 2), (3.0, 1.8)
_KINDS: dict[Kind, DriftKind] = {Kind.STEP: "step", Kind.RAMP: "ramp", Kind.GROUP: "year group", Kind.HUB: "step"}

Trial = dict[str, np.ndarray[Any, Any]]
"""days (2,) watched for alarms, and of the year; areas (1,) how many; band, hub (schools,); watched (n,) school positions,
onset (n,) day index of what was planted; largest statistics (schools,) peak:METHOD on the days watched, early:METHOD before
them, year:METHOD on all; before:METHOD (n,) and after:METHOD (n, horizon) running maxima about the onset; area_on (k, 2)
area and day index of openings of the area alert; area_events (m, 3) area, first and last day index planted; group (n,) the
year group that drifts, leading (n, horizon) chart G's, by their numbers in `schemas.codes`; inside (schools,) a shock's area."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What every unit of a backtest is told. drifts: those an oracle is wanted for; school_count and areas: of simulated years."""

    seed: int
    methods: tuple[str, ...]
    slow_methods: tuple[str, ...]
    slow_years: int
    drifts: tuple[Scenario, ...]
    school_count: int
    areas: int
    share: float
    days: int
    parameters: Parameters
    law: NoiseLaw | None = None

    def names(self, year: int) -> tuple[str, ...]:
        """The methods that watch this year: the slow ones only watch the first few."""
        return self.methods + (self.slow_methods if year < self.slow_years else ())


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """A real year to plant scenarios in: its deployment, path and final panel."""

    deployment: Deployment
    path: Path
    panel: Panel


def fit_oracle(plan: Plan) -> NoiseLaw:
    """The law of the oracle's noise, from null years of their own."""
    residuals, samplings, phases = [], [], []
    for index in range(LAW_YEARS):
        year = make(seed_of(plan.seed, Scenario(Kind.NULL), index, 1), plan.school_count, areas=plan.areas, days=plan.days)
        seen = see(score_year(year, Kind.NULL, plan.parameters))
        residuals.append(true_residual(year, seen))
        samplings.append(seen.sampling)
        phases.append(year.schools.phase)
    return fit_noise(residuals, samplings, phases)


def run(plan: Plan, scenario: Scenario, index: int) -> Trial:
    """One simulated year of a scenario (for a hub, several hubs' years beside each other)."""
    if scenario.kind is not Kind.HUB:
        return _one_year(plan, scenario, index, 0, plan.school_count, plan.areas)
    hubs = [_one_year(plan, scenario, index, part, HUB_SCHOOLS, 1) for part in range(HUBS)]
    out: Trial = {}
    for key in hubs[0]:
        out[key] = hubs[0][key] if key == "days" else np.concatenate([h[key] for h in hubs])
    out["hub"] = np.repeat(np.arange(HUBS, dtype=np.int32), HUB_SCHOOLS)
    out["watched"] = np.concatenate([h["watched"] + i * HUB_SCHOOLS for i, h in enumerate(hubs)]).astype(np.int32)
    return out


def _one_year(plan: Plan, scenario: Scenario, index: int, part: int, schools: int, areas: int) -> Trial:
    seed = seed_of(plan.seed, scenario, index, part)
    year = _simulate(plan, scenario, seed, schools, areas)
    model = score_year(year, scenario.kind, plan.parameters, groups="G" in plan.methods)
    charts = watch(Subject(model, see(model), seed, year, plan.law), plan.names(index), _oracles(plan, scenario))
    shock = year.truth.shock
    if shock is None:
        planted = Planted(year.drifting, year.truth.onset_day[year.drifting] - 1, 0)
    else:
        days = shock.last_day - shock.first_day + 1
        everyone = np.arange(schools, dtype=np.int32)
        planted = Planted(everyone, np.full(schools, shock.first_day - 1, np.int32), days)
    out = _reduce(model, charts, planted, (0, plan.days - 1))
    blocks = [(e.area, e.first_day - 1, e.last_day - 1) for e in (*year.truth.blocks, *([shock] if shock else []))]
    out["area_events"] = np.array(blocks, np.int32).reshape(-1, 3)
    if shock is not None:
        out["inside"] = year.schools.area == 0
    if scenario.kind is Kind.GROUP:
        names = [year.schools.year_groups(i)[year.truth.drift_group[i]] for i in year.drifting.tolist()]
        out["group"] = np.array([YEAR_GROUP_IDS[name] for name in names], np.uint8)
    return out


def _oracles(plan: Plan, scenario: Scenario) -> tuple[Scenario, ...]:
    """Null years need the oracle of every drift; a drift needs its own; the others' false alarms are measured with all."""
    if scenario.kind is Kind.HUB:
        return ()
    return (scenario,) if scenario.drifts else plan.drifts


def _simulate(plan: Plan, scenario: Scenario, seed: int, schools: int, areas: int) -> SimulatedYear:
    shock = Shock() if scenario.kind is Kind.SHOCK else _HARD_SHOCK if scenario.kind is Kind.HARD_SHOCK else None
    return make(
        seed,
        schools,
        days=plan.days,
        areas=areas,
        drift=_KINDS[scenario.kind] if scenario.drifts else None,
        size_points=scenario.points,
        share=plan.share,
        shock=shock,
        season=_WRONG_SEASON if scenario.kind is Kind.SEASON else None,
    )


def run_on_history(plan: Plan, history: History, scenario: Scenario, index: int) -> Trial:
    """One draw of a scenario planted in a real year; alarms count within `watch_window` only."""
    seed = seed_of(plan.seed, scenario, index)
    panel, planted = inject(history.panel, history.deployment.area, scenario, np.random.default_rng(seed))
    model = YearModel(history.deployment, plan.parameters, history.path)
    days = len(history.deployment.days)
    model.score(panel, 0, days - 1, {})
    inside = np.zeros(len(history.deployment.urn), bool)
    if planted.days:
        inside[planted.schools] = True
        everyone = np.arange(len(inside), dtype=np.int32)
        planted = Planted(everyone, np.full(len(inside), planted.onset[0], np.int32), planted.days)
    out = _reduce(model, watch(Subject(model, see(model), seed), plan.names(index), ()), planted, watch_window(days))
    if len(planted.group):
        out["group"] = planted.group
    out["area_events"] = np.zeros((0, 3), np.int32)
    out["inside"] = inside
    return out


def _reduce(model: YearModel, charts: dict[str, Watched], planted: Planted, window: tuple[int, int]) -> Trial:
    """What the measures need; `window`: first and last day index whose alarms count."""
    schools, (first, last) = len(model.deployment.urn), window
    horizon = planted.days + SHOCK_AFTER_DAYS if planted.days else HORIZON_DAYS
    out: Trial = {
        "days": np.array([last - first + 1, len(model.deployment.days)], np.int32),
        "band": model.band.astype(np.int32),
        "hub": np.zeros(schools, np.int32),
        "watched": planted.schools.astype(np.int32),
        "onset": planted.onset.astype(np.int32),
        "areas": np.array([len(model.deployment.areas)], np.int32),
        "area_on": _openings(model),
    }
    for name, (statistic, may_alarm) in charts.items():
        value = np.where(may_alarm, statistic, -np.inf)
        out[f"early:{name}"] = value[:first].max(axis=0, initial=-np.inf)
        out[f"peak:{name}"] = value[first : last + 1].max(axis=0)
        out[f"year:{name}"] = value.max(axis=0)
        mine = value[:, planted.schools]
        out[f"before:{name}"], out[f"after:{name}"] = _about(mine, planted.onset, horizon)
    if "G" in charts and model.year_groups.used and planted.days == 0:
        days = np.minimum(planted.onset[:, None] + np.arange(horizon), len(model.deployment.days) - 1)
        out["leading"] = model.year_groups.leading[days, planted.schools[:, None]]
    return out


def _about(value: Floats, onset: Ints, horizon: int) -> tuple[Floats, Floats]:
    """Largest value before the onset (n,), and its running maximum from the onset on (n, horizon)."""
    before, after = np.full(len(onset), -np.inf), np.full((len(onset), horizon), -np.inf)
    for i, start in enumerate(onset.tolist()):
        before[i] = value[:start, i].max(initial=-np.inf)
        run_max = np.maximum.accumulate(value[start : start + horizon, i])
        after[i, : len(run_max)] = run_max
        after[i, len(run_max) :] = run_max[-1]
    return before, after


def _openings(model: YearModel) -> Ints:
    """(area, day index) on which an area's alert begins."""
    on = model.area_on
    begins = on & ~np.vstack([np.zeros((1, on.shape[1]), bool), on[:-1]])
    day, area = np.nonzero(begins)
    return np.stack([area, day], axis=1).astype(np.int32)
