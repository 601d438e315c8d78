"""Signing in to the console and out of it, and what becomes of a form whose sign-in has ended."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from casebook.directory import Person
from casebook.scope import Role
from console.own_forms import form_token
from console.rate_limits import RateLimits
from console.sign_in_pages import local_path
from schemas.alert import AlertKind, AlertState
from tests.casebooks import HUB_A, Book, alert
from tests.desks import OURS, Seat

if TYPE_CHECKING:
    from casebook.database import Database
    from tests.desks import Caller


@pytest.fixture
def book(database: Database) -> Book:
    made = Book(database)
    made.close(20, alert(HUB_A[0], AlertKind.LEVEL_DROP, AlertState.OPENED, 20, 20))
    made.at(21, 8)
    return made


def sign_in(seat: Seat, one: Caller, who: str, following: str = "/") -> tuple[int, str, str]:
    """By the issuer; status, where it leads, the cookie."""
    going = one.get(f"/sign-in?next={following}")
    asked = {k: v[0] for k, v in parse_qs(urlsplit(going.headers["location"]).query).items()}

    async def grant() -> str:
        return str((await seat.issuer.post("/authorize", data=asked | {"person": who})).headers["location"])

    back = asyncio.run(grant())
    done = one.get(back.removeprefix(seat.origin))
    return done.status_code, done.headers.get("location", ""), one.client.cookies.get(seat.desk.cookie) or ""


def test_a_person_goes_by_the_issuer_and_comes_back_to_the_page_asked_for(book: Book) -> None:
    seat = Seat(book)
    one = seat.caller()
    assert one.get("/inbox?show=mine").headers["location"] == "/sign-in?next=%2Finbox%3Fshow%3Dmine"
    status, following, cookie = sign_in(seat, one, "ann", "%2Finbox%3Fshow%3Dmine")
    assert (status, following) == (303, "/inbox?show=mine")
    assert len(cookie) == 43
    assert one.get("/inbox").status_code == 200


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(book: Book) -> None:
    for origin, name, secure in (("http://127.0.0.1:8099", "headway", False), ("https://desk.example", "__Host-headway", True)):
        seat = Seat(book, origin=origin)
        one = seat.caller()
        going = one.get("/sign-in")
        asked = {k: v[0] for k, v in parse_qs(urlsplit(going.headers["location"]).query).items()}

        async def grant(seat: Seat = seat, asked: dict[str, str] = asked) -> str:
            return str((await seat.issuer.post("/authorize", data=asked | {"person": "ann"})).headers["location"])

        done = one.get(asyncio.run(grant()).removeprefix(origin))
        cookies = [c for c in done.headers.get_list("set-cookie") if c.startswith(f"{name}=")]
        assert len(cookies) == 1
        attributes = {part.strip().lower() for part in cookies[0].split(";")[1:]}
        assert {"httponly", "samesite=lax", "path=/"} <= attributes
        assert ("secure" in attributes) is secure
        assert not any(part.startswith("domain") for part in attributes)
        if secure:
            assert done.headers["strict-transport-security"].startswith("max-age=")


def test_a_sign_in_gets_a_new_cookie_and_the_former_is_worth_nothing(book: Book) -> None:
    seat = Seat(book)
    planted = seat.cookie("ann")
    one = seat.caller(cookie=planted)
    _, _, cookie = sign_in(seat, one, "ann")
    assert cookie != planted
    assert seat.caller(cookie=planted).get("/inbox").status_code == 303
    assert seat.caller(cookie=cookie).get("/inbox").status_code == 200


def test_signing_out_ends_it(book: Book) -> None:
    seat = Seat(book)
    one = seat.caller("ann")
    assert one.post("/sign-out").headers["location"] == "/signed-out"
    assert seat.caller(cookie=one.cookie).get("/inbox").status_code == 303


def test_nobody_is_signed_out_by_another_site(book: Book) -> None:
    seat = Seat(book)
    one = seat.caller("ann")
    assert one.post("/sign-out", headers=OURS | {"origin": "https://evil.example"}).status_code == 403
    assert one.client.post("/sign-out", data={"token": "x"}, headers=OURS, follow_redirects=False).status_code == 403
    assert one.get("/inbox").status_code == 200


def test_an_idle_half_hour_ends_it_and_a_click_in_time_does_not(book: Book) -> None:
    seat = Seat(book)
    one = seat.caller("ann")
    for _ in range(4):
        book.now += timedelta(minutes=29)
        assert one.get("/inbox").status_code == 200
    book.now += timedelta(minutes=31)
    assert one.get("/inbox").status_code == 303


def test_a_role_that_is_taken_away_ends_it_at_once(book: Book) -> None:
    seat = Seat(book)
    one = seat.caller("amy")
    assert one.get("/inbox").status_code == 200
    book.directory.revoke("amy", "lea", book.now, Role.COORDINATOR, "hub A")
    assert one.get("/inbox").status_code == 303


def test_who_is_in_no_directory_is_turned_away(book: Book) -> None:
    seat = Seat(book)
    book.directory.revoke("ann", "lea", book.now)
    status, following, cookie = sign_in(seat, seat.caller(), "ann")
    assert (status, following, cookie) == (403, "", "")


def test_a_person_with_two_roles_acts_in_one_at_a_time(book: Book) -> None:
    seat = Seat(book)
    book.directory.grant(Person("ann", "Ann", "ann@example.org", Role.ANALYST, "", book.now.date()), "test", book.now)
    one = seat.caller("ann")
    assert one.get("/analysis").status_code == 404
    changed = one.post("/role", {"role": "analyst|"})
    assert (changed.status_code, changed.headers["location"]) == (303, "/")
    new = seat.caller(cookie=one.client.cookies.get(seat.desk.cookie) or "")
    assert new.get("/analysis").status_code == 200
    assert new.get("/inbox").status_code == 404
    assert seat.caller(cookie=one.cookie).get("/inbox").status_code == 303, "the former cookie"
    assert new.post("/role", {"role": "ops|"}).status_code == 404, "a role that she has not"


def test_what_was_typed_is_there_again_for_the_same_person_and_nobody_else(book: Book) -> None:
    seat = Seat(book)
    one = seat.caller("ann")
    case = book.case(HUB_A[0])
    book.now += timedelta(minutes=31)
    gone = one.post(f"/cases/{case.case_id}/note", {"words": "Rang the head: <half-term>", "version": str(case.version)})
    assert gone.status_code == 401
    assert "What you typed is kept" in gone.text
    assert "half-term" not in gone.text
    other = seat.caller("amy")
    assert "half-term" not in other.get(f"/cases/{case.case_id}").text
    _, following, cookie = sign_in(seat, one, "ann", f"/cases/{case.case_id}")
    again = seat.caller(cookie=cookie)
    page = again.get(following).text
    assert "Rang the head: &lt;half-term&gt;</textarea>" in page
    assert "half-term" not in again.get(following).text, "given back once"
    assert book.case(HUB_A[0]).version == case.version, "and nothing was done with it"


def test_a_form_of_a_cookie_that_never_was_is_not_kept(book: Book) -> None:
    seat = Seat(book)
    one = seat.caller(cookie="y" * 43)
    gone = one.post(f"/cases/{book.case(HUB_A[0]).case_id}/note", {"words": "planted", "version": "1"})
    assert gone.status_code == 401
    assert "is kept" not in gone.text


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/%5Cevil",
        "javascript:alert(1)",
        "/\r\nSet-Cookie: x=1",
        "/x\nLocation: https://evil.example",
        "/sign-out",
        "",
        "evil",
        "/" + "a" * 600,
        "/@evil.example",
        "/\t/evil.example",
    ],
)
def test_nobody_is_sent_anywhere_else(book: Book, asked: str) -> None:
    path = local_path(asked)
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\", "/sign-"))
    assert not set(path) & set("\r\n\t\\@ ")


def test_signing_in_is_held_back_when_it_is_tried_too_often(book: Book) -> None:
    seconds = [0.0]
    seat = Seat(book, limits=RateLimits(lambda: seconds[0]))
    one = seat.caller()
    codes = [one.get("/sign-in/done?code=guess&state=guess").status_code for _ in range(40)]
    assert codes[0] == 403
    assert codes[-1] == 429
    ann = seat.caller("ann")
    assert ann.get("/inbox").status_code == 200, "who is signed in does not feel it"
    seconds[0] = 60.0
    assert one.get("/sign-in/done?code=guess&state=guess").status_code == 403


@pytest.mark.slow
def test_a_flood_of_forms_slows_its_sender(book: Book) -> None:
    seconds = [0.0]
    seat = Seat(book, limits=RateLimits(lambda: seconds[0]))
    one = seat.caller("ann")
    case = book.case(HUB_A[0])
    codes = [one.post(f"/cases/{case.case_id}/note", {"words": "", "version": "1"}).status_code for _ in range(70)]
    assert codes[0] == 422
    assert codes[-1] == 429
    assert "retry-after" in one.post(f"/cases/{case.case_id}/note", {"words": ""}).headers


@pytest.mark.slow
def test_another_made_up_cookie_at_each_try_does_not_help_who_guesses(book: Book) -> None:
    seat = Seat(book, limits=RateLimits(lambda: 0.0))
    where = f"/cases/{book.case(HUB_A[0]).case_id}"
    guesser = seat.caller().client
    codes = [
        guesser.get(where, headers={"cookie": f"{seat.desk.cookie}=guess-{i}"}, follow_redirects=False).status_code for i in range(310)
    ]
    assert (codes[0], codes[-1]) == (303, 429)
    assert seat.caller("ann").get(where).status_code == 200, "whoever is signed in has a count of their own"


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/json", "text/plain", ""])
def test_other_bodies_than_forms_are_not_read(book: Book, kind: str) -> None:
    seat = Seat(book)
    one = seat.caller("ann")
    body = f"token={form_token(one.cookie)}&words=x".encode()
    answer = one.client.post(f"/cases/{book.case(HUB_A[0]).case_id}/note", content=body, headers=OURS | {"content-type": kind})
    assert answer.status_code == 400


def test_a_body_that_is_too_large_is_not_read(book: Book) -> None:
    seat = Seat(book)
    one = seat.caller("ann")
    assert one.post(f"/cases/{book.case(HUB_A[0]).case_id}/note", {"words": "x" * 70_000}).status_code == 400
