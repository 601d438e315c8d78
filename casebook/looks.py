"""Looking at a school is written in its ledger first, and only then is anything shown: no ledger, no page.

Opening a case or a school's page leaves a row; the path to the target is shown for a purpose from a list. What is class T
(targets, paths, chances) is read nowhere but here and in the alert records of a case that was opened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from casebook import tables as t
from casebook.casework import read_case
from casebook.figures_read import readings_of
from casebook.inbox import case_page
from casebook.ledger import Action, Entry
from casebook.scope import NotThere

if TYPE_CHECKING:
    from datetime import date, datetime
    from uuid import UUID

    from casebook.case_state import Case
    from casebook.database import Database
    from casebook.figures_read import ClosedReading
    from casebook.inbox import AlertThen, HistoryEntry, SchoolFacts
    from casebook.ledger import Ledger
    from casebook.scope import Scope

__all__ = ["LedgerRow", "Looks", "OpenedCase", "PathDay", "Purpose", "TargetFacts"]


class Purpose(StrEnum):
    """Why somebody looks at the path to the target."""

    REVIEW_CASE = "review_case"
    SCHOOL_ASKED = "school_asked"
    PREPARE_VISIT = "prepare_visit"
    CHECK_FIGURES = "check_figures"


@dataclass(frozen=True, slots=True)
class OpenedCase:
    """A case as its page shows it. records: every alert record as it was published, oldest first; one may be class T."""

    case: Case
    school: SchoolFacts
    records: tuple[AlertThen, ...] = field(repr=False)
    history: tuple[HistoryEntry, ...]


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """Class T: baseline and target of a year, from which version of the reference data, and since when they stand so."""

    academic_year: str
    baseline_attendance: float | None = field(repr=False)
    target_attendance: float | None = field(repr=False)
    reference_version: str
    since: datetime


@dataclass(frozen=True, slots=True)
class PathDay:
    """Class T: a day's expected absence and what follows from it, beside what was seen."""

    reading: ClosedReading
    expected_ratio: float | None = field(repr=False)
    statistic_target: float | None = field(repr=False)
    once_in_school_years_target: float | None = field(repr=False)
    p_target: float | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One row of a school's ledger, as its people read it."""

    number: int
    at: datetime
    actor: str
    role: str
    action: str
    purpose: str | None
    case_id: UUID | None
    event_id: UUID | None


class Looks:
    """Everything that leaves a row when it is read."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database, self._ledger = database, ledger

    def open_case(self, scope: Scope, case_id: UUID, now: datetime) -> OpenedCase:
        """A case's page; raises NotThere with no row written."""
        with self._database.read() as connection:
            urn = read_case(connection, scope, case_id).urn
        self._leave(scope, urn, now, Action.OPENED_CASE, case_id=case_id)
        with self._database.read() as connection:
            case, school, records, history = case_page(connection, scope, case_id)
        shown = records if scope.sees_class_t else ()
        return OpenedCase(case, school, shown, history)

    def open_school(self, scope: Scope, urn: int, now: datetime) -> tuple[TargetFacts, ...]:
        """A school's card: its targets, newest year first; raises NotThere with no row written."""
        self._leave(scope, urn, now, Action.OPENED_SCHOOL)
        if not scope.sees_class_t:
            raise NotThere("there is no such school")
        c = t.target.c
        statement = sa.select(t.target).where(c.urn == urn, scope.here(c.urn)).order_by(c.academic_year.desc())
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return tuple(TargetFacts(r.academic_year, r.baseline_attendance, r.target_attendance, r.reference_version, r.since) for r in rows)

    def see_path(self, scope: Scope, urn: int, purpose: Purpose, first: date, last: date, now: datetime) -> tuple[PathDay, ...]:
        """The path to the target beside the readings; raises NotThere with no row written."""
        if not scope.sees_class_t:
            raise NotThere("there is no such school")
        self._leave(scope, urn, now, Action.SAW_PATH, purpose=str(purpose))
        p = t.reading_path.c
        statement = sa.select(t.reading_path).where(p.urn == urn, p.attendance_date.between(first, last), scope.here(p.urn))
        with self._database.read() as connection:
            readings = readings_of(connection, scope, urn, first, last)
            paths = {row.attendance_date: row for row in connection.execute(statement)}
        return tuple(_path_day(reading, paths[reading.attendance_date]) for reading in readings if reading.attendance_date in paths)

    def ledger(self, scope: Scope, urn: int, limit: int = 500) -> tuple[LedgerRow, ...]:
        """Who looked at and did what about a school, the newest first; raises NotThere."""
        c = t.ledger.c
        statement = sa.select(t.ledger).where(c.urn == urn).order_by(c.number.desc()).limit(limit)
        with self._database.read() as connection:
            scope.check(connection, urn)
            return tuple(LedgerRow(**{name: getattr(row, name) for name in LedgerRow.__slots__}) for row in connection.execute(statement))

    def _leave(
        self, scope: Scope, urn: int, now: datetime, action: Action, *, purpose: str | None = None, case_id: UUID | None = None
    ) -> None:
        with self._database.write() as connection:
            scope.check(connection, urn)
            entry = Entry(urn=urn, at=now, actor=scope.person, role=str(scope.role), action=str(action), purpose=purpose, case_id=case_id)
            self._ledger.write(connection, entry)


def _path_day(reading: ClosedReading, row: Any) -> PathDay:  # noqa: ANN401 (a row of `reading_path`)
    return PathDay(reading, row.expected_ratio, row.statistic_target, row.once_in_school_years_target, row.p_target)
