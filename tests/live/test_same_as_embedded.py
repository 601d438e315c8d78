"""Live and embedded say the same: readings, alerts and rejects per key, byte for byte, and the same state digests.

However many workers run beside the closer, and however the partitions are interleaved for the embedded runner.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from streams.reference import read_reference
from streams.reference_publish import publish_reference
from tests.live.conformance import INTERLEAVINGS, Arrival, Published, embedded, live
from tests.live.fleet import HEADWAY, Fleet
from tests.streams_of_registers import line, small_year, write_reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.live_settings import LiveSettings
    from streams.replay import Reference

DATA = os.environ.get("HEADWAY_DATA")
JUNK = (b"{bad", b"", b"[]", b'{"urn": 1}', b"\xff\xfe", b'{"urn": 100001, "urn": 100001}', b"x" * 70_000)


def _cut(lines: Sequence[bytes], days: Sequence[date], pieces: int) -> list[Arrival]:
    """Consecutive pieces, each closing the day of its share of the year."""
    edges = np.linspace(0, len(lines), pieces + 1).astype(int)
    return [Arrival(days[len(days) * (i + 1) // pieces - 1], lines[a:b]) for i, (a, b) in enumerate(pairwise(edges.tolist()))]


def _acknowledgement(urn: int, day: date) -> bytes:
    said = {"urn": urn, "chart": "C", "effective_date": str(day), "verdict": "handled", "revision": 0, "actor": "coordinator-1"}
    return json.dumps(said | {"recorded_at": f"{day}T16:00:00Z"}).encode()


def _hub(folder: Path) -> tuple[Reference, list[Arrival]]:
    """A simulated hub of 57 schools: the first 60 days of its year, in order of arrival."""
    subprocess.run([*HEADWAY, "simulate", f"--out={folder}", "--days=60", "--seed=7", "--layout=jsonl"], check=True)
    lines = (folder / "sessions.jsonl").read_bytes().splitlines()
    reference = read_reference(*(folder / f"{name}.csv" for name in ("schools", "targets", "calendar")))
    days = sorted({date.fromisoformat(json.loads(text)["attendance_date"]) for text in lines})
    return reference, _cut(lines, days, 8)


def _hostile(folder: Path) -> tuple[Reference, list[Arrival]]:
    """Small schools whose registers come shuffled, twice, corrected and among junk; some closes are repeats; people answer."""
    year, rng = small_year(1, days=14, schools=16), np.random.default_rng(3)
    reference = read_reference(*write_reference(year, folder))
    days = sorted({date.fromisoformat(event["attendance_date"]) for event in year.events})
    lines = [line(event) for event in year.events]
    order = np.argsort(np.arange(len(lines)) + rng.normal(0, 60, len(lines)))
    mixed = [lines[int(i)] for i in order] + [lines[int(i)] for i in rng.integers(0, len(lines), 100)]
    script = _cut(mixed, days, 16)
    script = [
        Arrival(a.day, [*a.registers, JUNK[i % len(JUNK)]], [_acknowledgement(100_000 + i, a.day), b"{}"] if i % 3 == 0 else [])
        for i, a in enumerate(script)
    ]
    return reference, script


def _new_york(_: Path) -> tuple[Reference, list[Arrival]]:
    """Every register of New York 2015-16, closed twelve times."""
    data = Path(DATA or "") / "nyc_2015_16"
    with gzip.open(data / "sessions.jsonl.gz", "rb") as file:
        lines = file.read().splitlines()
    reference = read_reference(*(data / f"{name}.csv" for name in ("schools", "targets", "calendar")))
    days = sorted({date.fromisoformat(json.loads(text)["attendance_date"]) for text in lines})
    return reference, _cut(lines, days, 12)


def _same(one: Published, other: Published) -> None:
    assert one.digests == other.digests
    for number, readings in one.readings.items():
        assert readings == other.readings[number], f"readings of close {number}"
    assert one.alerts == other.alerts
    assert one.rejects == other.rejects


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("script", "workers"), [("hub", 1), ("hub", 2), ("hostile", 1), ("hostile", 3), ("hostile", 5), ("new york", 2)])
def test_both_runners_publish_the_same_bytes(script: str, workers: int, settings: LiveSettings, topics: Any, tmp_path: Path) -> None:
    if script == "new york" and DATA is None:
        pytest.skip("HEADWAY_DATA does not name the real data")
    folder = tmp_path / "files"
    folder.mkdir()
    reference, arrivals = {"hub": _hub, "hostile": _hostile, "new york": _new_york}[script](folder)
    publish_reference(settings, reference)
    with Fleet(settings, tmp_path) as fleet:
        running = [fleet.start("closer"), *(fleet.start("worker") for _ in range(workers))]
        for one in running:
            one.ready()
        said = live(settings, arrivals)
    assert len(said.digests) == len(arrivals)
    assert said.alerts, "a script without an alert shows little"
    for name, interleave in INTERLEAVINGS.items():
        _same(said, embedded(settings, reference, tmp_path / name, interleave))
