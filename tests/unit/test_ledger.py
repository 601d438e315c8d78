"""Whoever tampers with the ledger is found, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from casebook import tables as t
from casebook.ledger import GENESIS, Ledger
from casebook.ledger_check import export_heads, read_heads, verify
from casebook.redaction import redact
from schemas.alert import AlertKind, AlertState
from tests.casebooks import HUB_A, KEY, Book, alert

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from casebook.database import Database

URN = HUB_A[0]


@pytest.fixture
def book(database: Database) -> Book:
    """A school with five rows in its ledger: looks, a take with words, a note."""
    book = Book(database)
    book.close(20, alert(URN, AlertKind.LEVEL_DROP, AlertState.OPENED, 20, 20))
    case, ann = book.case(URN), book.scope()
    book.looks.open_case(ann, case.case_id, book.now)
    case = book.work.take(ann, case.case_id, case.version, book.now, "I ring them")
    book.looks.open_school(ann, URN, book.now)
    book.work.note(ann, case.case_id, case.version, book.now, "no answer")
    book.looks.open_case(ann, case.case_id, book.now)
    return book


def unlocked(book: Book, table: str) -> None:
    """As somebody would who owns the database: the triggers away."""
    with book.database.write() as connection:
        for verb in ("update", "delete"):
            on = "" if book.database.is_sqlite else f" ON {table}"
            connection.execute(sa.text(f"DROP TRIGGER {table}_refuses_{verb}{on}"))


def rewritten(connection: Connection, key: bytes, database: Database) -> None:
    """The chain written anew without its third row."""
    rows = [
        dict(row) for row in connection.execute(sa.select(t.ledger).where(t.ledger.c.urn == URN).order_by(t.ledger.c.number)).mappings()
    ]
    connection.execute(sa.delete(t.ledger).where(t.ledger.c.urn == URN))
    head, ledger = GENESIS, Ledger(database, key)
    for number, row in enumerate((row for row in rows if row["number"] != 3), 1):
        row["number"] = number
        head = row["mac"] = ledger.mac(head, row)
        connection.execute(sa.insert(t.ledger).values(row))
    connection.execute(sa.update(t.ledger_head).where(t.ledger_head.c.urn == URN).values(rows=len(rows) - 1, head=head))


def cut_off(connection: Connection) -> None:
    """The last row away, and the head put back to the one before."""
    before = connection.execute(sa.select(t.ledger.c.mac).where(t.ledger.c.urn == URN, t.ledger.c.number == 4)).scalar_one()
    connection.execute(sa.text(f"DELETE FROM ledger WHERE urn = {URN} AND number = 5"))
    connection.execute(sa.update(t.ledger_head).where(t.ledger_head.c.urn == URN).values(rows=4, head=before))


def swapped(connection: Connection) -> None:
    for a, b in ((2, 99), (3, 2), (99, 3)):
        connection.execute(sa.text(f"UPDATE ledger SET number = {b} WHERE urn = {URN} AND number = {a}"))


TAMPERINGS: dict[str, Callable[[Connection], Any]] = {
    "a row edited": lambda c: c.execute(sa.text(f"UPDATE ledger SET actor = 'nobody' WHERE urn = {URN} AND number = 2")),
    "a row deleted": lambda c: c.execute(sa.text(f"DELETE FROM ledger WHERE urn = {URN} AND number = 2")),
    "the last row deleted": lambda c: c.execute(sa.text(f"DELETE FROM ledger WHERE urn = {URN} AND number = 5")),
    "the last row deleted, the head put back": cut_off,
    "two rows changed places": swapped,
    "all rows deleted": lambda c: c.execute(sa.text("DELETE FROM ledger")),
    "the chain written anew": lambda c: rewritten(c, b"x" * 32, None),  # type: ignore[arg-type]
    "the chain written anew with the key": lambda c: rewritten(c, KEY, None),  # type: ignore[arg-type]
    "an event edited": lambda c: c.execute(sa.text("UPDATE event SET actor = 'amy' WHERE kind = 'take'")),
    "an event deleted": lambda c: c.execute(sa.text("DELETE FROM event WHERE kind = 'note'")),
    "words edited": lambda c: c.execute(sa.text("UPDATE free_text SET words = 'nothing'")),
    "words deleted": lambda c: c.execute(sa.text("DELETE FROM free_text")),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found(book: Book, tmp_path: Path, name: str) -> None:
    heads = tmp_path / "heads"
    assert export_heads(book.database, heads, book.now) == 1
    assert verify(book.database, book.ledger, read_heads(heads)) == []
    for table in ("event", "ledger"):
        unlocked(book, table)
    with book.database.write() as connection:
        if not book.database.is_sqlite:
            connection.execute(sa.text("SET CONSTRAINTS ALL DEFERRED"))
            connection.execute(sa.text("SET session_replication_role = replica"))
        else:
            connection.execute(sa.text("PRAGMA defer_foreign_keys = ON"))
        if name == "an event deleted":
            connection.execute(sa.text("DELETE FROM free_text"))
        TAMPERINGS[name](connection)
    faults = verify(book.database, book.ledger, read_heads(heads))
    assert any(("event" in fault.what) if "event" in name else fault.what for fault in faults)


def test_a_row_that_is_written_by_hand_is_found_before_any_export(book: Book) -> None:
    with book.database.write() as connection:
        row = dict(connection.execute(sa.select(t.ledger).where(t.ledger.c.number == 5)).mappings().one())
        connection.execute(sa.insert(t.ledger).values(row | {"number": 6, "mac": b"m" * 32}))
    assert {fault.number for fault in verify(book.database, book.ledger, {})} == {6, None}


def test_heads_are_exported_once_and_a_torn_line_is_passed_over(book: Book, tmp_path: Path) -> None:
    heads = tmp_path / "heads"
    export_heads(book.database, heads, book.now)
    assert export_heads(book.database, heads, book.now) == 0
    with heads.open("ab") as file:
        file.write(b'{"at":"20')
    assert list(read_heads(heads)[URN]) == [5]
    assert heads.stat().st_mode & 0o777 == 0o600


def test_redacted_words_are_gone_and_the_ledger_still_holds(book: Book) -> None:
    with book.database.read() as connection:
        event = connection.execute(sa.select(t.free_text.c.event_id).where(t.free_text.c.words == "I ring them")).scalar_one()
    assert redact(book.database, book.ledger, event, "ops", book.now) == URN
    redact(book.database, book.ledger, event, "ops", book.now)
    assert verify(book.database, book.ledger, {}) == []
    history = book.looks.open_case(book.scope(), book.case(URN).case_id, book.now).history
    assert [(entry.words, entry.redacted) for entry in history][1:] == [("", True), ("no answer", False)]
    assert [row.action for row in book.looks.ledger(book.scope(), URN)].count("redacted") == 1
    with book.database.read() as connection:
        assert connection.execute(sa.select(t.free_text.c.salt).where(t.free_text.c.event_id == event)).scalar() is None


def test_who_may_not_look_leaves_no_row(book: Book) -> None:
    before = len(book.looks.ledger(book.scope(), URN))
    with pytest.raises(Exception, match="no such case"):
        book.looks.open_case(book.scope("bob"), book.case(URN).case_id, book.now)
    assert len(book.looks.ledger(book.scope(), URN)) == before
