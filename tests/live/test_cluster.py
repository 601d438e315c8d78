"""Three brokers, three copies of each topic: one may be lost at any moment, and with two lost nothing is taken that could be."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import pytest

from deploy.kafka.cluster import cluster
from streams import clock, topology
from streams.close_command import ask, wait_for
from streams.kafka_logs import KafkaLogs
from streams.live_closer import LiveCloser, read_parameters
from streams.live_settings import LiveSettings
from streams.log_reader import BrokerUnavailable
from streams.reference_publish import publish_reference
from streams.topics import administrator, declare, plan
from tests.live.brokers import skipped_where_missing
from tests.live.conformance import INTERLEAVINGS, embedded, produce, published
from tests.live.fleet import Fleet
from tests.live.scripts import hostile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from deploy.kafka.broker import Broker


T = TypeVar("T")
SEND = """
import os, sys
from kafka import KafkaProducer
from kafka.errors import KafkaError
servers, topic = sys.argv[1:]
producer = KafkaProducer(
    bootstrap_servers=servers.split(","), acks="all", max_block_ms=5_000, request_timeout_ms=3_000, delivery_timeout_ms=8_000
)
try:
    producer.send(topic, b"its one copy would be lost with the last broker").get(timeout=30)
    print("taken", flush=True)
except KafkaError as error:
    print("not taken:", type(error).__name__, flush=True)
os._exit(0)
"""
"""In a process of its own: kafka-python leaves sockets behind where it cannot connect."""


pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[list[Broker]]:
    with skipped_where_missing(), cluster(tmp_path / "kafka") as made:
        yield made
    gc.collect()  # kafka-python leaves a socket behind for each broker that it cannot reach: let none be found by another test.


def settings_of(brokers: list[Broker]) -> LiveSettings:
    return LiveSettings(kafka=",".join(broker.bootstrap for broker in brokers))


@pytest.mark.timeout(600)
def test_the_service_goes_on_while_one_broker_after_the_other_is_lost(brokers: list[Broker], tmp_path: Path) -> None:
    settings, folder = settings_of(brokers), tmp_path / "files"
    assert len(declare(settings).make) == len(topology.LOGS)
    assert declare(settings).make == (), "verified on whichever broker answers"
    folder.mkdir()
    reference, script = hostile(folder, pieces=6)
    publish_reference(settings, reference)
    asker = LiveCloser(settings, KafkaLogs(settings), read_parameters(None), clock.now)
    with Fleet(settings, tmp_path) as fleet:
        environment = {"HEADWAY_REPLICATION_FACTOR": "3"}
        running = [fleet.start("closer", environment=environment), fleet.start("worker", environment=environment)]
        for one in running:
            one.ready()
        for i, arrival in enumerate(script):
            lost = brokers[i // 2]
            if i % 2:
                lost.kill()
            in_time(partial(produce, settings, topology.REGISTERS, arrival.registers))
            in_time(partial(produce, settings, topology.ACKNOWLEDGEMENTS, arrival.acknowledgements))
            request = in_time(partial(ask, asker, arrival.day))
            in_time(partial(wait_for, asker, request, 60))
            if i % 2:
                lost.start()
        said = published(settings)
    assert len(said.digests) == len(script)
    assert said == embedded(settings, reference, tmp_path / "judge", INTERLEAVINGS["seeded"])


def in_time(do: Callable[[], T]) -> T:
    """Asked again while a broker that has just gone is still thought to be there, as the error says."""
    until = time.monotonic() + 20
    while True:
        try:
            return do()
        except BrokerUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)


def test_leaders_are_spread_and_with_two_brokers_lost_no_record_is_taken(brokers: list[Broker]) -> None:
    settings = settings_of(brokers)
    declare(settings)
    with administrator(settings) as admin:
        (topic,) = admin.describe_topics([settings.topic(topology.REGISTERS)])
    assert set(Counter(partition["leader_id"] for partition in topic["partitions"]).values()) == {4}
    assert plan(settings).mismatches == ()
    brokers[0].kill()
    produce(settings, topology.ALERTS, [b"two copies of it are enough"])
    brokers[1].kill()
    ended = subprocess.run(
        [sys.executable, "-c", SEND, ",".join(broker.bootstrap for broker in brokers), settings.topic(topology.ALERTS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.startswith("not taken: "), ended.stdout + ended.stderr
