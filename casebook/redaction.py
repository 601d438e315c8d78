"""Words that should not have been written (a pupil's name) are taken away for good; that they were stays on the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from casebook import tables as t
from casebook.ledger import Action, Entry
from casebook.scope import NotThere

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from casebook.database import Database
    from casebook.ledger import Ledger

__all__ = ["redact"]


def redact(database: Database, ledger: Ledger, event_id: UUID, actor: str, now: datetime) -> int:
    """Remove an event's words and their salt; the URN of its school. Again: nothing more. Raises NotThere where there are none."""
    with database.write() as connection:
        e, f = t.event.c, t.free_text.c
        statement = sa.select(e.urn, e.case_id, f.words).join(t.free_text, f.event_id == e.event_id).where(e.event_id == event_id)
        found = connection.execute(statement).first()
        if found is None:
            raise NotThere(f"{event_id}: there is no event with words of this id")
        if found.words is not None:
            gone = {"words": None, "salt": None, "redacted_at": now, "redacted_by": actor}
            connection.execute(sa.update(t.free_text).where(f.event_id == event_id).values(**gone))
            row = Entry(
                urn=found.urn, at=now, actor=actor, role="ops", action=str(Action.REDACTED), case_id=found.case_id, event_id=event_id
            )
            ledger.write(connection, row)
    return int(found.urn)
