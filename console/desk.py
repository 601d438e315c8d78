"""What the console stands on, as one value: the casebook and its verbs, the clock, who asks the issuer, who helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from casebook.casework import Casework
    from casebook.database import Database
    from casebook.directory import Directory
    from casebook.looks import Looks
    from casebook.sign_ins import SignIns
    from console.oidc import OpenIdClient
    from console.rate_limits import RateLimits
    from console.rendering import Pages

__all__ = ["Desk", "Helper"]


@dataclass(frozen=True, slots=True)
class Helper:
    """Who runs the service, and the named person who helps."""

    organisation: str
    name: str
    email: str
    phone: str


@dataclass(frozen=True, slots=True)
class Desk:
    """origin: how people reach it, such as https://desk.example.org; word: gives words that nobody can guess; demo: whether the
    database is marked as one; hint: the address that signs in unasked in a demo."""

    database: Database
    looks: Looks
    work: Casework
    directory: Directory
    sign_ins: SignIns
    pages: Pages
    issuer: OpenIdClient
    limits: RateLimits
    origin: str
    now: Callable[[], datetime]
    word: Callable[[], str]
    demo: bool = False
    hint: str = ""

    @property
    def https(self) -> bool:
        """Whether people reach it over TLS."""
        return self.origin.startswith("https://")

    @property
    def cookie(self) -> str:
        """Name of the sign-in's cookie: `__Host-` keeps a neighbour on the same domain from setting it, over TLS only."""
        return "__Host-headway" if self.https else "headway"
