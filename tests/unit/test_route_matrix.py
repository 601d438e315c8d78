"""Who may open what: every route of the table against every kind of visitor. A route without a row here fails."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from starlette.routing import Route

from casebook.database import Database
from casebook.directory import Person
from casebook.inbox import area_events
from casebook.scope import Role
from console.routes import TABLE
from schemas.alert import Alert, AlertKind, AlertState, alert_id
from tests.casebooks import FIRST, HUB_A, HUB_B, Book, alert, day
from tests.desks import Seat

if TYPE_CHECKING:
    from console.visit import Page
    from tests.desks import Caller

SIGN_IN, OK, DONE, WRONG, GONE, NOBODY, FORBIDDEN = 303, 200, 303, 422, 404, 401, 403
WHO = ("nobody", "expired", "forged", "role changed", "ann", "lea", "bob", "head", "other head", "ana", "ops")
"""ann: coordinator of hub A; lea: its lead; bob: coordinator of hub B; head: of hub A's first school; other head: of another."""
OUT = {"nobody": SIGN_IN, "expired": SIGN_IN, "forged": SIGN_IN, "role changed": SIGN_IN}
OUT_OF_FORM = {"nobody": NOBODY, "expired": NOBODY, "forged": NOBODY, "role changed": NOBODY}


def _row(out: dict[str, int], default: int, **named: int) -> dict[str, int]:
    return out | {who: named.get(who.replace(" ", "_"), default) for who in WHO if who not in out}


EVERYBODY = dict.fromkeys(WHO, OK)
MATRIX = {
    "first": _row(OUT, DONE),
    "inbox": _row(OUT, GONE, ann=OK, lea=OK, bob=OK),
    "case": _row(OUT, GONE, ann=OK, lea=OK, head=OK),
    "then": _row(OUT, GONE, ann=OK, lea=OK, head=OK),
    "act": _row(OUT_OF_FORM, GONE, ann=DONE, lea=DONE),
    "own_school": _row(OUT, GONE, head=DONE, other_head=DONE),
    "schools": _row(OUT, GONE, ann=OK, lea=OK, bob=OK),
    "school": _row(OUT, GONE, ann=OK, lea=OK, head=OK),
    "path": _row(OUT_OF_FORM, GONE, ann=OK, lea=OK, head=OK),
    "areas": _row(OUT, GONE, ann=OK, lea=OK, bob=OK),
    "area": _row(OUT, GONE, ann=OK, lea=OK),
    "people": _row(OUT, GONE, lea=OK),
    "act_on_people": _row(OUT_OF_FORM, GONE, lea=WRONG),
    "analysis": _row(OUT, GONE, ana=OK),
    "weekly": _row(OUT, GONE, ana=OK),
    "state": _row(OUT, GONE, ops=OK),
    "roles": _row(OUT, OK),
    "signed_out": EVERYBODY,
    "accessibility": EVERYBODY,
    "privacy": EVERYBODY,
    "cookies": EVERYBODY,
    "help": EVERYBODY,
}
OTHERS = {"/sign-in", "/sign-in/done", "/sign-out", "/role", "/live", "/static/headway.css", "/static/headway.svg"}
FORMS = {"act": {"words": "rang them", "version": "1"}, "path": {"purpose": "review_case"}, "act_on_people": {"name": ""}}


@pytest.fixture(scope="module")
def seat(tmp_path_factory: pytest.TempPathFactory) -> Seat:
    database = Database(str(tmp_path_factory.mktemp("matrix") / "casebook.db"))
    database.migrate()
    book = Book(database)
    book.close(20, alert(HUB_A[0], AlertKind.OFF_TRAJECTORY, AlertState.OPENED, 20, 20, rank=9.0), _area("hub A", 20))
    book.at(21, 8)
    return Seat(book)


def _area(area: str, n: int) -> Alert:
    return Alert(
        alert_id=alert_id(AlertKind.AREA, None, area, "2026/27", day(n)),
        urn=None,
        area=area,
        kind=AlertKind.AREA,
        chart=None,
        state=AlertState.OPENED,
        opened_on=day(n),
        as_of=day(n),
        onset_about=None,
        once_in_school_years=None,
        evidence={},
        attribution=None,
        reason="the common effect passed its limit",
    )


def caller(seat: Seat, who: str) -> Caller:
    match who:
        case "nobody":
            return seat.caller()
        case "forged":
            return seat.caller(cookie="x" * 43)
        case "expired":
            cookie = seat.cookie("ann")
            back = seat.book.now
            seat.book.now = back - timedelta(minutes=31)
            cookie = seat.cookie("ann")
            seat.book.now = back
            return seat.caller(cookie=cookie)
        case "role changed":
            cookie = seat.desk.sign_ins.begin(_temporary(seat), seat.book.now)
            seat.desk.directory.revoke("temp", "test", seat.book.now)
            return seat.caller(cookie=cookie)
        case "other head":
            return seat.caller(cookie=seat.desk.sign_ins.begin(_other_head(seat), seat.book.now))
        case _:
            return seat.caller(who)


