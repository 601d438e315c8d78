"""Settings of the casebook and of what it sends: from the environment (`HEADWAY_…`), secrets from files."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from casebook.transports import ChatHook, MaildirTransport, SmtpServer, SmtpTransport, Transport
from schemas.errors import WrongUsage

__all__ = ["CasebookSettings", "casebook_settings"]


class CasebookSettings(BaseSettings):
    """Every field is an environment variable, e.g. `HEADWAY_CASEBOOK`."""

    model_config = SettingsConfigDict(env_prefix="HEADWAY_", frozen=True, extra="ignore")

    casebook: str = Field("headway-casebook.db", min_length=1, description="A file, or postgresql://user@host/database")
    casebook_password_file: Path | None = Field(None, description="A file whose first line is PostgreSQL's password")
    ledger_key_file: Path | None = Field(None, description="The ledger's key; beside an SQLite file it is made when it is missing")
    ledger_heads_file: Path | None = Field(None, description="What each close exports of the ledger; keep it, or copies of it, elsewhere")
    console_url: str = Field("http://127.0.0.1:8090", description="How people reach the console: the link in digests and notes")
    smtp_host: str = Field("", description="Where mail is handed over; empty: into `maildir`")
    smtp_port: int = Field(587, ge=1, le=65_535)
    smtp_security: Literal["starttls", "tls", "none"] = Field("starttls", description="none: only to this machine itself")
    smtp_username: str | None = None
    smtp_password_file: Path | None = None
    mail_from: str = Field("headway@localhost", pattern=r"^[^@\s]+@[^@\s]+$", description="The sender of digests and notes")
    maildir: Path = Field(Path("headway-mail"), description="Where mail goes without an SMTP server")
    chat_hook: SecretStr | None = Field(None, description="json://… or jsons://…: who else is told what a hub's coordinators are told")
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(0, ge=0, le=65_535, description="Of /metrics, /live and /ready; 0: any free one, which is logged")
    digest_at: time = Field(time(7, 30), description="Local time of the digest")
    time_zone: str = Field("Europe/London", description="Whose clock and midnight")

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("no such time zone. Write one such as Europe/London") from None
        return name

    @property
    def zone(self) -> ZoneInfo:
        """Whose clock."""
        return ZoneInfo(self.time_zone)

    def transports(self) -> dict[str, Transport]:
        """By channel, whoever carries it; raises WrongUsage."""
        out: dict[str, Transport] = {"mail": self._mail()}
        if self.chat_hook is not None:
            out["chat"] = ChatHook(self.chat_hook.get_secret_value())
        return out

    def _mail(self) -> Transport:
        if not self.smtp_host:
            return MaildirTransport(self.maildir, self.mail_from)
        return SmtpTransport(self.smtp_server())

    def smtp_server(self) -> SmtpServer:
        """Where mail is handed over; raises WrongUsage where another machine would be spoken to in the open."""
        if self.smtp_security == "none" and self.smtp_host not in {"127.0.0.1", "::1", "localhost"}:
            raise WrongUsage("HEADWAY_SMTP_SECURITY: mail to another machine goes over TLS: write starttls or tls")
        password = (
            None if self.smtp_password_file is None else SecretStr(_first_line(self.smtp_password_file, "HEADWAY_SMTP_PASSWORD_FILE"))
        )
        return SmtpServer(self.smtp_host, self.smtp_port, self.mail_from, self.smtp_security, self.smtp_username, password)

    def password(self) -> SecretStr | None:
        """PostgreSQL's, None where none is named."""
        file = self.casebook_password_file
        return None if file is None else SecretStr(_first_line(file, "HEADWAY_CASEBOOK_PASSWORD_FILE"))


def casebook_settings(**given: Any) -> CasebookSettings:  # noqa: ANN401 (whatever the fields take)
    """Settings from the environment and what a command line gave (None: not given); one clear message for what is wrong."""
    try:
        return CasebookSettings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "HEADWAY_" + "_".join(str(part) for part in first["loc"]).upper()
        raise WrongUsage(f"{name}: {first['msg']}") from None


def _first_line(file: Path, name: str) -> str:
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUsage(f"{name} {file}: cannot be read. Name a readable file") from error
    if not lines or not lines[0].strip():
        raise WrongUsage(f"{name} {file}: its first line is empty")
    return lines[0].strip()
