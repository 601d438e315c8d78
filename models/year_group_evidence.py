"""What a year group's alert rests on: its own counts from the onset to today, and what the rest of the school did.

Expected is what the year group would have missed, had it stayed as far from the rest of the school as it stands by itself:
N times the logistic of (the rest's logit that day + the chart's reference), in pupil-sessions. (detection.md 1.5, 1.9)
"""

from __future__ import annotations

from bisect import bisect_left
from math import fsum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.deployment import AM, PM
from models.numbers import log_odds, ratio
from models.year_group_counts import Series, series_key
from models.year_groups import NO_YEAR_GROUP, split
from schemas.codes import CODE_RULES_VERSION, YEAR_GROUP_IDS, YEAR_GROUPS

if TYPE_CHECKING:
    from models.close import YearModel
    from models.evidence import Evidence
    from models.numbers import Floats

__all__ = ["GroupDays", "group_days", "group_expected", "leading_cell", "leading_year_group", "year_group_grounds", "year_group_quiet"]

_MILLION = 1_000_000


class GroupDays(NamedTuple):
    """The days on which a year group was measured: N and y of the year group and of the rest of its school, registers that count."""

    day: list[int]
    possible: list[int]
    absences: list[int]
    rest_possible: list[int]
    rest_absences: list[int]
    sessions: list[int]

    def since(self, onset: int) -> GroupDays:
        """The days from a deployment day on."""
        first = bisect_left(self.day, onset)
        return GroupDays(*(column[first:] for column in self))


def leading_year_group(model: YearModel, school: int, day: int) -> str | None:
    """The year group whose statistic is the school's on a day; None while all are 0."""
    number = int(model.year_groups.leading[day, school])
    return None if number == NO_YEAR_GROUP else YEAR_GROUPS[number]


def year_group_quiet(model: YearModel, school: int, group: str) -> int:
    """The last deployment day after which this year group's evidence was all 0."""
    return int(model.state.groups.quiet[_place(model, school, group)])


def _place(model: YearModel, school: int, group: str) -> int:
    series = model.state.groups.series
    return int(series.place(np.array([series_key(school, YEAR_GROUP_IDS[group])], np.int64))[0])


def leading_cell(group: str) -> str:
    """A year group as the key of an attribution."""
    return f"year_group:{group}"


def year_group_grounds(
    model: YearModel, school: int, group: str, seen: GroupDays, day: int, limit: float
) -> tuple[Evidence, dict[str, float]]:
    """Evidence of one year group over the days `seen` (from the onset to `day`), the counts of its school's rest beside it; and
    the attribution, which is the year group's excess whole."""
    expected = group_expected(model, school, group, seen)
    expected_millionths = round(fsum(expected.tolist()) * _MILLION)
    possible, absences, sessions = sum(seen.possible), sum(seen.absences), sum(seen.sessions)
    excess = (absences * _MILLION - expected_millionths) / _MILLION
    cell = leading_cell(group)
    evidence: Evidence = {
        "year_group": group,
        "leading_cell": cell,
        "statistic": round(float(model.year_groups.statistic[day, school]), 6),
        "decision_interval": round(limit, 6),
        "school_days": len(seen.day),
        "sessions": sessions,
        "possible_sessions": possible,
        "absences": absences,
        "rest_possible_sessions": sum(seen.rest_possible),
        "rest_absences": sum(seen.rest_absences),
        "expected_absences": expected_millionths / _MILLION,
        "excess_absences": excess,
        "excess_ratio": round(excess / possible, 6) if possible else None,
        "pupils_a_day": round(excess / max(sessions, 1), 6),
        "newest_register": str(model.deployment.days[seen.day[-1]].astype("datetime64[D]")) if seen.day else None,
        "code_rules_version": CODE_RULES_VERSION,
    }
    return evidence, {cell: excess, "own": excess}


def group_expected(model: YearModel, school: int, group: str, seen: GroupDays) -> Floats:
    """Absences that the year group would have had at its usual distance from the rest of its school, (days,)."""
    n, rest_n, rest_y, k = (np.array(column, np.int64) for column in (seen.possible, seen.rest_possible, seen.rest_absences, seen.sessions))
    usual = float(model.state.groups.reference[_place(model, school, group)]) if len(n) else 0.0
    out: Floats = n * ratio(log_odds((rest_y + k / 2) / (rest_n + k)) + usual)
    return out


def group_days(model: YearModel, school: int, group: str, days: range) -> GroupDays:
    """What chart G took in of one year group on some deployment days; nothing if no register names it."""
    groups = model.year_groups
    series = groups.counts.series
    mine = slice(*np.searchsorted(series.key, [series_key(school, 0), series_key(school + 1, 0)]).tolist())
    names = series.key[mine] - series_key(school, 0)
    place = np.flatnonzero(names == YEAR_GROUP_IDS[group])
    at = np.flatnonzero(model.scored[days.start : days.stop, school] & groups.counts.held[days.start : days.stop]) + days.start
    if not len(place) or not len(at):
        return GroupDays([], [], [], [], [], [])
    bits = groups.counted[at, school]
    # Each day stands as a school of its own, so that all are split at once.
    each = Series((np.arange(len(at))[:, None] * series_key(1, 0) + names).reshape(-1))
    seen = split(each, groups.counts.sheets[at, :, mine].transpose(1, 0, 2).reshape(4, -1), np.array([bits & AM, bits & PM], bool))
    rows = np.arange(len(at)) * len(names) + place[0]
    rows = rows[seen.measured[rows]]
    return GroupDays(at[rows // len(names)].tolist(), *(column[rows].tolist() for column in seen[:5]))
