"""A console over a casebook of the tests: signed in as anybody, without a network, with a clock that is the casebook's."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2
from pydantic import SecretStr
from starlette.testclient import TestClient

from console.app import console_app
from console.desk import Helper
from console.development_issuer import CLIENT_ID, DemoPerson, development_issuer
from console.oidc import OpenIdClient
from console.opening import open_desk
from console.own_forms import form_token
from console.page_metrics import uncounted
from console.rate_limits import RateLimits
from console.routes import TABLE
from streams import clock, unguessable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from casebook.directory import Person
    from console.desk import Desk
    from console.visit import Page
    from tests.casebooks import Book

__all__ = ["ORIGIN", "OURS", "Caller", "Seat"]

ORIGIN, ISSUER = "http://127.0.0.1:8099", "http://127.0.0.1:8098"
OURS = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}


def _never_too_often() -> Iterator[float]:
    seconds = 0.0
    while True:
        seconds += 3_600.0
        yield seconds


class Caller:
    """A browser without a screen, as somebody or nobody."""

    def __init__(self, client: TestClient, cookie: str) -> None:
        self.client, self.cookie = client, cookie

    def get(self, path: str) -> httpx2.Response:
        return self.client.get(path, follow_redirects=False)

    def post(self, path: str, fields: Mapping[str, str] | None = None, headers: Mapping[str, str] = OURS) -> httpx2.Response:
        """A form of ours, with its token."""
        form = {"token": form_token(self.cookie), **(fields or {})}
        return self.client.post(path, data=form, headers=dict(headers), follow_redirects=False)


@dataclass
class Seat:
    """The console of one `Book`."""

    book: Book
    origin: str = ORIGIN
    limits: RateLimits | None = None
    table: tuple[Page, ...] = TABLE
    begun: Callable[[str], Callable[[int], None]] = uncounted
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        gate = development_issuer(ISSUER, "hush", f"{self.origin}/sign-in/done", self.people, clock.now, unguessable.word)
        client = OpenIdClient(ISSUER, CLIENT_ID, SecretStr("hush"), transport=httpx2.ASGITransport(gate))
        helper = Helper("hub A", "Grace Mbeki", "desk@hub.example", "020 7946 0000")
        desk = open_desk(self.book.database, self.book.ledger, client, self.origin, helper, now=lambda: self.book.now)
        ticks = _never_too_often()
        self.desk = replace(desk, limits=self.limits or RateLimits(lambda: next(ticks)))
        self.app = console_app(self.desk, self.table, self.begun)
        self.issuer = httpx2.AsyncClient(transport=httpx2.ASGITransport(gate), base_url=ISSUER)

    def people(self) -> list[DemoPerson]:
        return [DemoPerson(p.person, p.name, p.email, str(p.role)) for p in self.book.people()[0]]

    def person(self, who: str) -> Person:
        return next(p for p in self.book.people()[0] if p.person == who)

    def cookie(self, who: str) -> str:
        """Of a sign-in that begins now."""
        return self.desk.sign_ins.begin(self.person(who), self.book.now)

    def caller(self, who: str | None = None, cookie: str | None = None) -> Caller:
        """who None: nobody, or whoever has this cookie."""
        cookie = cookie if cookie is not None else self.cookie(who) if who is not None else ""
        client = TestClient(self.app, base_url=self.origin, raise_server_exceptions=False)
        if cookie:
            client.cookies.set(self.desk.cookie, cookie, domain=urlsplit(self.origin).hostname or "")
        return Caller(client, cookie)
