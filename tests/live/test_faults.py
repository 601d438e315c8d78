"""Kills and outages on the real broker: nothing lost, nothing doubled, the same digests and alert ids, working again by itself.

Twenty kills over all named points and at random instants, and a broker that is gone for 30 seconds. The long campaign is
`make live-faults`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from streams import clock, topology
from streams.close_command import ask, wait_for
from streams.kafka_logs import KafkaLogs
from streams.live_closer import LiveCloser, read_parameters
from streams.live_settings import LiveSettings
from streams.reference_publish import publish_reference
from streams.topics import declare
from tests.live.conformance import INTERLEAVINGS, embedded, produce, published, whole
from tests.live.faults import POINTS, Campaign, seconds_to_work_again
from tests.live.fleet import Fleet
from tests.live.scripts import hostile

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.kafka.broker import Broker

AGAIN_SECONDS_MAX = 30.0
RANDOM_KILLS = 10


@pytest.mark.timeout(900)
def test_twenty_kills_change_nothing_that_is_said(settings: LiveSettings, topics: Any, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    reference, script = hostile(folder, pieces=len(POINTS) + RANDOM_KILLS)
    publish_reference(settings, reference)
    rng = np.random.default_rng(5)
    with Fleet(settings, tmp_path) as fleet:
        campaign = Campaign(fleet, tmp_path)
        for i, arrival in enumerate(script):
            if i % 2 == 0 and i // 2 < len(POINTS):
                campaign.at_point(arrival, POINTS[i // 2])
            else:
                campaign.at_random(arrival, rng)
    said = published(settings)
    assert len(said.digests) == len(script)
    judge = embedded(settings, reference, tmp_path / "judge", INTERLEAVINGS["seeded"])
    assert said == judge
    assert {kill.where for kill in campaign.kills} >= set(POINTS)
    assert seconds_to_work_again(campaign.kills, 0.95) <= AGAIN_SECONDS_MAX


@pytest.mark.timeout(600)
def test_a_broker_that_is_gone_for_30_seconds_is_waited_for(own_broker: Broker, tmp_path: Path) -> None:
    settings = LiveSettings(kafka=own_broker.bootstrap, replication_factor=1)
    declare(settings)
    folder = tmp_path / "files"
    folder.mkdir()
    reference, script = hostile(folder, pieces=4)
    publish_reference(settings, reference)
    with Fleet(settings, tmp_path) as fleet:
        closer, worker = fleet.start("closer"), fleet.start("worker")
        closer.ready()
        worker.ready()
        asker = LiveCloser(settings, KafkaLogs(settings), read_parameters(None), clock.now)
        for i, arrival in enumerate(script):
            produce(settings, topology.REGISTERS, arrival.registers)
            produce(settings, topology.ACKNOWLEDGEMENTS, arrival.acknowledgements)
            request = ask(asker, arrival.day)
            if i == 1:
                own_broker.kill()
                time.sleep(30)
                own_broker.start()
                back = time.monotonic()
            wait_for(asker, request, 60)
            if i == 1:
                assert time.monotonic() - back <= 60
        before = len(whole(settings, topology.PROVISIONAL))
        produce(settings, topology.REGISTERS, script[-1].registers)
        deadline = time.monotonic() + 60
        while len(whole(settings, topology.PROVISIONAL)) == before:
            assert time.monotonic() < deadline, f"no provisional reading after the outage:\n{worker.tail()}"
            if worker.process.poll() is not None:
                worker = fleet.start("worker", name=worker.name)  # As whatever runs it in production does.
            time.sleep(0.5)
    said = published(settings)
    assert said == embedded(settings, reference, tmp_path / "judge", INTERLEAVINGS["round robin"])
