"""Clients of kafka-python, and what they raise as errors that a person can act on.

Why a broker is not reached, or refuses, kafka-python says in its log alone, and raises a timeout. Its log lines are listened to
while a client is made; a line becomes a message with the setting to look at. No secret is in them.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kafka import KafkaAdminClient
from kafka.errors import (
    AuthorizationError,
    InvalidTopicError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
    SaslAuthenticationFailedError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from schemas.errors import HeadwayError
from streams.log_reader import BrokerUnavailable, PositionLost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.live_settings import LiveSettings

__all__ = ["BOOTSTRAP_MS", "NotAllowed", "RecordTooLarge", "TopicMissing", "administrator", "connecting", "named_errors", "quiet"]

BOOTSTRAP_MS = 10_000

_LOGGER = "kafka.net"
_GRANT = "The cluster's administrator grants it with `headway topics --access`; or sign in as somebody who may: HEADWAY_SASL_USERNAME"


class TopicMissing(HeadwayError):
    """A topic of ours is not on this broker."""


class RecordTooLarge(HeadwayError):
    """A record is larger than its topic takes."""


class NotAllowed(HeadwayError):
    """The broker does not let whoever we signed in as do this, or does not know them."""


def quiet() -> None:
    """No debug messages of kafka-python: they show whole records, and a record may hold a target."""
    logger = logging.getLogger("kafka")
    logger.setLevel(max(logger.level, logging.INFO))


@contextmanager
def named_errors(settings: LiveSettings, doing: str) -> Iterator[None]:
    """What kafka-python raises, as errors that a person can act on."""
    try:
        yield
    except OffsetOutOfRangeError as error:
        raise PositionLost(f"{settings.kafka}: {doing}: records went away meanwhile. Is the retention long enough?") from error
    except (UnknownTopicOrPartitionError, InvalidTopicError) as error:
        raise TopicMissing(f"{settings.kafka}: {doing}: there is no such topic that we may see. Make them with `headway topics`") from error
    except (AuthorizationError, SaslAuthenticationFailedError) as error:
        who = settings.sasl_username or "who does not sign in"
        raise NotAllowed(f"{settings.kafka}: {doing}: {who} may not ({type(error).__name__}). {_GRANT}") from error
    except MessageSizeTooLargeError as error:
        raise RecordTooLarge(f"{settings.kafka}: {doing}: a record is larger than its topic takes. Send a smaller one") from error
    except (KafkaError, OSError) as error:
        raise BrokerUnavailable(f"{settings.kafka}: {doing} failed ({type(error).__name__}). Is the broker up?") from error


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def connecting(settings: LiveSettings, doing: str = "connecting") -> Iterator[None]:
    """As `named_errors`, while a client is made: a refusal is told with its reason and the setting to look at."""
    quiet()
    with named_errors(settings, doing), _refusals(settings):
        yield


@contextmanager
def administrator(settings: LiveSettings, doing: str = "asking about topics") -> Iterator[Any]:
    """kafka-python's admin client; what it raises comes out as errors that a person can act on."""
    with connecting(settings, doing):
        admin = KafkaAdminClient(**settings.client(), bootstrap_timeout_ms=BOOTSTRAP_MS)
        try:
            yield admin
        finally:
            admin.close()


@contextmanager
def _refusals(settings: LiveSettings) -> Iterator[None]:
    """Raises NotAllowed with the reason, where there is one to be told; other errors go on as they are."""
    listener = _Listener()
    try:
        with _listening(listener):
            yield
    except AuthorizationError as error:
        who = settings.sasl_username or "who does not sign in"
        what = f" with {error.args[0]}" if isinstance(error, TopicAuthorizationFailedError) and error.args else ""
        raise NotAllowed(f"{settings.kafka}: {who} may not do this{what} ({type(error).__name__}). {_GRANT}") from error
    except (KafkaTimeoutError, KafkaConnectionError) as error:
        if (why := _why("\n".join(listener.lines), settings)) is not None:
            raise NotAllowed(f"{settings.kafka}: {why}") from error
        raise


@contextmanager
def _listening(listener: logging.Handler) -> Iterator[None]:
    """The listener hears errors whatever an embedding program has made of its logging; nobody else hears more for it."""
    logger, manager = logging.getLogger(_LOGGER), logging.root.manager
    below = [one for name, one in manager.loggerDict.items() if name.startswith(f"{_LOGGER}.") and isinstance(one, logging.Logger)]
    deaf = [one for one in (logger, *below) if not one.isEnabledFor(logging.ERROR)]
    before, off, propagate = [(one, one.level, one.disabled) for one in deaf], manager.disable, logger.propagate
    if deaf:
        manager.disable, logger.propagate = logging.NOTSET, False
    for one in deaf:
        one.disabled = False
        one.setLevel(logging.ERROR)
    logger.addHandler(listener)
    try:
        yield
    finally:
        logger.removeHandler(listener)
        if deaf:
            manager.disable, logger.propagate = off, propagate
        for one, level, disabled in before:
            one.disabled = disabled
            one.setLevel(level)


def _why(said: str, settings: LiveSettings) -> str | None:
    tls = settings.security_protocol.endswith("SSL")
    if "SaslAuthenticationFailed" in said:
        return _not_let_in(settings)
    if "CERTIFICATE_VERIFY_FAILED" in said:
        reason = said.split("certificate verify failed: ", 1)[-1].split(" (_ssl", 1)[0]
        return f"its certificate is not trusted ({reason}). Is HEADWAY_TLS_CA_FILE its authority, and the host the one it is made out to?"
    if tls and ("WRONG_VERSION_NUMBER" in said or "UNEXPECTED_EOF" in said):
        return "it speaks no TLS at this port. Name its port for TLS, or set HEADWAY_SECURITY_PROTOCOL to what it speaks"
    if not tls and "Invalid frame length" in said:
        return "it speaks TLS at this port. Set HEADWAY_SECURITY_PROTOCOL to SASL_SSL or SSL"
    if "IllegalSaslState" in said or "UnsupportedSaslMechanism" in said:
        asked = settings.sasl_mechanism
        return f"it takes no sign-in by {asked} at this port. Set HEADWAY_SECURITY_PROTOCOL and HEADWAY_SASL_MECHANISM to what it takes"
    if "socket disconnected" in said and "refused" not in said:
        return _hung_up(settings, understood="broker_version=(" in said)
    return None


def _hung_up(settings: LiveSettings, *, understood: bool) -> str | None:
    """What a broker says before it hangs up is lost when both arrive together (kafka-python throws the first away)."""
    if settings.security_protocol.startswith("SASL") and understood:
        return f"it hangs up while {settings.sasl_username} signs in: {_not_let_in(settings)}"
    if understood:
        return "it answers and hangs up. Does it ask for a sign-in? Set HEADWAY_SECURITY_PROTOCOL to SASL_SSL"
    if not settings.security_protocol.endswith("SSL"):
        return "it hangs up at once: it speaks TLS at this port. Set HEADWAY_SECURITY_PROTOCOL to SASL_SSL or SSL"
    return None


def _not_let_in(settings: LiveSettings) -> str:
    return (
        f"{settings.sasl_username} is not let in by {settings.sasl_mechanism}. "
        "Are HEADWAY_SASL_USERNAME, HEADWAY_SASL_PASSWORD_FILE and HEADWAY_SASL_MECHANISM right?"
    )
