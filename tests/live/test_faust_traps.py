"""Faust's known faults, each on real Kafka with real workers: what would lose a register, an answer or a reject is not met again."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.structs import OffsetAndMetadata, TopicPartition

from schemas.reject import ORIGINAL_BYTES_KEPT
from streams import topology
from streams.kafka_publish import Outgoing, publish
from streams.live_settings import LiveSettings
from streams.topics import declare
from tests.live.conformance import produce, whole
from tests.live.fleet import Fleet
from tests.live.hub import SCHOOLS, ends, publish_hub, register, said, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.kafka.broker import Broker
    from tests.live.fleet import Running

FAUST_PORT = 6066


@pytest.fixture
def fleet(settings: LiveSettings, topics: Any, tmp_path: Path) -> Iterator[Fleet]:
    publish_hub(settings, tmp_path / "reference")
    with Fleet(settings, tmp_path) as made:
        yield made


def worker(fleet: Fleet, *, patch: str = "", name: str = "worker-a") -> Running:
    """A worker that is ready; `patch`: lines that are run in its process before it starts."""
    one = patched(fleet, patch, name) if patch else fleet.start("worker", name=name)
    one.ready()
    return one


def patched(fleet: Fleet, patch: str, name: str = "worker-a") -> Running:
    return fleet.start("worker", name=name, program=[sys.executable, "-c", f"{patch}\nfrom streams.command import main\nmain()"])


def in_one_partition(settings: LiveSettings, lines: list[bytes]) -> None:
    """All in the partition of one key, in this order."""
    asyncio.run(publish(settings, [Outgoing(topology.REGISTERS, b"100000", line) for line in lines]))


def place_of(settings: LiveSettings, value: bytes) -> str:
    """partition/offset."""
    (record,) = [r for r in whole(settings, topology.REGISTERS) if r.value == value]
    return f"{record.partition}/{record.offset}"


def test_of_20_the_fifth_is_poison_and_all_others_are_answered(settings: LiveSettings, fleet: Fleet) -> None:
    one = worker(fleet)
    lines = [register(urn) for urn in SCHOOLS[:20]]
    lines[4] = b"{poison"
    in_one_partition(settings, lines)
    heard = until(settings, lambda s: len(s.latest) == 19 and len(s.letters) == 1)
    assert heard.reasons() == {place_of(settings, b"{poison"): "not_json"}
    assert set(heard.sessions()) == set(SCHOOLS[:20]) - {SCHOOLS[4]}
    assert one.stop() == 0


def test_a_batch_with_poison_loses_nothing_before_or_behind_it(settings: LiveSettings, fleet: Fleet) -> None:
    worker(fleet)
    junk = [b"", b"[]", b"\xff", b"null", b'{"urn": 1}', b'{"a": 1, "a": 2}', register(SCHOOLS[0], session="EVENING")]
    lines = [register(urn, session) for session in ("AM", "PM") for urn in SCHOOLS]
    for i, poison in enumerate(junk):
        lines.insert(10 * i, poison)
    in_one_partition(settings, lines)
    heard = until(settings, lambda s: len(s.letters) == len(junk) and list(s.sessions().values()) == [("AM", "PM")] * len(SCHOOLS))
    assert set(heard.sessions()) == set(SCHOOLS)
    at = {record.value: f"{record.partition}/{record.offset}" for record in whole(settings, topology.REGISTERS)}
    assert set(heard.reasons()) == {at[poison] for poison in junk}


@pytest.mark.parametrize("size", [65_537, 200_000, 262_000])
def test_an_oversized_record_is_rejected_unparsed(settings: LiveSettings, fleet: Fleet, size: int) -> None:
    worker(fleet)
    large = register(SCHOOLS[0], source="x" * (size - len(register(SCHOOLS[0], source=""))))
    assert len(large) == size
    in_one_partition(settings, [register(SCHOOLS[1]), large, register(SCHOOLS[2])])
    heard = until(settings, lambda s: len(s.latest) == 2 and len(s.letters) == 1)
    ((reason, value),) = heard.letters.values()
    letter = json.loads(value)
    assert (reason, letter["length"], len(letter["original"])) == ("oversized", size, ORIGINAL_BYTES_KEPT)


def test_what_a_killed_worker_had_taken_is_answered_by_the_next(settings: LiveSettings, fleet: Fleet) -> None:
    one = worker(fleet)
    produce(settings, topology.REGISTERS, [register(urn) for urn in SCHOOLS])
    one.kill()
    produce(settings, topology.REGISTERS, [*(register(urn, "PM") for urn in SCHOOLS), b"junk"])
    before = len(said(settings).readings)
    worker(fleet)
    heard = until(settings, lambda s: list(s.sessions().values()) == [("AM", "PM")] * len(SCHOOLS) and len(s.letters) == 1)
    assert set(heard.sessions()) == set(SCHOOLS)
    assert len(heard.readings) >= before + len(SCHOOLS), "it answers again what may not have been answered"


def alter(settings: LiveSettings, log: topology.Log, **values: str) -> None:
    with closing(KafkaAdminClient(**settings.client())) as admin:
        configs = {name.replace("_", "."): value for name, value in values.items()}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, settings.topic(log), configs=configs)])


@pytest.mark.parametrize("log", [topology.REJECTS, topology.PROVISIONAL], ids=["dead letters", "provisional readings"])
def test_a_record_that_cannot_be_sent_ends_the_worker_and_nothing_of_it_is_logged(
    log: topology.Log, settings: LiveSettings, fleet: Fleet
) -> None:
    one = worker(fleet)
    alter(settings, log, max_message_bytes="10")
    produce(settings, topology.REGISTERS, [register(SCHOOLS[0]), b'{"canary": "c4n4ry"}'])
    assert one.exit_code(60) == 1
    written = one.log.read_text("utf-8")
    assert "could not be sent" in written
    assert "expected_ratio" not in written
    assert "c4n4ry" not in written
    alter(settings, log, max_message_bytes=str(log.record_bytes_max))
    worker(fleet)
    until(settings, lambda s: len(s.latest) == 1 and len(s.letters) == 1)


@pytest.mark.parametrize("broken", ["Desk.take", "Desk.answers", "Desk.too_many_rejects"])
def test_a_bug_ends_the_worker_and_the_next_one_finds_what_it_had_in_hand(broken: str, settings: LiveSettings, fleet: Fleet) -> None:
    fault = f"from streams.worker import Desk\ndef fault(*_):\n    raise ZeroDivisionError('a bug')\n{broken} = fault"
    one = patched(fleet, fault)
    produce(settings, topology.REGISTERS, [register(SCHOOLS[0]), b"junk"])
    assert one.exit_code(60) == 1
    assert "ZeroDivisionError" in one.tail()
    worker(fleet)
    until(settings, lambda s: len(s.latest) == 1 and len(s.letters) == 1)


def test_a_bug_inside_faust_ends_the_worker(fleet: Fleet) -> None:
    fault = (
        "import asyncio\nfrom faust.transport.conductor import Conductor\nold = Conductor.on_start\n"
        "async def fault(self):\n    await asyncio.sleep(3)\n    raise ZeroDivisionError('a bug')\n"
        "async def begun(self):\n    await old(self)\n    self.add_future(fault(self))\nConductor.on_start = begun"
    )
    one = patched(fleet, fault)
    assert one.exit_code(60) == 1
    assert "Faust stopped" in one.tail()


def listening(pid: int) -> set[int]:
    """The ports on which a process listens."""
    inodes = {link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir() if str(link.readlink()).startswith("socket:")}
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text("ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


def test_two_workers_on_one_host_listen_on_their_metrics_ports_and_nowhere_else(settings: LiveSettings, fleet: Fleet) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        running = [worker(fleet, name="worker-a"), worker(fleet, name="worker-b"), fleet.start("closer")]
        running[2].ready()
        for one in running:
            assert listening(one.process.pid) == {one.port}
            assert one.port != FAUST_PORT
    assert not list(Path.cwd().glob(f"{settings.topic_prefix}*")), "Faust makes directories for tables"


@pytest.mark.timeout(200)
@pytest.mark.parametrize("how", ["killed", "hung"])
def test_stopping_has_a_bound_when_the_broker_is_gone(how: str, own_broker: Broker, tmp_path: Path) -> None:
    settings = LiveSettings(kafka=own_broker.bootstrap, replication_factor=1)
    declare(settings)
    publish_hub(settings, tmp_path / "reference")
    with Fleet(settings, tmp_path) as fleet:
        one = worker(fleet)
        produce(settings, topology.REGISTERS, [register(urn) for urn in SCHOOLS])
        if how == "killed":
            own_broker.kill()
        for process in own_broker._running:
            process.send_signal(signal.SIGSTOP)
        begin = time.monotonic()
        one.process.send_signal(signal.SIGTERM)
        assert one.exit_code(100) == 0
        assert time.monotonic() - begin < 80
    for process in own_broker._running:
        process.send_signal(signal.SIGCONT)


def test_workers_come_and_go_without_the_loss_of_an_answer_or_a_reject(settings: LiveSettings, fleet: Fleet) -> None:
    worker(fleet, name="worker-a")
    sent = 0

    def more() -> None:
        nonlocal sent
        for _ in range(10):
            batch = [register(urn, revision=sent, absent=sent) for urn in SCHOOLS] + [f"junk {sent}".encode()]
            produce(settings, topology.REGISTERS, batch)
            sent += 1

    more()
    other = fleet.start("worker", name="worker-b")
    more()
    other.ready()
    more()
    other.process.send_signal(signal.SIGTERM)
    more()
    assert other.exit_code(60) == 0
    more()
    heard = until(
        settings, lambda s: len(s.letters) == sent and [r["absences"] for r in s.latest.values()] == [sent - 1] * len(SCHOOLS), 60
    )
    assert set(heard.sessions()) == set(SCHOOLS)


@pytest.mark.parametrize("where", ["the end", "the beginning"])
def test_a_commit_moved_by_hand_loses_nothing(where: str, settings: LiveSettings, fleet: Fleet) -> None:
    one = worker(fleet)
    produce(settings, topology.REGISTERS, [register(urn) for urn in SCHOOLS])
    until(settings, lambda s: len(s.latest) == len(SCHOOLS))
    assert one.stop() == 0
    produce(settings, topology.REGISTERS, [*(register(urn, "PM") for urn in SCHOOLS), b"junk"])
    offsets = {
        TopicPartition(settings.topic(topology.REGISTERS), int(place.rpartition("/")[2])): OffsetAndMetadata(
            end if where == "the end" else 0, "", -1
        )
        for place, end in ends(settings).items()
        if place.startswith(topology.REGISTERS.name)
    }
    with closing(KafkaAdminClient(**settings.client())) as admin:
        deadline = time.monotonic() + 30
        while True:
            try:
                admin.alter_group_offsets(settings.group("worker"), offsets)
                break
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
    worker(fleet)
    heard = until(settings, lambda s: list(s.sessions().values()) == [("AM", "PM")] * len(SCHOOLS) and len(s.letters) == 1)
    assert set(heard.sessions()) == set(SCHOOLS)


def test_a_worker_to_which_faust_delivers_nothing_turns_red_and_answers_all_the_same(settings: LiveSettings, fleet: Fleet) -> None:
    deaf = (
        "import asyncio\nimport streams.health as health\nimport streams.worker_process as w\n"
        "async def never(*_):\n    await asyncio.sleep(10**6)\nw._Worker._events = never\n"
        "old = health.Watchdog.__init__\n"
        "def soon(self, *given):\n    old(self, *given, stalled_seconds=4)\nhealth.Watchdog.__init__ = soon"
    )
    one = worker(fleet, patch=deaf)
    url = f"http://127.0.0.1:{one.port}/live"
    assert httpx.get(url).status_code == httpx.codes.OK
    produce(settings, topology.REGISTERS, [*(register(urn) for urn in SCHOOLS), b"junk"])
    until(settings, lambda s: len(s.latest) == len(SCHOOLS) and len(s.letters) == 1)
    deadline = time.monotonic() + 20
    while (answer := httpx.get(url)).status_code == httpx.codes.OK:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert "61 records wait" in answer.json()["reasons"][0]
