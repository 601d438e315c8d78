"""Opens a desk on a casebook: in a process of its own, inside `headway serve`, at the end of the demo, and in the tests."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING

from pydantic import SecretStr

from casebook.casework import Casework
from casebook.directory import Directory
from casebook.looks import Looks
from casebook.sign_ins import SignIns
from console.desk import Desk, Helper
from console.oidc import OpenIdClient
from console.people_words import LONDON
from console.rate_limits import RateLimits
from console.rendering import Pages
from models import ENGINE_VERSION
from schemas.errors import WrongUsage
from streams import clock, unguessable

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    from casebook.database import Database
    from casebook.ledger import Ledger
    from console.settings import ConsoleSettings

__all__ = ["client_of", "helper_of", "open_desk"]


def open_desk(
    database: Database,
    ledger: Ledger,
    issuer: OpenIdClient,
    origin: str,
    helper: Helper,
    *,
    now: Callable[[], datetime] = clock.now,
    hint: str = "",
) -> Desk:
    """Every part over one casebook. origin: how people reach it; hint: see `Desk`."""
    style = files("console").joinpath("static/headway.css").read_bytes()
    shared = {"help": helper, "version": ENGINE_VERSION, "style_version": hashlib.sha256(style).hexdigest()[:12]}
    return Desk(
        database=database,
        looks=Looks(database, ledger),
        work=Casework(database, ledger, unguessable.word),
        directory=Directory(database),
        sign_ins=SignIns(database, unguessable.word, local_date),
        pages=Pages(shared),
        issuer=issuer,
        limits=RateLimits(clock.monotonic_seconds),
        origin=origin,
        now=now,
        word=unguessable.word,
        demo=database.is_demo(),
        hint=hint,
    )


def local_date(moment: datetime) -> date:
    """The day in England."""
    return moment.astimezone(LONDON).date()


def helper_of(settings: ConsoleSettings) -> Helper:
    """Who helps, as the settings name them."""
    return Helper(settings.organisation, settings.help_name, settings.help_email, settings.help_phone)


def client_of(settings: ConsoleSettings) -> OpenIdClient:
    """The issuer that the settings name; raises WrongUsage where they name none."""
    if not settings.oidc_issuer or not settings.oidc_client_id:
        raise WrongUsage("HEADWAY_OIDC_ISSUER and HEADWAY_OIDC_CLIENT_ID: name who says who people are, or run the demo")
    return OpenIdClient(settings.oidc_issuer, settings.oidc_client_id, SecretStr(settings.client_secret().get_secret_value()))
