"""A target that no one could have by chance goes in, and is looked for wherever somebody looks who must not see it.

The positive side is tested too: the places that may show it do, rounded to a tenth, and only after a row in the ledger.
"""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from casebook import tables as t
from casebook.database import Database
from casebook.directory import Person
from casebook.feed import Arrival
from casebook.feed_records import PublishedReading
from casebook.scope import Role
from schemas.alert import AlertKind, AlertState
from schemas.reading import READING_COLUMNS
from tests.casebooks import CANARY, HUB_A, HUB_B, Book, alert, day
from tests.desks import Seat

if TYPE_CHECKING:
    from collections.abc import Iterator

URN = HUB_A[0]
assert CANARY == 0.931734
FORMS = re.compile(
    r"93[.,]1734|0?\.9317|93\.17|93\.2\b|6\.8266|0?\.0682|6\.83\b|6\.8 %|43\.21|0?\.4321|43 %|7\.7777|statistic_target|off_trajectory"
)
"""The target, the path that is its complement, the chance of reaching it (.4321), the statistic against it (7.7777)."""


@pytest.fixture(scope="module")
def seat(tmp_path_factory: pytest.TempPathFactory) -> Seat:
    database = Database(str(tmp_path_factory.mktemp("canary") / "casebook.db"))
    database.migrate()
    book = Book(database)
    book.close(20, alert(URN, AlertKind.OFF_TRAJECTORY, AlertState.OPENED, 20, 20, rank=7.7777, pupils=7.7777))
    book.feed.take(Arrival(readings=[PublishedReading(1, _reading(urn, n)) for urn in (URN, HUB_A[1]) for n in range(1, 21)]))
    book.at(21, 8)
    for other in (HUB_A[1], HUB_B[0]):
        person = Person(f"head {other}", "Head", f"{other}@example.org", Role.SCHOOL, str(other), book.now.date())
        book.directory.grant(person, "test", book.now)
    return Seat(book)


def _reading(urn: int, n: int) -> bytes:
    said = dict.fromkeys(READING_COLUMNS) | {
        "urn": urn,
        "attendance_date": day(n).isoformat(),
        "possible_sessions": 600,
        "absences": 60,
        "absence_ratio": 0.1,
        "charted_possible_sessions": 600,
        "charted_absences": 60,
        "expected_ratio": round(1 - CANARY, 6),
        "statistic_target": 7.7777,
        "p_target": 0.4321,
        "condition": "in_control",
    }
    return json.dumps(said).encode()


def _everywhere(seat: Seat) -> Iterator[str]:
    case = seat.book.case(URN).case_id
    yield from ("/", "/inbox", "/inbox?show=mine", "/schools", "/areas", "/people", "/analysis", "/state", "/roles", "/help", "/nowhere")
    yield from (f"/cases/{case}", f"/cases/{case}/then-and-now", f"/schools/{URN}", f"/analysis/weekly.csv?week={day(1)}")


@pytest.mark.slow
@pytest.mark.parametrize("who", ["bob", "head of another school", "head of another hub", "ana", "ops", None])
def test_nobody_else_sees_it_anywhere(seat: Seat, who: str | None, caplog: pytest.LogCaptureFixture) -> None:
    names = {"head of another school": f"head {HUB_A[1]}", "head of another hub": f"head {HUB_B[0]}"}
    with caplog.at_level(logging.DEBUG):
        one = seat.caller(cookie=_cookie(seat, names.get(who or "", who or ""))) if who else seat.caller()
        for path in _everywhere(seat):
            answer = one.get(path)
            assert not FORMS.search(answer.text), f"{who} at {path}"
            assert not FORMS.search(str(answer.headers)), f"{who} at {path}"
        for path in (f"/schools/{URN}/path", f"/cases/{seat.book.case(URN).case_id}/take"):
            answer = one.post(path, {"purpose": "review_case", "version": "1"})
            assert not FORMS.search(answer.text), f"{who} at {path}"
    assert not FORMS.search(caplog.text)


def _cookie(seat: Seat, person: str) -> str:
    from casebook.directory import roles_of

    with seat.book.database.read() as db:
        (role,) = roles_of(db, seat.book.now.date(), person=person)
    return seat.desk.sign_ins.begin(role, seat.book.now)


@pytest.mark.parametrize("who", ["ann", "lea", "head"])
def test_whose_school_it_is_sees_it_and_the_ledger_knows(seat: Seat, who: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        one, before = seat.caller(who), _rows(seat, who)
        plain = one.get(f"/schools/{URN}")
        assert "93.2 %" in plain.text, "the card"
        assert "6.8 %" not in plain.text, "the path stays away until it is asked for"
        assert "43 %" not in plain.text
        shown = one.post(f"/schools/{URN}/path", {"purpose": "prepare_visit"})
        assert "6.8 %" in shown.text
        assert "43 %" in shown.text
        case = one.get(f"/cases/{seat.book.case(URN).case_id}")
        assert "6.8 %" in case.text
    rows = [row for row in _rows(seat, who) if row not in before]
    assert [(row[2], row[3]) for row in rows] == [
        ("opened_school", None),
        ("saw_path", "prepare_visit"),
        ("opened_school", None),
        ("opened_case", None),
    ]
    for answer in (plain, shown, case):
        title = re.search("<title>(.*?)</title>", answer.text)
        assert title is not None
        assert not FORMS.search(title[1])
        assert not FORMS.search(str(answer.headers))
        assert "93.17" not in answer.text, "never more than a tenth"
    assert not FORMS.search(caplog.text)


def _rows(seat: Seat, who: str) -> list[tuple[object, ...]]:
    c = t.ledger.c
    with seat.book.database.read() as db:
        statement = sa.select(c.number, c.actor, c.action, c.purpose).where(c.urn == URN, c.actor == who).order_by(c.number)
        return [tuple(row) for row in db.execute(statement)]


def test_the_path_is_not_shown_without_a_purpose_from_the_list(seat: Seat) -> None:
    one, before = seat.caller("ann"), [r for r in _rows(seat, "ann") if r[2] == "saw_path"]
    for purpose in ("", "curiosity", "review_case'"):
        answer = one.post(f"/schools/{URN}/path", {"purpose": purpose})
        assert answer.status_code == 422
        assert "6.8 %" not in answer.text
    assert one.get(f"/schools/{URN}/path").status_code == 404, "a GET never shows it"
    assert [r for r in _rows(seat, "ann") if r[2] == "saw_path"] == before


def test_no_ledger_no_page(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(seat.book.looks._ledger, "write", broken)
    monkeypatch.setattr(seat.desk.looks._ledger, "write", broken)
    one = seat.caller("ann")
    answers = [one.get(f"/cases/{seat.book.case(URN).case_id}"), one.get(f"/schools/{URN}")]
    answers.append(one.post(f"/schools/{URN}/path", {"purpose": "review_case"}))
    for answer in answers:
        assert answer.status_code == 500
        assert not FORMS.search(answer.text)
        assert "disk" not in answer.text
