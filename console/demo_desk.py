"""The console of a demo: the desk on a casebook that is marked as one, with the development issuer beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

from casebook.directory import people_now
from casebook.scope import Role
from console.app import console_app
from console.desk import Helper
from console.development_issuer import CLIENT_ID, DemoPerson, development_issuer, refuse_outside_a_demo
from console.oidc import OpenIdClient
from console.opening import open_desk
from console.people_words import role_words
from console.routes import TABLE
from console.serving import WebServer, listen
from streams import clock, unguessable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from casebook.database import Database
    from casebook.ledger import Ledger

__all__ = ["DemoDesk"]

_HELPER = Helper("a simulated hub", "Grace Mbeki", "desk@hub.example", "020 7946 0000")
_LOCAL = "127.0.0.1"


@dataclass(slots=True)
class DemoDesk:
    """Two servers on this machine. url: the first page, signed in as the hub's coordinator."""

    url: str
    origin: str
    _console: WebServer
    _issuer: WebServer

    @classmethod
    def open(cls, database: Database, ledger: Ledger, *, port: int = 0, now: Callable[[], datetime] = clock.now) -> DemoDesk:
        """Raises WrongUsage unless the database is marked as a demo. now: the demo's clock may stand on its last day."""
        refuse_outside_a_demo(_LOCAL, demo=database.is_demo())
        desk_socket, issuer_socket = listen(_LOCAL, port), listen(_LOCAL, 0)
        origin, issuer = (f"http://{_LOCAL}:{s.getsockname()[1]}" for s in (desk_socket, issuer_socket))
        secret = unguessable.word()
        people = _people(database)
        first = next((p.email for p in people() if p.role.startswith(str(Role.COORDINATOR))), "")
        client = OpenIdClient(issuer, CLIENT_ID, SecretStr(secret))
        desk = open_desk(database, ledger, client, origin, _HELPER, now=now, hint=first)
        gate = development_issuer(issuer, secret, f"{origin}/sign-in/done", people, clock.now, unguessable.word)
        return cls(
            f"{origin}/sign-in?as=coordinator", origin, WebServer(console_app(desk, TABLE), desk_socket), WebServer(gate, issuer_socket)
        )

    def start(self) -> None:
        """Both, in threads."""
        self._issuer.start()
        self._console.start()

    def stop(self) -> None:
        """Both."""
        self._console.stop()
        self._issuer.stop()


def _people(database: Database) -> Callable[[], Sequence[DemoPerson]]:
    def people() -> list[DemoPerson]:
        with database.read() as db:
            return [DemoPerson(p.person, p.name, p.email, role_words(p.role, p.scope)) for p in people_now(db)]

    return people
