"""What somebody had typed when the sign-in ended: kept for the same person for an hour, given back once."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from casebook import tables as t

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from casebook.database import Database

__all__ = ["KEPT_FOR", "keep_form", "take_form"]

KEPT_FOR = timedelta(hours=1)
ADDRESS_MOST = 200


def keep_form(database: Database, cookie: str, address: str, fields: Mapping[str, str], now: datetime) -> bool:
    """Keeps one form for whoever this cookie was of, in place of an earlier one; False where that is not known any more.
    address: of the page that holds the form; none of ours is longer than the column."""
    if len(address) > ADDRESS_MOST:
        return False
    with database.write() as connection:
        of_cookie = t.sign_in.c.cookie_sha256 == hashlib.sha256(cookie.encode()).digest()
        person = connection.execute(sa.select(t.sign_in.c.person).where(of_cookie)).scalar()
        if person is None:
            return False
        database.upsert(connection, t.kept_form, [{"person": person, "address": address, "fields": dict(fields), "kept_at": now}])
    return True


def take_form(database: Database, person: str, address: str, now: datetime) -> dict[str, str]:
    """What was kept for this person and page, and from now on is no more; empty where nothing is, or it is too old."""
    k = t.kept_form.c
    mine = (k.person == person, k.address == address)
    with database.read() as connection:
        row = connection.execute(sa.select(k.fields, k.kept_at).where(*mine)).first()
    if row is None:
        return {}
    with database.write() as connection:
        connection.execute(sa.delete(t.kept_form).where(*mine))
    return {str(name): str(value) for name, value in row.fields.items()} if now - row.kept_at <= KEPT_FOR else {}
