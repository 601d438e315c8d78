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
from models.simulator_defects import all_present_registers, missing_registers, provisional_codes
from models.simulator_registers import Sent, clean_registers
from models.trajectory import path

if TYPE_CHECKING:
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


def panel_of(year: SimulatedYear, kind: Kind) -> Panel:
    """The winning registers at the end of the year: every register once and true, but for the defects of `kind`."""
    days, schools = len(year.dates), len(year.schools)
    out = Panel(days, schools)
    out.absences[:] = year.absences.sum(axis=3).transpose(1, 2, 0)
    out.possible[:] = year.schools.roll
    out.winner[:] = 0
    sent = clean_registers(year) if kind in {Kind.MISSING, Kind.ALL_PRESENT, Kind.PROVISIONAL} else None
    if sent is not None:
        _plant(out, year, sent, kind)
    return out


def _plant(out: Panel, year: SimulatedYear, sent: Sent, kind: Kind) -> None:
    if kind is Kind.MISSING:
        kept = missing_registers(year, sent)
        there = np.zeros(out.winner.shape, bool)
        there[kept.day, kept.session, kept.school] = True
        out.winner[~there] = -1
        out.possible[~there] = 0
        out.absences[~there] = 0
    elif kind is Kind.ALL_PRESENT:
        said = all_present_registers(year, sent)
        hit = said.all_present
        out.absences[said.day[hit], said.session[hit], said.school[hit]] = 0
    else:
        wrong = provisional_codes(year, sent, corrected=False)
        out.absences[wrong.day, wrong.session, wrong.school] += wrong.provisional.sum(axis=1)


def score_year(year: SimulatedYear, kind: Kind, parameters: Parameters) -> YearModel:
    """A simulated year scored to its last day by this very engine."""
    here = deployment_of(year)
    model = YearModel(here, parameters, known_path(year, here))
    model.score(panel_of(year, kind), 0, len(here.days) - 1, {})
    return model
