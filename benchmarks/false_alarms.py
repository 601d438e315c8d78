"""What one simulated year of each kind gives for the page of thresholds: peaks, openings under the policy, what a shock does.

A unit is a year by its kind and number; `Unit.run` returns arrays by name, which `streams.finished_units` keeps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from models.close import YearModel
from models.null_years import YEAR_AREAS, YEAR_SCHOOLS, peaks_of, year_seed
from models.panel import Panel
from models.parameters import BUDGET, Budget, Parameters
from models.policy import decide
from models.said import Said
from models.simulated_panel import deployment_of, known_path, panel_of, score_year
from models.simulator import Shock, make
from models.simulator_defects import all_present_registers, late_registers, missing_registers, provisional_codes, silent_schools
from models.simulator_registers import clean_registers
from models.thresholds import CHARTS, limit
from schemas.alert import AlertKind, AlertState
from streams.replay import midnight_after

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from models.numbers import Floats, Ints
    from models.simulator import SimulatedYear
    from schemas.alert import Alert

__all__ = ["HUB_SCHOOLS", "KINDS", "POLICIES", "Unit"]

Arrays = dict[str, "NDArray[Any]"]

HUB_SCHOOLS, HUBS = 57, 7
POLICIES = {"default": BUDGET, "half": Budget.of_rate(0.5), "tenth": Budget.of_rate(0.1)}
_SHOCKS = {"shock": Shock(), "hard": Shock(1.8, 2, 2)}
_CASE_DAYS, _AFTER_SHOCK_DAYS, _QUIET_DAYS = 20, 5, 10
_ZONE = ZoneInfo("Europe/London")


@dataclass(frozen=True, slots=True)
class Unit:
    """Year `number` of a kind; seed: of the whole evidence, another than the thresholds'."""

    kind: str
    number: int
    seed: int

    @property
    def file(self) -> str:
        """Its name among the finished ones."""
        return f"{self.kind}-{self.number:04d}.npz"

    def run(self) -> Arrays:
        """The year, simulated and scored."""
        return KINDS[self.kind](self)

    def simulated(self, **more: Any) -> SimulatedYear:  # noqa: ANN401 (whatever the simulator takes)
        """The year of this unit; kinds differ by what is planted, not by their draws of schools."""
        return make(year_seed(self.seed, self.number), YEAR_SCHOOLS, areas=YEAR_AREAS, **more)


def _peaks(unit: Unit) -> Arrays:
    year = unit.simulated()
    return _of(score_year(year, panel_of(year), Parameters()), CHARTS)


def _of(model: YearModel, charts: Iterable[str]) -> Arrays:
    return {"band": model.band, **{chart: peaks_of(model, chart) for chart in charts}}


def _season(unit: Unit) -> Arrays:
    year = unit.simulated(season=(3.0, 1.8))
    return _of(score_year(year, panel_of(year, groups=False), Parameters()), "TC")


def _missing(unit: Unit) -> Arrays:
    year = unit.simulated()
    kept = missing_registers(year, clean_registers(year))
    there = np.zeros((len(year.dates), 2, len(year.schools)), bool)
    there[kept.day, kept.session, kept.school] = True
    return _of(score_year(year, panel_of(year, sent=there, groups=False), Parameters()), "TC")


def _all_present(unit: Unit) -> Arrays:
    year = unit.simulated()
    said = all_present_registers(year, clean_registers(year))
    counts = year.absences.transpose(1, 2, 0, 3).copy()
    hit = said.all_present
    counts[said.day[hit], said.session[hit], said.school[hit]] = 0
    return _of(score_year(year, panel_of(year, counts, groups=False), Parameters()), "TC")


def _provisional(unit: Unit) -> Arrays:
    """Too many absences, never corrected; bad: a fifth of the schools three times as many."""
    year = unit.simulated()
    bad = unit.kind == "bad clerks"
    wrong = provisional_codes(year, clean_registers(year), corrected=False, bad_share=0.2 if bad else 0.0)
    counts = year.absences.transpose(1, 2, 0, 3).copy()
    counts[wrong.day, wrong.session, wrong.school] += wrong.provisional
    return _of(score_year(year, panel_of(year, counts, groups=False), Parameters()), "TC")


