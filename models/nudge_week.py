"""When a school's weekly nudge may leave: its day, its hour, its quiet weeks. (casework.md section 4)"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

__all__ = ["SchoolTerms", "Silent", "iso_week", "silent_at"]

_LONDON = ZoneInfo("Europe/London")
_FROM, _UNTIL = time(7, 30), time(9, 0)
_SCHOOL_DAYS_MIN = 3
_LAST_DAYS_OF_TERM = 3


class Silent(StrEnum):
    """Why the calendar lets no nudge leave at a moment."""

    OUT_OF_TERM = "not a school day"
    SHORT_WEEK = "a week with fewer than three school days"
    QUIET_WEEK = "a week that the school marked as quiet"
    END_OF_TERM = "one of the last three days of a term"
    NOT_ITS_DAY = "not the first school day of the week"
    NOT_ITS_HOUR = "outside 07:30 to 09:00"


@dataclass(frozen=True, slots=True)
class SchoolTerms:
    """The school days of each of a school's terms, and the Mondays of the weeks it marked as quiet."""

    terms: tuple[frozenset[date], ...]
    quiet_weeks: frozenset[date] = frozenset()


def iso_week(moment: datetime) -> tuple[int, int]:
    """The ISO year and week of an aware moment, as the school's calendar has it."""
    iso = moment.astimezone(_LONDON).isocalendar()
    return iso.year, iso.week


def silent_at(moment: datetime, school: SchoolTerms) -> tuple[Silent, ...]:
    """Every reason of the calendar for which no nudge leaves at this moment (aware, any zone); empty if one may.

    09:00 itself is too late. A week across two terms counts the school days of both.
    """
    local = moment.astimezone(_LONDON)
    today = local.date()
    monday = today - timedelta(days=today.weekday())
    open_days = frozenset[date]().union(*school.terms)
    week = sorted(day for day in open_days if monday <= day < monday + timedelta(days=7))
    last = {day for term in school.terms for day in sorted(term)[-_LAST_DAYS_OF_TERM:]}
    found = {
        Silent.OUT_OF_TERM: today not in open_days,
        Silent.SHORT_WEEK: len(week) < _SCHOOL_DAYS_MIN,
        Silent.QUIET_WEEK: monday in school.quiet_weeks,
        Silent.END_OF_TERM: today in last,
        Silent.NOT_ITS_DAY: today not in week[:1],
        Silent.NOT_ITS_HOUR: not _FROM <= local.time() < _UNTIL,
    }
    return tuple(silent for silent in Silent if found[silent])
