"""Signing in against the development issuer, and against issuers that lie."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from console.development_issuer import CLIENT_ID, DemoPerson, development_issuer, refuse_outside_a_demo
from console.oidc import Identity, IdentityRefused, OpenIdClient
from schemas.errors import WrongUsage
from streams import clock, unguessable

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

ISSUER, DESK = "http://127.0.0.1:1", "http://127.0.0.1:2"
BACK = f"{DESK}/sign-in/done"
ADA = DemoPerson("p-ada", "Ada Okafor", "ada@hub.example", "coordinator")


def desk(client: OpenIdClient) -> Starlette:
    async def begin(request: Request) -> Response:
        return await client.begin(request, BACK)

    async def done(request: Request) -> Response:
        try:
            who = await client.finish(request)
        except IdentityRefused as error:
            return JSONResponse({"refused": str(error)}, 403)
        return JSONResponse({"issuer": who.issuer, "subject": who.subject, "email": who.email})

    routes = [Route("/sign-in", begin), Route("/sign-in/done", done)]
    return Starlette(routes=routes, middleware=[Middleware(SessionMiddleware, secret_key="x" * 32)])


def pair(issuer: Starlette) -> tuple[httpx2.AsyncClient, httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(issuer)
    client = OpenIdClient(ISSUER, CLIENT_ID, SecretStr("hush"), transport=transport)
    return (
        httpx2.AsyncClient(transport=httpx2.ASGITransport(desk(client)), base_url=DESK),
        httpx2.AsyncClient(transport=transport, base_url=ISSUER),
    )


def ours(now: Callable[[], datetime] = clock.now) -> Starlette:
    return development_issuer(ISSUER, "hush", BACK, lambda: [ADA], now, unguessable.word)


async def code_for(browser: httpx2.AsyncClient, issuer: httpx2.AsyncClient) -> tuple[dict[str, str], str]:
    """The question that the desk asks, and where the issuer sends the browser back to."""
    going = await browser.get("/sign-in")
    asked = {k: v[0] for k, v in parse_qs(urlsplit(going.headers["location"]).query).items()}
    sent = await issuer.post("/authorize", data=asked | {"person": ADA.subject})
    return asked, sent.headers["location"]


def test_authorization_code_with_pkce_state_and_nonce_says_who_it_is() -> None:
    async def run() -> None:
        browser, issuer = pair(ours())
        asked, back = await code_for(browser, issuer)
        assert asked["code_challenge_method"] == "S256"
        assert len(asked["code_challenge"]) == 43
        assert asked["state"]
        assert asked["nonce"]
        assert asked["response_type"] == "code"
        assert (await browser.get(back)).json() == {"issuer": ISSUER, "subject": "p-ada", "email": "ada@hub.example"}

    asyncio.run(run())


def test_a_code_is_good_once_and_only_in_the_browser_that_asked() -> None:
    async def run() -> None:
        browser, issuer = pair(ours())
        _, back = await code_for(browser, issuer)
        other = httpx2.AsyncClient(transport=browser._transport, base_url=DESK)
        assert (await other.get(back)).status_code == 403  # no state of its own
        assert (await browser.get(back)).status_code == 200
        assert (await browser.get(back)).status_code == 403

    asyncio.run(run())


def test_a_foreign_state_is_refused() -> None:
    async def run() -> None:
        browser, issuer = pair(ours())
        asked, back = await code_for(browser, issuer)
        assert (await browser.get(back.replace(asked["state"], "stolen"))).status_code == 403

    asyncio.run(run())


def test_the_issuer_sends_nobody_anywhere_else_and_wants_the_verifier() -> None:
    async def run() -> None:
        browser, issuer = pair(ours())
        asked, back = await code_for(browser, issuer)
        code = parse_qs(urlsplit(back).query)["code"][0]
        elsewhere = asked | {"redirect_uri": "https://evil.example/"}
        assert (await issuer.get("/authorize", params=elsewhere)).status_code == 400
        wrong = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": "guessed"}
        said = await issuer.post("/token", data=wrong | {"client_id": CLIENT_ID, "client_secret": "hush"})
        assert said.json() == {"error": "invalid_grant"}
        assert (await issuer.post("/token", data=wrong | {"client_id": CLIENT_ID, "client_secret": "no"})).status_code == 401

    asyncio.run(run())


def test_a_code_ends_after_a_minute() -> None:
    moment = [datetime(2026, 11, 23, 8, 0, tzinfo=UTC)]

    async def run() -> None:
        browser, issuer = pair(ours(lambda: moment[0]))
        _, back = await code_for(browser, issuer)
        moment[0] = datetime(2026, 11, 23, 8, 1, 1, tzinfo=UTC)
        assert (await browser.get(back)).status_code == 403

    asyncio.run(run())


def _b64(said: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode()


def lying(forge: Callable[[dict[str, Any], ECKey], str], **configuration: Any) -> Starlette:
    """An issuer whose identity token is what `forge` makes of the honest claims and the published key."""
    key = ECKey.generate_key("P-256", {"kid": "k"})
    nonces: list[str] = []

    async def configured(_: Request) -> Response:
        said = {"issuer": ISSUER, "authorization_endpoint": f"{ISSUER}/authorize", "token_endpoint": f"{ISSUER}/token"}
        said |= {"jwks_uri": f"{ISSUER}/keys", "id_token_signing_alg_values_supported": ["ES256", "none", "HS256"]}  # type: ignore[dict-item]
        return JSONResponse(said | configuration)

    async def keys(_: Request) -> Response:
        return JSONResponse({"keys": [key.as_dict(private=False)]})

    async def authorize(request: Request) -> Response:
        form = await request.form()
        nonces.append(str(form["nonce"]))
        return JSONResponse({}, 303, headers={"location": f"{BACK}?code=c&state={form['state']}"})

    async def token(_: Request) -> Response:
        now = int(clock.now().timestamp())
        honest = {"iss": ISSUER, "sub": "p-ada", "aud": CLIENT_ID, "iat": now, "exp": now + 60, "nonce": nonces[-1]}
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": forge(honest | {"email": "ada@hub.example"}, key)})

    return Starlette(
        routes=[
            Route("/.well-known/openid-configuration", configured),
            Route("/keys", keys),
            Route("/authorize", authorize, methods=["POST"]),
            Route("/token", token, methods=["POST"]),
        ]
    )


def signed(**changed: Any) -> Callable[[dict[str, Any], ECKey], str]:
    def forge(honest: dict[str, Any], key: ECKey) -> str:
        return jwt.encode({"alg": "ES256", "kid": "k"}, {k: v for k, v in (honest | changed).items() if v is not None}, key)

    return forge


def unsigned(honest: dict[str, Any], _: ECKey) -> str:
    return f"{_b64({'alg': 'none', 'typ': 'JWT'})}.{_b64(honest)}."


def by_shared_secret(honest: dict[str, Any], key: ECKey) -> str:
    public = json.dumps(key.as_dict(private=False)).encode()
    return jwt.encode({"alg": "HS256"}, honest, OctKey.import_key(public), algorithms=["HS256"])


def by_another_key(honest: dict[str, Any], _: ECKey) -> str:
    return jwt.encode({"alg": "ES256", "kid": "k"}, honest, ECKey.generate_key("P-256"))


@pytest.mark.parametrize(
    ("forge", "taken"),
    [
        pytest.param(signed(), True, id="an honest one is taken"),
        pytest.param(unsigned, False, id="alg=none, though the issuer says that it supports it"),
        pytest.param(by_shared_secret, False, id="signed with the public key as a secret"),
        pytest.param(by_another_key, False, id="signed by another key"),
        pytest.param(signed(aud="somebody-else"), False, id="for another client"),
        pytest.param(signed(aud="somebody-else", azp=CLIENT_ID), False, id="for another client, on our behalf"),
        pytest.param(signed(iss="https://evil.example"), False, id="of another issuer"),
        pytest.param(signed(nonce="replayed"), False, id="an answer to another question"),
        pytest.param(signed(nonce=None), False, id="without a nonce"),
        pytest.param(signed(exp=1_000_000_000), False, id="out of date"),
        pytest.param(signed(exp=None), False, id="without an end"),
        pytest.param(signed(sub=None), False, id="of nobody"),
        pytest.param(signed(email=None), False, id="without an address"),
        pytest.param(signed(email_verified=False), False, id="with an address that is not confirmed"),
    ],
)
def test_identity_tokens(forge: Callable[[dict[str, Any], ECKey], str], *, taken: bool) -> None:
    async def run() -> int:
        browser, issuer = pair(lying(forge))
        _, back = await code_for(browser, issuer)
        return (await browser.get(back)).status_code

    assert asyncio.run(run()) == (200 if taken else 403)


def test_an_issuer_that_calls_itself_otherwise_is_refused() -> None:
    async def run() -> None:
        client = OpenIdClient(ISSUER, CLIENT_ID, SecretStr("x"), transport=httpx2.ASGITransport(lying(signed(), issuer="http://evil")))
        with pytest.raises(IdentityRefused, match="HEADWAY_OIDC_ISSUER"):
            await client._metadata()

    asyncio.run(run())


@pytest.mark.parametrize(("host", "demo", "fine"), [("127.0.0.1", True, True), ("127.0.0.1", False, False), ("0.0.0.0", True, False)])
def test_the_development_issuer_is_for_demos_on_this_machine(host: str, *, demo: bool, fine: bool) -> None:
    if fine:
        refuse_outside_a_demo(host, demo=demo)
    else:
        with pytest.raises(WrongUsage):
            refuse_outside_a_demo(host, demo=demo)


def test_an_identity_is_its_address_in_small_letters() -> None:
    client = OpenIdClient(ISSUER, CLIENT_ID, SecretStr("x"))
    assert client._identity({"sub": "1", "email": " Ada@Hub.Example "}) == Identity(ISSUER, "1", "ada@hub.example")
