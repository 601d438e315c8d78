"""Figures without class T: closed readings, registers and their counts, in scope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from casebook import tables as t

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date

    from sqlalchemy.engine import Connection

    from casebook.scope import Scope

__all__ = ["ClosedReading", "Count", "RegisterReceived", "counts_of", "readings_of", "registers_of"]


@dataclass(frozen=True, slots=True)
class ClosedReading:
    """The newest closed reading of a school's day, without class T."""

    urn: int
    attendance_date: date
    close_number: int
    possible_sessions: int
    absences: int
    absence_ratio: float | None
    charted_possible_sessions: int
    charted_absences: int
    common_effect_logit: float | None
    statistic_level: float | None
    statistic_year_group: float | None
    once_in_school_years_level: float | None
    once_in_school_years_year_group: float | None
    condition: str


@dataclass(frozen=True, slots=True)
class RegisterReceived:
    """The winning revision of one register; recorded_at: RFC 3339, UTC. counts: year group -> code -> pupils."""

    urn: int
    attendance_date: date
    session: str
    revision: int
    recorded_at: str
    source: str
    counts: Mapping[str, Mapping[str, int]]


class Count(NamedTuple):
    """Pupils of one year group with one code in one session."""

    urn: int
    attendance_date: date
    session: str
    year_group: str
    code: str
    pupils: int


def readings_of(connection: Connection, scope: Scope, urn: int, first: date, last: date) -> tuple[ClosedReading, ...]:
    """By day; both dates belong to it. Empty for a school out of scope."""
    r = t.reading.c
    columns = (r[name] for name in ClosedReading.__slots__)
    statement = sa.select(*columns).where(r.urn == urn, r.attendance_date.between(first, last), scope.here(r.urn))
    rows = connection.execute(statement.order_by(r.attendance_date))
    return tuple(ClosedReading(*row) for row in rows)


def registers_of(connection: Connection, scope: Scope, urn: int, first: date, last: date) -> tuple[RegisterReceived, ...]:
    """By day and session; both dates belong to it. Empty for a school out of scope."""
    r = t.register.c
    columns = (r[name] for name in RegisterReceived.__slots__)
    statement = sa.select(*columns).where(r.urn == urn, r.attendance_date.between(first, last), scope.here(r.urn))
    rows = connection.execute(statement.order_by(r.attendance_date, r.session))
    return tuple(RegisterReceived(*row) for row in rows)


def counts_of(registers: Iterable[RegisterReceived]) -> Iterator[Count]:
    """One by one."""
    for one in registers:
        for group, codes in one.counts.items():
            for code, pupils in codes.items():
                yield Count(one.urn, one.attendance_date, one.session, group, code, pupils)
