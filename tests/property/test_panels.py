"""Panels moved on from close to close say what panels made from nothing say; segments on disk never say anything else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models import digests
from models.panels import Panels
from models.parameters import Budget, Parameters
from models.said import Said
from schemas.errors import WrongUsage
from streams.closed_readings import closed_readings
from streams.decode import decode
from streams.reference import read_reference
from streams.replay import deployments
from streams.snapshot import Segments, Stretch
from tests.streams_of_registers import line, small_year, write_reference

if TYPE_CHECKING:
    from models.batch import Batch
    from models.deployment import Deployment
    from models.panels import Closed

BUDGET = Budget.of_rate(0.5)
_EPOCH = date(1970, 1, 1)
IDENTITY = {"cluster": "a", "topic": "b"}


class _World:
    def __init__(self, seed: int) -> None:
        year = small_year(seed, days=12, schools=12)
        with TemporaryDirectory() as folder:
            reference = read_reference(*write_reference(year, Path(folder)))
        self.lines = [line(event) for event in year.events]
        days = sorted({(date.fromisoformat(event["attendance_date"]) - _EPOCH).days for event in year.events})
        self.days = days
        self.deployment = deployments(reference, np.array(days))[0]

    def panels(self, deployment: Deployment | None = None) -> Panels:
        here = deployment or self.deployment
        panels = Panels(Parameters(), BUDGET)
        panels.refer(here.urn, {here.academic_year: here})
        return panels

    def close(self, panels: Panels, day: int, said: Said | None = None) -> Closed:
        return panels.close(self.deployment.academic_year, day, {}, lambda: said or Said())

    def cut(self, pieces: int, rng: np.random.Generator) -> list[Batch]:
        """The lines in any order, some of them twice, in pieces."""
        order = rng.permutation(np.concatenate([np.arange(len(self.lines)), rng.integers(0, len(self.lines), 20)]))
        return [decode([self.lines[int(i)] for i in part]).batch for part in np.array_split(order, pieces)]


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10_000), st.integers(1, 9))
def test_closes_one_after_the_other_end_where_one_from_nothing_ends(seed: int, pieces: int) -> None:
    world, rng = _World(seed % 7), np.random.default_rng(seed)
    moved, last = world.panels(), world.days[-1]
    said: Closed | None = None
    for i, batch in enumerate(world.cut(pieces, rng)):
        moved.add(batch)
        said = world.close(moved, world.days[min(i, len(world.days) - 1)])
    said = world.close(moved, last)
    once = world.panels()
    once.add(decode(world.lines).batch)
    assert world.close(once, last).state_digest == said.state_digest


@pytest.mark.slow
@pytest.mark.parametrize("settled_days", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_hashes_kept_from_close_to_close_are_those_of_a_close_from_nothing(
    seed: int, settled_days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Registers come with their day, late ones and corrections of days that were settled among them."""
    monkeypatch.setattr(digests, "SETTLED_DAYS", settled_days)
    world, rng = _World(seed), np.random.default_rng(seed)
    arrives = {text: json.loads(text)["recorded_at"][:10] for text in world.lines}
    moved = world.panels()
    held: list[bytes] = []
    advanced = 0
    for i, day in enumerate(world.days):
        until = (_EPOCH + timedelta(days=day)).isoformat()
        now = [text for text in world.lines if arrives[text] <= until and text not in set(held)]
        if i and rng.random() < 0.5:
            old = json.loads(held[int(rng.integers(len(held)))])
            now.append(json.dumps(old | {"revision": 50 + i, "counts": {"7": {"/": 30 + i, "I": 2}}}).encode())
        held += now
        moved.add(decode(now).batch)
        said = world.close(moved, day)
        advanced += moved._settled.index > 0
        once = world.panels()
        once.add(decode(held).batch)
        assert world.close(once, day).schools == said.schools, f"close {i}"
    assert advanced, "nothing was ever settled: this shows nothing"


def test_a_school_s_digests_change_with_its_own_registers() -> None:
    world = _World(1)
    panels = world.panels()
    panels.add(decode(world.lines).batch)
    before = world.close(panels, world.days[-1])
    urn = int(world.deployment.urn[3])
    late = json.loads(next(text for text in world.lines if json.loads(text)["urn"] == urn)) | {"revision": 99, "counts": {"7": {"/": 50}}}
    panels.add(decode([json.dumps(late).encode()]).batch)
    after = world.close(panels, world.days[-1])
    assert before.schools[3].digest != after.schools[3].digest
    assert len(before.schools) == len(after.schools) == len(world.deployment.urn)


def test_the_course_stays_when_the_reference_says_the_same_and_goes_when_it_does_not() -> None:
    world = _World(2)
    panels = world.panels()
    panels.add(decode(world.lines).batch)
    first = world.close(panels, world.days[-1])
    same = world.deployment
    panels.refer(same.urn, {same.academic_year: same})
    assert world.close(panels, world.days[-1]).course is first.course
    moved = replace(same, target=np.where(np.isnan(same.target), 0.02, same.target))
    panels.refer(moved.urn, {moved.academic_year: moved})
    again = world.close(panels, world.days[-1])
    fresh = world.panels(moved)
    fresh.add(decode(world.lines).batch)
    assert again.course is not first.course
    assert again.state_digest == world.close(fresh, world.days[-1]).state_digest


