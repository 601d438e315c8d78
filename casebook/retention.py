"""What the casebook holds longer than it should, and its end: messages, names of those who left, sign-ins, old registers.

Events and the ledger are kept for six years and are append-only; they are counted here and never deleted. What the topics keep is
Kafka's business: each topic states its retention.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from casebook import tables as t
from casebook.outbox import MessageState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection

    from casebook.database import Database

__all__ = ["LEFT", "Due", "apply", "due"]

MESSAGE_DAYS = 396
"""13 months."""
NAME_DAYS = 731
"""24 months after somebody left."""
REGISTER_DAYS = 760
"""Two school years, as the topics keep them."""
SIGN_IN_DAYS = 1
HISTORY_DAYS = 6 * 366
LEFT = "(left)"
"""In place of a name."""
_DONE = [str(state) for state in (MessageState.SENT, MessageState.FAILED, MessageState.DROPPED)]
_PEOPLE_AT_ONCE = 500


class Due(NamedTuple):
    """what: as docs/data-protection.md calls it. rows: how many are due. deleted: whether `apply` ends them, or only a person can."""

    what: str
    kept_days: int
    rows: int
    deleted: bool = True


def due(database: Database, now: datetime) -> list[Due]:
    """What is due; changes nothing."""
    with database.read() as connection:
        return _due(connection, now)


def apply(database: Database, now: datetime) -> list[Due]:
    """End what is due, in one transaction; what was due before."""
    with database.write() as connection:
        before = _due(connection, now)
        connection.execute(sa.update(t.outbox).where(_messages(now)).values(body={}, recipient=None, problem=None))
        gone = sorted(_left(connection, now))
        for first in range(0, len(gone), _PEOPLE_AT_ONCE):
            here = t.person.c.person.in_(gone[first : first + _PEOPLE_AT_ONCE])
            connection.execute(sa.update(t.person).where(here).values(name=LEFT, email=""))
        for table, condition in _ended(now).items():
            connection.execute(sa.delete(table).where(condition))
    return before


def _due(connection: Connection, now: datetime) -> list[Due]:
    def count(table: sa.Table, condition: sa.ColumnElement[bool]) -> int:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table).where(condition)).scalar_one())

    ended = {table.name: count(table, condition) for table, condition in _ended(now).items()}
    old = now - timedelta(days=HISTORY_DAYS)
    return [
        Due("messages", MESSAGE_DAYS, count(t.outbox, _messages(now))),
        Due("names and addresses of those who left", NAME_DAYS, len(_left(connection, now))),
        Due("sign-ins", SIGN_IN_DAYS, ended["sign_in"]),
        Due("forms kept over an ended sign-in", SIGN_IN_DAYS, ended["kept_form"]),
        Due("registers and readings", REGISTER_DAYS, ended["register"] + ended["reading"] + ended["reading_path"]),
        Due("events", HISTORY_DAYS, count(t.event, t.event.c.at < old), deleted=False),
        Due("ledger", HISTORY_DAYS, count(t.ledger, t.ledger.c.at < old), deleted=False),
    ]


def _messages(now: datetime) -> sa.ColumnElement[bool]:
    """What was sent or given up long ago and still has somebody to go to; what waits is never old enough."""
    o = t.outbox.c
    return sa.and_(o.created_at < now - timedelta(days=MESSAGE_DAYS), o.state.in_(_DONE), o.recipient.is_not(None))


def _ended(now: datetime) -> Mapping[sa.Table, sa.ColumnElement[bool]]:
    yesterday, day = now - timedelta(days=SIGN_IN_DAYS), (now - timedelta(days=REGISTER_DAYS)).date()
    return {
        t.sign_in: t.sign_in.c.last_seen_at < yesterday,
        t.kept_form: t.kept_form.c.kept_at < yesterday,
        t.register: t.register.c.attendance_date < day,
        t.reading: t.reading.c.attendance_date < day,
        t.reading_path: t.reading_path.c.attendance_date < day,
    }


def _left(connection: Connection, now: datetime) -> set[str]:
    """People none of whose roles has stood within the time, and whose name is still there."""
    p, v = t.person.c, t.directory_version.c
    last: dict[str, date] = {}
    rows = sa.select(p.person, p.name, p.valid_to, v.at).outerjoin(t.directory_version, v.version == p.until_version)
    for person, name, valid_to, replaced in connection.execute(rows).all():
        ends = min(valid_to or date.max, date.max if replaced is None else replaced.date())
        last[person] = max(ends if name != LEFT else date.min, last.get(person, date.min))
    until = (now - timedelta(days=NAME_DAYS)).date()
    return {person for person, ended in last.items() if date.min < ended < until}
