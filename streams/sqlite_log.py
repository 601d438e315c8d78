"""The embedded logs: registers, acknowledgements, rejects, the control log and the alert log in one SQLite file.

A position is a row number, counted from 1 without holes. The same canonical bytes are one row, whoever sends them and
how often. All is durable when a method returns; a process killed at any instruction leaves whole transactions. Every body
stands beside its SHA-256 and is compared with it when read, so a flipped bit is an error and never another answer.
"""

from __future__ import annotations

import hashlib
import threading
import uuid
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from schemas.errors import BadContents, BrokenPromise, InvalidRegister
from schemas.reject import Reject, RejectReason
from streams import clock
from streams.sqlite_file import RESTORE, ExclusiveLock, LogUnavailable, connect, make_private, named_errors

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

__all__ = ["Appended", "EmbeddedLogs", "LogUnavailable", "ReplayedRejects"]

APPLICATION_ID = 0x48574C47  # "HWLG", in the file's header: `file` and we can tell whose it is.
SCHEMA_VERSION = 2
PAGE_ROWS = 4096
"""Rows read by one statement, so that a long reader never holds back SQLite's checkpoints."""

_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE register (
    position INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL, digest BLOB NOT NULL UNIQUE, received_at TEXT NOT NULL);
CREATE TABLE acknowledgement (
    position INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL, digest BLOB NOT NULL UNIQUE, received_at TEXT NOT NULL);
CREATE TABLE control (
    position INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL, digest BLOB NOT NULL, received_at TEXT NOT NULL);
CREATE TABLE reject (
    position INTEGER PRIMARY KEY AUTOINCREMENT, reason TEXT NOT NULL, detail TEXT NOT NULL, sha256 BLOB NOT NULL UNIQUE,
    original BLOB NOT NULL, length INTEGER NOT NULL, state TEXT NOT NULL CHECK (state IN ('new', 'replayed')), received_at TEXT NOT NULL);
