"""Writes a school year of the size of England, for benchmarks: 24,000 schools, 190 days, 9.1 million registers.

    python -m benchmarks.england_year OUT [--schools 24000] [--days 190] [--layout jsonl|parquet] [--corrected .02] [--seed 1]

Every register has five year groups of six codes, about 460 bytes as JSON with blanks, in order of arrival; none has a zero count.
It is made day by day in bounded memory, by laws simpler than the simulator's: what is measured on it is speed, never detection.
`--corrected`: on each day, that share of as many registers of the last ten days comes again, corrected.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from models import simulator_laws as laws
from models.numbers import Floats, Ints, ratio
from models.simulator import NOISE_PHI, NOISE_SD, Schools, make
from schemas.codes import CODES
from streams.clock import monotonic_seconds
from streams.simulate import write_calendar, write_schools
from streams.write_registers import iso_dates, parquet_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

__all__ = ["Block", "EnglandYear", "blocks", "write_england"]

CODES_WRITTEN = ("/", "L", "I", "O", "G", "N")
GROUPS_WRITTEN = (("2", "3", "4", "5", "6"), ("7", "8", "9", "10", "11"), ("7", "8", "9", "10", "11"))
GROUP_MIN = 40
"""Pupils of a year group at least, since each of its codes holds one."""
FLOOR = len(CODES_WRITTEN) - 2
"""Absent pupils that each year group has on every day: one under each code of absence."""
_SHARES = (0.5, 0.5, 0.6)
"""Illness among the other absences, O among the rest, G among what remains."""
_LATE = 0.02
_RECENT_DAYS = 10
_ZONE = ZoneInfo("Europe/London")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class EnglandYear:
    """What stays the same: the schools, pupils in each year group (schools,), logits of the day (days, 3) by phase."""

    schools: Schools
    pupils: Ints
    dates: Ints
    logits: Floats
    seed: int

    @property
    def absence(self) -> Floats:
        """The year's expected absence ratio of each school, floor included."""
        total = np.zeros(len(self.schools))
        for row in self.logits:
            total += ratio(self.schools.level - 0.7 + row[self.schools.phase])
        return np.asarray(total / len(self.logits) + FLOOR / self.pupils)


@dataclass(frozen=True, slots=True)
class Block:
    """Registers of one date and session in order of arrival: school (n,), recorded_at (n,), counts (n, 5, 6)."""

    day: int
    afternoon: bool
    revision: int
    school: Ints
    recorded_at: np.ndarray[Any, np.dtype[np.int64]]
    counts: Ints


class _Writer(Protocol):
    def write(self, block: Block) -> None:
        """Put the block at the end of the file."""


