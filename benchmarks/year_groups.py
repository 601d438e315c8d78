"""The core with year groups: a year of England whose registers are broken down, and what chart G adds in time and memory.

usage: python -m benchmarks.year_groups [--schools 24000]
The same registers are closed day by day without their cells (charts T and C alone) and with them (chart G and attribution too).
"""

from __future__ import annotations

import argparse
import gc
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.core import DAYS, deployment, joined
from benchmarks.evidence import write
from models.batch import CODE_BITS, PUPILS_BITS, Batch, concatenate
from models.course import Course, Revisions
from models.panel import tally
from models.parameters import BUDGET, Parameters
from models.school_cells import Registers
from models.simulator import PHASE_GROUPS
from schemas.codes import CODE_IDS, YEAR_GROUP_IDS

if TYPE_CHECKING:
    from models.deployment import Deployment

CODES = ("/", "L", "I", "O")
WIDTH, DRIFT_FROM = 7, 90
_GROUPS = np.array([[YEAR_GROUP_IDS[g] for g in (*names, *names)][:WIDTH] for names in PHASE_GROUPS])


def registers(made: Deployment) -> tuple[list[Revisions], Registers]:
    """Two registers a school and day, by day: 7 year groups in a primary, 5 elsewhere, 4 codes each; who is absent in the morning
    mostly is in the afternoon. From day 90 the first year group of every fiftieth school misses half as much again, so that
    alerts open and are looked after."""
    rng = np.random.default_rng(2)
    schools = len(made.urn)
    groups = np.array([len(names) for names in PHASE_GROUPS])[made.phase]
    size = np.where(np.arange(WIDTH) < groups[:, None], (made.roll / groups).astype(int)[:, None], 0)
    codes = np.array([CODE_IDS[c] for c in CODES])
    head = (_GROUPS[made.phase][:, :, None] << (PUPILS_BITS + CODE_BITS)) | (codes << PUPILS_BITS)
    order = np.argsort(codes)
    parts, batches = [], []
    for d in range(DAYS):
        rates = np.repeat((made.baseline * np.exp(rng.normal(0, 0.2, schools)))[:, None], WIDTH, axis=1)
        rates[np.arange(schools) % 50 == 0, 0] *= 1.5 if d >= DRIFT_FROM else 1.0
        morning = rng.binomial(size, rates)
        absent = np.concatenate([morning, rng.binomial(morning, 0.9 + 0.1 * rates) + rng.binomial(size - morning, 0.1 * rates)])
        ill, late = rng.binomial(absent, 0.5), rng.binomial(np.tile(size, (2, 1)) - absent, 0.02)
        counts = np.stack([np.tile(size, (2, 1)) - absent - late, late, ill, absent - ill], 2)[:, :, order]
        there = counts > 0
        cells = (np.tile(head, (2, 1, 1))[:, :, order] | counts)[there].astype(np.uint32)
        start = np.concatenate([[0], np.cumsum(there.sum(axis=(1, 2)))]).astype(np.int64)
        none, session = np.zeros(2 * schools, np.int32), np.repeat(np.array([0, 1], np.int32), schools)
        urn, day = np.tile(made.urn, 2), np.full(2 * schools, made.days[d], np.int32)
        batches.append(Batch(urn, day, session.astype(np.uint8), none, none.astype(np.int64), none, start, cells, ("made",)))
        rank = np.arange(2 * schools, dtype=np.int32) + d * 2 * schools
        school = np.tile(np.arange(schools, dtype=np.int32), 2)
        parts.append(Revisions(rank, np.full(2 * schools, d, np.int32), session, school, tally(batches[-1])))
    return parts, Registers(concatenate(batches))


def year(made: Deployment, days: list[Revisions], cells: Registers | None) -> tuple[float, float, Course]:
    """Seconds of processor time for a year of closes, a day at a time; megabytes that the process holds more than before; the course."""
    gc.collect()
    before, begin = _resident_megabytes(), time.process_time()
    course = Course(made, Parameters(), BUDGET)
    for d, taken in enumerate(days):
        course.close(d, taken, registers=cells)
    seconds = time.process_time() - begin
    gc.collect()
    return seconds, _resident_megabytes() - before, course


def june(made: Deployment, everything: Revisions, cells: Registers | None) -> float:
    """Seconds of processor time for the last close computed from day one."""
    begin = time.process_time()
    Course(made, Parameters(), BUDGET).close(DAYS - 1, everything, registers=cells)
    return time.process_time() - begin


def _resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Measure and write docs/evidence/year_groups.md."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--schools", type=int, default=24_000)
    schools = arguments.parse_args().schools
    made = deployment(schools)
    days, cells = registers(made)
    everything = joined(days)
    rows: list[dict[str, Any]] = []
    for name, held in (("T and C", None), ("T, C and G, with attribution", cells)):
        seconds, megabytes, course = year(made, days, held)
        opened = sum(line.open for line in course.said.lines.values())
        series = len(course.panel.groups.series)
        del course
        rows.append(
            {
                "charts": name,
                "schools": schools,
                "year groups": series,
                "year of closes, s of one core": round(seconds, 2),
                "a school day, ms": round(1000 * seconds / DAYS, 1),
                "June close from day one, s of one core": round(june(made, everything, held), 2),
                "held by the course, MB": round(megabytes),
                "alerts open at the end": opened,
            }
        )
    notes = [
        f"{len(cells.batch):,} registers, {len(cells.batch.cells):,} cells, held by both (not counted): {_store_megabytes(cells):,.0f} MB.",
        "Registers without a breakdown cost the first row: nothing is made for year groups that nobody names.",
        "Of what chart G holds, counts take 8 bytes a year group and day, and each of some thirty checkpoints 36 bytes a year group.",
    ]
    write(
        "year_groups", "The core with year groups: a year of closes", f"python -m benchmarks.year_groups --schools {schools}", rows, notes
    )


def _store_megabytes(cells: Registers) -> float:
    batch = cells.batch
    names = ("urn", "day", "session", "revision", "recorded_at", "source", "start", "cells")
    return float(sum(getattr(batch, name).nbytes for name in names)) / 1e6


if __name__ == "__main__":
    main()
