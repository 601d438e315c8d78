"""What contracts.md section 3 promises, byte for byte: order, repeats, partitions, batches, late corrections, deleted caches.

One seed is one small year. A failure prints the seed; ``HEADWAY_SEED=n pytest tests/simulation/test_determinism.py`` replays it.
``HEADWAY_SEEDS=1000`` runs as many, ``HEADWAY_WHOLE_YEARS=10`` so many of 190 days (the evidence run); without them,
a sample that fits the suite.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from models.course import Course, Revisions
from models.panel import arrange
from models.parameters import BUDGET, Budget, Parameters
from models.readings import rows
from models.school_cells import Registers
from streams.acknowledgements import Acknowledgements
from streams.outputs import write_all
from streams.reference import read_reference
from streams.replay import Input, Known, deployments, read_input, replay, schedule, split_years
from tests.streams_of_registers import SmallYear, disturbed, line, small_year, with_another_past, write_reference

if TYPE_CHECKING:
    from pathlib import Path

    from streams.replay import Reference

pytestmark = pytest.mark.slow
LONDON = ZoneInfo("Europe/London")
WHOLE_YEARS_FROM = 1_000_000
"""Seeds from here on are years of 190 school days."""
SENSITIVE = Budget.of_rate(0.5)
OUTPUTS = ("readings.csv", "alerts.jsonl", "rejects.jsonl")


def seeds() -> list[int]:
    """The seeds of this run."""
    if "HEADWAY_SEED" in os.environ:
        return [int(os.environ["HEADWAY_SEED"])]
    small, whole = int(os.environ.get("HEADWAY_SEEDS", "25")), int(os.environ.get("HEADWAY_WHOLE_YEARS", "1"))
    return [*range(small), *range(WHOLE_YEARS_FROM, WHOLE_YEARS_FROM + whole)]


def held(folder: Path, files: list[list[bytes]]) -> Input:
    """Files written, then read as the command reads them."""
    paths = []
    for i, lines in enumerate(files):
        path = folder / f"sessions-{i}.jsonl"
        path.write_bytes(b"".join(lines))
        paths.append(path)
    return read_input(paths, processes=1, progress=lambda _: None)


def run(reference: Reference, what: Input, out: Path, *, known: Known = Known.THEN, block_days: int = 15) -> dict[str, bytes]:
    """Every output of a replay; of the summary, what must be equal."""
    done = replay(
        reference,
        what,
        Parameters(),
        known=known,
        budget=SENSITIVE,
        zone=LONDON,
        acknowledgements=Acknowledgements(),
        block_days=block_days,
        progress=lambda *_: None,
    )
    said = write_all(out, done, what, Parameters())
    del said["read"], said["duplicate"]
    return {name: (out / name).read_bytes() for name in OUTPUTS} | {"summary": json.dumps(said, sort_keys=True).encode()}


def made(seed: int, folder: Path) -> tuple[SmallYear, Reference]:
    """A small year and its reference files, read."""
    year = small_year(seed, days=190, schools=20) if seed >= WHOLE_YEARS_FROM else small_year(seed)
    return year, read_reference(*write_reference(year, folder))


@pytest.mark.parametrize("seed", seeds())
def test_order_repeats_partitions_and_blocks_change_no_byte(seed: int, tmp_path: Path) -> None:
    year, reference = made(seed, tmp_path)
    clean = run(reference, held(tmp_path, [[line(e) for e in year.events]]), tmp_path / "clean")
    rng = np.random.default_rng(seed)
    for parts, block_days in ((1, 7), (4, 1), (12, 15)):
        again = run(reference, held(tmp_path, disturbed(year, rng, parts)), tmp_path / f"parts-{parts}", block_days=block_days)
        assert again == clean, f"seed {seed}, {parts} partitions, blocks of {block_days}"


@pytest.mark.parametrize("seed", seeds())
def test_the_same_winners_with_another_past_give_the_same_state(seed: int, tmp_path: Path) -> None:
    year, reference = made(seed, tmp_path)
    clean = run(reference, held(tmp_path, [[line(e) for e in year.events]]), tmp_path / "clean")
    other = run(reference, held(tmp_path, [with_another_past(year, np.random.default_rng(seed))]), tmp_path / "other")
    assert other["readings.csv"] == clean["readings.csv"], f"seed {seed}"
    assert json.loads(other["summary"])["state_digest"] == json.loads(clean["summary"])["state_digest"], f"seed {seed}"
    now = run(reference, held(tmp_path, [[line(e) for e in year.events]]), tmp_path / "now", known=Known.NOW)
    assert now["readings.csv"] == clean["readings.csv"], f"seed {seed}: known now"


@pytest.mark.parametrize("seed", seeds())
def test_each_close_equals_the_replay_from_day_one_whatever_checkpoints_are_left(seed: int, tmp_path: Path) -> None:
    year, reference = made(seed, tmp_path)
    what = held(tmp_path, [[line(e) for e in year.events]])
    batch, tally = what.store.batch(), what.store.tally()
    urns = np.array([s.urn for s in reference.schools], np.int32)
    arranged = arrange(batch)
    (one,), _, _ = split_years(batch, arranged, tally, deployments(reference, batch.day), urns)
    rng = np.random.default_rng(seed)
    course, cells = Course(one.deployment, Parameters(), BUDGET, int(rng.choice([1, 7, 15]))), Registers(batch, arranged.rows)
    every = slice(0, len(urns))
    seen = np.zeros(0, np.int64)
    for day, taken, _ in schedule(one, int(one.revisions.day.max()), Known.THEN, LONDON, Acknowledgements()):
        for checkpoint in [d for d in course.model.checkpoints if rng.random() < 0.4]:
            del course.model.checkpoints[checkpoint]
        course.close(day, one.revisions.only(taken), registers=cells)
        seen = np.sort(np.concatenate([seen, taken]))
        if rng.random() < 0.25:
            fresh = Course(one.deployment, Parameters(), BUDGET)
            fresh.close(day, revisions(one.revisions, seen), registers=cells)
            assert rows(fresh.model, fresh.panel, BUDGET, every).tobytes() == rows(course.model, course.panel, BUDGET, every).tobytes(), (
                f"seed {seed}, close of day {day}"
            )


def revisions(all_of_them: Revisions, seen: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Revisions:
    """What a log holds up to some positions."""
    return all_of_them.only(seen)
