"""The outbox: everything that leaves the casebook waits here, written in the transaction of what caused it, said once.

A message is of a class, has a key that is unique in its class, and is not sent before its moment. Whoever carries it takes it for a
few minutes (`sending`), and it is taken again if it was never heard of: a message rather comes twice, with the same id, than never.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import sqlalchemy as sa

from casebook import tables as t

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from casebook.database import Database

__all__ = ["ATTEMPTS_MAX", "PAUSES", "Message", "MessageState", "Outbox", "message_id", "put"]

_NAMESPACE = UUID("5b2f3c0a-4a1e-5d52-8a11-3f1d3a0c9c77")
LEASE = timedelta(minutes=5)
PAUSES = tuple(timedelta(minutes=m) for m in (1, 2, 5, 15, 60, 120, 240, 480))
"""How long it waits after each failure."""
ATTEMPTS_MAX = len(PAUSES) + 1


class MessageState(StrEnum):
    """waiting: to be sent; sending: somebody has it; dropped: it may not be sent any more; failed: it was tried often enough."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Message:
    """One message to be carried. recipient: a person, a hub (chat), or None (a log)."""

    number: int
    message_id: UUID
    class_: str
    key: str
    recipient: str | None
    channel: str
    body: Mapping[str, Any]
    event_id: UUID | None
    attempts: int


def message_id(class_: str, key: str) -> UUID:
    """Of what is said to whom: the same message always has the same id."""
    return uuid5(_NAMESPACE, f"{class_}|{key}")


def put(
    database: Database,
    connection: Connection,
    *,
    class_: str,
    key: str,
    channel: str,
    body: Mapping[str, Any],
    at: datetime,
    recipient: str | None = None,
    event_id: UUID | None = None,
    directory_version: int | None = None,
) -> bool:
    """Queue a message in the caller's transaction; False where one of this class and key stands there already."""
    row = {
        "message_id": message_id(class_, key),
        "class_": class_,
        "key": key,
        "recipient": recipient,
        "channel": channel,
        "body": dict(body),
        "event_id": event_id,
        "directory_version": directory_version,
        "created_at": at,
        "not_before": at,
        "attempts": 0,
        "state": str(MessageState.WAITING),
    }
    return bool(database.insert_new(connection, t.outbox, [row]))


class Outbox:
    """What is due, and what became of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, channels: Sequence[str], now: datetime, limit: int = 50) -> list[Message]:
        """What is due on these channels, in the order of writing; it is nobody else's for five minutes."""
        o = t.outbox.c
        due = (o.channel.in_(channels), o.state.in_([MessageState.WAITING, MessageState.SENDING]), o.not_before <= now)
        statement = sa.select(t.outbox).where(*due).order_by(o.number).limit(limit).with_for_update(skip_locked=True)
        with self._database.write() as connection:
            rows = connection.execute(statement).all()
            ids = [row.number for row in rows]
            values = {"state": str(MessageState.SENDING), "not_before": now + LEASE, "attempts": o.attempts + 1}
            connection.execute(sa.update(t.outbox).where(o.number.in_(ids)).values(values))
        return [Message(r.number, r.message_id, r.class_, r.key, r.recipient, r.channel, r.body, r.event_id, r.attempts + 1) for r in rows]

    def sent(self, message: Message, now: datetime) -> None:
        """It has arrived."""
        self._mark(message, state=str(MessageState.SENT), sent_at=now, problem=None)

    def dropped(self, message: Message, problem: str) -> None:
        """It may not be sent any more."""
        self._mark(message, state=str(MessageState.DROPPED), problem=problem)

    def refused(self, message: Message, problem: str) -> None:
        """It will never be taken."""
        self._mark(message, state=str(MessageState.FAILED), problem=problem)

    def put_off(self, message: Message, problem: str, now: datetime, *, always: bool = False) -> None:
        """It is tried again later, until it has been tried often enough; always: for as long as it takes."""
        if message.attempts >= ATTEMPTS_MAX and not always:
            self.refused(message, problem)
            return
        pause = PAUSES[min(message.attempts, len(PAUSES)) - 1]
        self._mark(message, state=str(MessageState.WAITING), not_before=now + pause, problem=problem)

    def _mark(self, message: Message, **values: Any) -> None:  # noqa: ANN401 (columns of `outbox`)
        with self._database.write() as connection:
            connection.execute(sa.update(t.outbox).where(t.outbox.c.number == message.number).values(**values))
