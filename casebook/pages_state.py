"""What operators read: whether the casebook follows the engine, and whether what is to leave leaves. Numbers only, of no school."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from casebook import tables as t

if TYPE_CHECKING:
    from datetime import date, datetime

    from sqlalchemy.engine import Connection

__all__ = ["State", "state_of_service"]


@dataclass(frozen=True, slots=True)
class State:
    """newest_day, applied_at: of the newest close that has become cases."""

    newest_day: date | None
    applied_at: datetime | None
    closes_waiting: int
    messages_waiting: int
    messages_failed: int
    signed_in: int


def state_of_service(connection: Connection) -> State:
    """Four statements."""
    c, o = t.close_.c, t.outbox.c
    newest = connection.execute(
        sa.select(c.day, c.applied_at).where(c.applied_at.is_not(None)).order_by(c.epoch.desc(), c.number.desc()).limit(1)
    ).first()
    waiting = connection.execute(sa.select(sa.func.count()).select_from(t.close_).where(c.applied_at.is_(None))).scalar_one()
    states = {row[0]: int(row[1]) for row in connection.execute(sa.select(o.state, sa.func.count()).group_by(o.state))}
    signed_in = connection.execute(sa.select(sa.func.count()).select_from(t.sign_in)).scalar_one()
    return State(
        None if newest is None else newest.day,
        None if newest is None else newest.applied_at,
        waiting,
        states.get("waiting", 0) + states.get("sending", 0),
        states.get("failed", 0),
        signed_in,
    )
