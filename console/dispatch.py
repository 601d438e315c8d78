"""How a request becomes a page: how often, who, is it our own form, may they, then the page, then the answer.

Everything that decides who may open a page happens here, in this order, so that no page can forget it. What a person may see
*on* a page is the casebook's `Scope`, which every query takes.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from casebook.database import CasebookUnavailable
from casebook.directory import Person
from casebook.kept_forms import keep_form, take_form
from casebook.scope import NotThere, Role, Scope
from console.bodies import BadForm, read_form
from console.csv_files import csv_bytes
from console.errors import ErrorPages
from console.own_forms import ForeignForm, form_token, refuse_foreign
from console.page_metrics import uncounted
from console.people_words import LONDON, role_words
from console.rate_limits import RateLimit
from console.views import Frame
from console.visit import Download, NotHere, SeeOther, Shown, Visit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from starlette.requests import Request

    from console.desk import Desk
    from console.visit import Answered, Page

__all__ = ["Dispatcher", "address"]

_PAGES, _FORMS = RateLimit(burst=300, per_minute=300), RateLimit(burst=60, per_minute=60)
_ADDRESS = RateLimit(burst=1_200, per_minute=1_200)
"""A whole hub may sit behind one address."""
_COOKIE_CHARACTERS_MAX = 100

_log = logging.getLogger("headway.console")


class Dispatcher:
    """Makes an endpoint of each page."""

    def __init__(self, desk: Desk, table: Sequence[Page], begun: Callable[[str], Callable[[int], None]] = uncounted) -> None:
        """begun: told of each request by its page's name; what it gives is told the status (`PageMetrics.answered`)."""
        self._desk, self._table, self._begun = desk, table, begun
        self.errors = ErrorPages(desk)

    def endpoint(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """A Starlette endpoint."""

        async def answer(request: Request) -> Response:
            done = self._begun(page.name)
            form: Mapping[str, str] = {}
            status = int(HTTPStatus.INTERNAL_SERVER_ERROR)
            try:
                if page.method == "POST":
                    form = await read_form(request)
                answered = await run_in_threadpool(self._guarded, page, request, form)
                status = answered.status_code
            except BadForm:
                answered = self.errors.page(HTTPStatus.BAD_REQUEST)
                status = answered.status_code
            finally:
                done(status)
            return answered

        return answer

    def _guarded(self, page: Page, request: Request, form: Mapping[str, str]) -> Response:
        try:
            return self._answer(page, request, form)
        except (NotHere, NotThere):
            return self.errors.page(HTTPStatus.NOT_FOUND)
        except ForeignForm as error:
            _log.warning("a form was refused: %s", error)
            return self.errors.page(HTTPStatus.FORBIDDEN)
        except CasebookUnavailable as error:
            _log.warning("the casebook does not answer: %s", error)
            return self.errors.page(HTTPStatus.SERVICE_UNAVAILABLE)

    def _answer(self, page: Page, request: Request, form: Mapping[str, str]) -> Response:
        desk, posts = self._desk, page.method == "POST"
        cookie = request.cookies.get(desk.cookie, "")[:_COOKIE_CHARACTERS_MAX]
        if wait := desk.limits.wait_seconds("address", address(request), _ADDRESS):
            return self.errors.too_often(wait)
        if not page.who:
            return self._response(page.show(self._nobodys(request)), Frame())
        moment = desk.now()
        signed_in = desk.sign_ins.seen(cookie, moment) if cookie else None
        # A cookie that is nobody's counts for nothing: who makes up another one at each try is still one address.
        who = address(request) if signed_in is None else signed_in.person.person
        if wait := desk.limits.wait_seconds(page.method, who, _FORMS if posts else _PAGES):
            return self.errors.too_often(wait)
        if posts and cookie:
            refuse_foreign(request.headers, form.get("token", ""), cookie, desk.origin)
        if signed_in is None:
            return self._signed_out(page, request, form, cookie, moment)
        person = signed_in.person
        if person.role not in page.who:
            raise NotHere
        visit = self._visit(request, form, person, moment)
        return self._response(page.show(visit), self._frame(person, page, form_token(cookie)))

    def _visit(self, request: Request, form: Mapping[str, str], person: Person, moment: datetime) -> Visit:
        today = moment.astimezone(LONDON).date()
        kept = take_form(self._desk.database, person.person, request.url.path, moment) if request.method == "GET" else {}
        scope = Scope(person.person, person.role, person.scope, today)
        path = {name: str(value) for name, value in request.path_params.items()}
        return Visit(self._desk, person, scope, moment, today, path, dict(request.query_params), form, kept)

    def _nobodys(self, request: Request) -> Visit:
        moment = self._desk.now()
        today = moment.astimezone(LONDON).date()
        nobody = Person("", "", "", Role.OPS, "", today)
        path = {name: str(value) for name, value in request.path_params.items()}
        return Visit(self._desk, nobody, Scope("", Role.OPS, "", today), moment, today, path, {}, {})

    def _signed_out(self, page: Page, request: Request, form: Mapping[str, str], cookie: str, moment: datetime) -> Response:
        """A page by GET goes by the issuer and back; a form waits for the same person, and what was typed is kept."""
        if page.method == "GET":
            asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/sign-in?next={quote(asked, safe='')}", HTTPStatus.SEE_OTHER)
        back = page.form_page(request.path_params)
        fields = {name: value for name, value in form.items() if name != "token"} | {"sent_to": request.url.path}
        kept = bool(cookie) and keep_form(self._desk.database, cookie, back, fields, moment)
        return self.errors.signed_out(back, kept=kept)

    def _frame(self, person: Person, here: Page, token: str) -> Frame:
        menu = tuple(
            {"text": page.menu, "href": page.path, "current": page.name == here.name, "active": page.name == here.part_of}
            for page in self._table
            if page.menu and person.role in page.who
        )
        return Frame(person.name, role_words(person.role, person.scope), menu, token, self._desk.demo)

    def _response(self, answered: Answered, frame: Frame) -> Response:
        match answered:
            case Shown():
                return HTMLResponse(self._desk.pages.render(answered.template, {"frame": frame, **answered.given}), answered.status)
            case SeeOther():
                return RedirectResponse(answered.address, HTTPStatus.SEE_OTHER)
            case Download():
                headers = {"content-disposition": f'attachment; filename="{answered.name}"'}
                return Response(csv_bytes(answered.rows), media_type="text/csv; charset=utf-8", headers=headers)


def address(request: Request) -> str:
    """Who asks, as far as a limit needs it."""
    return request.client.host if request.client is not None else "unknown"
