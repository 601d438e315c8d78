"""Alerts of kind `sudden`: one session of today far outside its predictive law, at a school and in an area that are quiet.

It is opened at the close of its day and stays open for 3 school days, in which a second flag updates it (and makes it a
case); it is withdrawn when the corrected registers are flagged no more at the strength of an alert. Its line in the counts is
its own, outside the charts' budget. (detection.md 1.6)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.sudden import SESSIONS
from schemas.alert import AlertState
from schemas.codes import CODE_RULES_VERSION

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from models.close import YearModel
    from models.evidence import Evidence
    from models.sudden import Flag

__all__ = [
    "FLAGS_IN_AREA_MAX",
    "OPEN_SCHOOL_DAYS",
    "QUIET_SCHOOL_DAYS",
    "Saying",
    "candidates",
    "evidence_of",
    "fate",
    "sayings",
    "strongest",
    "why_withheld",
]

FLAGS_IN_AREA_MAX = 2
"""Flagged schools of an area on one day (this one among them), beyond which it is the area's event and nobody's own."""
QUIET_SCHOOL_DAYS = 10
"""A school's days before, none of which may be flagged."""
OPEN_SCHOOL_DAYS = 3
"""The school's days after the opening in which a second flag counts."""


class Saying(NamedTuple):
    """What is said of a school's sudden alert today; OPENED where none was open."""

    school: int
    state: AlertState
    reason: str
    evidence: Evidence


def sayings(model: YearModel, day: int, open_since: Mapping[int, int], withheld: Counter[str]) -> list[Saying]:
    """The sudden alerts of a day. open_since: school -> the day its open alert was opened; withheld: counts by reason, added to."""
    out = [saying for school, opened in open_since.items() if (saying := fate(model, opened, day, school)) is not None]
    for school in candidates(model, day):
        why = "already open" if school in open_since else why_withheld(model, day, school)
        flag = strongest(model, day, school)
        if why is not None or flag is None:
            withheld[f"sudden: {why}"] += 1
        else:
            out.append(Saying(school, AlertState.OPENED, "one session far outside what was to be expected", evidence_of(flag)))
    return out


def candidates(model: YearModel, day: int) -> list[int]:
    """The schools with a flag of alert strength on a day, ascending."""
    return sorted({flag.school for flag in model.outlook.flags[day] if flag.may_alert})


def strongest(model: YearModel, day: int, school: int) -> Flag | None:
    """The school's flag of that day that may be an alert, the least likely one; None without one."""
    mine = [flag for flag in model.outlook.flags[day] if flag.school == school and flag.may_alert]
    return min(mine, key=lambda flag: (flag.log10_tail, flag.session), default=None)


def why_withheld(model: YearModel, day: int, school: int) -> str | None:
    """The rule that keeps a flag of alert strength back; None when an alert may be opened."""
    area = model.deployment.area
    flagged = {flag.school for flag in model.outlook.flags[day]}
    if sum(int(area[i] == area[school]) for i in flagged) > FLAGS_IN_AREA_MAX:
        return "area flagged"
    before = np.flatnonzero(model.deployment.planned[:day, school])[-QUIET_SCHOOL_DAYS:]
    return "flagged lately" if any(_flagged(model, d, school) for d in before.tolist()) else None


def fate(model: YearModel, opened: int, day: int, school: int) -> Saying | None:
    """Withdrawn, updated, closed, or (None) nothing new, of an alert opened on day `opened`."""
    if strongest(model, opened, school) is None:
        return Saying(
            school, AlertState.WITHDRAWN, "corrected registers: the session is not far outside any more", _seen(model, opened, school)
        )
    passed = int(model.deployment.planned[opened + 1 : day + 1, school].sum())
    if passed > 0 and passed <= OPEN_SCHOOL_DAYS and model.deployment.planned[day, school] and _flagged(model, day, school):
        return Saying(school, AlertState.UPDATED, "flagged again", _seen(model, day, school))
    if passed > OPEN_SCHOOL_DAYS:
        return Saying(school, AlertState.CLOSED, f"{OPEN_SCHOOL_DAYS} school days have passed", _seen(model, opened, school))
    return None


def _flagged(model: YearModel, day: int, school: int) -> bool:
    return any(flag.school == school for flag in model.outlook.flags[day])


def _seen(model: YearModel, day: int, school: int) -> Evidence:
    """The evidence of a day's least likely flag of this school; without one, only that there is none."""
    flags = [flag for flag in model.outlook.flags[day] if flag.school == school]
    return evidence_of(min(flags, key=lambda flag: (flag.log10_tail, flag.session))) if flags else {"flagged_sessions": 0}


def evidence_of(flag: Flag) -> Evidence:
    """The numbers that a sudden alert rests on: pupils of one session, and the chance of so many absent."""
    return {
        "session": SESSIONS[flag.session],
        "possible_sessions": flag.pupils,
        "absences": flag.absences,
        "expected_absences": flag.expected,
        "excess_absences": round(flag.excess, 6),
        "log10_tail": flag.log10_tail,
        "code_rules_version": CODE_RULES_VERSION,
    }
