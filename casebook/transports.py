"""How a message leaves: e-mail by SMTP, into a Maildir where no SMTP server is named, chat by apprise's JSON hook.

Every send is bounded in time. What will never be taken raises Refused; what may be later, Unreachable.
"""

from __future__ import annotations

import asyncio
import mailbox
import re
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import aiosmtplib

from schemas.errors import HeadwayError, WrongUsage

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path
    from uuid import UUID

    from pydantic import SecretStr

__all__ = ["ChatHook", "Mail", "MaildirTransport", "Refused", "SmtpServer", "SmtpTransport", "Transport", "Unreachable", "mail"]

_SECONDS_MAX = 30.0
_PERMANENT = 500
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
"""What HTML calls a valid e-mail address; quoted and international ones are not taken."""


class Refused(HeadwayError):
    """The message will never be taken: the address does not exist, or the server wants nothing of it."""


class Unreachable(HeadwayError):
    """The server does not answer now, or asks to be tried later."""

    temporary = True


@dataclass(frozen=True, slots=True)
class Mail:
    """One message to one address, or to one hub's chat. message_id stays the same however often it is tried."""

    message_id: UUID
    name: str
    address: str
    subject: str
    text: str
    at: datetime


class Transport(Protocol):
    """Whoever carries a message."""

    def send(self, message: Mail) -> None:
        """It has arrived when this returns; raises Refused or Unreachable."""


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed over. security: `tls` from the first byte, `starttls` or nothing but on this machine."""

    host: str
    port: int
    sender: str
    security: str = "starttls"
    username: str | None = None
    password: SecretStr | None = None


class SmtpTransport:
    """A connection for each message: they are few."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server

    def send(self, message: Mail) -> None:
        """As `Transport`."""
        server = self._server
        made = mail(message, server.sender)
        try:
            asyncio.run(
                aiosmtplib.send(
                    made,
                    sender=server.sender,
                    recipients=[message.address],
                    hostname=server.host,
                    port=server.port,
                    use_tls=server.security == "tls",
                    start_tls=server.security == "starttls",
                    username=server.username,
                    password=None if server.password is None else server.password.get_secret_value(),
                    timeout=_SECONDS_MAX,
                )
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _fate(max(one.code for one in error.recipients)) from error
        except aiosmtplib.SMTPResponseException as error:
            raise _fate(error.code) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Unreachable(f"{server.host}:{server.port}: {type(error).__name__}") from error


class MaildirTransport:
    """Where no SMTP server is named: files that a mail program reads."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder, self._sender = folder, sender

    def send(self, message: Mail) -> None:
        """As `Transport`."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            mailbox.Maildir(self._folder / "messages", create=True).add(mail(message, self._sender))
        except OSError as error:
            raise Unreachable(f"{self._folder}: {error.strerror}") from error


class ChatHook:
    """Apprise's JSON hook: a title and a text to an address of the hub's own."""

    def __init__(self, address: str) -> None:
        """address: `json://host/path` or `jsons://…`; raises WrongUsage for anything else."""
        import apprise  # noqa: PLC0415 (half a second that only those pay who have a chat hook)

        self._hook = apprise.Apprise()
        parts = urlsplit(address)
        if parts.scheme not in {"json", "jsons"} or not parts.hostname or not self._hook.add(address):
            raise WrongUsage("HEADWAY_CHAT_HOOK: write an address such as jsons://chat.example.org/hook")

    def send(self, message: Mail) -> None:
        """As `Transport`."""
        if not self._hook.notify(title=message.subject, body=message.text):
            raise Unreachable("the chat hook did not take it")


def mail(message: Mail, sender: str) -> EmailMessage:
    """The e-mail; names are cut down to what a header may hold."""
    made = EmailMessage()
    local, _, domain = sender.rpartition("@")
    made["From"] = Address("Headway", local, domain)
    to, _, at = message.address.rpartition("@")
    if not _ADDRESS.fullmatch(message.address):
        raise Refused("the directory's address is none")
    made["To"] = Address(_plain(message.name), to, at)
    made["Subject"] = _plain(message.subject)
    made["Date"] = format_datetime(message.at)
    made["Message-ID"] = f"<{message.message_id}@{domain}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(message.text)
    return made


def _fate(code: int) -> HeadwayError:
    return Refused(f"refused with {code}") if code >= _PERMANENT else Unreachable(f"put off with {code}")


def _plain(text: str) -> str:
    return "".join(" " if ord(c) < 32 or ord(c) == 127 else c for c in text).strip()
