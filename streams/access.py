"""Who may speak to the intake, and who is told the expected path (class T of `casework.md` section 3).

With tokens every caller needs one. Without tokens the intake stands on a loopback address only, and a request that came
through a proxy, or under another host's name, is not taken for one of this machine.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schemas.errors import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Access", "is_loopback", "tokens_from"]

TOKEN_CHARACTERS_MIN = 16
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def is_loopback(host: str) -> bool:
    """Whether this host name or address can only be this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def tokens_from(file: Path | None, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The tokens of a file, or of HEADWAY_INTAKE_TOKENS, separated by blanks or lines; none if neither is given.

    What is given and holds no token is wrong usage, and never an intake without tokens.
    """
    if file is None:
        text, name = environment.get("HEADWAY_INTAKE_TOKENS"), "HEADWAY_INTAKE_TOKENS"
    else:
        name = str(file)
        try:
            text = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise WrongUsage(f"{name}: cannot be read ({type(error).__name__}). Name a text file with one intake token a line.") from error
    tokens = tuple((text or "").split())
    if text is not None and not tokens:
        raise WrongUsage(f"{name}: holds no intake token. Write one, or leave it out.")
    return tokens


@dataclass(frozen=True, slots=True)
class Access:
    """The intake tokens, any of which opens it (so that one can be replaced without loss); none: this machine only."""

    tokens: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def on(cls, host: str, tokens: tuple[str, ...]) -> Access:
        """Raises WrongUsage when others could reach this address without a token, or a token is too weak."""
        if not tokens and not is_loopback(host):
            raise WrongUsage(f"{host} is no loopback address: give an intake token (HEADWAY_INTAKE_TOKENS), or listen on 127.0.0.1.")
        if any(len(t) < TOKEN_CHARACTERS_MIN or not t.isascii() or any(c.isspace() for c in t) for t in tokens):
            raise WrongUsage(f"an intake token has at least {TOKEN_CHARACTERS_MIN} ASCII characters and no blanks.")
        return cls(tokens)

    def may_speak(self, headers: Mapping[str, str], peer: str) -> bool:
        """Whether this request is answered at all; every token is compared in constant time."""
        if not self.tokens:
            host = headers.get("host", "")
            name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
            return is_loopback(peer) and is_loopback(name)
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return False
        said = given.strip().encode("utf-8", "surrogateescape")
        return sum(hmac.compare_digest(said, token.encode()) for token in self.tokens) > 0  # All are compared.

    def sees_expected_path(self, headers: Mapping[str, str]) -> bool:
        """Whether a caller who may speak is told the expected path: whoever showed a token, or is on this machine himself."""
        return bool(self.tokens) or not any(name in headers for name in _FORWARDED)
