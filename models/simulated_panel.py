"""From a simulated year to what the engine is given of it: its deployment, the path that a monitor may know, the panel.

The path's shape is last year's season with a noisy calendar, and its annual mean is the target, as in detection.md section
2; the registers are winning ones, as at the end of the year.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.close import YearModel
from models.deployment import BOTH, Deployment, Path
from models.panel import Panel
from models.simulator import PHASE_GROUPS
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


def panel_of(year: SimulatedYear, absences: Ints | None = None, sent: Bools | None = None, *, groups: bool = True) -> Panel:
    """The panel of registers that say `absences` (days, 2, schools, year groups; None: the truth), of those that were `sent`
    (days, 2, schools; None: all). groups: with the counts by year group, which chart G needs."""
    days, schools = len(year.dates), len(year.schools)
    counts = year.absences.transpose(1, 2, 0, 3) if absences is None else absences
    there = np.ones((days, 2, schools), bool) if sent is None else sent
    out = Panel(days, schools)
    out.winner[:] = np.where(there, 0, -1)
    out.absences[:] = np.where(there, counts.sum(axis=3), 0)
    out.possible[:] = np.where(there, year.schools.roll, 0)
    if groups:
        _put_groups(out, year, counts, there)
    return out


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
        here = there[day][:, school]
        counts = np.where(here, absences[day][:, school, column], 0)
        out.groups.put(day, series, np.concatenate([np.where(here, enrolled, 0), counts]).astype(np.uint16))


def score_year(year: SimulatedYear, panel: Panel, parameters: Parameters) -> YearModel:
    """The year of a panel, scored to its last day by this very engine."""
    here = deployment_of(year)
    model = YearModel(here, parameters, known_path(year, here))
    model.score(panel, 0, len(here.days) - 1, {})
    return model
