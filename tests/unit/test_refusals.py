"""A broker that hangs up says why; when kafka-python loses what it said, what to look at is named all the same."""

from __future__ import annotations

import asyncio
import gc
import logging
import warnings

import pytest
from kafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError

from schemas.errors import WrongUsage
from streams import topology
from streams.connecting import NotAllowed, connecting
from streams.kafka_publish import Outgoing, publish
from streams.live_settings import live_settings
from streams.log_reader import BrokerUnavailable, Ends, end_offsets, read

LOST = "<KafkaTransport>: socket disconnected"
UNDERSTOOD = "<KafkaConnection broker_version=(4, 3) (disconnected)>: Connection lost: socket disconnected"
REFUSED = "[Errno 111] Connection refused"


@pytest.mark.parametrize(
    ("protocol", "lines", "said"),
    [
        ("SASL_SSL", ["SaslAuthenticationFailedError: invalid credentials"], "ops is not let in by SCRAM-SHA-512"),
        ("SASL_SSL", [LOST, UNDERSTOOD], "hangs up while ops signs in: ops is not let in by SCRAM-SHA-512"),
        ("SASL_PLAINTEXT", ["Invalid frame length"], "it speaks TLS at this port"),
        ("SASL_PLAINTEXT", [LOST], "it hangs up at once: it speaks TLS at this port"),
        ("PLAINTEXT", [LOST], "it hangs up at once: it speaks TLS at this port"),
        ("SSL", [LOST, UNDERSTOOD], "Does it ask for a sign-in?"),
    ],
)
def test_the_setting_to_look_at_is_named_whether_or_not_the_brokers_word_arrives(protocol: str, lines: list[str], said: str) -> None:
    with pytest.raises(NotAllowed, match=said.replace("?", r"\?")):
        failing(protocol, lines)


@pytest.mark.parametrize("lines", [[REFUSED], [UNDERSTOOD, LOST, REFUSED], []])
def test_a_broker_that_went_away_is_not_called_a_refusal(lines: list[str]) -> None:
    with pytest.raises(BrokerUnavailable):
        failing("SASL_SSL", lines)


def failing(protocol: str, lines: list[str]) -> None:
    """A client that logs these lines and then gives up."""
    with connecting(live_settings(security_protocol=protocol, sasl_username="ops")):
        for line in lines:
            logging.getLogger("kafka.net.transport").error(line)
        raise KafkaTimeoutError


@pytest.mark.parametrize("servers", ["", "broker", "broker:", ":9092", "broker:abc", "broker:0", "broker:65536", "a:9092,b"])
def test_a_bootstrap_server_is_a_host_and_a_port(servers: str) -> None:
    with pytest.raises(WrongUsage, match="HEADWAY_KAFKA"):
        live_settings(kafka=servers)


def test_several_bootstrap_servers_are_taken() -> None:
    assert live_settings(kafka="a:9092, [::1]:9093").kafka == "a:9092, [::1]:9093"


@pytest.mark.parametrize("name", ["kafka.net", "kafka.net.transport"])
@pytest.mark.parametrize("deaf", ["off", "level", "all"])
def test_the_reason_is_heard_whatever_became_of_the_logging(name: str, deaf: str) -> None:
    logger = logging.getLogger(name)
    logger.disabled, level = deaf == "off", logger.level
    logger.setLevel(logging.CRITICAL if deaf == "level" else level)
    logging.disable(logging.CRITICAL if deaf == "all" else logging.NOTSET)
    try:
        with pytest.raises(NotAllowed, match="is not let in"):
            failing("SASL_SSL", ["SaslAuthenticationFailedError: invalid credentials"])
        assert not logger.isEnabledFor(logging.ERROR), "as it was before"
    finally:
        logging.disable(logging.NOTSET)
        logger.disabled = False
        logger.setLevel(level)


def test_who_may_not_yet_is_told_who_grants_it() -> None:
    with pytest.raises(NotAllowed, match="headway topics --access"), connecting(live_settings()):
        raise TopicAuthorizationFailedError


def test_a_reader_that_could_not_start_is_closed() -> None:
    async def asked() -> None:
        with pytest.raises(BrokerUnavailable):
            await end_offsets(settings, topology.CONTROL)
        with pytest.raises(BrokerUnavailable):
            await publish(settings, [Outgoing(topology.CONTROL, None, b"")])
        with pytest.raises(BrokerUnavailable):
            await read(settings, topology.CONTROL, {0: 0}, {0: 1}, lambda *_: None)
        ends = Ends(settings, topology.CONTROL)
        with pytest.raises(BrokerUnavailable):
            await ends.now()

    settings = live_settings(kafka="127.0.0.1:1")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        asyncio.run(asked())
        gc.collect()
    assert not [str(one.message) for one in said if "Unclosed" in str(one.message)]
