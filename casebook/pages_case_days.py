"""The days behind a case's chart. They follow from the target (class T), so that only a case that was opened shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from casebook import tables as t
from casebook.figures_read import readings_of
from casebook.looks import PathDay
from casebook.scope import NotThere

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy.engine import Connection

    from casebook.looks import OpenedCase
    from casebook.scope import Scope

__all__ = ["days_of_case"]


def days_of_case(connection: Connection, scope: Scope, opened: OpenedCase, first: date, last: date) -> tuple[PathDay, ...]:
    """Readings with what was expected, of the school whose case was opened: `opened` is the proof that the ledger has its row."""
    if not scope.sees_class_t:
        raise NotThere("there is no such case")
    urn, p = opened.case.urn, t.reading_path.c
    columns = (p.attendance_date, p.expected_ratio, p.statistic_target, p.once_in_school_years_target, p.p_target)
    statement = sa.select(*columns).where(p.urn == urn, p.attendance_date.between(first, last), scope.here(p.urn))
    paths = {row.attendance_date: row for row in connection.execute(statement)}
    out = []
    for reading in readings_of(connection, scope, urn, first, last):
        row = paths.get(reading.attendance_date)
        held = (None,) * 4 if row is None else tuple(row)[1:]
        out.append(PathDay(reading, *held))
    return tuple(out)
