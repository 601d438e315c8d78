"""Who somebody is, from an OpenID issuer: authorization code with PKCE, state, nonce and audience, by Authlib.

Identity only: which hub or school a person may see is ours to say, and stands in the database.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from joserfc.errors import JoseError

from schemas.errors import HeadwayError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["ALGORITHMS", "Identity", "IdentityRefused", "IssuerAway", "OpenIdClient"]

ALGORITHMS = ("ES256", "ES384", "PS256", "RS256")
"""Signatures that are taken. `none`, and those by a shared secret, are not among them whatever the issuer says it supports."""
_TIMEOUT_SECONDS = 10.0
_LEEWAY_SECONDS = 60
_SCOPE = "openid email profile"

_log = logging.getLogger("headway.console")


class IdentityRefused(HeadwayError):
    """The issuer's answer does not prove who this is."""


class IssuerAway(HeadwayError):
    """The issuer does not answer now."""

    temporary = True


@dataclass(frozen=True, slots=True)
class Identity:
    """What the issuer says: issuer and subject name the account for good; the address is confirmed by the issuer."""

    issuer: str
    subject: str
    email: str


class OpenIdClient:
    """The console as a client of one issuer. Between going and coming back it keeps what it needs in `request.session`."""

    def __init__(self, issuer: str, client_id: str, secret: SecretStr, *, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        """transport: in place of the network, for tests."""
        self._issuer, self._client_id = issuer, client_id
        options: dict[str, Any] = {"scope": _SCOPE, "code_challenge_method": "S256", "timeout": _TIMEOUT_SECONDS}
        if transport is not None:
            options["transport"] = transport
        self._client = OAuth().register(
            "issuer",
            client_id=client_id,
            client_secret=secret.get_secret_value(),
            server_metadata_url=f"{issuer}/.well-known/openid-configuration",
            client_kwargs=options,
        )

    async def begin(self, request: Request, return_to: str, *, hint: str = "") -> Response:
        """To the issuer. hint: an address that the person is likely to sign in with."""
        await self._metadata()
        extra = {"login_hint": hint} if hint else {}
        answer: Response = await self._client.authorize_redirect(request, return_to, **extra)
        return answer

    async def finish(self, request: Request) -> Identity:
        """Back from the issuer; raises IdentityRefused for anything that is not a whole, fresh, signed answer to our question."""
        await self._metadata()
        try:
            token = await self._client.authorize_access_token(
                request,
                claims_options={
                    "iss": {"essential": True, "value": self._issuer},
                    "aud": {"essential": True, "value": self._client_id},
                    "sub": {"essential": True},
                },
                leeway=_LEEWAY_SECONDS,
            )
        except (OAuthError, JoseError) as error:
            raise IdentityRefused(f"the issuer's answer is not taken ({type(error).__name__})") from error
        except (ValueError, KeyError, TypeError) as error:
            raise IdentityRefused(f"the issuer's answer cannot be read ({type(error).__name__})") from error
        except httpx2.HTTPError as error:
            raise IssuerAway(f"the issuer does not answer ({type(error).__name__})") from error
        return self._identity(token.get("userinfo"))

    def _identity(self, claims: Mapping[str, Any] | None) -> Identity:
        if claims is None:
            raise IdentityRefused("the issuer sent no identity token")
        subject, email = claims.get("sub"), claims.get("email")
        if not isinstance(subject, str) or not isinstance(email, str) or "@" not in email:
            raise IdentityRefused("the issuer names no subject or no e-mail address")
        if claims.get("email_verified") is False:
            raise IdentityRefused("the issuer has not confirmed this e-mail address")
        return Identity(self._issuer, subject, email.strip().lower())

    async def _metadata(self) -> None:
        """Loads what the issuer says of itself, once, and holds it to its own name and to our signatures."""
        try:
            said = await self._client.load_server_metadata()
        except (httpx2.HTTPError, ValueError) as error:
            _log.warning("the issuer of identities does not answer (%s)", type(error).__name__)
            raise IssuerAway(f"the issuer does not answer ({type(error).__name__})") from error
        if said.get("issuer") != self._issuer:
            raise IdentityRefused("the issuer calls itself by another name: check HEADWAY_OIDC_ISSUER")
        offered = said.get("id_token_signing_alg_values_supported") or ["RS256"]
        said["id_token_signing_alg_values_supported"] = [a for a in offered if a in ALGORITHMS] or list(ALGORITHMS)
