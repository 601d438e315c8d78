"""A broker that hangs up says why; when kafka-python loses what it said, what to look at is named all the same."""

from __future__ import annotations

import logging

import pytest
from kafka.errors import KafkaTimeoutError

from schemas.errors import WrongUsage
from streams.connecting import NotAllowed, connecting
from streams.live_settings import live_settings
from streams.log_reader import BrokerUnavailable

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
