"""What the area page reads: the hub's own schools together by day, and how many others the area has."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from casebook import tables as t

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy.engine import Connection

    from casebook.scope import Scope

__all__ = ["HubDay", "hub_days", "others_in", "schools_touched"]

_MEASURED = ("no_peers", "warming_up", "out_of_control", "in_control")


class HubDay(NamedTuple):
    """The measured schools of a scope on one day, together."""

    day: date
    absences: int
    possible: int
    schools: int


def hub_days(connection: Connection, scope: Scope, first: date, last: date) -> tuple[HubDay, ...]:
    """By day; both dates belong to it."""
    r = t.reading.c
    sums = (sa.func.sum(r.absences), sa.func.sum(r.possible_sessions), sa.func.count())
    where = (scope.here(r.urn), r.attendance_date.between(first, last), r.condition.in_(_MEASURED))
    statement = sa.select(r.attendance_date, *sums).where(*where).group_by(r.attendance_date).order_by(r.attendance_date)
    return tuple(HubDay(day, int(y), int(n), int(schools)) for day, y, n, schools in connection.execute(statement))


def schools_touched(connection: Connection, scope: Scope, first: date, last: date) -> tuple[tuple[str, str], ...]:
    """Cases of the scope that opened between two days: (address, name), by name."""
    c, s = t.case_.c, t.school.c
    opened = c.state["opened_as_of"].as_string()
    statement = (
        sa.select(c.case_id, s.name)
        .join_from(t.case_, t.school, s.urn == c.urn)
        .where(scope.here(c.urn), c.kind == "attendance", opened.between(first.isoformat(), last.isoformat()))
        .order_by(s.name)
    )
    return tuple((f"/cases/{row.case_id}", row.name) for row in connection.execute(statement))


def others_in(connection: Connection, scope: Scope, area: str) -> int:
    """How many schools the area has beside those in scope."""
    s = t.school.c
    statement = sa.select(sa.func.count()).select_from(t.school).where(sa.or_(s.region == area, s.hub == area), ~scope.here(s.urn))
    return int(connection.execute(statement).scalar_one())
