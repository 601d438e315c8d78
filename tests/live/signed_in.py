"""Settings of a part that signs in at a secured broker, as `LiveSettings` and as a process's environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.live_settings import LiveSettings

if TYPE_CHECKING:
    from deploy.kafka.secured import SecuredBroker

__all__ = ["environment", "signed_in"]


def signed_in(broker: SecuredBroker, user: str, prefix: str = "", **more: Any) -> LiveSettings:
    """Over TLS, by SCRAM-SHA-512 unless said otherwise."""
    given: dict[str, Any] = {
        "kafka": broker.bootstrap,
        "topic_prefix": prefix,
        "replication_factor": 1,
        "security_protocol": "SASL_SSL",
        "sasl_username": user,
        "sasl_password_file": broker.password_file(user),
        "tls_ca_file": broker.authority_file,
        "schedule": False,
    }
    return LiveSettings(**(given | more))


def environment(settings: LiveSettings) -> dict[str, str]:
    """What a process must be given to work with these settings."""
    said = settings.model_dump(mode="json", exclude_unset=True)
    return {f"HEADWAY_{name.upper()}": str(value).lower() if isinstance(value, bool) else str(value) for name, value in said.items()}
