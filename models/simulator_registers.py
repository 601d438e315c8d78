"""What the schools of a simulated year send, and when: revisions of registers as rows, and as a `Batch` in order of arrival.

A register comes within 20 minutes of 9.30 or 13.30, a correction or a late one within 20 minutes of 15.30, London time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from models.batch import CODE_BITS, PUPILS_BITS, Batch, concatenate
from models.simulator import GROUPS, PHASE_GROUPS, SimulatedYear
from models.simulator_codes import CODE_COLUMNS, NO_REASON, PRESENT, Counts
from schemas.codes import CODE_IDS, YEAR_GROUP_IDS

if TYPE_CHECKING:
    from models.numbers import Bools, Ints

__all__ = [
    "AFTERNOON",
    "MORNING",
    "OFFICE",
    "SOURCE",
    "Moments",
    "Note",
    "Sent",
    "clean_registers",
    "law",
    "moments",
    "to_batch",
    "together",
]

Moments = np.ndarray[Any, np.dtype[np.int64]]
"""Microseconds UTC since 1970."""

SOURCE = "simulated"
MORNING, AFTERNOON, OFFICE = time(9, 30), time(13, 30), time(15, 30)
_ZONE = ZoneInfo("Europe/London")
_JITTER_SECONDS = 20 * 60
_ROWS = 1 << 15
_GROUP_IDS = np.array([[YEAR_GROUP_IDS[g] for g in (*names, *names)][:GROUPS] for names in PHASE_GROUPS], np.uint32)
_CODE_IDS = np.array([[CODE_IDS[c] for c in (first, *CODE_COLUMNS[1:])] for first in ("/", "\\")], np.uint32)


@dataclass(frozen=True, slots=True)
class Note:
    """One planted defect: its kind, the school (position, -1 for many), its first and last school day from 1, its number."""

    kind: str
    school: int
    first_day: int
    last_day: int
    number: float


@dataclass(frozen=True, slots=True)
class Sent:
    """n revisions of registers. school, day (position of the school day), session, revision: int32 (n,).

    recorded_at: int64 microseconds UTC. provisional: int16 (n, 7), present pupils who stand under N in this revision.
    all_present: bool (n,), the register says that nobody was absent.
    """

    school: Ints
    day: Ints
    session: Ints
    revision: Ints
    recorded_at: np.ndarray[Any, np.dtype[np.int64]]
    provisional: Counts
    all_present: Bools
    notes: tuple[Note, ...] = ()

    def __len__(self) -> int:
        return len(self.school)

    def rows(self, index: Ints | Bools | np.ndarray[Any, np.dtype[np.int64]]) -> Sent:
        """These rows, with all notes."""
        return replace(
            self,
            school=self.school[index],
            day=self.day[index],
            session=self.session[index],
            revision=self.revision[index],
            recorded_at=self.recorded_at[index],
            provisional=self.provisional[index],
            all_present=self.all_present[index],
        )

    def noted(self, *notes: Note) -> Sent:
        """With further notes."""
        return replace(self, notes=(*self.notes, *notes))


def moments(year: SimulatedYear, position: Ints, clock: time, rng: np.random.Generator) -> Moments:
    """London time on school days, with its jitter; positions after the year are the weekdays that follow it."""
    most = max(int(position.max(initial=0)), len(year.dates) - 1)
    dates = [date(1970, 1, 1) + timedelta(days=int(d)) for d in year.dates]
    while len(dates) <= most:
        dates.append(dates[-1] + timedelta(days=3 if dates[-1].weekday() == 4 else 1))
    since = [datetime.combine(d, clock, _ZONE).astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC) for d in dates]
    table = np.array([s // timedelta(microseconds=1) for s in since], np.int64)
    return np.asarray(table[position] + rng.integers(0, _JITTER_SECONDS, len(position)) * 1_000_000, np.int64)


def law(year: SimulatedYear, seed: int, number: int) -> np.random.Generator:
    """The generator of one law about registers, apart from every other."""
    return np.random.default_rng(np.random.SeedSequence(year.seed, spawn_key=(3_000, year.start_year, number, seed)))


def clean_registers(year: SimulatedYear) -> Sent:
    """Every register once, true, on its day: around 9.40 and 13.40 London time."""
    schools, days = year.absences.shape[:2]
    day, session, school = (a.ravel().astype(np.int32) for a in np.indices((days, 2, schools)))
    rng = law(year, 0, 0)
    at = np.where(session == 0, moments(year, day, MORNING, rng), moments(year, day, AFTERNOON, rng))
    n = len(school)
    return Sent(school, day, session, np.zeros(n, np.int32), at, np.zeros((n, GROUPS), np.int16), np.zeros(n, bool))


def together(a: Sent, b: Sent) -> Sent:
    """The rows of both, with the notes of the first."""
    return Sent(
        np.concatenate([a.school, b.school]),
        np.concatenate([a.day, b.day]),
        np.concatenate([a.session, b.session]),
        np.concatenate([a.revision, b.revision]),
        np.concatenate([a.recorded_at, b.recorded_at]),
        np.concatenate([a.provisional, b.provisional]),
        np.concatenate([a.all_present, b.all_present]),
        a.notes,
    )


def _counts(year: SimulatedYear, codes: Counts, sent: Sent) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """Pupils by year group and code of each row, with its defects (rows, 7, codes)."""
    counts = codes[sent.school, sent.day, sent.session].astype(np.uint32)
    extra = np.minimum(sent.provisional, counts[:, :, PRESENT]).astype(np.uint32)
    counts[:, :, PRESENT] -= extra
    counts[:, :, NO_REASON] += extra
    whole = np.flatnonzero(sent.all_present)
    counts[whole] = 0
    counts[whole, :, PRESENT] = year.schools.groups[sent.school[whole]]
    return counts


def _batch(year: SimulatedYear, codes: Counts, sent: Sent) -> Batch:
    counts = _counts(year, codes, sent)
    group = _GROUP_IDS[year.schools.phase[sent.school]][:, :, None]
    code = _CODE_IDS[sent.session][:, None, :]
    there = counts > 0
    cells = (((group << np.uint32(PUPILS_BITS + CODE_BITS)) | (code << np.uint32(PUPILS_BITS))) | counts)[there]
    start = np.concatenate([[0], np.cumsum(there.sum(axis=(1, 2)))]).astype(np.int64)
    return Batch(
        year.schools.urn[sent.school],
        year.dates[sent.day],
        sent.session.astype(np.uint8),
        sent.revision,
        sent.recorded_at,
        np.zeros(len(sent), np.int32),
        start,
        cells,
        (SOURCE,),
    )


def to_batch(year: SimulatedYear, codes: Counts, sent: Sent) -> Batch:
    """The registers in order of arrival; `codes` is the split of this year's counts (`split_codes`)."""
    order = np.lexsort((sent.revision, sent.session, sent.day, sent.school, sent.recorded_at))
    return concatenate([_batch(year, codes, sent.rows(order[i : i + _ROWS])) for i in range(0, max(len(order), 1), _ROWS)])
