"""What people's decisions say to the engine: closing with an outcome, and reopening, as acknowledgements in the outbox.

One acknowledgement for each chart with an open alert; nothing for `data` and `sudden`, which have no chart. It is effective from the
`as_of` of the close that the person saw, and the next close counts it. Reopening retracts what the last closing said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from casebook import tables as t
from casebook.outbox import put
from schemas.acknowledgement import Acknowledgement, Verdict, canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from casebook.database import Database
    from casebook.events import Event

__all__ = ["CHANNEL", "CLASS", "acknowledge", "acknowledgements_sent", "retract"]

CLASS, CHANNEL = "acknowledgement", "log"
"""The outbox's class and channel of them."""


def acknowledge(database: Database, connection: Connection, event: Event, charts: Iterable[str], effective: date, verdict: Verdict) -> None:
    """A closing with an outcome, in the transaction that writes the event."""
    for chart in charts:
        _say(database, connection, event, chart, effective, verdict)


def retract(database: Database, connection: Connection, event: Event, closing: UUID) -> None:
    """A reopening: what the event `closing` said is as if never said."""
    a = t.acknowledgement.c
    said = connection.execute(sa.select(a.chart, a.effective_date).where(a.event_id == closing).order_by(a.chart)).all()
    for chart, effective in said:
        _say(database, connection, event, chart, effective, Verdict.RETRACTED)


def acknowledgements_sent(connection: Connection) -> Iterator[bytes]:
    """Every acknowledgement that was carried to the log, canonical, in the order of saying: a file of them is one a replay reads."""
    o = t.outbox.c
    statement = sa.select(o.body).where(o.class_ == CLASS, o.state == "sent").order_by(o.number)
    return (str(body["line"]).encode() for body in connection.execute(statement).scalars())


def _say(database: Database, connection: Connection, event: Event, chart: str, effective: date, verdict: Verdict) -> None:
    a, urn = t.acknowledgement.c, event.urn
    same = (a.urn == event.urn, a.chart == chart, a.effective_date == effective)
    revision = connection.execute(sa.select(sa.func.coalesce(sa.func.max(a.revision), -1)).where(*same)).scalar_one() + 1
    said = Acknowledgement(
        urn=event.urn, chart=chart, effective_date=effective, verdict=verdict, revision=revision, recorded_at=event.at, actor=event.actor
    )
    row = {"event_id": event.event_id, "recorded_at": event.at, "verdict": str(verdict), "actor": event.actor}
    key = {"urn": event.urn, "chart": chart, "effective_date": effective, "revision": revision}
    connection.execute(sa.insert(t.acknowledgement).values(**key, **row))
    put(
        database,
        connection,
        class_=CLASS,
        key=f"{urn}|{chart}|{effective}|{revision}",
        channel=CHANNEL,
        body={"urn": urn, "line": canonical(said).decode()},
        at=event.at,
        event_id=event.event_id,
    )