def test_a_reading_is_published_for_every_school_and_names_the_digest_of_its_year() -> None:
    world = _World(3)
    panels = world.panels()
    panels.add(decode(world.lines).batch)
    closed = world.close(panels, world.days[-1])
    readings = {urn: json.loads(text) for urn, text in closed_readings(closed, BUDGET)}
    assert sorted(readings) == world.deployment.urn.tolist()
    for i, (urn, said) in enumerate(sorted(readings.items())):
        assert said["urn"] == urn
        assert said["readings_digest"] == closed.schools[i].readings.hex()
        assert list(said) == sorted(said), "canonical"
        assert said["absence_ratio"] is None or abs(said["absences"] / said["possible_sessions"] - said["absence_ratio"]) <= 5e-7


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, list[Batch]]:
    """Three segments: positions 0 to 10, to 20, to 30 of one partition."""
    world = _World(4)
    batches = [decode(part).batch for part in (world.lines[:50], world.lines[50:90], world.lines[90:140])]
    segments = Segments(tmp_path, IDENTITY)
    for i, batch in enumerate(batches):
        stretch = Stretch(segments, {"t/0": 10 * i} if i else {})
        stretch.add("t/0", 10 * i + 10, batch)
        stretch.finish({"t/0": 10 * i + 10})
    segments.close()
    return tmp_path, batches


def _loaded(folder: Path, upto: int = 30, identity: dict[str, str] | None = None) -> list[tuple[int, int]]:
    segments = Segments(folder, identity or IDENTITY)
    try:
        return [(reached["t/0"], len(batch)) for reached, batch in segments.load({}, {"t/0": upto})]
    finally:
        segments.close()


def test_segments_give_back_what_was_kept_up_to_a_position(kept: tuple[Path, list[Batch]]) -> None:
    folder, batches = kept
    whole = [(10, len(batches[0])), (20, len(batches[1])), (30, len(batches[2]))]
    assert _loaded(folder) == whole
    assert _loaded(folder, upto=29) == whole[:2]
    segments = Segments(folder, IDENTITY)
    for (_, held), batch in zip(segments.load({}, {"t/0": 30}), batches, strict=True):
        for name in ("urn", "day", "session", "revision", "recorded_at", "source", "start", "cells"):
            assert np.array_equal(getattr(held, name), getattr(batch, name)), name
        assert held.sources == batch.sources
    segments.close()


@pytest.mark.parametrize("harm", ["torn", "flipped", "position", "length", "gone", "junk", "foreign", "another format"])
def test_a_segment_that_is_not_whole_and_ours_ends_the_chain(kept: tuple[Path, list[Batch]], harm: str) -> None:
    folder, batches = kept
    second = sorted(folder.glob("*.segment"))[1]
    content = bytearray(second.read_bytes())
    if harm == "torn":
        second.write_bytes(content[:-1])
    elif harm == "flipped":
        content[-1] ^= 1
        second.write_bytes(content)
    elif harm == "position":
        assert content.count(b'"t/0": 20') == 1
        second.write_bytes(content.replace(b'"t/0": 20', b'"t/0": 24'))
    elif harm == "length":
        second.write_bytes(content.replace(b'"lengths": [', b'"lengths": [9'))
    elif harm == "gone":
        second.unlink()
    elif harm == "junk":
        second.write_bytes(b"\x00" * 100)
    elif harm == "another format":
        second.write_bytes(_sealed(content.replace(b'"format": 2', b'"format": 9')))
    identity = {"cluster": "another"} if harm == "foreign" else None
    assert _loaded(folder, identity=identity) == ([] if harm == "foreign" else [(10, len(batches[0]))])


def _sealed(content: bytearray) -> bytes:
    """With the digest of what it says now."""
    said = bytes(content).partition(b"\n")[2]
    return hashlib.sha256(said).hexdigest().encode() + b"\n" + said


def test_a_new_segment_takes_the_place_of_those_it_does_not_follow(kept: tuple[Path, list[Batch]]) -> None:
    folder, batches = kept
    segments = Segments(folder, IDENTITY)
    segments.keep({"t/0": 10}, {"t/0": 25}, batches[1])
    segments.close()
    assert _loaded(folder) == [(10, len(batches[0])), (25, len(batches[1]))]


def test_segments_of_a_log_that_began_earlier_are_not_used_and_go(kept: tuple[Path, list[Batch]]) -> None:
    folder, batches = kept
    segments = Segments(folder, IDENTITY)
    assert list(segments.load({"t/0": 5}, {"t/0": 30})) == []
    segments.keep({"t/0": 5}, {"t/0": 25}, batches[1])
    assert [reached for reached, _ in segments.load({"t/0": 5}, {"t/0": 30})] == [{"t/0": 25}]
    segments.close()
    assert _loaded(folder) == []


def test_two_processes_do_not_keep_their_segments_in_one_directory(tmp_path: Path) -> None:
    first = Segments(tmp_path, IDENTITY)
    with pytest.raises(WrongUsage, match="HEADWAY_STATE_DIR"):
        Segments(tmp_path, IDENTITY)
    first.close()
    Segments(tmp_path, IDENTITY).close()
