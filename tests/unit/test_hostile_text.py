"""What is stored comes out as text: names of schools and people, notes, reasons; in pages, headers and files."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from casebook.database import Database
from casebook.directory import Person
from casebook.scope import Role
from console.headers import CONTENT_SECURITY_POLICY
from schemas.alert import AlertKind, AlertState
from streams.replay import Reference
from tests.casebooks import HUB_A, Book, alert, reference
from tests.desks import Seat

PAYLOADS = (
    "<script>document.title='hacked'</script>",
    '"><img src=x onerror=document.title=1>',
    "'-alert(1)-'",
    "{{ 7*7 }} {% include 'x' %} ${7*7} #{7*7}",
    "</title><svg onload=alert(1)>",
    "]]><x/>",
    "a\r\nSet-Cookie: evil=1\r\n\r\n<html>",
    '=HYPERLINK("http://evil.example","x")',
    "\u202egnp.exe",
    "<style>*{display:none}</style>",
)


@pytest.fixture(params=range(len(PAYLOADS)), ids=lambda i: PAYLOADS[i][:12].encode("ascii", "replace").decode())
def payload(request: pytest.FixtureRequest) -> str:
    return PAYLOADS[request.param]


def hostile(database: Database, payload: str) -> Book:
    """A book whose first school, its authority, and a coordinator are called so."""
    plain = reference()
    schools = (plain.schools[0].model_copy(update={"name": payload, "local_authority": payload}), *plain.schools[1:])
    book = Book(database, made=Reference(schools, plain.targets, plain.calendar, plain.version))
    book.close(20, alert(HUB_A[0], AlertKind.LEVEL_DROP, AlertState.OPENED, 20, 20, reason=payload))
    book.at(21, 8)
    book.directory.revoke("amy", "test", book.now)
    book.directory.grant(Person("amy", payload, "amy@example.org", Role.COORDINATOR, "hub A", book.now.date()), "test", book.now)
    return book


@pytest.mark.slow
def test_it_is_shown_and_never_run(tmp_path_factory: pytest.TempPathFactory, payload: str) -> None:
    database = Database(str(tmp_path_factory.mktemp("hostile") / "casebook.db"))
    database.migrate()
    book = hostile(database, payload)
    seat = Seat(book)
    ann = seat.caller("ann")
    case = book.case(HUB_A[0])
    where = f"/cases/{case.case_id}"
    assert ann.post(f"{where}/note", {"words": payload, "version": str(case.version)}).status_code == 303
    again = book.case(HUB_A[0])
    assert ann.post(f"{where}/assign", {"to": "amy", "version": str(again.version)}).status_code == 303
    pages = [
        ann.get(p) for p in ("/inbox", where, f"{where}/then-and-now", "/schools", f"/schools/{HUB_A[0]}", f"/schools?q={quote(payload)}")
    ]
    pages.append(ann.post(f"{where}/note", {"words": payload + "x" * 2_000, "version": "1"}))
    for page in pages:
        assert page.status_code in {200, 422}
        text = page.text
        for tag in ("<script", "<img", "<style", "<svg onload"):
            assert tag not in text, tag
        assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert "evil" not in str(page.headers.get("set-cookie", ""))
        title = re.search(r"<title>(.*?)</title>", text, re.DOTALL)
        assert title is not None
        assert re.fullmatch(r"[A-Za-z ]+ – Headway", title[1]), "titles hold no data"
    shown = ann.get(where).text
    plain = payload.replace("\r\n", "\n").replace("\u202e", "")
    escaped = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;").replace("'", "&#39;").strip()
    assert escaped in shown, "the note is there, as text"
    assert "49" not in re.sub(r"[0-9]{3,}|[a-f0-9-]{36}", "", escaped)


def test_a_header_cannot_be_split_by_what_is_asked(tmp_path_factory: pytest.TempPathFactory) -> None:
    database = Database(str(tmp_path_factory.mktemp("split") / "casebook.db"))
    database.migrate()
    seat = Seat(Book(database))
    nobody = seat.caller()
    for asked in ("/inbox?show=%0d%0aSet-Cookie:%20evil=1", "/sign-in?next=/%0d%0aSet-Cookie:%20evil=1", "/cases/%0d%0aX:%201"):
        answer = nobody.get(asked)
        assert not any("evil=1" in v and "\r\n" in v for v in answer.headers.values())
        assert "evil" not in answer.headers.get("set-cookie", "")


def test_every_answer_carries_the_headers(tmp_path_factory: pytest.TempPathFactory) -> None:
    database = Database(str(tmp_path_factory.mktemp("headers") / "casebook.db"))
    database.migrate()
    book = Book(database)
    seat = Seat(book)
    ann = seat.caller("ann")
    wanted = {
        "content-security-policy": CONTENT_SECURITY_POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "x-frame-options": "DENY",
        "cross-origin-opener-policy": "same-origin",
    }
    for path in ("/inbox", "/help", "/no-such-page", "/sign-in", "/static/headway.css", "/schools/1", "/live"):
        answer = ann.get(path)
        assert {k: answer.headers.get(k) for k in wanted} == wanted, path
        assert answer.headers["cache-control"] == ("public, max-age=86400" if path.startswith("/static") else "no-store")
    assert "script-src" not in CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY


def test_no_page_ships_a_script_or_an_inline_style(tmp_path_factory: pytest.TempPathFactory) -> None:
    database = Database(str(tmp_path_factory.mktemp("plain") / "casebook.db"))
    database.migrate()
    book = Book(database)
    book.close(20, alert(HUB_A[0], AlertKind.OFF_TRAJECTORY, AlertState.OPENED, 20, 20))
    book.at(21, 8)
    seat = Seat(book)
    for who, paths in {
        "ann": ("/inbox", f"/cases/{book.case(HUB_A[0]).case_id}", f"/schools/{HUB_A[0]}", "/areas", "/schools", "/roles"),
        "lea": ("/people",),
        "ana": ("/analysis",),
        "ops": ("/state",),
    }.items():
        one = seat.caller(who)
        for path in paths:
            text = one.get(path).text
            assert not re.search(r"<script|\bon[a-z]+=|style=|javascript:|<iframe|<link [^>]*https?:|src=", text), path


def test_files_cannot_be_climbed_out_of(tmp_path_factory: pytest.TempPathFactory) -> None:
    database = Database(str(tmp_path_factory.mktemp("files") / "casebook.db"))
    database.migrate()
    one = Seat(Book(database)).caller()
    for path in (
        "/static/../routes.py",
        "/static/%2e%2e/routes.py",
        "/static/..%2froutes.py",
        "/static//etc/passwd",
        "/static/",
        "/static",
    ):
        assert one.get(path).status_code == 404, path