def _policy(unit: Unit) -> Arrays:
    """Openings and cases under each budget, of a year with nothing wrong; and the area alerts."""
    year = unit.simulated()
    model = score_year(year, panel_of(year), Parameters())
    out = _of(model, CHARTS) | {"phase": year.schools.phase, "area": year.schools.area, "level": year.schools.level}
    for name, budget in POLICIES.items():
        alerts = told(model, budget)
        out[f"opened {name}"], out[f"cases {name}"] = _openings(model, alerts), _cases(model, alerts)
    return out | _area(year, model)


def _hub(unit: Unit) -> Arrays:
    """Lone hubs of 57 schools, each its own deployment."""
    parts = []
    for hub in range(HUBS):
        seed = year_seed(unit.seed, 1_000_000 + unit.number * HUBS + hub)
        year = make(seed, HUB_SCHOOLS, areas=1)
        model = score_year(year, panel_of(year), Parameters())
        alerts = told(model, BUDGET)
        part = _of(model, CHARTS) | {"opened default": _openings(model, alerts), "cases default": _cases(model, alerts)}
        parts.append(part | _area(year, model))
    return {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}


def told(model: YearModel, budget: Budget) -> list[Alert]:
    """The fold of `decide` over all closes of a year without corrections."""
    said = Said()
    return [a for day in range(model.through + 1) for a in decide(model, day, said, budget, {}).alerts]


def _openings(model: YearModel, alerts: list[Alert]) -> Ints:
    """Alerts opened by chart T, C, G and school, (3, schools)."""
    out = np.zeros((len(CHARTS), len(model.band)), np.int32)
    for a in alerts:
        if a.state is AlertState.OPENED and a.chart is not None and a.urn is not None:
            out[CHARTS.index(a.chart[0]), int(np.searchsorted(model.deployment.urn, a.urn))] += 1
    return out


def _cases(model: YearModel, alerts: list[Alert]) -> Ints:
    """Cases by school: an alert joins one that has an open alert, or whose last ended at most 20 school days before."""
    out = np.zeros(len(model.band), np.int32)
    held: dict[int, dict[str, float]] = {}
    dates = {int(d): i for i, d in enumerate(model.deployment.days)}
    for a in alerts:
        if a.chart is None or a.urn is None:
            continue
        day = dates[int(np.datetime64(a.as_of).astype(np.int64))]
        mine = held.setdefault(a.urn, {})
        if a.state is AlertState.OPENED:
            if not mine or day - max(mine.values()) > _CASE_DAYS:
                out[np.searchsorted(model.deployment.urn, a.urn)] += 1
            mine[a.chart[0]] = math.inf
        elif a.state is not AlertState.UPDATED:
            mine[a.chart[0]] = day
    return out


def _area(year: SimulatedYear, model: YearModel) -> Arrays:
    """Area alerts that no planted spell explains, and planted spells found, found the same day, planted (1,) each."""
    before = np.vstack([np.zeros((1, model.area_on.shape[1]), bool), model.area_on[:-1]])
    begins = model.area_on & ~before
    inside = np.zeros_like(begins)
    planted = [*year.truth.blocks, *([year.truth.shock] if year.truth.shock else [])]
    found = same = 0
    for event in planted:
        days = slice(event.first_day - 1, event.last_day)
        found += bool(model.area_on[days, event.area].any())
        same += bool(model.area_on[event.first_day - 1, event.area])
        inside[event.first_day - 1 : event.last_day + 1, event.area] = True
    counts = {"area false": int((begins & ~inside).sum()), "area found": found, "area same day": same, "area planted": len(planted)}
    return {name: np.array([n], np.int32) for name, n in counts.items()} | {"areas": np.array([begins.shape[1]], np.int32)}


