"""`headway doctor` on a real broker: what it says of a fresh one, of one as we want it, of a topic that differs, and of none."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from streams import clock, topology
from streams.finding import Standing
from streams.live_checks import log_clock
from streams.topics import declare
from tests.live.conformance import produce
from tests.live.fleet import HEADWAY
from tests.live.hub import SCHOOLS, publish_hub, register
from tests.live.test_topics import make

if TYPE_CHECKING:
    from pathlib import Path

    from streams.live_settings import LiveSettings


def doctor(settings: LiveSettings, folder: Path, **given: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """Its exit code and, by check, the worst standing and what was said; in a process of its own, as `headway topics` is tried."""
    environment = {"HEADWAY_KAFKA": settings.kafka, "HEADWAY_TOPIC_PREFIX": settings.topic_prefix, "HEADWAY_REPLICATION_FACTOR": "1"}
    done = subprocess.run(
        [*HEADWAY, "doctor", "--json"], cwd=folder, env=os.environ | environment | given, capture_output=True, text=True, check=False
    )
    said: dict[str, tuple[str, str]] = {}
    for one in json.loads(done.stdout):
        if one["check"] not in said or one["standing"] == Standing.WRONG:
            said[one["check"]] = one["standing"], one["said"] + " | " + one["remedy"]
    return done.returncode, said


def test_it_names_what_is_missing_until_nothing_is(settings: LiveSettings, tmp_path: Path) -> None:
    code, said = doctor(settings, tmp_path)
    assert code == 1
    assert said["broker"][0] == "well"
    assert said["topics"][0] == "wrong"
    assert said["topics"][1].endswith("| Make them with `headway topics`")
    assert said["clock"][0] == "wrong"
    declare(settings)
    code, said = doctor(settings, tmp_path)
    assert said["topics"][0] == "well"
    assert said["clock"][0] == "not tried"
    assert (code, said["calendars"][0]) == (1, "wrong")
    assert "headway reference publish" in said["calendars"][1]
    publish_hub(settings, tmp_path / "reference")
    produce(settings, topology.REGISTERS, [register(SCHOOLS[0])])
    _, said = doctor(settings, tmp_path)
    assert said["clock"][0] == "well"
    assert said["calendars"][1].count("schools") == 1


def test_a_topic_that_differs_is_named_with_what_would_change_it(settings: LiveSettings, tmp_path: Path) -> None:
    make(settings, topology.REGISTERS, retention_ms="604800000")
    code, said = doctor(settings, tmp_path)
    assert code == 1
    assert "kafka-configs.sh --alter" in said["topics"][1] or "missing" in said["topics"][1]


def test_a_clock_behind_the_broker_is_wrong(settings: LiveSettings, topics: Any) -> None:
    produce(settings, topology.REGISTERS, [register(SCHOOLS[0])])
    (behind,) = log_clock(settings, clock.now() - timedelta(hours=1))
    assert behind.standing is Standing.WRONG
    assert "NTP" in behind.remedy


def test_without_a_broker_it_says_so_once_and_goes_on(settings: LiveSettings, tmp_path: Path) -> None:
    code, said = doctor(settings, tmp_path, HEADWAY_KAFKA="127.0.0.1:1")
    assert code == 1
    assert said["broker"] == ("wrong", "127.0.0.1:1: asking who is there failed (KafkaTimeoutError) | Is the broker up?")
    assert said["topics"][0] == said["calendars"][0] == "not tried"
    assert said["disk"][0] in {"well", "look"}


def test_more_copies_than_brokers(settings: LiveSettings, tmp_path: Path) -> None:
    _, said = doctor(settings, tmp_path, HEADWAY_REPLICATION_FACTOR="3")
    assert said["broker"][0] == "wrong"
    assert "HEADWAY_REPLICATION_FACTOR=1" in said["broker"][1]
