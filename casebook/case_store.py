"""Cases and their history in the database: read, heard, acted upon. `case_` is the fold of `event`, written in the same transaction."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from casebook import tables as t
from casebook.case_state import Case, Place
from casebook.events import Event, said_from_json, said_to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from casebook.database import Database
    from casebook.events import Effect

__all__ = ["cases_of", "events_of", "insert_event", "known_events", "write_cases"]

_AT_ONCE = 5_000


def cases_of(connection: Connection, urns: Iterable[int]) -> dict[int, list[Case]]:
    """All cases of these schools, by URN, in the order in which they were opened."""
    out: dict[int, list[Case]] = defaultdict(list)
    for block in _blocks(sorted(set(urns))):
        statement = sa.select(t.case_.c.state).where(t.case_.c.urn.in_(block)).order_by(t.case_.c.opened_at, t.case_.c.case_id)
        for (state,) in connection.execute(statement):
            case = Case.model_validate(state)
            out[case.urn].append(case)
    return out


def write_cases(database: Database, connection: Connection, cases: Iterable[Case]) -> None:
    """As they stand now. Those that end come first: a school has one open case of a kind."""
    ordered = sorted(cases, key=lambda case: case.status == "open")
    for case in ordered:
        database.upsert(connection, t.case_, [_row(case)])


def known_events(connection: Connection, ids: Iterable[UUID]) -> set[UUID]:
    """Those of these ids that stand in the history."""
    out: set[UUID] = set()
    for block in _blocks(sorted(set(ids))):
        out |= set(connection.execute(sa.select(t.event.c.event_id).where(t.event.c.event_id.in_(block))).scalars())
    return out


def insert_event(connection: Connection, event: Event, effects: Sequence[Effect], text_sha256: bytes | None = None) -> dict[str, Any]:
    """Appends to the history; the row as it is kept."""
    row = {
        "event_id": event.event_id,
        "urn": event.urn,
        "case_id": event.case_id,
        "kind": event.said.what,
        "epoch": event.place.epoch,
        "close_number": event.place.close_number,
        "at": event.at,
        "actor": event.actor,
        "said": said_to_json(event.said),
        "effects": [str(effect) for effect in effects],
        "text_sha256": text_sha256,
    }
    connection.execute(sa.insert(t.event).values(row))
    return row


def events_of(connection: Connection, urn: int) -> list[Event]:
    """A school's whole history, in the order in which it was written."""
    statement = sa.select(t.event).where(t.event.c.urn == urn).order_by(t.event.c.number)
    return [_event(row) for row in connection.execute(statement)]


def _event(row: Any) -> Event:  # noqa: ANN401 (a row of `event`)
    place = Place(epoch=row.epoch, close_number=row.close_number)
    return Event(
        event_id=row.event_id, urn=row.urn, place=place, at=row.at, actor=row.actor, said=said_from_json(row.said), case_id=row.case_id
    )


def _row(case: Case) -> dict[str, Any]:
    size = case.size
    return {
        "case_id": case.case_id,
        "urn": case.urn,
        "kind": str(case.kind),
        "status": str(case.status),
        "version": case.version,
        "opened_at": case.opened_at,
        "changed_at": case.changed_at,
        "holder": case.holder,
        "snoozed": case.snooze is not None,
        "snoozed_until": None if case.snooze is None else case.snooze.until,
        "rank": size.rank,
        "pupils_a_day": size.pupils_a_day,
        "outcome": None if case.ending is None or case.ending.outcome is None else str(case.ending.outcome),
        "last_reason": None if case.last_reason is None else str(case.last_reason),
        "leading_record": case.leading.record_id,
        "state": case.model_dump(mode="json"),
    }


def _blocks(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (values[i : i + _AT_ONCE] for i in range(0, len(values), _AT_ONCE))
