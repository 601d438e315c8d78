"""How many false alerts a budget leaves: the expected number, to be held against the openings. (detection.md 1.8)"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.thresholds import CHARTS

if TYPE_CHECKING:
    from models.close import YearModel
    from models.parameters import Budget

__all__ = ["SCHOOL_YEAR_DAYS", "expected_false_alerts"]

SCHOOL_YEAR_DAYS = 190


def expected_false_alerts(model: YearModel, budget: Budget) -> dict[str, float]:
    """By chart, the sum over its schools of the rate for the days closed so far, a school-year being 190 of a school's own.

    The rates are of first passages; openings are fewer by a few per cent, for none open in the last 10 days of the year.
    """
    here, closed = model.deployment, slice(0, model.through + 1)
    years = here.planned[closed].sum(axis=0) / SCHOOL_YEAR_DAYS
    groups = model.year_groups
    everywhere = np.ones(len(here.urn), bool)
    runs = {"T": model.has_path, "C": everywhere, "G": groups.runs[closed].any(axis=0) if groups.used else ~everywhere}
    return {chart: float((budget.rates(chart, here) * years)[runs[chart]].sum()) for chart in CHARTS}