CREATE TABLE alert (record_id TEXT PRIMARY KEY, close_number INTEGER NOT NULL, body BLOB NOT NULL, digest BLOB NOT NULL);
CREATE INDEX alert_by_close ON alert (close_number);
"""
_READINGS = "CREATE TABLE reading (urn INTEGER PRIMARY KEY, close_number INTEGER NOT NULL, body BLOB NOT NULL)"
"""Of the last close; since version 2."""


class Appended(NamedTuple):
    """Where a record stands, and whether it stood there before."""

    position: int
    duplicate: bool


class ReplayedRejects(NamedTuple):
    """What came of offering the rejects again; `incomplete` originals (oversized) cannot be."""

    accepted: int
    rejected: int
    incomplete: int


class EmbeddedLogs:
    """The logs in one file; methods may be called from any thread. One process holds the file at a time."""

    def __init__(self, path: Path, *, now: Callable[[], datetime] = clock.now) -> None:
        """Opens the file or makes it.

        Raises
        ------
        WrongUsage
            It cannot be opened, or another process holds it.
        BadContents
            It is not ours, torn, emptied, or of another schema version.
        LogUnavailable
            The disk refuses.
        """
        self.path = path
        self._now = now
        self._lock = threading.RLock()
        # The lock comes first: to open and close a database file that this process holds would drop SQLite's own locks.
        self._exclusive = ExclusiveLock(path)
        try:
            make_private(path)
            with named_errors(path):
                self._connection = connect(path, write=True)
            try:
                with named_errors(path):
                    self.log_id = self._check_or_make()
                self._exclusive.remember(self.log_id)
            except BaseException:
                self._connection.close()
                raise
        except BaseException:
            self._exclusive.release()
            raise

    def close(self) -> None:
        """Gives the file up; further calls raise, but for this one."""
        with self._lock:
            self._connection.close()
            self._exclusive.release()

    def _check_or_make(self) -> str:
        one = self._one
        with self._reading() as connection:  # Its own: after a quick_check SQLite 3.40 holds a lock until the connection ends.
            if connection.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]:
                raise BadContents("this log is torn", file=str(self.path), remedy=RESTORE)
        if one("PRAGMA application_id") == 0 and one("SELECT count(*) FROM sqlite_master") == 0:
            if known := self._exclusive.log_id():
                raise BadContents(
                    f"this file is empty, but it held the log {known}",
                    file=str(self.path),
                    remedy=f"{RESTORE} after deleting this one and its .lock",
                )
            with self._transaction() as connection:
                for statement in (*_SCHEMA.split(";\n"), _READINGS):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                rows = [("schema_version", str(SCHEMA_VERSION)), ("log_id", uuid.uuid4().hex)]
                connection.executemany("INSERT INTO meta VALUES (?, ?)", rows)
        if one("PRAGMA application_id") != APPLICATION_ID:
            raise BadContents("this SQLite file is not a Headway log", file=str(self.path), remedy="Name another file")
        if one("SELECT value FROM meta WHERE name = 'schema_version'") == "1":
            with self._transaction() as connection:
                connection.execute(_READINGS)
                connection.execute("UPDATE meta SET value = '2' WHERE name = 'schema_version'")
        version = one("SELECT value FROM meta WHERE name = 'schema_version'")
        if version != str(SCHEMA_VERSION):
            raise BadContents(
                f"this log has schema version {version}, this Headway reads {SCHEMA_VERSION}",
                file=str(self.path),
                remedy="Run the Headway that wrote it, or replay its registers into a new file",
            )
        one("PRAGMA journal_mode = WAL")  # Only now: a file that is not ours is left as it was.
        # What a killed process had written but perhaps not synced is synced now, before anyone is told "duplicate".
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return str(one("SELECT value FROM meta WHERE name = 'log_id'"))

    def _one(self, sql: str) -> object:
        rows = self._connection.execute(sql).fetchall()  # All of them: a statement left open would lock its table.
        return rows[0][0] if rows else None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, durable at the end; one writer at a time."""
        with self._lock, named_errors(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # A full disk makes SQLite roll back by itself.
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with named_errors(self.path), closing(connect(self.path, write=False)) as connection:
            yield connection

    # Registers and acknowledgements

    def append(self, registers: Sequence[bytes], rejects: Sequence[Reject]) -> tuple[list[Appended], list[Appended]]:
        """Registers (canonical bytes) and rejects in one transaction, in this order."""
        received_at = self._now().isoformat()
        with self._transaction() as connection:
            kept = [_keep(connection, "register", body, received_at) for body in registers]
            refused = [_keep_reject(connection, reject, received_at) for reject in rejects]
        return kept, refused

    def append_registers(self, bodies: Sequence[bytes]) -> list[Appended]:
        """Canonical bytes, appended unless they stand there already; one transaction."""
        return self.append(bodies, ())[0]

    def append_acknowledgements(self, bodies: Sequence[bytes]) -> list[Appended]:
        """Canonical bytes, appended unless they stand there already; one transaction."""
        received_at = self._now().isoformat()
        with self._transaction() as connection:
            return [_keep(connection, "acknowledgement", body, received_at) for body in bodies]

    def read_registers(self, after: int, upto: int, limit: int | None = None) -> Iterator[tuple[int, bytes]]:
        """(position, canonical bytes) with after < position <= upto, in order, at most `limit`; not held in memory.

        Raises BadContents where the log ends before `upto`, has a hole, or a body is not what was written.
        """
        return self._read("register", after, upto, limit)

    def read_acknowledgements(self, after: int, upto: int, limit: int | None = None) -> Iterator[tuple[int, bytes]]:
        """As `read_registers`."""
        return self._read("acknowledgement", after, upto, limit)

    def end_positions(self) -> dict[str, int]:
        """The newest position of each input log, by its table's name; 0 for an empty one."""
        with self._reading() as connection:
            connection.execute("BEGIN")  # One snapshot for both.
            return {table: _end(connection, table) for table in ("register", "acknowledgement")}

    def first_received_at(self) -> str | None:
        """When the first register came (ISO 8601, UTC), or None."""
        with self._reading() as connection:
            row = connection.execute("SELECT received_at FROM register ORDER BY position LIMIT 1").fetchone()
            return None if row is None else str(row[0])

    def _read(self, table: str, after: int, upto: int, limit: int | None = None) -> Iterator[tuple[int, bytes]]:
        last = upto if limit is None else min(upto, after + limit)
        while after < last:
            with self._reading() as connection:
                end = _end(connection, table)
                if upto > end:
                    raise BadContents(f"position {upto} is asked for, the {table} log ends at {end}", file=str(self.path), remedy=RESTORE)
                sql = f"SELECT position, body, digest FROM {table} WHERE position > ? AND position <= ? ORDER BY position"  # noqa: S608 (table names are ours)
                rows = connection.execute(sql, (after, min(last, after + PAGE_ROWS))).fetchall()
            for position, body, digest in rows:
                if position != after + 1:
                    break
                yield position, self._unharmed(table, position, body, digest)
                after = position
            if not rows or after != rows[-1][0]:
                raise BadContents(f"position {after + 1} of the {table} log is missing", file=str(self.path), remedy=RESTORE)

    def _unharmed(self, table: str, place: object, body: bytes, digest: bytes) -> bytes:
        if hashlib.sha256(body).digest() != digest:
            raise BadContents(f"{table} {place} is not what was written", file=str(self.path), remedy=RESTORE)
        return body

    # The control log and the alerts

    def append_control(self, record: bytes) -> int:
        """One record of the control log; its position. Never deduplicated: the fold says which records are void."""
        with self._transaction() as connection:
            row = (record, hashlib.sha256(record).digest(), self._now().isoformat())
            cursor = connection.execute("INSERT INTO control (body, digest, received_at) VALUES (?, ?, ?)", row)
            return int(cursor.lastrowid or 0)

    def read_control(self, after: int = 0) -> Iterator[tuple[int, bytes]]:
        """(position, record) of the control log behind `after`, in order."""
        with self._reading() as connection:
            end = _end(connection, "control")
        return self._read("control", after, end)

    def publish_alerts(self, close_number: int, records: Iterable[tuple[str, bytes]]) -> None:
        """(record id, bytes) of one close, in one transaction; a repeat changes nothing.

        Raises BrokenPromise when a record id stands there with other bytes or another close: what was said is never edited.
        """
        with self._transaction() as connection:
            for record_id, body in records:
                row = (record_id, close_number, body, hashlib.sha256(body).digest())
                if connection.execute("INSERT INTO alert VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", row).rowcount:
                    continue
                said = connection.execute("SELECT close_number, body FROM alert WHERE record_id = ?", (record_id,)).fetchone()
                if said != (close_number, body):
                    raise BrokenPromise(f"alert record {record_id} of close {said[0]} was published with other bytes")

    def publish_readings(self, close_number: int, records: Iterable[tuple[int, bytes]]) -> None:
        """(URN, bytes) of one close, in place of those of earlier closes; one transaction."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM reading WHERE close_number <> ?", (close_number,))
            rows = [(urn, close_number, body) for urn, body in records]
            connection.executemany("INSERT OR REPLACE INTO reading VALUES (?, ?, ?)", rows)

    def read_readings(self) -> tuple[int, dict[int, bytes]]:
        """The number of the last close that published readings (0: none), and its readings by URN."""
        with self._reading() as connection:
            held = connection.execute("SELECT close_number, urn, body FROM reading ORDER BY urn").fetchall()
        return (held[0][0] if held else 0), {urn: body for _, urn, body in held}

    def read_alerts(self) -> Iterator[tuple[int, str, bytes]]:
        """(close number, record id, bytes) of all that was published, by close, then as published."""
        with self._reading() as connection:
            closes = [row[0] for row in connection.execute("SELECT DISTINCT close_number FROM alert ORDER BY close_number")]
        for number in closes:
            with self._reading() as connection:
                sql = "SELECT record_id, body, digest FROM alert WHERE close_number = ? ORDER BY rowid"
                rows = connection.execute(sql, (number,)).fetchall()
            for record_id, body, digest in rows:
                yield number, record_id, self._unharmed("alert", record_id, body, digest)

    # Rejects

    def append_rejects(self, rejects: Sequence[Reject]) -> list[Appended]:
        """Rejected originals, one row for each distinct SHA-256; one transaction."""
        return self.append((), rejects)[1]

    def read_rejects(self, *, state: str = "new", after: int = 0) -> Iterator[tuple[int, Reject]]:
        """(position, reject) of one state, in order of arrival."""
        while True:
            with self._reading() as connection:
                sql = (
                    "SELECT position, reason, detail, sha256, original, length FROM reject"
                    " WHERE position > ? AND state = ? ORDER BY position LIMIT 256"
                )
                rows = connection.execute(sql, (after, state)).fetchall()
            for row in rows:
                position, reason, detail, sha256, original, length = row
                if len(original) == length:
                    self._unharmed("reject", position, original, sha256)
                yield position, Reject(RejectReason(reason), detail, original, length, sha256.hex())
            if not rows:
                return
            after = rows[-1][0]

    def replay_rejects(self, offer: Callable[[bytes], bytes]) -> ReplayedRejects:
        """Offers each original again to `offer`, which gives canonical bytes or raises InvalidRegister.

        What is accepted is appended to the register log and marked as replayed in the same transaction.
        """
        accepted = rejected = incomplete = 0
        for position, reject in self.read_rejects():
            if len(reject.original) != reject.length:
                incomplete += 1
                continue
            try:
                body = offer(reject.original)
            except InvalidRegister:
                rejected += 1
                continue
            with self._transaction() as connection:
                _keep(connection, "register", body, self._now().isoformat())
                connection.execute("UPDATE reject SET state = 'replayed' WHERE position = ?", (position,))
            accepted += 1
        return ReplayedRejects(accepted, rejected, incomplete)


def _end(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT coalesce(max(position), 0) FROM {table}").fetchone()[0])  # noqa: S608 (table names are ours)


def _keep(connection: sqlite3.Connection, table: str, body: bytes, received_at: str) -> Appended:
    # Looked for first: an ignored INSERT may use up a number, and a hole in the positions means a lost row.
    digest = hashlib.sha256(body).digest()
    row = connection.execute(f"SELECT position FROM {table} WHERE digest = ?", (digest,)).fetchone()  # noqa: S608 (table names are ours)
    if row is not None:
        return Appended(row[0], duplicate=True)
    sql = f"INSERT INTO {table} (body, digest, received_at) VALUES (?, ?, ?)"  # noqa: S608 (table names are ours)
    return Appended(int(connection.execute(sql, (body, digest, received_at)).lastrowid or 0), duplicate=False)


def _keep_reject(connection: sqlite3.Connection, reject: Reject, received_at: str) -> Appended:
    digest = bytes.fromhex(reject.sha256)
    row = connection.execute("SELECT position FROM reject WHERE sha256 = ?", (digest,)).fetchone()
    if row is not None:
        return Appended(row[0], duplicate=True)
    detail = reject.detail.encode("utf-8", "backslashreplace").decode()  # A lone surrogate in a message is no UTF-8.
    values = (reject.reason.value, detail, digest, reject.original, reject.length, received_at)
    sql = "INSERT INTO reject (reason, detail, sha256, original, length, state, received_at) VALUES (?, ?, ?, ?, ?, 'new', ?)"
    return Appended(int(connection.execute(sql, values).lastrowid or 0), duplicate=False)
