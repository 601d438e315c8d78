"""Sign-ins: rows behind a random cookie of which only the SHA-256 is kept; ended by sign-out, role change, revocation, 30 idle minutes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from casebook import tables as t
from casebook.directory import roles_of
from casebook.scope import Role, Scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    from casebook.database import Database
    from casebook.directory import Person

__all__ = ["IDLE", "SignIn", "SignIns"]

IDLE = timedelta(minutes=30)
_LONGEST = timedelta(hours=12)
_NOTED = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SignIn:
    """Who is signed in, in which role, and with which name."""

    person: Person
    created_at: datetime

    def scope(self, today: date) -> Scope:
        """What they see today."""
        return Scope(self.person.person, self.person.role, self.person.scope, today)


class SignIns:
    """The sign-ins of one console."""

    def __init__(self, database: Database, word: Callable[[], str], local_date: Callable[[datetime], date]) -> None:
        """word: what nobody can guess, another one at every call (`streams.unguessable.word`)."""
        self._database, self._word, self._local_date = database, word, local_date

    def begin(self, person: Person, now: datetime, former: str | None = None) -> str:
        """A new cookie; the former one (if any) is worth nothing from now on."""
        cookie = self._word()
        with self._database.write() as connection:
            if former is not None:
                connection.execute(sa.delete(t.sign_in).where(t.sign_in.c.cookie_sha256 == _hashed(former)))
            # An idle row signs nobody in, but says for a while whose typed text is kept (`casebook.kept_forms`).
            connection.execute(sa.delete(t.sign_in).where(t.sign_in.c.last_seen_at < now - _LONGEST))
            who = {"person": person.person, "role": str(person.role), "scope": person.scope}
            moments = {"created_at": now, "last_seen_at": now, "rotated_at": now}
            connection.execute(sa.insert(t.sign_in).values(cookie_sha256=_hashed(cookie), **who, **moments))
        return cookie

    def seen(self, cookie: str, now: datetime) -> SignIn | None:
        """Who this cookie is of; None when it is nobody's, idle too long, or its role is not valid any more."""
        key = t.sign_in.c.cookie_sha256 == _hashed(cookie)
        with self._database.read() as connection:
            row = connection.execute(sa.select(t.sign_in).where(key)).first()
            if row is None or row.last_seen_at < now - IDLE or row.created_at < now - _LONGEST:
                return None
            roles = roles_of(connection, self._local_date(now), person=row.person)
        person = next((one for one in roles if (one.role, one.scope) == (Role(row.role), row.scope)), None)
        if person is None:
            self.end(cookie)
            return None
        if now - row.last_seen_at >= _NOTED:
            with self._database.write() as connection:
                connection.execute(sa.update(t.sign_in).where(key).values(last_seen_at=now))
        return SignIn(person, row.created_at)

    def end(self, cookie: str) -> None:
        """Signed out."""
        with self._database.write() as connection:
            connection.execute(sa.delete(t.sign_in).where(t.sign_in.c.cookie_sha256 == _hashed(cookie)))

    def end_all(self, person: str) -> None:
        """Signed out everywhere."""
        with self._database.write() as connection:
            connection.execute(sa.delete(t.sign_in).where(t.sign_in.c.person == person))


def _hashed(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
