"""Signing in and out: to the issuer, back, a new cookie; away with it.

The `next` of a sign-in is a path of ours and nothing else. A person with several roles begins in the first and may change.
"""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from casebook.directory import roles_of
from casebook.scope import Role
from console.bodies import BadForm, read_form
from console.dispatch import address
from console.oidc import IdentityRefused, IssuerAway
from console.own_forms import ForeignForm, refuse_foreign
from console.people_words import LONDON
from console.rate_limits import RateLimit

if TYPE_CHECKING:
    from starlette.requests import Request

    from console.desk import Desk
    from console.errors import ErrorPages

__all__ = ["SignInPages", "local_path"]

_FIRST = (Role.COORDINATOR, Role.HUB_LEAD, Role.SCHOOL, Role.ANALYST, Role.OPS)
_SIGN_INS = RateLimit(burst=20, per_minute=20)
_LOCAL = re.compile(r"/(?![/\\])[A-Za-z0-9/._~?&=%,:+-]{0,500}")
_NEXT = "headway_next"

_log = logging.getLogger("headway.console")


def local_path(asked: str) -> str:
    r"""The path if it is one of ours, else the first page: nobody is sent anywhere else.

    >>> local_path("/cases/7?show=all"), local_path("//evil.example"), local_path("https://evil.example"), local_path("/\\\\evil")
    ('/cases/7?show=all', '/', '/', '/')
    """
    if not _LOCAL.fullmatch(asked) or asked.startswith("/sign-"):
        return "/"
    parts = urlsplit(asked)
    return asked if not parts.scheme and not parts.netloc else "/"


class SignInPages:
    """Endpoints that stand outside the route table's rule that a person is signed in."""

    def __init__(self, desk: Desk, errors: ErrorPages) -> None:
        self._desk, self._errors = desk, errors

    async def begin(self, request: Request) -> Response:
        """To the issuer."""
        wait = self._desk.limits.wait_seconds("sign-in", address(request), _SIGN_INS)
        if wait:
            return self._errors.too_often(wait)
        request.session[_NEXT] = local_path(request.query_params.get("next", "/"))
        hint = self._desk.hint if "as" in request.query_params else ""
        try:
            return await self._desk.issuer.begin(request, f"{self._desk.origin}/sign-in/done", hint=hint)
        except IssuerAway:
            return self._errors.page(HTTPStatus.SERVICE_UNAVAILABLE)
        except IdentityRefused as error:
            _log.warning("signing in does not work: %s", error)
            return self._errors.refused("The issuer of identities is not the one that this service expects. Tell whoever runs it.")

    async def done(self, request: Request) -> Response:
        """Back from the issuer."""
        wait = self._desk.limits.wait_seconds("sign-in", address(request), _SIGN_INS)
        if wait:
            return self._errors.too_often(wait)
        following = local_path(str(request.session.pop(_NEXT, "/")))
        try:
            who = await self._desk.issuer.finish(request)
        except IssuerAway:
            return self._errors.page(HTTPStatus.SERVICE_UNAVAILABLE)
        except IdentityRefused as error:
            _log.warning("a sign-in was refused: %s", error)
            return self._errors.refused("The answer of the issuer of identities could not be taken. Try once more, from the beginning.")
        old = request.cookies.get(self._desk.cookie, "")
        cookie = await run_in_threadpool(self._cookie_for, who.email, old)
        if cookie is None:
            _log.info("an identity that is in no directory was turned away")
            return self._errors.refused("You are who you say, but you have no role here today. Your hub lead can give you one.")
        return self._signed_in(cookie, following)

    async def change(self, request: Request) -> Response:
        """Another of the person's own roles: a new cookie, the former one worth nothing."""
        desk, cookie = self._desk, request.cookies.get(self._desk.cookie, "")
        try:
            form = await read_form(request)
            refuse_foreign(request.headers, form.get("token", ""), cookie, desk.origin)
        except BadForm:
            return self._errors.page(HTTPStatus.BAD_REQUEST)
        except ForeignForm as error:
            _log.warning("a form was refused: %s", error)
            return self._errors.page(HTTPStatus.FORBIDDEN)
        new = await run_in_threadpool(self._changed, cookie, form.get("role", ""))
        if new is None:
            return self._errors.page(HTTPStatus.NOT_FOUND)
        return self._signed_in(new, "/")

    async def end(self, request: Request) -> Response:
        """Signing out, by a form of ours."""
        cookie = request.cookies.get(self._desk.cookie, "")
        try:
            form = await read_form(request)
            refuse_foreign(request.headers, form.get("token", ""), cookie, self._desk.origin)
        except BadForm:
            return self._errors.page(HTTPStatus.BAD_REQUEST)
        except ForeignForm as error:
            _log.warning("a form was refused: %s", error)
            return self._errors.page(HTTPStatus.FORBIDDEN)
        await run_in_threadpool(self._desk.sign_ins.end, cookie)
        response = RedirectResponse("/signed-out", HTTPStatus.SEE_OTHER)
        response.delete_cookie(self._desk.cookie, path="/", secure=self._desk.https, httponly=True, samesite="lax")
        return response

    def _signed_in(self, cookie: str, following: str) -> Response:
        response = RedirectResponse(following, HTTPStatus.SEE_OTHER)
        response.set_cookie(self._desk.cookie, cookie, path="/", secure=self._desk.https, httponly=True, samesite="lax")
        return response

    def _cookie_for(self, email: str, former: str) -> str | None:
        """A sign-in in the first of this person's roles; None where they have none today."""
        moment = self._desk.now()
        with self._desk.database.read() as db:
            roles = roles_of(db, moment.astimezone(LONDON).date(), email=email)
        if not roles:
            return None
        first = min(roles, key=lambda one: (_FIRST.index(one.role), one.scope))
        return self._desk.sign_ins.begin(first, moment, former or None)

    def _changed(self, cookie: str, wanted: str) -> str | None:
        moment = self._desk.now()
        signed_in = self._desk.sign_ins.seen(cookie, moment)
        if signed_in is None:
            return None
        with self._desk.database.read() as db:
            roles = roles_of(db, moment.astimezone(LONDON).date(), person=signed_in.person.person)
        chosen = next((one for one in roles if f"{one.role}|{one.scope}" == wanted), None)
        return None if chosen is None else self._desk.sign_ins.begin(chosen, moment, cookie)
