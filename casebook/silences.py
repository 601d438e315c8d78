"""Alertmanager's silences: matchers over an alert's fingerprint and group, with author, comment and an expiry that must be given.

A silence keeps matching alerts from being told and marks their cases; it changes no case and no chart. Everybody of the hub sees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid5

import sqlalchemy as sa

from casebook import tables as t
from casebook.case_state import NotPossible
from casebook.scope import NotThere

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from casebook.case_state import Case, Fingerprint
    from casebook.database import Database
    from casebook.scope import Scope

__all__ = ["NAMES", "Silence", "end_silence", "matches", "silence", "silenced", "silences_now"]

NAMES = ("urn", "kind", "year_group")
"""What a matcher may name: the parts of a fingerprint. `urn` alone is the group of one school's alerts."""
_NAMESPACE_NAME = "silence"


@dataclass(frozen=True, slots=True)
class Silence:
    """matchers: every one of them must hold."""

    silence_id: UUID
    hub: str
    matchers: Mapping[str, str]
    author: str
    comment: str
    starts_at: datetime
    expires_at: datetime


def silence(
    database: Database, scope: Scope, matchers: Mapping[str, str], comment: str, expires_at: datetime, now: datetime, silence_id: UUID
) -> Silence:
    """Begins now; raises NotPossible without a matcher, a comment or an expiry to come, NotThere for a school out of scope."""
    if not scope.acts:
        raise NotThere("there is no such hub")
    if not matchers or set(matchers) - set(NAMES) or not all(matchers.values()):
        raise NotPossible(f"name what is silenced: {', '.join(NAMES)}")
    if not comment.strip():
        raise NotPossible("say why")
    if expires_at <= now:
        raise NotPossible("say when it ends, after now")
    made = Silence(uuid5(silence_id, _NAMESPACE_NAME), scope.of, dict(matchers), scope.person, comment.strip(), now, expires_at)
    with database.write() as connection:
        if "urn" in matchers:
            scope.check(connection, int(matchers["urn"]) if matchers["urn"].isdecimal() else -1)
        row = {name: getattr(made, name) for name in made.__slots__}
        connection.execute(sa.insert(t.silence).values(row))
    return made


def end_silence(database: Database, scope: Scope, silence_id: UUID, now: datetime) -> None:
    """Before its time; raises NotThere unless it is one of this hub that still holds."""
    s = t.silence.c
    with database.write() as connection:
        where = (s.silence_id == silence_id, s.hub == (scope.of if scope.acts else None), s.expires_at > now, s.ended_by.is_(None))
        if not connection.execute(sa.update(t.silence).where(*where).values(ended_by=scope.person)).rowcount:
            raise NotThere("there is no such silence")


def silences_now(connection: Connection, hub: str, now: datetime) -> tuple[Silence, ...]:
    """Those of a hub that hold."""
    s = t.silence.c
    statement = (
        sa.select(t.silence).where(s.hub == hub, s.starts_at <= now, s.expires_at > now, s.ended_by.is_(None)).order_by(s.expires_at)
    )
    rows = connection.execute(statement).all()
    return tuple(Silence(r.silence_id, r.hub, r.matchers, r.author, r.comment, r.starts_at, r.expires_at) for r in rows)


def matches(matchers: Mapping[str, str], fingerprint: Fingerprint) -> bool:
    """Whether all of them hold for an alert.

    >>> from casebook.case_state import Fingerprint
    >>> matches({"urn": "123456", "kind": "level_drop"}, Fingerprint("123456|level_drop|"))
    True
    """
    parts = dict(zip(NAMES, fingerprint.split("|"), strict=True))
    return all(parts[name] == value for name, value in matchers.items())


def silenced(case: Case, silences: Sequence[Silence]) -> bool:
    """Whether each open alert of the case is silenced."""
    lines = case.open_lines
    return bool(lines) and all(any(matches(one.matchers, line.fingerprint) for one in silences) for line in lines)