def _temporary(seat: Seat) -> Person:
    person = Person("temp", "Temp", "temp@example.org", Role.COORDINATOR, "hub A", seat.book.now.date())
    seat.desk.directory.grant(person, "test", seat.book.now)
    return person


def _other_head(seat: Seat) -> Person:
    person = Person("head2", "Head 2", "head2@example.org", Role.SCHOOL, str(HUB_A[1]), seat.book.now.date())
    seat.desk.directory.grant(person, "test", seat.book.now)
    return person


def address(seat: Seat, path: str) -> str:
    case = seat.book.case(HUB_A[0]).case_id
    with seat.book.database.read() as db:
        area = area_events(db, seat.book.scope(), FIRST)[0].record.alert_id
    filled = path.format(case=case, urn=HUB_A[0], alert=area, verb="note" if "/cases" in path else "grant")
    return filled + ("?week=2026-09-28" if filled.endswith(".csv") else "")


def test_every_route_has_its_row(seat: Seat) -> None:
    assert set(MATRIX) == {page.name for page in TABLE}
    assert len(TABLE) == len({page.name for page in TABLE})
    served = {route.path for route in seat.app.routes if isinstance(route, Route)}
    assert served == {page.path for page in TABLE} | OTHERS, "a route beside the table: add it to the table, or say here why not"
    assert all(set(row) == set(WHO) for row in MATRIX.values())


@pytest.mark.slow
@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("page", TABLE, ids=lambda page: page.name)
def test_who_may_open_what(seat: Seat, page: Page, who: str) -> None:
    one = caller(seat, who)
    where = address(seat, page.path)
    if page.method == "POST":
        fields = dict(FORMS[page.name])
        if "version" in fields:
            fields["version"] = str(seat.book.case(HUB_A[0]).version)
        answer = one.post(where, fields)
    else:
        answer = one.get(where)
    assert answer.status_code == MATRIX[page.name][who], f"{who} at {where}"
    if answer.status_code == SIGN_IN and who in OUT and page.who:
        assert answer.headers["location"].startswith("/sign-in?next=")


@pytest.mark.parametrize("who", ["bob", "ana", "ops", "other head"])
def test_what_is_anothers_answers_as_what_is_not_there(seat: Seat, who: str) -> None:
    one = caller(seat, who)
    case = seat.book.case(HUB_A[0]).case_id
    pairs = [
        (f"/cases/{case}", f"/cases/{UUID(int=7)}"),
        (f"/cases/{case}/then-and-now", f"/cases/{UUID(int=7)}/then-and-now"),
        (f"/schools/{HUB_A[0]}", "/schools/999999"),
        (f"/schools/{HUB_B[0]}" if who != "bob" else f"/schools/{HUB_A[2]}", "/schools/1"),
        ("/inbox" if who != "bob" else "/people", "/no-such-page"),
    ]
    for theirs, nowhere in pairs:
        a, b = one.get(theirs), one.get(nowhere)
        assert (a.status_code, a.content) == (b.status_code, b.content) == (404, a.content), theirs
        assert {k: v for k, v in a.headers.items() if k != "date"} == {k: v for k, v in b.headers.items() if k != "date"}
    posts = [(f"/cases/{case}/take", f"/cases/{UUID(int=7)}/take"), (f"/schools/{HUB_A[0]}/path", "/schools/999999/path")]
    for theirs, nowhere in posts:
        a, b = (one.post(where, {"version": "1", "purpose": "review_case"}) for where in (theirs, nowhere))
        assert (a.status_code, a.content) == (b.status_code, b.content) == (404, a.content), theirs


def test_a_school_that_no_longer_consents_is_not_there(database: Database) -> None:
    book = Book(database)
    book.close(20, alert(HUB_A[0], AlertKind.OFF_TRAJECTORY, AlertState.OPENED, 20, 20))
    book.at(21, 8)
    seat = Seat(book)
    case = book.case(HUB_A[0]).case_id
    assert seat.caller("ann").get(f"/cases/{case}").status_code == OK
    yesterday = book.now.date() - timedelta(days=1)
    book.directory.withdraw_consent(HUB_A[0], "hub A", yesterday, "test", book.now)
    ann = seat.caller("ann")
    gone, never = ann.get(f"/cases/{case}"), ann.get(f"/cases/{UUID(int=7)}")
    assert (gone.status_code, gone.content) == (404, never.content)
    assert str(case) not in ann.get("/inbox").text
    assert str(HUB_A[0]) not in ann.get("/schools").text
    assert seat.caller("head").get(f"/schools/{HUB_A[0]}").status_code == OK, "the school's own people still see it"
