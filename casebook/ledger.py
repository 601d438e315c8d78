"""The ledger: who looked at or did what about a school, one HMAC chain a school, the key outside the database.

A row's MAC covers the row and the MAC before it; of an event it covers the event's SHA-256, so that an event edited afterwards is
found too. What can be found inside the database: an edited, deleted, reordered or inserted row. A cut-off end, or a chain written
anew by someone who has the key, is found against the heads that each close exports to a file (`ledger_export`).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from casebook import tables as t
from schemas.errors import BrokenPromise

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from casebook.database import Database

__all__ = ["GENESIS", "Action", "Entry", "Ledger", "event_digest", "text_digest"]

GENESIS = b"\0" * 32
"""The MAC before the first row."""
_KEY_BYTES_MIN = 32


class Action(StrEnum):
    """What a row says was done; of an event (take, close, …) the action is the event's own word."""

    OPENED_CASE = "opened_case"
    OPENED_SCHOOL = "opened_school"
    SAW_PATH = "saw_path"
    EXPORTED = "exported"
    REDACTED = "redacted"


@dataclass(frozen=True, slots=True)
class Entry:
    """A row to be. action: an `Action`, or an event's word; purpose: from a list, where one is asked for."""

    urn: int
    at: datetime
    actor: str
    role: str
    action: str
    purpose: str | None = None
    case_id: UUID | None = None
    event_id: UUID | None = None
    event_sha256: bytes | None = None
    text_sha256: bytes | None = None


class Ledger:
    """Writes the chains. The key never leaves it."""

    def __init__(self, database: Database, key: bytes) -> None:
        """key: at least 32 bytes, from a file of its own."""
        if len(key) < _KEY_BYTES_MIN:
            raise BrokenPromise(f"a ledger key has at least {_KEY_BYTES_MIN} bytes, this one {len(key)}")
        self._database, self._key = database, key

    def lock(self, connection: Connection, urn: int) -> None:
        """From here to the end of the transaction nobody else writes this school's history."""
        self._head(connection, urn)

    def write(self, connection: Connection, entry: Entry) -> None:
        """Appends a row to its school's chain, in the caller's transaction."""
        count, head = self._head(connection, entry.urn)
        row = {
            "urn": entry.urn,
            "number": count + 1,
            "at": entry.at,
            "actor": entry.actor,
            "role": entry.role,
            "action": entry.action,
            "purpose": entry.purpose,
            "case_id": entry.case_id,
            "event_id": entry.event_id,
            "event_sha256": entry.event_sha256,
            "text_sha256": entry.text_sha256,
        }
        mac = self.mac(head, row)
        connection.execute(sa.insert(t.ledger).values(**row, mac=mac))
        where = t.ledger_head.c.urn == entry.urn
        connection.execute(sa.update(t.ledger_head).where(where).values(rows=count + 1, head=mac))

    def mac(self, before: bytes, row: Mapping[str, Any]) -> bytes:
        """HMAC-SHA-256 of a row behind the MAC before it."""
        return hmac.new(self._key, before + _canonical(row), hashlib.sha256).digest()

    def _head(self, connection: Connection, urn: int) -> tuple[int, bytes]:
        statement = sa.select(t.ledger_head.c.rows, t.ledger_head.c.head).where(t.ledger_head.c.urn == urn).with_for_update()
        found = connection.execute(statement).first()
        if found is None:
            self._database.insert_new(connection, t.ledger_head, [{"urn": urn, "rows": 0, "head": GENESIS, "exported": 0}])
            found = connection.execute(statement).one()
        return int(found.rows), bytes(found.head)


def event_digest(row: Mapping[str, Any]) -> bytes:
    """SHA-256 of an event as it is kept, without its number and its words."""
    names = ("event_id", "urn", "case_id", "kind", "epoch", "close_number", "at", "actor", "said", "effects", "text_sha256")
    return hashlib.sha256(_canonical({name: row[name] for name in names})).digest()


def text_digest(salt: bytes, words: str) -> bytes:
    """Salted SHA-256 of what somebody wrote: once the salt is gone, it says nothing about the words."""
    return hashlib.sha256(len(salt).to_bytes(4, "big") + salt + words.encode()).digest()


def _canonical(row: Mapping[str, Any]) -> bytes:
    said = {name: _plain(value) for name, value in row.items() if name != "mac"}
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _plain(value: Any) -> Any:  # noqa: ANN401 (JSON, bytes, moments, ids)
    if value is None or isinstance(value, str | int | float | dict | list):
        return value
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat(timespec="microseconds") if hasattr(value, "isoformat") else str(value)
