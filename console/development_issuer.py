"""An issuer of identities for the demo and the tests: real authorization code with PKCE, and nobody is asked for a password.

It listens on 127.0.0.1 only, and whoever starts it must show that the database is marked as a demo.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import ECKey
from markupsafe import Markup, escape
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from starlette.routing import Route

from console.bodies import read_form
from schemas.errors import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["CLIENT_ID", "DemoPerson", "development_issuer", "refuse_outside_a_demo"]

CLIENT_ID = "headway-console"
_CODE_SECONDS, _TOKEN_SECONDS, _CODES_MAX = 60, 300, 1_000
_ASKED = ("client_id", "redirect_uri", "state", "nonce", "code_challenge", "code_challenge_method", "response_type", "scope")
_LOCAL = {"127.0.0.1"}


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """Somebody whom anyone at this machine may be: opaque id, name, address, role in words."""

    subject: str
    name: str
    email: str
    role: str


@dataclass(frozen=True, slots=True)
class _Granted:
    """What a code stands for until it is used, once."""

    person: DemoPerson
    redirect_uri: str
    nonce: str
    challenge: str
    until: float


def refuse_outside_a_demo(host: str, *, demo: bool) -> None:
    """Raises WrongUsage unless it listens on 127.0.0.1 and the database says of itself that it is a demo."""
    if host not in _LOCAL:
        raise WrongUsage(f"the development issuer would listen on {host}: it lets anyone in, and listens on 127.0.0.1 only")
    if not demo:
        raise WrongUsage("the development issuer lets anyone in, and this database is not marked as a demo. Set HEADWAY_OIDC_ISSUER")


def development_issuer(
    issuer: str,
    secret: str,
    redirect_uri: str,
    people: Callable[[], Sequence[DemoPerson]],
    now: Callable[[], datetime],
    secret_word: Callable[[], str],
) -> Starlette:
    """The issuer as an application. issuer: its own address; redirect_uri: the only place where it sends anybody."""
    return _Issuer(issuer, secret, redirect_uri, people, now, secret_word).app


class _Issuer:
    def __init__(
        self,
        issuer: str,
        secret: str,
        redirect_uri: str,
        people: Callable[[], Sequence[DemoPerson]],
        now: Callable[[], datetime],
        secret_word: Callable[[], str],
    ) -> None:
        self._issuer, self._secret, self._redirect_uri, self._people = issuer, secret, redirect_uri, people
        self._now, self._secret_word = now, secret_word
        self._key = ECKey.generate_key("P-256", {"kid": self._secret_word(), "use": "sig", "alg": "ES256"})
        self._codes: OrderedDict[str, _Granted] = OrderedDict()
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._configuration),
                Route("/keys", self._keys),
                Route("/authorize", self._ask, methods=["GET"]),
                Route("/authorize", self._grant, methods=["POST"]),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    async def _configuration(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self._issuer,
                "authorization_endpoint": f"{self._issuer}/authorize",
                "token_endpoint": f"{self._issuer}/token",
                "jwks_uri": f"{self._issuer}/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            }
        )

    async def _keys(self, _: Request) -> Response:
        return JSONResponse({"keys": [self._key.as_dict(private=False)]})

    def _asked(self, given: dict[str, str]) -> str | None:
        """What is wrong with a question, None when nothing is."""
        wanted = {"client_id": CLIENT_ID, "redirect_uri": self._redirect_uri, "response_type": "code", "code_challenge_method": "S256"}
        for name, value in wanted.items():
            if given.get(name) != value:
                return f"{name} is not what this issuer takes"
        return next((f"{name} is missing" for name in ("state", "nonce", "code_challenge") if not given.get(name)), None)

    async def _ask(self, request: Request) -> Response:
        given = {name: request.query_params.get(name, "") for name in _ASKED}
        if wrong := self._asked(given):
            return PlainTextResponse(wrong, 400)
        hint = request.query_params.get("login_hint", "")
        if hinted := next((p for p in self._people() if p.email == hint), None):
            return self._send_back(given, hinted)
        return HTMLResponse(_page(self._people(), given), headers=self._headers())

    async def _grant(self, request: Request) -> Response:
        form = await read_form(request)
        given = {name: form.get(name, "") for name in (*_ASKED, "person")}
        person = next((p for p in self._people() if p.subject == given["person"]), None)
        wrong = self._asked(given) or (None if person else "nobody of that name")
        if person is None or wrong:
            return PlainTextResponse(str(wrong), 400)
        return self._send_back(given, person)

    def _send_back(self, given: dict[str, str], person: DemoPerson) -> Response:
        code = self._secret_word()
        until = self._now().timestamp() + _CODE_SECONDS
        self._codes[code] = _Granted(person, given["redirect_uri"], given["nonce"], given["code_challenge"], until)
        while len(self._codes) > _CODES_MAX:
            self._codes.popitem(last=False)
        query = urlencode({"code": code, "state": given["state"]})
        return RedirectResponse(f"{self._redirect_uri}?{query}", 303, headers={"cache-control": "no-store"})

    async def _token(self, request: Request) -> Response:
        given = await read_form(request)
        granted = self._codes.pop(given.get("code", ""), None)
        moment = int(self._now().timestamp())
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if not self._client_is_ours(request, given):
            return JSONResponse({"error": "invalid_client"}, 401)
        if (
            granted is None
            or given.get("grant_type") != "authorization_code"
            or granted.until < moment
            or granted.redirect_uri != given.get("redirect_uri")
            or not hmac.compare_digest(granted.challenge, challenge)
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "sub": granted.person.subject,
            "aud": CLIENT_ID,
            "iat": moment,
            "exp": moment + _TOKEN_SECONDS,
            "nonce": granted.nonce,
            "email": granted.person.email,
            "email_verified": True,
            "name": granted.person.name,
        }
        token = jwt.encode({"alg": "ES256", "kid": self._key.kid}, claims, self._key)
        said = {"access_token": self._secret_word(), "token_type": "Bearer", "expires_in": _TOKEN_SECONDS, "id_token": token}
        return JSONResponse(said, headers={"cache-control": "no-store"})

    def _client_is_ours(self, request: Request, given: dict[str, str]) -> bool:
        """By HTTP Basic or in the form, as RFC 6749 section 2.3.1 has it."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            expected = base64.b64encode(f"{CLIENT_ID}:{self._secret}".encode()).decode()
            return hmac.compare_digest(value, expected)
        return given.get("client_id") == CLIENT_ID and hmac.compare_digest(given.get("client_secret", ""), self._secret)

    def _headers(self) -> dict[str, str]:
        origin = "/".join(self._redirect_uri.split("/")[:3])
        policy = f"default-src 'none'; form-action 'self' {origin}; base-uri 'none'; frame-ancestors 'none'"
        return {"content-security-policy": policy, "cache-control": "no-store", "x-content-type-options": "nosniff"}


def _page(people: Sequence[DemoPerson], given: dict[str, str]) -> str:
    """Who do you want to be?"""
    kept = Markup("").join(Markup('<input type="hidden" name="{}" value="{}">').format(name, value) for name, value in given.items())
    choices = Markup("").join(
        Markup('<p><button type="submit" name="person" value="{}">{}</button> {}</p>').format(p.subject, p.name, p.role) for p in people
    )
    title = escape("Who are you? A simulation: nobody is asked for a password")
    return Markup(
        '<!doctype html><html lang="en-GB"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        "<title>{}</title></head><body><main><h1>{}</h1>"
        '<form method="post" action="/authorize">{}{}</form></main></body></html>'
    ).format(title, title, kept, choices)
