"""A simulated year with the defects of a scenario, scored; constants are the shipped ones, or a plan's.

Defects are planted in the panel as their laws in `models.simulator_defects` draw them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models import simulated_panel
from models.backtest.scenario import Kind
from models.simulator_defects import all_present_registers, missing_registers, provisional_codes
from models.simulator_registers import clean_registers

if TYPE_CHECKING:
    from models.close import YearModel
    from models.numbers import Bools, Ints
    from models.panel import Panel
    from models.parameters import Parameters
    from models.simulator import SimulatedYear

__all__ = ["panel_of", "score_year"]


def panel_of(year: SimulatedYear, kind: Kind, *, groups: bool) -> Panel:
    """The winning registers at the end of the year: every register once and true, but for the defects of `kind`.

    groups: with the counts by year group, which chart G needs.
    """
    if kind not in {Kind.MISSING, Kind.ALL_PRESENT, Kind.PROVISIONAL}:
        return simulated_panel.panel_of(year, groups=groups)
    absences = year.absences.transpose(1, 2, 0, 3).copy()
    there = np.ones(absences.shape[:3], bool)
    _plant(absences, there, year, kind)
    return simulated_panel.panel_of(year, absences, there, groups=groups)


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


def score_year(year: SimulatedYear, kind: Kind, parameters: Parameters, *, groups: bool = False) -> YearModel:
    """A simulated year scored to its last day by this very engine."""
    return simulated_panel.score_year(year, panel_of(year, kind, groups=groups), parameters)
