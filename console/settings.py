"""Settings of the console: from the environment (`HEADWAY_…`), secrets from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.errors import WrongUsage

__all__ = ["ConsoleSettings", "console_settings"]


class ConsoleSettings(BaseSettings):
    """Every field is an environment variable, e.g. `HEADWAY_CONSOLE_URL`."""

    model_config = SettingsConfigDict(env_prefix="HEADWAY_", frozen=True, extra="ignore")

    console_url: str = Field("", description="How people reach the console, such as https://desk.example.org; empty: where it listens")
    console_trusted_proxies: str = Field("", description="Addresses of proxies whose word on who asks is taken, with commas")
    oidc_issuer: str = Field("", description="The issuer of identities, such as https://oidc.signin.education.gov.uk")
    oidc_client_id: str = ""
    oidc_client_secret_file: Path | None = Field(None, description="A file whose first line is the client's secret")
    organisation: str = Field("this hub", description="Who runs this service: named in the footer's pages")
    help_name: str = Field("the hub's coordinator", description="A named person who helps")
    help_email: str = ""
    help_phone: str = ""
    time_zone: str = "Europe/London"

    @field_validator("console_url", "oidc_issuer")
    @classmethod
    def _address(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment):
            raise ValueError("write an address such as https://desk.example.org")
        if url and parts.scheme == "http" and parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
            raise ValueError("only this machine itself may be spoken to without TLS: write https://…")
        return url.rstrip("/")

    def client_secret(self) -> SecretStr:
        """The first line of `oidc_client_secret_file`; raises WrongUsage when there is none."""
        if self.oidc_client_secret_file is None:
            raise WrongUsage("HEADWAY_OIDC_CLIENT_SECRET_FILE: name the file that holds the client's secret")
        try:
            lines = self.oidc_client_secret_file.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise WrongUsage(
                f"HEADWAY_OIDC_CLIENT_SECRET_FILE {self.oidc_client_secret_file}: cannot be read. Name a readable file"
            ) from error
        if not lines or not lines[0].strip():
            raise WrongUsage(f"HEADWAY_OIDC_CLIENT_SECRET_FILE {self.oidc_client_secret_file}: its first line is empty")
        return SecretStr(lines[0].strip())


def console_settings(**given: Any) -> ConsoleSettings:  # noqa: ANN401 (whatever the fields take)
    """Settings from the environment and what a command line gave (None: not given); one clear message for what is wrong."""
    try:
        return ConsoleSettings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "HEADWAY_" + "_".join(str(part) for part in first["loc"]).upper()
        raise WrongUsage(f"{name}: {first['msg']}") from None
