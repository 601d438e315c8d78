"""What `headway doctor` looks at of the casebook: its database, its ledger's key, what waits in its outbox, and the mail server."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import aiosmtplib
import sqlalchemy as sa

from casebook import tables as t
from casebook.database import Database
from casebook.outbox import MessageState
from streams.finding import Finding, Standing
from streams.live_checks import clock_against, disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from casebook.settings import CasebookSettings
    from casebook.transports import SmtpServer

__all__ = ["casebook_clock", "database", "mail"]

_SMTP_SECONDS_MAX = 10.0
_PROBE = "x" * 65_536
"""Large enough that a full disk has no room for it."""


def database(settings: CasebookSettings) -> Iterator[Finding]:
    """Is it there, of our tables, and can be written; a row is written and taken away again."""
    if "://" not in settings.casebook and not Path(settings.casebook).exists():
        said = f"{settings.casebook} is not there yet"
        yield Finding("database", Standing.LOOK, said, "It is made when the casebook starts. Is HEADWAY_CASEBOOK the right one?")
        return
    here = Database(settings.casebook, settings.password())
    try:
        now, newest = here.versions()
        if now != newest:
            said = f"{here.name}: its tables are of version {now or 'none'}, ours are {newest}"
            yield Finding(
                "database", Standing.WRONG, said, "Start `headway casebook` of this version, which brings them up; back it up first"
            )
            return
        with here.write() as connection:
            here.upsert(connection, t.mark, [{"name": "doctor", "value": _PROBE}])
        with here.write() as connection:
            connection.execute(sa.delete(t.mark).where(t.mark.c.name == "doctor"))
        yield Finding("database", Standing.WELL, f"{here.name} can be read and written; tables of version {now}")
        yield from _outbox(here)
    finally:
        here.close()


def _outbox(here: Database) -> Iterator[Finding]:
    with here.read() as connection:
        counts = connection.execute(sa.select(t.outbox.c.state, sa.func.count()).group_by(t.outbox.c.state)).all()
    states: dict[str, int] = {state: n for state, n in counts}  # noqa: C416 (rows are no pairs to the type checker)
    failed, waits = states.get(MessageState.FAILED, 0), states.get(MessageState.WAITING, 0)
    if failed:
        said = f"{failed} messages were tried often enough and never taken"
        yield Finding("outbox", Standing.LOOK, said, "Look at the addresses in the directory and at the mail server's log")
    else:
        yield Finding("outbox", Standing.WELL, f"{waits} messages wait, none was given up")


def casebook_clock(settings: CasebookSettings, now: datetime) -> Iterator[Finding]:
    """The clock of this machine against PostgreSQL's; SQLite has none of its own."""
    here = Database(settings.casebook, settings.password())
    try:
        if not here.is_sqlite:
            with here.read() as connection:
                theirs = connection.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
            yield clock_against("PostgreSQL's clock", theirs, now)
    finally:
        here.close()


def mail(settings: CasebookSettings) -> Iterator[Finding]:
    """Does the server answer, speak TLS as asked, and let us in; nothing is sent."""
    if not settings.smtp_host:
        said = f"no mail leaves: it is put into {settings.maildir}"
        yield Finding("smtp", Standing.LOOK, said, "Name the mail server with HEADWAY_SMTP_HOST, unless files are what you want")
        yield from disk("HEADWAY_MAILDIR", settings.maildir)
        return
    server, place = settings.smtp_server(), f"{settings.smtp_host}:{settings.smtp_port}"
    try:
        asyncio.run(_greet(server))
    except aiosmtplib.SMTPAuthenticationError as error:
        remedy = "Are HEADWAY_SMTP_USERNAME and HEADWAY_SMTP_PASSWORD_FILE right?"
        yield Finding("smtp", Standing.WRONG, f"{place}: {server.username} is not let in ({error.code})", remedy)
    except aiosmtplib.SMTPException as error:
        remedy = "Is it up, does a firewall stand between, and is HEADWAY_SMTP_SECURITY what it speaks at this port?"
        yield Finding("smtp", Standing.WRONG, f"{place}: {type(error).__name__}", remedy)
    except OSError as error:
        yield Finding(
            "smtp", Standing.WRONG, f"{place}: {error.strerror or type(error).__name__}", "Are HEADWAY_SMTP_HOST and its port right?"
        )
    else:
        yield Finding(
            "smtp", Standing.WELL, f"{place} answers, by {server.security}" + (f", as {server.username}" if server.username else "")
        )


async def _greet(server: SmtpServer) -> None:
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        use_tls=server.security == "tls",
        start_tls=server.security == "starttls",
        timeout=_SMTP_SECONDS_MAX,
    )
    try:
        await client.connect()
        if server.username is not None:
            await client.login(server.username, "" if server.password is None else server.password.get_secret_value())
        await client.noop()
        with suppress(aiosmtplib.SMTPException):  # What matters was said.
            await client.quit()
    finally:
        client.close()