def _shocked(unit: Unit) -> Arrays:
    """Of a shock: schools of its area that T alarms (at .5) within it and 5 days after, those outside; its area alerts."""
    year = unit.simulated(shock=_SHOCKS[unit.kind])
    shock = year.truth.shock
    assert shock is not None
    model = score_year(year, panel_of(year, groups=False), Parameters())
    h = limit(Parameters().thresholds, 0.5, model.band, "T")
    above = (model.target_statistic >= h) & model.scored
    first, last = shock.first_day - 1, min(shock.last_day - 1 + _AFTER_SHOCK_DAYS, len(above) - 1)
    quiet = ~above[max(0, first - _QUIET_DAYS) : first].any(axis=0)
    alarmed, inside = above[first : last + 1].any(axis=0), year.schools.area == shock.area
    alerts = [a for a in told(model, BUDGET) if a.kind is AlertKind.AREA and a.state is AlertState.OPENED and a.area == "area 1"]
    days = [int(np.searchsorted(model.deployment.days, np.datetime64(a.opened_on).astype(np.int64))) for a in alerts]
    opened = [d for d in days if shock.first_day - 1 <= d <= shock.last_day + 1]
    # A mild spell of its own law may already be on, or begin within the shock: then the alert is that spell's.
    alone = not any(
        b.area == shock.area and b.first_day - 3 <= shock.last_day and b.last_day + 3 >= shock.first_day for b in year.truth.blocks
    )
    counts = [(quiet & inside).sum(), (quiet & inside & alarmed).sum(), (quiet & ~inside).sum(), (quiet & ~inside & alarmed).sum()]
    return {
        "schools": np.array(counts, np.int32),
        "alerts": np.array([len(opened), int(first in opened), int(alone)], np.int32),
    } | _area(year, model)


def _as_known_then(unit: Unit) -> Arrays:
    """Provisional codes that are corrected, late registers, silent schools: every day closed with what was known, the whole year
    scored again at each close. Peaks are of the closed days, each as it stood at its own close."""
    year = unit.simulated()
    sent = silent_schools(year, late_registers(year, provisional_codes(year, clean_registers(year))))
    absences = year.absences[sent.school, sent.day, sent.session].sum(axis=1) + sent.provisional.sum(axis=1)
    cuts = np.array([midnight_after(int(day), _ZONE) for day in year.dates], np.int64)
    close = np.searchsorted(cuts, sent.recorded_at, side="right")
    order = np.lexsort((sent.revision, close))
    bounds = np.searchsorted(close[order], np.arange(len(cuts) + 1))
    here = deployment_of(year)
    model, panel = YearModel(here, Parameters(), known_path(year, here)), Panel(len(year.dates), len(year.schools))
    said = {name: Said() for name in ("half", "tenth")}
    alerts: dict[str, list[Alert]] = {name: [] for name in said}
    peaks = {chart: np.full(len(year.schools), -np.inf) for chart in "TC"}
    for day in range(len(cuts)):
        rows = order[bounds[day] : bounds[day + 1]]
        at = sent.day[rows], sent.session[rows], sent.school[rows]
        panel.winner[at], panel.absences[at], panel.possible[at] = sent.revision[rows], absences[rows], year.schools.roll[at[2]]
        model.score(panel, int(at[0].min(initial=day)), day, {})
        for chart in "TC":
            np.maximum(peaks[chart], _today(model, chart, day), out=peaks[chart])
        for name, folded in said.items():
            alerts[name] += decide(model, day, folded, POLICIES[name], {}).alerts
    out: Arrays = {"band": model.band, **peaks}
    for name, told_then in alerts.items():
        charted = [a for a in told_then if a.chart is not None]
        opened, withdrawn = ({a.alert_id for a in charted if a.state is state} for state in (AlertState.OPENED, AlertState.WITHDRAWN))
        out[f"withdrawn {name}"] = np.array([len(opened), len(withdrawn)], np.int32)
    return out


def _today(model: YearModel, chart: str, day: int) -> Floats:
    on = model.scored[day] if chart == "T" else model.scored[day] & ~model.warming_up[day]
    statistic = model.target_statistic if chart == "T" else model.level_statistic
    return np.where(on, statistic[day], -np.inf)


KINDS = {
    "null": _peaks,
    "policy": _policy,
    "hub": _hub,
    "season": _season,
    "missing": _missing,
    "all present": _all_present,
    "provisional": _provisional,
    "bad clerks": _provisional,
    "as known then": _as_known_then,
    "shock": _shocked,
    "hard": _shocked,
}
