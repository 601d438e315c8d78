"""Registers of one week added up by school, for the analyst's summary."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from casebook import tables as t
from casebook.scope import Role, consenting

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from sqlalchemy.engine import Connection

    from casebook.scope import Scope

__all__ = ["WeekCount", "newest_week", "week_counts"]


@dataclass(frozen=True, slots=True)
class WeekCount:
    """One school's sessions of a week by code; enrolments: the most pupils that any of its registers named."""

    phase: str
    region: str
    local_authority: str
    enrolments: int
    counts: Mapping[str, int]


def newest_week(connection: Connection) -> date | None:
    """The Monday of the newest closed school day; None before the first."""
    day = connection.execute(sa.select(sa.func.max(t.close_.c.day)).where(t.close_.c.applied_at.is_not(None))).scalar()
    return None if day is None else day - timedelta(days=day.weekday())


def week_counts(connection: Connection, scope: Scope, monday: date) -> list[WeekCount]:
    """By school, for an analyst's scope; of schools that consent to a hub today."""
    if scope.role is not Role.ANALYST:
        return []
    r, s = t.register.c, t.school.c
    there = consenting(scope.today)
    statement = sa.select(r.urn, r.counts).where(r.attendance_date.between(monday, monday + timedelta(days=6)), r.urn.in_(there))
    sums: dict[int, Counter[str]] = {}
    enrolments: dict[int, int] = {}
    for urn, counts in connection.execute(statement.execution_options(yield_per=2_000)):
        own, pupils = sums.setdefault(urn, Counter()), 0
        for codes in counts.values():
            own.update(codes)
            pupils += sum(codes.values())
        enrolments[urn] = max(enrolments.get(urn, 0), pupils)
    schools = connection.execute(sa.select(s.urn, s.phase, s.region, s.local_authority).where(s.urn.in_(there)))
    return [
        WeekCount(row.phase, row.region, row.local_authority, enrolments[row.urn], dict(sums[row.urn]))
        for row in schools
        if row.urn in sums
    ]