def england(schools: int, days: int, seed: int) -> EnglandYear:
    """The schools and their year; nothing of it grows with the registers."""
    drawn, year = make(seed, schools, days=1).schools, make(seed, 1, days=days)
    logits = (year.truth.season + year.truth.calendar + year.truth.national).T
    return EnglandYear(drawn, np.maximum(drawn.roll // 5, GROUP_MIN).astype(np.int32), year.dates, logits, seed)


def _counts(rng: np.random.Generator, absent: Ints, pupils: Ints) -> Ints:
    """Absences (schools, 5) beyond the floor as codes (schools, 5, 6)."""
    counts = np.ones((*absent.shape, len(CODES_WRITTEN)), np.int32)
    rest = absent
    for position, share in enumerate(_SHARES):
        filed = rng.binomial(rest, share)
        counts[:, :, 2 + position] += filed
        rest = rest - filed
    counts[:, :, 5] += rest
    late = rng.binomial(np.maximum(pupils[:, None] - absent - FLOOR - 2, 0), _LATE)
    counts[:, :, 1] += late
    counts[:, :, 0] = np.maximum(pupils[:, None] - counts[:, :, 1:].sum(axis=2), 1)
    return counts


def _moments(rng: np.random.Generator, day: int, clock: time, size: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    at = datetime.combine(date(1970, 1, 1) + timedelta(days=day), clock, _ZONE).astimezone(UTC) - _EPOCH
    return np.sort(rng.integers(0, 1_200, size)) * 1_000_000 + at // timedelta(microseconds=1)


def blocks(year: EnglandYear, corrected: float = 0.0) -> Iterator[Block]:
    """The registers of the year, a session at a time; the corrections of a day after its afternoon."""
    rng = np.random.default_rng(np.random.SeedSequence(year.seed, spawn_key=(4_000,)))
    s = year.schools
    sd = 2.0 * NOISE_SD[s.phase]  # About half of the absences are the floor, which does not vary.
    noise = sd * rng.standard_normal(len(s))
    recent: deque[Block] = deque(maxlen=2 * _RECENT_DAYS)
    for d, day in enumerate(year.dates.tolist()):
        noise = NOISE_PHI * noise + np.sqrt(1 - NOISE_PHI**2) * sd * rng.standard_normal(len(s))
        p = ratio(s.level - 0.7 + year.logits[d, s.phase] + noise)[:, None]
        room = (year.pupils - FLOOR - 2)[:, None]
        absent = rng.binomial(np.broadcast_to(room, (len(s), 5)), p).astype(np.int32)
        for afternoon in (False, True):
            if afternoon:
                new = rng.binomial(room - absent, p * (1 - laws.STAY_AFTERNOON))
                absent = (rng.binomial(absent, laws.STAY_AFTERNOON) + new).astype(np.int32)
            order = rng.permutation(len(s)).astype(np.int32)
            at = _moments(rng, day, time(13, 30) if afternoon else time(9, 30), len(s))
            block = Block(day, afternoon, 0, order, at, _counts(rng, absent, year.pupils)[order])
            yield block
            if corrected:
                recent.append(block)
        for old in recent:
            rows = np.flatnonzero(rng.random(len(s)) < corrected / _RECENT_DAYS) if old.day < day else np.zeros(0, np.int64)
            if len(rows):
                counts = old.counts[rows].copy()
                counts[:, :, 0] += counts[:, :, 5] - 1
                counts[:, :, 5] = 1
                yield Block(old.day, old.afternoon, d + 1, old.school[rows], _moments(rng, day, time(15, 30), len(rows)), counts)


class _JsonLines:
    """JSON lines, a template of 30 numbers for each phase and session."""

    def __init__(self, file: BinaryIO, year: EnglandYear) -> None:
        self._file, self._year = file, year

    @staticmethod
    def _template(phase: int, block: Block) -> str:
        codes = ("\\\\" if block.afternoon else "/", *CODES_WRITTEN[1:])
        group = "{" + ", ".join(f'"{c}": %d' for c in codes) + "}"
        counts = ", ".join(f'"{g}": {group}' for g in GROUPS_WRITTEN[phase])
        (day,) = iso_dates(np.array([block.day], np.int32))
        return (
            f'{{"urn": %d, "attendance_date": "{day}", "session": "{"PM" if block.afternoon else "AM"}", "revision": {block.revision}, '
            f'"recorded_at": "%sZ", "source": "simulated-export", "counts": {{{counts}}}}}\n'
        )

    def write(self, block: Block) -> None:
        """Put the block at the end of the file."""
        s = self._year.schools
        templates = [self._template(p, block) for p in range(3)]
        at = np.datetime_as_string(block.recorded_at.astype("datetime64[us]"), unit="s").tolist()
        counts = block.counts.reshape(len(block.school), -1).tolist()
        rows = zip(s.phase[block.school].tolist(), s.urn[block.school].tolist(), at, counts, strict=True)
        self._file.write("".join([templates[p] % (urn, moment, *numbers) for p, urn, moment, numbers in rows]).encode())


class _Parquet:
    """Parquet, a row group for each block."""

    def __init__(self, writer: pq.ParquetWriter, year: EnglandYear) -> None:
        self._writer, self._year, self._schema = writer, year, parquet_schema()

    def write(self, block: Block) -> None:
        """Put the block at the end of the file."""
        s, n = self._year.schools, 5 * len(block.school)
        names = list(dict.fromkeys(g for groups in GROUPS_WRITTEN for g in groups))
        numbers = np.array([[names.index(g) for g in groups] for groups in GROUPS_WRITTEN], np.int32)

        def same(value: str) -> pa.Array:
            return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), [value]).cast(pa.string())

        written = {("\\" if block.afternoon and c == "/" else c): i for i, c in enumerate(CODES_WRITTEN)}
        counts = block.counts.reshape(n, len(CODES_WRITTEN))
        columns = [
            pa.array(np.repeat(s.urn[block.school], 5)),
            pa.array(np.full(n, block.day, np.int32)).cast(pa.date32()),
            same("PM" if block.afternoon else "AM"),
            pa.array(np.full(n, block.revision, np.int32)),
            pa.array(np.repeat(block.recorded_at, 5), pa.timestamp("us", "UTC")),
            same("simulated-export"),
            pa.DictionaryArray.from_arrays(pa.array(numbers[s.phase[block.school]].ravel()), names).cast(pa.string()),
            *(
                pa.array(np.ascontiguousarray(counts[:, written[row.code]])) if row.code in written else pa.nulls(n, pa.int32())
                for row in CODES
            ),
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema), row_group_size=n)


def _references(year: EnglandYear, out: Path) -> None:
    write_schools(out / "schools.csv", year.schools)
    write_calendar(out / "calendar.csv", year.dates)
    with (out / "targets.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("urn", "academic_year", "baseline_attendance", "target_attendance"))
        for urn, absence in zip(year.schools.urn.tolist(), year.absence.tolist(), strict=True):
            rows.writerow((urn, "2026/27", f"{1 - absence:.6f}", f"{1 - absence:.6f}"))


def write_england(out: Path, *, schools: int, days: int, layout: str, corrected: float, seed: int) -> int:
    """Write sessions and reference files into `out`, progress to standard error; the number of registers written."""
    out.mkdir(parents=True, exist_ok=True)
    year = england(schools, days, seed)
    _references(year, out)
    started, registers = monotonic_seconds(), 0

    def run(writer: _Writer) -> int:
        total = 0
        for number, block in enumerate(blocks(year, corrected)):
            writer.write(block)
            total += len(block.school)
            if number % 20 == 0:
                print(f"\r{total:>10,} registers, {monotonic_seconds() - started:.0f} s", end="", file=sys.stderr, flush=True)
        return total

    if layout == "parquet":
        with pq.ParquetWriter(out / "sessions.parquet", parquet_schema(), compression="zstd") as parquet:
            registers = run(_Parquet(parquet, year))
    else:
        with (out / "sessions.jsonl").open("wb", buffering=1 << 22) as file:
            registers = run(_JsonLines(file, year))
    print(f"\r{registers:>10,} registers, {monotonic_seconds() - started:.0f} s", file=sys.stderr)
    return registers


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--schools", type=int, default=24_000)
    parser.add_argument("--days", type=int, default=190)
    parser.add_argument("--layout", choices=("jsonl", "parquet"), default="jsonl")
    parser.add_argument("--corrected", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    write_england(chosen.out, schools=chosen.schools, days=chosen.days, layout=chosen.layout, corrected=chosen.corrected, seed=chosen.seed)


if __name__ == "__main__":
    main()
