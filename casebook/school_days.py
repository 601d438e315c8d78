"""School days of one school, counted on the calendar that the casebook holds."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from casebook import tables as t
from schemas.calendar import Calendar, CalendarKind, CalendarRow, academic_year, academic_year_starts
from schemas.school import Phase, School, Urn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

__all__ = ["REOPENS_SCHOOL_DAYS", "SchoolDays"]

REOPENS_SCHOOL_DAYS = 20
"""So long after its end a case is reopened by a new alert; later it is a new case."""
_WEEKEND = 5


class SchoolDays:
    """The calendar and the schools as the reference data of a moment name them."""

    def __init__(self, calendar: Calendar, schools: Iterable[School]) -> None:
        self._calendar, self._schools = calendar, {int(school.urn): school for school in schools}
        self._days: dict[tuple[int, str], tuple[date, ...]] = {}

    @classmethod
    def read(cls, connection: Connection, urns: Iterable[int]) -> SchoolDays:
        """For these schools."""
        rows = connection.execute(sa.select(t.calendar).order_by(t.calendar.c.row)).all()
        calendar = Calendar(tuple(CalendarRow(row.scope, CalendarKind(row.kind), row.first_date, row.last_date) for row in rows))
        wanted = sorted(set(urns))
        found = connection.execute(sa.select(t.school).where(t.school.c.urn.in_(wanted))).all()
        return cls(calendar, [_school(row) for row in found])

    def after(self, urn: int, day: date, count: int = REOPENS_SCHOOL_DAYS) -> date:
        """The `count`-th school day after a day; where the calendar ends, weekdays from the next September on are counted."""
        name = academic_year(day)
        coming = [d for d in (*self._of(urn, name), *self._of(urn, _next(name))) if d > day]
        if len(coming) >= count:
            return coming[count - 1]
        last = coming[-1] if coming else day
        at = max(last, academic_year_starts(_next(academic_year(last))) - timedelta(days=1))
        left = count - len(coming)
        while left:
            at += timedelta(days=1)
            left -= at.weekday() < _WEEKEND
        return at

    def is_school_day(self, urn: int, day: date) -> bool:
        """Whether the school is planned open."""
        return day in self._of(urn, academic_year(day))

    def _of(self, urn: int, name: str) -> tuple[date, ...]:
        if (urn, name) not in self._days:
            school = self._schools.get(urn)
            self._days[urn, name] = () if school is None else self._calendar.school_days(school, name)
        return self._days[urn, name]


def _next(name: str) -> str:
    return academic_year(academic_year_starts(name).replace(year=int(name[:4]) + 1))


def _school(row: sa.Row[tuple[object, ...]]) -> School:
    said = row._mapping  # noqa: SLF001 (SQLAlchemy's documented access to a row's columns)
    return School.model_validate({**said, "urn": Urn(said["urn"]), "phase": Phase(said["phase"])})
