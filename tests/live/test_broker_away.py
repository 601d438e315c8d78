"""The tools when the broker goes away under them: what was acknowledged is there, what was not is an error. Each tool runs in
a process of its own: kafka-python leaves refused sockets to the collector."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from deploy.kafka.broker import Broker
from deploy.kafka.jars import Unavailable
from streams import clock, topology
from streams.kafka_tools import LogReader
from streams.live_settings import LiveSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
LINE = (
    '{"urn":%d,"attendance_date":"2026-10-05","session":"AM","revision":0,"recorded_at":"2026-10-05T09:41:07Z",'
    '"source":"a","counts":{"all":{"/":100}}}'
)
PRODUCE = """
import sys, typer
from streams import kafka_tools
from streams.produce_command import produce_command
from schemas.errors import HeadwayError
kafka_tools._DELIVERY_MS, kafka_tools._REQUEST_MS = int(sys.argv.pop(1)), 2_000
app = typer.Typer()
app.command()(produce_command)
try:
    app()
except HeadwayError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""
CONSUME = """
import signal, sys, threading
from streams.casebook_consumer import run
from streams.live_settings import LiveSettings
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
def handle(arrived):
    with open(sys.argv[1], "a") as out:
        out.writelines(f"{record.value.decode()}\\n" for record in arrived)
run(LiveSettings(), handle, stop)
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """One of our own, to be killed."""
    try:
        found = Broker(tmp_path / "kafka").start()
    except Unavailable as error:
        if os.environ.get("HEADWAY_REQUIRE_KAFKA"):
            raise
        pytest.skip(f"no Kafka: {error}")
    with found:
        yield found


@pytest.fixture
def here(broker: Broker) -> LiveSettings:
    settings = LiveSettings(kafka=broker.bootstrap, topic_prefix="", replication_factor=1)
    admin = KafkaAdminClient(**settings.client())
    admin.create_topics([NewTopic(log.name, log.partitions, 1) for log in topology.LOGS])
    admin.close()
    return settings


@contextmanager
def process(settings: LiveSettings, program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    environment = {"HEADWAY_KAFKA": settings.kafka, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", "-c", program, *map(str, arguments)]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def eventually(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = clock.monotonic_seconds() + seconds
    while not holds():
        assert clock.monotonic_seconds() < deadline, "it did not come to pass"
        threading.Event().wait(0.1)


def urns(settings: LiveSettings) -> list[int]:
    with LogReader(settings) as reader:
        found = reader.read(reader.bounds(topology.REGISTERS))
        return [json.loads(r.value)["urn"] for _, records in found for r in records]


def written(path: Path, count: int) -> Path:
    path.write_text("".join(LINE % urn + "\n" for urn in range(1, count + 1)))
    return path


def test_a_broker_that_comes_back_in_time_is_waited_for(broker: Broker, here: LiveSettings, tmp_path: Path) -> None:
    file, state = written(tmp_path / "a.jsonl", 40_000), tmp_path / "state"
    with process(here, PRODUCE, 60_000, file, "--resume", state, "--rate", 8_000, "--json") as running:
        eventually(state.exists)
        broker.kill()
        threading.Event().wait(5)
        assert running.poll() is None
        broker.start()
        out, said = running.communicate(timeout=120)
    assert (running.returncode, json.loads(out)["accepted"]) == (0, 40_000), said
    found = urns(here)
    assert set(found) == set(range(1, 40_001))


def test_a_broker_that_does_not_is_an_error_and_what_was_acknowledged_is_there(broker: Broker, here: LiveSettings, tmp_path: Path) -> None:
    file, state = written(tmp_path / "a.jsonl", 40_000), tmp_path / "state"
    with process(here, PRODUCE, 6_000, file, "--resume", state, "--rate", 8_000, "--json") as running:
        eventually(state.exists)
        broker.kill()
        out, said = running.communicate(timeout=60)
    assert (running.returncode, out) == (1, "")
    assert "BrokerUnavailable" in said
    assert "Is the broker up?" in said
    (held,) = json.loads(state.read_text())["files"].values()
    broker.start()
    assert set(range(1, held["accepted"] + 1)) <= set(urns(here))
    with process(here, PRODUCE, 60_000, file, "--resume", state, "--json") as running:
        out, said = running.communicate(timeout=60)
    assert (running.returncode, json.loads(out)["resumed_after"]) == (0, held["accepted"]), said
    assert set(urns(here)) == set(range(1, 40_001))


def test_the_casebook_reads_on_and_stops_within_seconds_while_there_is_no_broker(
    broker: Broker, here: LiveSettings, tmp_path: Path
) -> None:
    book = tmp_path / "book"
    book.touch()

    def publish(first: int) -> None:
        code = "from streams import kafka_tools as k, live_settings as s, topology as t\nwith k.Sender(s.LiveSettings()) as sender:\n"
        code += f"    for n in range({first}, {first + 100}): sender.send(t.ALERTS, str(n).encode(), str(n).encode())\n"
        with process(here, code) as sending:
            assert sending.wait(60) == 0

    def read() -> set[int]:
        return set(map(int, book.read_text().split()))

    publish(0)
    with process(here, CONSUME, book) as running:
        eventually(lambda: len(read()) == 100)
        broker.kill()
        threading.Event().wait(5)
        broker.start()
        publish(100)
        eventually(lambda: len(read()) == 200)
        broker.kill()
        running.send_signal(signal.SIGTERM)
        begun = clock.monotonic_seconds()
        _, said = running.communicate(timeout=60)
        assert clock.monotonic_seconds() - begun < 15
    assert running.returncode == 0, said
