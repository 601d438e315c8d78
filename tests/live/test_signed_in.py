"""The whole live runner over TLS, every part under a sign-in of its own that may do what the access lists say and no more."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from deploy.kafka.secured import ADMIN, SecuredBroker, authority
from streams import topology
from streams.access_lists import ACCESS, principals
from streams.casebook_consumer import Arrived, run
from streams.granting import grant
from streams.kafka_logs import KafkaLogs
from streams.kafka_publish import Outgoing, publish
from streams.kafka_tools import LogReader, Sender
from tests.live.brokers import skipped_where_missing
from tests.live.fleet import HEADWAY, Fleet
from tests.live.signed_in import environment, signed_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from streams.live_settings import LiveSettings

MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
PARTS = tuple(access.name for access in ACCESS)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    """With lists, without topics."""
    with skipped_where_missing():
        made = SecuredBroker(tmp_path_factory.mktemp("secured"), PARTS)
    with made as broker:
        yield broker.start()


def headway(settings: LiveSettings, *given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*HEADWAY, *given], env=os.environ | environment(settings), capture_output=True, text=True, check=False)


def done(settings: LiveSettings, *given: str) -> dict[str, Any]:
    """A command that must succeed; what it says as JSON."""
    ended = headway(settings, *given, "--json")
    assert ended.returncode in {0, 3}, f"headway {given[0]}: {ended.stderr}"
    said: dict[str, Any] = json.loads(ended.stdout)
    return said


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_both_clients_sign_in_by_every_mechanism_that_the_settings_name(broker: SecuredBroker, mechanism: str) -> None:
    settings = signed_in(broker, ADMIN, f"{mechanism}.", sasl_mechanism=mechanism)
    assert len(done(settings, "topics")["made"]) == len(topology.LOGS)
    asyncio.run(publish(settings, [Outgoing(topology.ALERTS, b"100001", b"by aiokafka")]))
    with Sender(settings) as sender:
        sender.send(topology.ALERTS, b"by kafka-python", b"100001")
    assert [record.value for record in records(settings, topology.ALERTS)] == [b"by aiokafka", b"by kafka-python"]
    found: list[bytes] = []
    KafkaLogs(settings).behind(topology.ALERTS, {}, lambda _, got: found.extend(r.value for r in got))
    assert found == [b"by aiokafka", b"by kafka-python"]


@pytest.mark.timeout(300)
def test_a_service_of_parts_that_sign_in_does_all_its_work(broker: SecuredBroker, tmp_path: Path) -> None:
    prefix = "service."
    as_ = {part: signed_in(broker, part, prefix) for part in PARTS}
    grant(signed_in(broker, ADMIN, prefix), principals(()))
    assert len(done(as_["ops"], "topics")["made"]) == len(topology.LOGS)
    subprocess.run([*HEADWAY, "simulate", f"--out={tmp_path}", "--days=5", "--seed=7", "--layout=jsonl"], check=True, capture_output=True)
    done(as_["reference"], "reference", "publish", *(f"--{name}={tmp_path / name}.csv" for name in ("schools", "targets", "calendar")))
    sessions = tmp_path / "sessions.jsonl"
    sessions.write_bytes(sessions.read_bytes() + b"{bad\n")
    assert done(as_["producer"], "produce", str(sessions))["rejected"]

    with Fleet(as_["worker"], tmp_path) as fleet:
        running = [
            fleet.start("closer", environment=environment(as_["closer"])),
            fleet.start("worker", environment=environment(as_["worker"])),
            fleet.start("worker", environment=environment(as_["worker"]) | {"HEADWAY_SASL_MECHANISM": "PLAIN"}),
        ]
        for one in running:
            one.ready()
        day = max(json.loads(line)["attendance_date"] for line in sessions.read_bytes().splitlines()[:-1])
        closed = done(as_["close"], "close", "--day", day, "--ahead", "--wait")
        assert done(as_["close"], "close", "--as-known", day)["verdict"] == "equal"
        readings = read_by_casebook(as_["casebook"])
        logs = "".join(one.log.read_text("utf-8", "replace") for one in running)
        assert [one.stop() for one in running] == [0, 0, 0]
    assert readings
    assert {reading.headers["close_id"].decode() for reading in readings} == {closed["close_id"]}
    assert len(records(as_["ops"], topology.REJECTS)) == 1
    for given in (["list"], ["replay"], ["accept", "--by", "ops-1", "--reason", "a line that was never a register"]):
        done(as_["ops"], "rejects", *given)
    everything = logs + broker.log.read_text("utf-8", "replace")
    passwords = {part: as_[part].password().get_secret_value() for part in PARTS}
    assert [part for part, password in passwords.items() if password in everything] == []


def records(settings: LiveSettings, log: topology.Log) -> list[Any]:
    """What a part reads."""
    with LogReader(settings) as reader:
        return [record for _, got in reader.read(reader.bounds(log)) for record in got]


def read_by_casebook(settings: LiveSettings) -> list[Arrived]:
    """The readings that the casebook is given, once it has been given a close's end."""
    stop, readings = threading.Event(), list[Arrived]()

    def handle(arrived: Sequence[Arrived]) -> None:
        readings.extend(one for one in arrived if one.log == topology.READINGS)
        if len(readings) >= 50:
            stop.set()

    timer = threading.Timer(60, stop.set)
    timer.start()
    run(settings, handle, stop)
    timer.cancel()
    return readings


def test_a_sign_in_that_fails_says_which_setting_to_look_at(broker: SecuredBroker, bootstrap: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not the password\n", "utf-8")
    cases: dict[str, tuple[Mapping[str, Any], str]] = {
        "another password": (
            {"sasl_password_file": wrong},
            "ops is not let in by SCRAM-SHA-512. Are HEADWAY_SASL_USERNAME, HEADWAY_SASL_PASSWORD_FILE",
        ),
        "another password, plain": ({"sasl_password_file": wrong, "sasl_mechanism": "PLAIN"}, "ops is not let in by PLAIN"),
        "an unknown name": ({"sasl_username": "nobody"}, "nobody is not let in"),
        "another authority": (
            {"tls_ca_file": authority(tmp_path)},
            "its certificate is not trusted (unable to get local issuer certificate)",
        ),
        "another host": ({"kafka": f"127.0.0.2:{broker.port}"}, "Is the broker up?"),
        "no TLS": ({"security_protocol": "SASL_PLAINTEXT"}, "it speaks TLS at this port. Set HEADWAY_SECURITY_PROTOCOL"),
        "neither": ({"security_protocol": "PLAINTEXT"}, "it speaks TLS at this port. Set HEADWAY_SECURITY_PROTOCOL"),
        "no sign-in": ({"security_protocol": "SSL"}, "it answers and hangs up. Does it ask for a sign-in?"),
        "TLS where there is none": ({"kafka": bootstrap}, "it speaks no TLS at this port"),
        "a sign-in where there is none": (
            {"kafka": bootstrap, "security_protocol": "SASL_PLAINTEXT"},
            "it takes no sign-in by SCRAM-SHA-512 at this port",
        ),
    }
    with ThreadPoolExecutor(3) as some:  # More at once, each with a key of its own to derive, and one may not be answered in time.
        asked = {
            name: some.submit(headway, signed_in(broker, "ops", "", **given), "topics", "--plan") for name, (given, _) in cases.items()
        }
    for name, answer in asked.items():
        ended = answer.result()
        assert ended.returncode == 1, name
        assert cases[name][1] in ended.stderr, name
        assert "not the password" not in ended.stderr
