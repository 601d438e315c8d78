"""The school calendar, a value: which days a school is planned to be open. There is no national one.

School days are Monday to Friday in a term and not closed. The most specific scope with any `term` row in an academic year
replaces the less specific ones; `closed` rows of all scopes add up. (contracts.md section 2)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.school import School

__all__ = ["Calendar", "CalendarKind", "CalendarRow", "academic_year", "academic_year_starts"]

_EPOCH = date(1970, 1, 1)
_FIRST_MONTH = 9


class CalendarKind(StrEnum):
    """A stretch of term, or of days closed inside one."""

    TERM = "term"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class CalendarRow:
    """One row: scope `all`, `region:…`, `local_authority:…` or `urn:…`; both dates belong to it."""

    scope: str
    kind: CalendarKind
    first_date: date
    last_date: date


def academic_year(day: date) -> str:
    """The academic year of a date, 1 September to 31 August.

    >>> academic_year(date(2026, 8, 31)), academic_year(date(2026, 9, 1))
    ('2025/26', '2026/27')
    """
    start = day.year if day.month >= _FIRST_MONTH else day.year - 1
    return f"{start}/{(start + 1) % 100:02d}"


def academic_year_starts(name: str) -> date:
    """Its first of September."""
    return date(int(name[:4]), _FIRST_MONTH, 1)


@dataclass(frozen=True, slots=True)
class Calendar:
    """All rows of the calendar file, in any order."""

    rows: tuple[CalendarRow, ...]

    def academic_years(self) -> tuple[str, ...]:
        """Every academic year that any term row touches, in order."""
        found = set()
        for row in self.rows:
            if row.kind is CalendarKind.TERM:
                first, last = int(academic_year(row.first_date)[:4]), int(academic_year(row.last_date)[:4])
                found |= {academic_year(date(start, _FIRST_MONTH, 1)) for start in range(first, last + 1)}
        return tuple(sorted(found))

    def planned(
        self, schools: Sequence[School], year: str
    ) -> tuple[np.ndarray[tuple[int], np.dtype[np.int32]], np.ndarray[tuple[int, int], np.dtype[np.bool_]]]:
        """The deployment's school days (days since 1970) of one academic year, on which at least one school is planned open,
        and (schools, days) whether each is. A school without a term there has no day: its caller says so."""
        first = academic_year_starts(year)
        span = (first.replace(year=first.year + 1) - first).days
        weekday = np.array([(first + timedelta(days=i)).weekday() < 5 for i in range(span)])
        own = self._by_scope()
        made: dict[tuple[str, ...], np.ndarray[tuple[int], np.dtype[np.bool_]]] = {}
        out = np.zeros((len(schools), span), bool)
        for i, school in enumerate(schools):
            scopes = tuple(scope for scope in _scopes(school) if scope in own)
            if scopes not in made:
                made[scopes] = _open([own[scope] for scope in scopes], first, span) & weekday
            out[i] = made[scopes]
        some = np.flatnonzero(out.any(axis=0))
        return (some + (first - _EPOCH).days).astype(np.int32), out[:, some]

    def school_days(self, school: School, year: str) -> tuple[date, ...]:
        """The days of one academic year on which this school is planned open; none if it has no term there."""
        days, planned = self.planned([school], year)
        return tuple(_EPOCH + timedelta(days=int(day)) for day in days[planned[0]])

    def _by_scope(self) -> dict[str, list[CalendarRow]]:
        out: dict[str, list[CalendarRow]] = {}
        for row in self.rows:
            out.setdefault(row.scope, []).append(row)
        return out


def _scopes(school: School) -> tuple[str, str, str, str]:
    """What can speak of a school, the most specific first."""
    return f"urn:{school.urn}", f"local_authority:{school.local_authority}", f"region:{school.region}", "all"


def _open(scopes: list[list[CalendarRow]], first: date, span: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Term days of the first of these scopes that has any, less what any of them closes."""
    days = np.zeros(span, bool)
    for rows in scopes:
        for row in rows:
            if row.kind is CalendarKind.TERM:
                days[_part(row, first, span)] = True
        if days.any():
            break
    for row in (row for rows in scopes for row in rows if row.kind is CalendarKind.CLOSED):
        days[_part(row, first, span)] = False
    return days


def _part(row: CalendarRow, first: date, span: int) -> slice:
    """The days of a row inside a year that begins on `first`."""
    return slice(min(max((row.first_date - first).days, 0), span), max(min((row.last_date - first).days + 1, span), 0))
