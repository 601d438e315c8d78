"""`headway retention`: what is due and what is not, to the day; nothing else is touched, and history stays."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from casebook import tables as t
from casebook.ledger_check import verify
from casebook.outbox import Outbox, put
from casebook.retention import LEFT, MESSAGE_DAYS, NAME_DAYS, SIGN_IN_DAYS, Due, apply, due
from casebook.sign_ins import SignIns
from schemas.alert import AlertKind, AlertState
from tests.casebooks import HUB_A, Book, alert
from tests.live.fleet import HEADWAY

if TYPE_CHECKING:
    from pathlib import Path

    from casebook.database import Database


def counts(found: list[Due]) -> dict[str, int]:
    return {one.what: one.rows for one in found if one.rows}


def test_messages_lose_body_and_recipient_after_13_months_and_what_waits_stays(database: Database) -> None:
    book = Book(database)
    with database.write() as connection:
        for key in ("sent", "waits"):
            put(database, connection, class_="digest", key=key, channel="mail", body={"hub": "hub A"}, at=book.now, recipient="ann")
    outbox = Outbox(database)
    (first, _) = outbox.take(["mail"], book.now)
    outbox.sent(first, book.now)
    on_the_day = book.now + timedelta(days=MESSAGE_DAYS)
    assert counts(due(database, on_the_day)) == {}
    later = on_the_day + timedelta(seconds=1)
    assert counts(due(database, later)) == {"messages": 1}
    assert counts(apply(database, later)) == {"messages": 1}
    assert counts(due(database, later)) == {}
    with database.read() as connection:
        rows = connection.execute(sa.select(t.outbox.c.key, t.outbox.c.body, t.outbox.c.recipient).order_by(t.outbox.c.number)).all()
    assert [tuple(row) for row in rows] == [("sent", {}, None), ("waits", {"hub": "hub A"}, "ann")]


def test_a_name_goes_two_years_after_its_last_role_and_others_stay(database: Database) -> None:
    book = Book(database)
    people, memberships = book.people()
    left_at = book.now + timedelta(days=100)
    book.directory.load([one for one in people if one.person != "amy"], memberships, "test", left_at)
    until = left_at + timedelta(days=NAME_DAYS)
    assert counts(due(database, until)) == {}
    later = until + timedelta(days=1)
    assert counts(apply(database, later)) == {"names and addresses of those who left": 1}
    assert counts(due(database, later)) == {}
    with database.read() as connection:
        names = dict(connection.execute(sa.select(t.person.c.person, t.person.c.name)).all())
        (email,) = connection.execute(sa.select(t.person.c.email).where(t.person.c.person == "amy")).scalars()
    assert (names["amy"], email) == (LEFT, "")
    assert names["ann"] == "Ann"


def test_sign_ins_end_after_a_day(database: Database) -> None:
    book = Book(database)
    ann = next(one for one in book.people()[0] if one.person == "ann")
    SignIns(database, lambda: "a word", lambda moment: moment.date()).begin(ann, book.now)
    assert counts(due(database, book.now + timedelta(days=SIGN_IN_DAYS))) == {}
    assert counts(apply(database, book.now + timedelta(days=SIGN_IN_DAYS, seconds=1))) == {"sign-ins": 1}


def test_history_is_counted_at_six_years_and_never_touched(database: Database) -> None:
    book = Book(database)
    book.close(1, alert(HUB_A[0], AlertKind.LEVEL_DROP, AlertState.OPENED, 1, 1))
    case = book.case(HUB_A[0])
    book.work.take(book.scope(), case.case_id, case.version, book.now)
    later = book.now + timedelta(days=6 * 366 + 1)
    before = {one.what: one for one in apply(database, later)}
    assert (before["events"].rows, before["events"].deleted) == (2, False)
    assert before["ledger"].rows == 1
    assert verify(database, book.ledger, {}) == []
    with database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(t.event)).scalar() == 2


@pytest.mark.slow
def test_the_command_says_what_is_due_and_changes_nothing_unless_told(tmp_path: Path) -> None:
    command = [*HEADWAY, "retention", "--casebook", str(tmp_path / "casebook.db"), "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [one["rows"] for one in json.loads(done.stdout)] == [0] * 7
