"""What an alert rests on, in pupil-sessions: what was expected from the onset to today, what was seen, what is the area's.

Expected counts are N times the logistic of (path + common effect), per school day, so that they can later be split exactly
by year group, code, weekday and session. (detection.md 1.9)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.numbers import ratio
from schemas.codes import CODE_RULES_VERSION

if TYPE_CHECKING:
    from models.close import YearModel

__all__ = ["Evidence", "chart_evidence", "onset_day"]

Evidence = dict[str, float | int | str | None]


def onset_day(model: YearModel, chart: str, school: int, day: int) -> int:
    """Deployment day index of "about since": the school's first planned day after its evidence was last all 0."""
    quiet = (model.state.target if chart == "T" else model.state.level).quiet[school]
    planned = np.flatnonzero(model.deployment.planned[: day + 1, school])
    after = planned[planned > quiet]
    return int(after[0]) if len(after) else day


def chart_evidence(model: YearModel, chart: str, school: int, day: int, limit: float, onset: int | None = None) -> Evidence:
    """Numerators, denominators and sizes from the onset (None: as it stands today) to `day` for one school's T or C."""
    onset = onset_day(model, chart, school, day) if onset is None else onset
    days = onset + np.flatnonzero(model.scored[onset : day + 1, school])
    n, y = model.possible[days, school], model.absences[days, school]
    eta, c = model.path.eta[days, school], model.effect[days, school]
    own = model.state.level.reference[school] if chart == "C" else 0.0
    path_only = float((n * ratio(eta + own)).sum())
    expected = float((n * ratio(eta + own + c)).sum())
    possible, absences = int(n.sum()), int(y.sum())
    excess = absences - expected
    statistic = model.target_statistic if chart == "T" else model.level_statistic
    sessions = np.maximum(model.registers[days, school], 1)
    return {
        "statistic": round(float(statistic[day, school]), 6),
        "decision_interval": round(limit, 6),
        "school_days": len(days),
        "sessions": int(sessions.sum()),
        "possible_sessions": possible,
        "absences": absences,
        "expected_absences": round(expected, 6),
        "excess_absences": round(excess, 6),
        "common_absences": round(expected - path_only, 6),
        "excess_ratio": round(excess / possible, 6) if possible else None,
        "pupils_a_day": round(float(excess / max(int(sessions.sum()), 1)), 6),
        "newest_register": str(model.deployment.days[days[-1]].astype("datetime64[D]")) if len(days) else None,
        "code_rules_version": CODE_RULES_VERSION,
    }
