"""The outbox to a real mail server, and everything that can go wrong on the way."""

from __future__ import annotations

import http.server
import json
import mailbox
import threading
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import pytest
import sqlalchemy as sa
from aiosmtpd.controller import Controller

from casebook import tables as t
from casebook.delivery import Delivery
from casebook.outbox import ATTEMPTS_MAX, Outbox, put
from casebook.transports import ChatHook, Mail, MaildirTransport, Refused, SmtpServer, SmtpTransport, Unreachable, mail
from schemas.errors import WrongUsage
from tests.casebooks import Book

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator
    from pathlib import Path

    from casebook.database import Database

NOW = datetime(2026, 10, 5, 6, 30, tzinfo=UTC)
BODY = {"cases": {"opened": 2}, "waiting": 3, "hub": "hub A", "link": "https://desk.example.org/"}


class Postbox:
    """Answers with what it is told to, then takes everything."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.taken = list(answers), list[bytes]()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        if self.answers and self.answers[0].startswith("RCPT "):
            return self.answers.pop(0).removeprefix("RCPT ")
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer in {"250 OK", "drop"}:
            self.taken.append(envelope.content)
        if answer == "drop":
            server.transport.abort()
        return answer


class AnyPort(Controller):
    """On a free port, which `port` then names."""

    def _trigger_server(self) -> None:
        self.port = cast("asyncio.Server", self.server).sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextmanager
def smtp(postbox: Postbox) -> Iterator[SmtpTransport]:
    """A server on a free port of this machine."""
    controller = AnyPort(postbox, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        yield SmtpTransport(SmtpServer("127.0.0.1", controller.port, "headway@example.org", security="none"))
    finally:
        controller.stop()


class Office:
    """A delivery with one digest for ann in the outbox."""

    def __init__(self, database: Database, **transports: Any) -> None:
        self.book, self.now, self.database = Book(database), NOW, database
        self.delivery = Delivery(database, transports, lambda: self.now, lambda moment: moment.date())
        with database.write() as connection:
            for channel in transports:
                to = "ann" if channel == "mail" else "hub A"
                put(database, connection, class_="digest", key=f"d|{to}", channel=channel, body=BODY, at=NOW, recipient=to)

    def state(self) -> tuple[str, int, str | None]:
        with self.database.read() as connection:
            row = connection.execute(sa.select(t.outbox)).one()
        return row.state, row.attempts, row.problem


def test_a_digest_arrives_by_smtp(database: Database) -> None:
    postbox = Postbox()
    with smtp(postbox) as transport:
        office = Office(database, mail=transport)
        assert office.delivery.step() == 1
        assert office.delivery.step() == 0
    (content,) = postbox.taken
    said = content.decode().replace("\r\n", "\n")
    assert "To: Ann <ann@example.org>\n" in said
    assert "Subject: Headway: 3 cases wait\n" in said
    assert "Auto-Submitted: auto-generated\n" in said
    assert "- 2 new cases\n" in said
    assert office.state()[:2] == ("sent", 1)


@pytest.mark.parametrize("answer", ["451 come back later", "RCPT 450 greylisted", "drop"])
def test_what_may_be_taken_later_is_tried_again_after_a_pause_with_the_same_id(database: Database, answer: str) -> None:
    postbox = Postbox(answer)
    with smtp(postbox) as transport:
        office = Office(database, mail=transport)
        assert office.delivery.step() == 0
        assert office.state()[:2] == ("waiting", 1)
        assert office.delivery.step() == 0, "not before the pause is over"
        office.now += timedelta(minutes=1)
        assert office.delivery.step() == 1
    ids = {line for content in postbox.taken for line in content.decode().splitlines() if line.startswith("Message-ID")}
    assert len(postbox.taken) == (2 if answer == "drop" else 1)
    assert len(ids) == 1


@pytest.mark.parametrize("answer", ["550 no", "RCPT 550 nobody here"])
def test_what_is_refused_is_shown_as_failed_and_not_tried_again(database: Database, answer: str) -> None:
    with smtp(Postbox(answer)) as transport:
        office = Office(database, mail=transport)
        assert office.delivery.step() == 0
        assert office.state() == ("failed", 1, "refused with 550")
        office.now += timedelta(days=1)
        assert office.delivery.step() == 0
        assert office.state()[1] == 1


def test_a_server_that_never_answers_is_given_up_at_last(database: Database) -> None:
    office = Office(database, mail=SmtpTransport(SmtpServer("127.0.0.1", 9, "headway@example.org", security="none")))
    for _ in range(ATTEMPTS_MAX + 3):
        office.delivery.step()
        office.now += timedelta(days=1)
    assert office.state()[:2] == ("failed", ATTEMPTS_MAX)


def test_a_process_that_died_while_sending_is_followed_by_one_that_sends(database: Database) -> None:
    postbox = Postbox()
    with smtp(postbox) as transport:
        office = Office(database, mail=transport)
        assert len(Outbox(database).take(["mail"], office.now)) == 1
        assert office.delivery.step() == 0, "somebody has it"
        office.now += timedelta(minutes=5)
        assert office.delivery.step() == 1
    assert len(postbox.taken) == 1


def test_who_has_left_meanwhile_is_sent_nothing(database: Database) -> None:
    postbox = Postbox()
    with smtp(postbox) as transport:
        office = Office(database, mail=transport)
        office.book.directory.revoke("ann", "lea", office.now)
        assert office.delivery.step() == 0
    assert postbox.taken == []
    assert office.state()[0] == "dropped"


def test_a_demo_sends_nothing(database: Database) -> None:
    postbox = Postbox()
    with smtp(postbox) as transport:
        office = Office(database, mail=transport)
        database.mark_demo()
        assert office.delivery.step() == 0
    assert postbox.taken == []
    assert office.state()[0] == "waiting"


def test_without_a_server_mail_goes_into_a_maildir(database: Database, tmp_path: Path) -> None:
    office = Office(database, mail=MaildirTransport(tmp_path / "mail", "headway@example.org"))
    assert office.delivery.step() == 1
    with closing(mailbox.Maildir(tmp_path / "mail" / "messages")) as box:
        assert [one["Subject"] for one in box] == ["Headway: 3 cases wait"]


def test_a_chat_is_told_through_the_json_hook(database: Database) -> None:
    got: list[dict[str, Any]] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200 if len(got) > 1 else 500)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the server's name)
            """Nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        office = Office(database, chat=ChatHook(f"json://127.0.0.1:{server.server_port}/hub"))
        assert office.delivery.step() == 0
        office.now += timedelta(minutes=1)
        assert office.delivery.step() == 1
        server.shutdown()
    assert got[1]["title"] == "Headway: 3 cases wait"
    assert "https://desk.example.org/" in got[1]["message"]


@pytest.mark.parametrize("address", ["mailto://me:you@example.org", "https://example.org", "json://"])
def test_a_chat_hook_is_json_and_nothing_else(address: str) -> None:
    with pytest.raises(WrongUsage):
        ChatHook(address)


@pytest.mark.parametrize("name", ["Ann\r\nBcc: all@example.org", "Ann\nX", "\x00Ann"])
def test_a_name_cannot_add_a_header(name: str) -> None:
    made = mail(Mail(UUID(int=1), name, "ann@example.org", "Hello\r\nBcc: x@example.org", "text", NOW), "headway@example.org")
    assert made["Bcc"] is None
    assert sorted(made.keys()) == sorted(
        ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"]
    )


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(Refused):
        mail(Mail(UUID(int=1), "Ann", "ann at example", "Hello", "text", NOW), "headway@example.org")


def test_a_maildir_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unreachable):
        MaildirTransport(tmp_path / "file" / "mail", "h@example.org").send(Mail(UUID(int=1), "A", "a@example.org", "s", "t", NOW))
