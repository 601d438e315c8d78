"""From a simulated year to the model that scores it: the path that the monitor may know, and the panel of what was sent.

The path's shape is last year's season with a noisy calendar and its annual mean is the target, as detection.md section 2
has it; constants are the shipped ones. Defects are planted in the panel as their laws in `models.simulator_defects` draw them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.backtest.scenario import Kind
from models.close import YearModel
from models.deployment import BOTH, Deployment, Path
from models.panel import Panel
from models.simulator import PHASE_GROUPS
from models.simulator_defects import all_present_registers, missing_registers, provisional_codes
from models.simulator_registers import clean_registers
from models.trajectory import path
from models.year_group_counts import GROUP_BITS, Series
from schemas.codes import YEAR_GROUP_IDS

if TYPE_CHECKING:
    from models.numbers import Bools, Ints
    from models.parameters import Parameters
    from models.simulator import SimulatedYear

__all__ = ["deployment_of", "known_path", "panel_of", "score_year"]


def deployment_of(year: SimulatedYear) -> Deployment:
    """What the monitor is told of a simulated year: baseline and target are the level about which each school was drawn."""
    s, days = year.schools, len(year.dates)
    return Deployment(
        academic_year=f"{year.start_year}/{(year.start_year + 1) % 100:02d}",
        urn=s.urn,
        phase=s.phase,
        area=s.area,
        areas=tuple(f"area {j + 1}" for j in range(year.areas)),
        roll=s.roll.astype(float),
        baseline=s.target_absence,
        target=s.target_absence,
        days=year.dates,
        planned=np.ones((days, len(s)), bool),
    )


def known_path(year: SimulatedYear, here: Deployment) -> Path:
    """The path from last year's season, shifted so that the year's mean is the target."""
    shapes = np.ascontiguousarray(year.known_shape[here.phase].T)
    eta, about = path(shapes, np.full(shapes.shape, 2.0), here.planned, here.baseline, here.target)
    return Path(np.full(shapes.shape, BOTH, np.uint8), eta, about)


def panel_of(year: SimulatedYear, kind: Kind, *, groups: bool) -> Panel:
    """The winning registers at the end of the year: every register once and true, but for the defects of `kind`.

    groups: with the counts by year group, which chart G needs.
    """
    days, schools = len(year.dates), len(year.schools)
    absences = year.absences.transpose(1, 2, 0, 3).copy()
    there = np.ones((days, 2, schools), bool)
    if kind in {Kind.MISSING, Kind.ALL_PRESENT, Kind.PROVISIONAL}:
        _plant(absences, there, year, kind)
    out = Panel(days, schools)
    out.winner[:] = np.where(there, 0, -1)
    out.absences[:] = absences.sum(axis=3)
    out.possible[:] = np.where(there, year.schools.roll, 0)
    if groups:
        _put_groups(out, year, absences, there)
    return out


def _plant(absences: Ints, there: Bools, year: SimulatedYear, kind: Kind) -> None:
    """A defect in the counts (days, 2, schools, groups), and in which registers there are (days, 2, schools); in place."""
    sent = clean_registers(year)
    if kind is Kind.MISSING:
        kept = missing_registers(year, sent)
        there[:] = False
        there[kept.day, kept.session, kept.school] = True
        absences[~there] = 0
    elif kind is Kind.ALL_PRESENT:
        hit = (said := all_present_registers(year, sent)).all_present
        absences[said.day[hit], said.session[hit], said.school[hit]] = 0
    else:
        wrong = provisional_codes(year, sent, corrected=False)
        absences[wrong.day, wrong.session, wrong.school] += wrong.provisional


def _put_groups(out: Panel, year: SimulatedYear, absences: Ints, there: Bools) -> None:
    s = year.schools
    school, column = np.nonzero(s.groups)
    numbers = np.array([[YEAR_GROUP_IDS[g] for g in (*names, *names)][: s.groups.shape[1]] for names in PHASE_GROUPS])
    group = numbers[s.phase[school], column]
    order = np.lexsort((group, school))
    school, column, group = school[order], column[order], group[order]
    series = Series(((school << GROUP_BITS) | group).astype(np.int32))
    enrolled = s.groups[school, column]
    for day in range(len(there)):
        possible = np.where(there[day][:, school], enrolled, 0)
        out.groups.put(day, series, np.concatenate([possible, absences[day][:, school, column]]).astype(np.uint16))


def score_year(year: SimulatedYear, kind: Kind, parameters: Parameters, *, groups: bool = False) -> YearModel:
    """A simulated year scored to its last day by this very engine."""
    here = deployment_of(year)
    model = YearModel(here, parameters, known_path(year, here))
    model.score(panel_of(year, kind, groups=groups), 0, len(here.days) - 1, {})
    return model
