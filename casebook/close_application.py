"""A close becomes cases: once it is completed and all its alerts are there, in the order of the chain, each in one transaction.

So both feeds give the same cases, whatever the order of arrival: a live feed may see `completed` before the alerts, or an alert of
the next close before the last of this one.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID, uuid5

import sqlalchemy as sa

from casebook import tables as t
from casebook.case_rules import hear, leading_cell
from casebook.case_state import Place
from casebook.case_store import cases_of, insert_event, known_events, write_cases
from casebook.events import ENGINE, AlertSaid, Event
from casebook.history import alerts_in_order
from casebook.school_days import SchoolDays
from schemas.alert import AlertKind, AlertState
from schemas.control import Decided, read_control_record
from streams.chain import Chain
from streams.log_lines import about

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date, datetime

    from sqlalchemy.engine import Connection

    from casebook.case_state import Case, Line
    from casebook.database import Database
    from casebook.events import Effect
    from casebook.ledger import Ledger

__all__ = ["METHOD_VERSION", "AppliedClose", "Heard", "apply_next", "fold_control", "withdraw_unsaid"]

_log = logging.getLogger("headway.casebook")

METHOD_VERSION = "method version"
"""Why an alert is withdrawn that a new version of the method no longer gives."""


class Heard(NamedTuple):
    """One event that the close brought, what it did, and the case that it belongs to as it stands after it."""

    event: Event
    effects: tuple[Effect, ...]
    case: Case | None


class AppliedClose(NamedTuple):
    """A close that has become cases."""

    number: int
    day: date
    completed_at: datetime
    heard: tuple[Heard, ...]


def fold_control(database: Database, connection: Connection, epoch: int) -> int:
    """The chain of completed closes, from the control records held; how many there are."""
    statement = sa.select(t.control_record.c.line).where(t.control_record.c.epoch == epoch).order_by(t.control_record.c.position)
    records = [read_control_record(line) for line in connection.execute(statement).scalars()]
    alerts = {record.close_id: record.counts["alerts"] for record in records if isinstance(record, Decided)}
    completed = Chain.of(records).completed
    rows = [
        {
            "epoch": epoch,
            "number": request.number,
            "close_id": request.close_id,
            "day": request.day,
            "engine_version": request.engine_version,
            "parameters_digest": request.parameters_digest,
            "reference_version": request.reference_version,
            "alerts": alerts[request.close_id],
            "completed_at": done.at,
            "state_digest": done.state_digest,
            "applied_at": None,
        }
        for request, done in completed
    ]
    database.insert_new(connection, t.close_, rows)
    return len(completed)


def apply_next(
    database: Database,
    ledger: Ledger,
    now: datetime,
    said: Callable[[Connection, AppliedClose], None] = lambda *_: None,
) -> AppliedClose | None:
    """Apply the close after the newest applied, if all of it is there; None when there is nothing to do. said: what else is
    written in the same transaction."""
    with database.write() as connection:
        at = connection.execute(sa.select(t.feed).with_for_update()).one()
        close = connection.execute(sa.select(t.close_).where(t.close_.c.epoch == at.epoch, t.close_.c.number == at.applied + 1)).first()
        if close is None or _there(connection, at.epoch, close.number) < close.alerts:
            return None
        place = Place(epoch=at.epoch, close_number=close.number)
        heard = _hear_all(database, connection, ledger, _records(connection, place, close.completed_at))
        applied = AppliedClose(close.number, close.day, close.completed_at, tuple(heard))
        said(connection, applied)
        connection.execute(sa.update(t.feed).values(applied=close.number))
        here = (t.close_.c.epoch == at.epoch, t.close_.c.number == close.number)
        connection.execute(sa.update(t.close_).where(*here).values(applied_at=now))
    _tell(close.close_id, applied.heard)
    return applied


def _tell(close_id: str, heard: Sequence[Heard]) -> None:
    """The log alone: which alert did what to a case, never of which school."""
    with about(close_id=close_id):
        _log.info("a close has become cases: %d alerts heard", len(heard))
        for one in heard:
            if isinstance(one.event.said, AlertSaid):
                with about(alert_id=str(one.event.said.alert_id)):
                    _log.info("an alert was heard: %s", ", ".join(map(str, one.effects)) or "nothing changes")


def withdraw_unsaid(database: Database, ledger: Ledger, now: datetime) -> tuple[Heard, ...]:
    """After a log was read anew: the open alerts that it does not hold are withdrawn, `method version` (casework.md section 1)."""
    with database.write() as connection:
        at = connection.execute(sa.select(t.feed).with_for_update()).one()
        newest = connection.execute(sa.select(t.close_).where(t.close_.c.epoch == at.epoch, t.close_.c.number == at.applied)).first()
        if newest is None:
            return ()
        r = t.alert_record.c
        given = sa.select(r.alert_id).where(r.epoch == at.epoch)
        gone = dict(connection.execute(sa.select(r.alert_id, r.urn).where(r.urn.is_not(None), r.alert_id.not_in(given))).all())
        cases = cases_of(connection, gone.values())
        place = Place(epoch=at.epoch, close_number=at.applied)
        events = [
            _unsaid(line, case.urn, place, newest, now)
            for held in cases.values()
            for case in held
            for line in case.open_lines
            if line.alert_id in gone
        ]
        return tuple(_hear_all(database, connection, ledger, events))


def _unsaid(line: Line, urn: int, place: Place, close: sa.Row[Any], now: datetime) -> Event:
    said = AlertSaid(
        alert_id=line.alert_id,
        kind=line.kind,
        chart=line.chart,
        state=AlertState.WITHDRAWN,
        opened_on=line.opened_on,
        as_of=close.day,
        rank=line.size.rank,
        pupils_a_day=line.size.pupils_a_day,
        leading_cell=line.leading_cell,
        reason=METHOD_VERSION,
        reopens_until=close.day,
    )
    event_id = uuid5(line.alert_id, f"{METHOD_VERSION}|{place.epoch}|{close.engine_version}")
    return Event(event_id=event_id, urn=urn, place=place, at=now, actor=ENGINE, said=said)


def _hear_all(database: Database, connection: Connection, ledger: Ledger, events: Sequence[Event]) -> Iterator[Heard]:
    """Events in order, those that stand in the history already left out; cases are written at the end."""
    known = known_events(connection, (event.event_id for event in events))
    new = [event for event in alerts_in_order(events) if event.event_id not in known]
    for urn in sorted({event.urn for event in new}):
        ledger.lock(connection, urn)
    cases: dict[int, dict[UUID, Case]] = defaultdict(dict)
    for urn, held in cases_of(connection, (event.urn for event in new)).items():
        cases[urn] = {case.case_id: case for case in held}
    changed: dict[UUID, Case] = {}
    for event in new:
        outcome = hear(tuple(cases[event.urn].values()), event)
        cases[event.urn] |= {case.case_id: case for case in outcome.changed}
        changed |= {case.case_id: case for case in outcome.changed}
        kept = event if outcome.case is None else event.model_copy(update={"case_id": outcome.case.case_id})
        insert_event(connection, kept, outcome.effects)
        yield Heard(kept, outcome.effects, outcome.case)
    write_cases(database, connection, changed.values())


def _there(connection: Connection, epoch: int, number: int) -> int:
    statement = sa.select(sa.func.count()).where(t.alert_record.c.epoch == epoch, t.alert_record.c.close_number == number)
    return int(connection.execute(statement).scalar_one())


def _records(connection: Connection, place: Place, at: datetime) -> list[Event]:
    r = t.alert_record.c
    rows = connection.execute(
        sa.select(t.alert_record).where(r.epoch == place.epoch, r.close_number == place.close_number, r.urn.is_not(None))
    ).all()
    days = SchoolDays.read(connection, (row.urn for row in rows))
    return [
        Event(event_id=row.record_id, urn=row.urn, place=place, at=at, actor=ENGINE, said=_said(row, days.after(row.urn, row.as_of)))
        for row in rows
    ]


def _said(row: sa.Row[Any], reopens_until: date) -> AlertSaid:
    evidence = dict(row.evidence)
    pupils = evidence.get("pupils_a_day")
    return AlertSaid(
        alert_id=row.alert_id,
        kind=AlertKind(row.kind),
        chart=row.chart,
        state=AlertState(row.state),
        opened_on=row.opened_on,
        as_of=row.as_of,
        rank=row.once_in_school_years,
        pupils_a_day=float(pupils) if isinstance(pupils, int | float) else None,
        leading_cell=leading_cell(evidence, row.attribution),
        reason=row.reason,
        reopens_until=reopens_until,
    )
