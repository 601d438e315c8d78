"""Closed readings as columns: one row per school and school day, as published.

Published ratios and statistics are held in millionths as integers, so that text, digest and comparison see the same value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.guards import Verdict
from models.numbers import ratio
from models.outlook import EMPTY
from models.thresholds import once_in_school_years
from schemas.reading import Condition

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.close import YearModel
    from models.panel import Panel
    from models.parameters import Budget

__all__ = ["CONDITIONS", "NOTHING", "Rows", "rows"]

NOTHING = np.iinfo(np.int64).min
"""Stands for an empty value in a column of millionths."""

CONDITIONS = tuple(Condition)
_OF_VERDICT = {
    Verdict.NO_SESSIONS: Condition.NO_SESSIONS,
    Verdict.MISSING: Condition.MISSING,
    Verdict.PARTIAL: Condition.PARTIAL,
    Verdict.IMPLAUSIBLE: Condition.IMPLAUSIBLE,
    Verdict.ALL_PRESENT: Condition.ALL_PRESENT,
}
_LAYOUT = np.dtype(
    [
        ("attendance_date", "<i4"),
        ("possible_sessions", "<i4"),
        ("absences", "<i4"),
        ("charted_possible_sessions", "<i4"),
        ("charted_absences", "<i4"),
        ("expected_ratio", "<i8"),
        ("common_effect_logit", "<i8"),
        ("residual_z", "<i8"),
        ("statistic_target", "<i8"),
        ("statistic_level", "<i8"),
        ("statistic_year_group", "<i8"),
        ("once_in_school_years_target", "<i8"),
        ("once_in_school_years_level", "<i8"),
        ("once_in_school_years_year_group", "<i8"),
        ("p_target", "<i8"),
        ("condition", "u1"),
    ]
)

Rows = np.ndarray[Any, np.dtype[np.void]]


def _millionths(x: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.rint(x * 1e6).astype(np.int64)


def rows(model: YearModel, panel: Panel, budget: Budget, schools: slice, *, first: int = 0, end: int | None = None) -> Rows:
    """The readings of some schools, (schools, closed days from `first` to before `end`) in the published layout; unplanned
    days are among them."""
    here, days = model.deployment, slice(first, model.through + 1 if end is None else end)
    part = (days, schools)
    study = panel.study_leave[days, :, schools].sum(axis=1)
    possible, absences = panel.possible[days, :, schools].sum(axis=1), panel.absences[days, :, schools].sum(axis=1)
    out = np.zeros(possible.shape, _LAYOUT)
    out["attendance_date"] = here.days[days][:, None]
    out["possible_sessions"], out["absences"] = possible, absences
    out["charted_possible_sessions"], out["charted_absences"] = possible - study, absences - study
    out["expected_ratio"] = _millionths(ratio(model.path.eta[part] + model.effect[part]))
    out["common_effect_logit"] = _millionths(model.effect[part])
    for name, held in (("residual_z", model.outlook.residual_z[part]), ("p_target", model.outlook.p_target[part])):
        out[name] = held
        out[name][held == EMPTY] = NOTHING
    band, on_path = model.band[schools], model.has_path[schools]
    scored = model.scored[part]
    above = np.zeros(possible.shape, bool)
    groups, everywhere = model.year_groups, np.ones(possible.shape, bool)
    charted = [
        ("T", model.target_statistic[part], "target", np.broadcast_to(on_path, possible.shape), scored),
        ("C", model.level_statistic[part], "level", everywhere, scored),
    ]
    if groups.used:
        charted.append(("G", groups.statistic[part], "year_group", groups.runs[part], groups.scored[part]))
    else:
        out["statistic_year_group"] = out["once_in_school_years_year_group"] = NOTHING
    for chart, statistic, name, runs, taken in charted:
        rank = once_in_school_years(model.parameters.thresholds, statistic, np.broadcast_to(band, statistic.shape), chart)
        above |= runs & taken & (rank >= 1.0 / budget.rates(chart, model.deployment)[schools])
        out[f"statistic_{name}"] = np.where(runs, _millionths(statistic), NOTHING)
        out[f"once_in_school_years_{name}"] = np.where(runs, _millionths(rank), NOTHING)
    out["condition"] = _conditions(model.verdict[part], scored, model.warming_up[part], above)
    return out.T


def _conditions(verdict: NDArray[Any], scored: NDArray[Any], warming_up: NDArray[Any], above: NDArray[Any]) -> NDArray[np.uint8]:
    """Numbers of `CONDITIONS`: the first that holds."""
    out = np.where(above, CONDITIONS.index(Condition.OUT_OF_CONTROL), CONDITIONS.index(Condition.IN_CONTROL)).astype(np.uint8)
    out[warming_up] = CONDITIONS.index(Condition.WARMING_UP)
    out[(verdict == Verdict.MEASURED) & ~scored] = CONDITIONS.index(Condition.NO_PEERS)
    for v, condition in _OF_VERDICT.items():
        out[verdict == v] = CONDITIONS.index(condition)
    return out
