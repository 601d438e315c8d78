"""What an alert rests on, in pupil-sessions: what was expected from the onset to today, what was seen, what is the area's.

Expected counts are N times the logistic of (path + common effect), per school day; `models.attribution` splits the same sums by
year group, code, weekday and session. Everything is rounded once, to millionths, so that published figures add up. (detection.md 1.9)
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum
from typing import TYPE_CHECKING

import numpy as np

from models.numbers import Floats, Ints, ratio
from models.year_group_evidence import leading_year_group, year_group_quiet
from schemas.codes import CODE_RULES_VERSION

if TYPE_CHECKING:
    from models.close import YearModel

__all__ = ["Evidence", "Window", "chart_evidence", "onset_day", "windows"]

Evidence = dict[str, float | int | str | None]
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Window:
    """One school's scored days, (days,) each: deployment day, possible sessions, absences, absences expected of them, and what
    would be expected on the path alone, had nothing hit the area."""

    days: Ints
    possible: Ints
    absences: Ints
    expected: Floats
    on_path: Floats

    def since(self, day: int) -> Window:
        """The days from a deployment day on."""
        place = int(np.searchsorted(self.days, day))
        return Window(self.days[place:], self.possible[place:], self.absences[place:], self.expected[place:], self.on_path[place:])

    @property
    def expected_millionths(self) -> int:
        """The sum of the expected absences."""
        return round(fsum(self.expected.tolist()) * _MILLION)

    @property
    def excess_millionths(self) -> int:
        """Absences less the expected ones: the school's own part."""
        return int(self.absences.sum()) * _MILLION - self.expected_millionths

    @property
    def common_millionths(self) -> int:
        """Expected absences that are due to what hit the area: the common part."""
        return self.expected_millionths - round(fsum(self.on_path.tolist()) * _MILLION)


def windows(model: YearModel, chart: str, schools: Ints, last: int) -> list[Window]:
    """Each school's scored days up to deployment day `last` as its T or C sees them; C expects the school's own level."""
    days = slice(0, last + 1)
    eta = model.path.eta[days, schools] + (model.state.level.reference[schools] if chart == "C" else 0.0)
    on_path, there = ratio(eta), ratio(eta + model.effect[days, schools])
    columns = (a.T for a in (model.scored[days, schools], model.possible[days, schools], model.absences[days, schools], there, on_path))
    out = []
    for scored, n, y, p, q in zip(*columns, strict=True):
        held = np.flatnonzero(scored)
        n = n[held]  # noqa: PLW2901 (the scored days of it)
        out.append(Window(held, n, y[held], n * p[held], n * q[held]))
    return out


def onset_day(model: YearModel, chart: str, school: int, day: int) -> int:
    """Deployment day index of "about since": the school's first planned day after its evidence was last all 0."""
    if chart == "G":
        group = leading_year_group(model, school, day)
        quiet = -1 if group is None else year_group_quiet(model, school, group)
    else:
        quiet = int((model.state.target if chart == "T" else model.state.level).quiet[school])
    planned = np.flatnonzero(model.deployment.planned[: day + 1, school])
    after = planned[planned > quiet]
    return int(after[0]) if len(after) else day


def chart_evidence(model: YearModel, chart: str, school: int, day: int, limit: float, onset: int) -> Evidence:
    """Numerators, denominators and sizes from the onset to `day` for one school's T or C."""
    window = windows(model, chart, np.array([school], np.int32), day)[0].since(onset)
    days, possible = window.days, int(window.possible.sum())
    excess = window.excess_millionths / _MILLION
    statistic = model.target_statistic if chart == "T" else model.level_statistic
    sessions = np.maximum(model.registers[days, school], 1)
    return {
        "statistic": round(float(statistic[day, school]), 6),
        "decision_interval": round(limit, 6),
        "school_days": len(days),
        "sessions": int(sessions.sum()),
        "possible_sessions": possible,
        "absences": int(window.absences.sum()),
        "expected_absences": window.expected_millionths / _MILLION,
        "excess_absences": excess,
        "common_absences": window.common_millionths / _MILLION,
        "excess_ratio": round(excess / possible, 6) if possible else None,
        "pupils_a_day": round(excess / max(int(sessions.sum()), 1), 6),
        "newest_register": str(model.deployment.days[days[-1]].astype("datetime64[D]")) if len(days) else None,
        "code_rules_version": CODE_RULES_VERSION,
    }
