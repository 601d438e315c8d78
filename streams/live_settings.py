"""Settings of the live processes: from the environment (`HEADWAY_…`), secrets from files, nothing from a registry of modules."""

from __future__ import annotations

import ssl
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.errors import WrongUsage
from streams.budgets import budget_of

if TYPE_CHECKING:
    from models.parameters import Budget
    from streams.topology import Log

__all__ = ["LiveSettings", "live_settings"]


_PORT_MAX = 65_535


class LiveSettings(BaseSettings):
    """How the live processes reach Kafka and each other. Every field is an environment variable, e.g. `HEADWAY_KAFKA`."""

    model_config = SettingsConfigDict(env_prefix="HEADWAY_", frozen=True, extra="ignore")

    kafka: str = Field("127.0.0.1:9092", min_length=1, description="Bootstrap servers, host:port, comma separated")
    topic_prefix: str = Field("", pattern=r"^[A-Za-z0-9._-]{0,60}$", description="Before the name of every topic and group")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str | None = None
    sasl_password_file: Path | None = Field(None, description="A file whose first line is the password")
    tls_ca_file: Path | None = Field(None, description="Authorities to trust, PEM; empty: the system's")
    replication_factor: int = Field(3, ge=1, le=32_767, description="Copies of each topic; 1 on a laptop")
    instance_id: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
        description="The same at each restart of a process",
    )
    state_dir: Path = Field(Path("headway-state"), description="Snapshots of the panel; may be deleted at any moment")
    parameters: Path | None = Field(None, description="A parameters file that `headway replay --history` wrote; empty: the shipped ones")
    false_alerts_per_hub_term: float | None = Field(None, gt=0, description="The budget; empty: 2, for a hub of 57 schools")
    hub_schools: int | None = Field(
        None, ge=1, validate_default=True, description="How many schools share that budget; empty: each hub's own do"
    )
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(0, ge=0, le=65_535, description="Of /metrics, /live and /ready; 0: any free one, which is logged")
    time_zone: str = Field("Europe/London", description="Whose clock and midnight")
    schedule: bool = Field(True, description="Close school days by the clock; false: only on `headway close`")
    close_at: time = Field(time(17, 30), description="Local time at which a school day is closed")
    close_again_at: time = Field(time(7, 0), description="Local time at which it is closed again if late registers have come")

    @field_validator("kafka")
    @classmethod
    def _servers(cls, servers: str) -> str:
        for server in servers.split(","):
            host, _, port = server.strip().rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) <= _PORT_MAX:
                raise ValueError(f"{server.strip()!r} is no host:port. Write such as broker-1:9092,broker-2:9092")
        return servers

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("no such time zone. Write one such as Europe/London") from None
        return name

    def budget(self) -> Budget:
        """The budget of false alerts that every closer works with; raises WrongUsage."""
        return budget_of(None, self.false_alerts_per_hub_term, self.hub_schools)

    @field_validator("hub_schools")
    @classmethod
    def _a_budget(cls, schools: int | None, info: ValidationInfo) -> int | None:
        try:
            budget_of(None, info.data.get("false_alerts_per_hub_term"), schools)
        except WrongUsage as error:
            raise ValueError(str(error)) from None
        return schools

    def topic(self, log: Log) -> str:
        """The name of a log's topic on this broker."""
        return self.topic_prefix + log.name

    def group(self, name: str) -> str:
        """The name of a consumer group on this broker."""
        return f"{self.topic_prefix}headway-{name}"

    def password(self) -> SecretStr:
        """The first line of `sasl_password_file`; raises WrongUsage when there is none."""
        if self.sasl_password_file is None:
            raise WrongUsage("HEADWAY_SASL_PASSWORD_FILE: name the file that holds the password of HEADWAY_SASL_USERNAME")
        try:
            lines = self.sasl_password_file.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise WrongUsage(f"HEADWAY_SASL_PASSWORD_FILE {self.sasl_password_file}: cannot be read. Name a readable file") from error
        return SecretStr(lines[0].strip() if lines else "")

    def tls(self) -> ssl.SSLContext | None:
        """What TLS needs, None without it."""
        if not self.security_protocol.endswith("SSL"):
            return None
        try:
            return ssl.create_default_context(cafile=None if self.tls_ca_file is None else str(self.tls_ca_file))
        except (OSError, ssl.SSLError) as error:
            raise WrongUsage(f"HEADWAY_TLS_CA_FILE {self.tls_ca_file}: no readable PEM file of authorities") from error

    def client(self) -> dict[str, Any]:
        """Arguments of every client, of aiokafka's and kafka-python's alike."""
        out: dict[str, Any] = {"bootstrap_servers": self.kafka.split(","), "security_protocol": self.security_protocol}
        if self.security_protocol.startswith("SASL"):
            if not self.sasl_username:
                raise WrongUsage("HEADWAY_SASL_USERNAME: name who signs in, or set HEADWAY_SECURITY_PROTOCOL to one without SASL")
            out |= {"sasl_mechanism": self.sasl_mechanism, "sasl_plain_username": self.sasl_username}
            out["sasl_plain_password"] = self.password().get_secret_value()
        if (context := self.tls()) is not None:
            out["ssl_context"] = context
        return out


def live_settings(**given: Any) -> LiveSettings:  # noqa: ANN401 (whatever the fields take)
    """Settings from the environment and what a command line gave (None: not given); one clear message for what is wrong."""
    try:
        return LiveSettings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "HEADWAY_" + "_".join(str(part) for part in first["loc"]).upper()
        raise WrongUsage(f"{name}: {first['msg']}") from None
