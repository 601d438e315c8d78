"""Poison in the log: the stream goes on, all of it is rejected by rule, what was refused wrongly comes back, and too much stops all."""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from models.parameters import Parameters
from streams import clock, topology
from streams.close_command import ask, wait_for
from streams.dead_letters import fold
from streams.kafka_logs import KafkaLogs
from streams.live_closer import LiveCloser
from streams.reference_publish import publish_reference
from tests.live.conformance import INTERLEAVINGS, embedded, produce, published, whole
from tests.live.fleet import HEADWAY, Fleet
from tests.live.scripts import hostile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streams.live_settings import LiveSettings

HELD_SECONDS_MAX = 1.0
OVERSIZED = b'{"urn":100001,"source":"' + b"x" * 70_000 + b'"}'
CONTROLS = b"\x01" * 65_536
"""As large as a record may be, and six times that in JSON."""


def _headway(settings: LiveSettings, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HEADWAY_KAFKA": settings.kafka, "HEADWAY_TOPIC_PREFIX": settings.topic_prefix}
    return subprocess.run([*HEADWAY, *arguments], env=environment, capture_output=True, text=True, check=False)


def _largest_gap_seconds(settings: LiveSettings) -> float:
    """Between two answers of the whole stream while it was fed."""
    stamps = sorted(record.timestamp for record in whole(settings, topology.PROVISIONAL))
    return float(np.diff(stamps).max(initial=0)) / 1000


def _fed(settings: LiveSettings, good: Sequence[bytes], poison: Sequence[bytes]) -> None:
    """A second of the stream in ten pieces; the poison stands in the middle."""
    pieces = [good[i::10] for i in range(10)]
    for i, piece in enumerate(pieces):
        produce(settings, topology.REGISTERS, [*piece, *(poison if i == 5 else ())])
        time.sleep(0.1)


def test_poison_holds_nobody_up_and_all_of_it_is_rejected_by_rule(settings: LiveSettings, topics: Any, tmp_path: Path) -> None:
    """One record in 1,000; 100 in a row; over 64 KiB; as many control characters as may be."""
    folder = tmp_path / "files"
    folder.mkdir()
    reference, script = hostile(folder, pieces=1, schools=60)
    publish_reference(settings, reference)
    good = [line for line in script[0].registers if line.startswith(b'{"urn": 1') and len(line) < 60_000]
    few = [b"{poison %d" % n for n in range(max(1, len(good) // 1000))]
    with Fleet(settings, tmp_path) as fleet:
        for one in (fleet.start("closer"), fleet.start("worker")):
            one.ready()
        _fed(settings, good, few)
        _fed(settings, good, [b"{a row %d" % n for n in range(100)])
        _fed(settings, good, [OVERSIZED, CONTROLS])
        asker = LiveCloser(settings, KafkaLogs(settings), Parameters(), clock.now)
        wait_for(asker, ask(asker, script[0].day), 60)
    assert _largest_gap_seconds(settings) <= HELD_SECONDS_MAX
    letters = fold(settings)
    assert len(letters) == len(few) + 100 + 2
    assert {letter.reason for letter in letters.values()} == {"not_json", "oversized"}
    said = published(settings)
    assert said == embedded(settings, reference, tmp_path / "judge", INTERLEAVINGS["seeded"])


def test_ten_megabytes_are_refused_at_the_door(settings: LiveSettings, topics: Any, tmp_path: Path) -> None:
    file = tmp_path / "sessions.jsonl"
    file.write_bytes(b'{"urn":1,"x":"' + b"x" * 10_000_000 + b'"}\n')
    done = _headway(settings, "produce", str(file), "--json")
    assert done.returncode == 3, done.stderr
    (letter,) = fold(settings).values()
    assert letter.reason == "oversized"
    assert letter.origin.startswith("door/")
    assert letter.length > 10_000_000
    assert whole(settings, topology.REGISTERS) == []


@pytest.mark.parametrize("poison", ["a share", "a run"])
def test_too_much_of_it_stops_worker_and_close_until_a_person_has_looked(
    poison: str, settings: LiveSettings, topics: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    reference, script = hostile(folder, pieces=1, schools=60)
    publish_reference(settings, reference)
    lines = script[0].registers
    assert len(lines) >= 1_000, "of fewer a share says little"
    step = len(lines) if poison == "a run" else 15
    mixed: list[bytes] = []
    for n, begin in enumerate(range(0, len(lines), step)):
        bad = [json.dumps({"urn": 100_001, "n": n + m}).encode() for m in range(500 if poison == "a run" else 1)]
        mixed += [*lines[begin : begin + step], *bad]
    with Fleet(settings, tmp_path) as fleet:
        closer, worker = fleet.start("closer"), fleet.start("worker", name="worker")
        closer.ready()
        worker.ready()
        produce(settings, topology.REGISTERS, mixed)
        assert worker.exit_code(60) == 1
        assert "headway rejects accept" in worker.tail()
        again = fleet.start("worker", name="worker")
        assert again.exit_code(60) == 1, "it finds the same again"
        asked = _headway(settings, "close", "--day", str(script[0].day), "--ahead", "--wait")
        assert asked.returncode == 1
        assert "rejected" in asked.stderr
        accepted = _headway(settings, "rejects", "accept", "--by", "ops-1", "--reason", "the export of one school is being mended")
        assert accepted.returncode == 0, accepted.stderr
        fleet.start("worker", name="worker").ready()
        done = _headway(settings, "close", "--day", str(script[0].day), "--ahead", "--wait")
        assert done.returncode == 0, done.stderr
    said = published(settings)
    assert len(said.digests) == 1
    assert said == embedded(settings, reference, tmp_path / "judge", INTERLEAVINGS["round robin"])
