"""The register log, merged: per (school, date, session) the newest revision, as arrays.

The merge is a join. Registers are put into one total order, (urn, date, session) then (revision, recorded_at, SHA-256 of
the canonical bytes), and the greatest of each (urn, date, session) wins; so order of arrival and repeats do not matter.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.batch import CODE_BITS, PUPILS_BITS, canonical
from models.year_group_counts import YearGroupCounts
from schemas.codes import CODES, CodeClass

if TYPE_CHECKING:
    from models.batch import Batch
    from models.numbers import Bools, Ints

__all__ = ["Arranged", "Longs", "Panel", "Tally", "arrange", "identities", "tally"]

Longs = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class Tally:
    """What each register of a batch adds up to, int32 (n,): the DfE's possible sessions and absences, study leave, no mark yet."""

    possible: Ints
    absences: Ints
    study_leave: Ints
    unmarked: Ints
    legacy: Bools


_CODES = len(CODES)
_POSSIBLE_AND_ABSENT = np.array([row.possible + (row.absence << 32) for row in CODES], np.int64)
_STUDY_AND_UNMARKED = np.array([row.study_leave + ((row.kind is CodeClass.UNMARKED) << 32) for row in CODES], np.int64)
_LEGACY = np.array([row.legacy for row in CODES])
"""Two sums travel in one integer, 32 bits each: a register holds at most 17 x 39 cells of 20 bits."""


def tally(batch: Batch) -> Tally:
    """Add up the cells of each register by the code table."""
    size = len(batch)
    code = (batch.cells >> PUPILS_BITS) & ((1 << CODE_BITS) - 1)
    pupils = (batch.cells & ((1 << PUPILS_BITS) - 1)).astype(np.int64)
    seen = np.bincount(code, minlength=_CODES) > 0

    def total(rule: Longs) -> Longs:
        if not size or not (seen & (rule > 0)).any():
            return np.zeros(size, np.int64)
        sums: Longs = np.add.reduceat(rule[code] * pupils, batch.start[:-1])
        return sums

    counted, aside, legacy = total(_POSSIBLE_AND_ABSENT), total(_STUDY_AND_UNMARKED), total(_LEGACY.astype(np.int64))
    low = (1 << 32) - 1
    narrow = [x.astype(np.int32) for x in (counted & low, counted >> 32, aside & low, aside >> 32)]
    return Tally(narrow[0], narrow[1], narrow[2], narrow[3], legacy > 0)


@dataclass(frozen=True, slots=True)
class Arranged:
    """Row numbers of the distinct registers of a batch in the total order, and which of them win with all known."""

    rows: Longs
    wins: Bools


def identities(batch: Batch, rows: Longs | slice) -> Longs:
    """(date, session, URN) of some registers as one number, in the total order."""
    key: Longs = (batch.day[rows].astype(np.int64) * 2 + batch.session[rows]) << 31 | batch.urn[rows]
    return key


def arrange(batch: Batch) -> Arranged:
    """Put registers into the total order; repeats (equal canonical bytes) are kept once."""
    key = identities(batch, slice(None))
    order = np.argsort(key, kind="stable")
    sorted_key = key[order]
    same = sorted_key[1:] == sorted_key[:-1]
    if same.any():
        crowded = np.zeros(len(order), bool)
        crowded[1:] |= same
        crowded[:-1] |= same
        order = _settle(batch, key, order, np.flatnonzero(crowded))
        sorted_key = key[order]
    wins = np.ones(len(order), bool)
    wins[:-1] = sorted_key[1:] != sorted_key[:-1]
    return Arranged(order, wins)


def _settle(batch: Batch, key: Longs, order: Longs, places: Longs) -> Longs:
    """Order the registers that share their identity, and drop repeats."""
    rows = order[places]
    rows = rows[np.lexsort((batch.recorded_at[rows], batch.revision[rows], key[rows]))]
    tied = (key[rows][1:] == key[rows][:-1]) & (batch.revision[rows][1:] == batch.revision[rows][:-1])
    tied &= batch.recorded_at[rows][1:] == batch.recorded_at[rows][:-1]
    keep = np.ones(len(rows), bool)
    edges = np.flatnonzero(np.concatenate([[True], ~tied, [True]]))
    for first, last in itertools.pairwise(edges):
        if last - first == 1:
            continue
        by_digest: dict[bytes, int] = {}
        for row in rows[first:last].tolist():
            by_digest.setdefault(hashlib.sha256(canonical(batch, row)).digest(), row)
        chosen = [by_digest[digest] for digest in sorted(by_digest)]
        rows[first : first + len(chosen)] = chosen
        keep[first + len(chosen) : last] = False
    order = order.copy()
    order[places] = rows
    alive = np.ones(len(order), bool)
    alive[places[~keep]] = False
    return order[alive]


class Panel:
    """The winning registers of one deployment year at some positions: (deployment days, 2 sessions, schools).

    sent: whether a register stands; possible, absences: the DfE's; study_leave: of both; unmarked: no mark yet.
    `winner` holds the winning register's rank in the total order, -1 for none; `groups` the same counts by year group.
    """

    def __init__(self, days: int, schools: int) -> None:
        shape = (days, 2, schools)
        self.winner = np.full(shape, -1, np.int32)
        self.possible = np.zeros(shape, np.int32)
        self.absences = np.zeros(shape, np.int32)
        self.study_leave = np.zeros(shape, np.int32)
        self.unmarked = np.zeros(shape, np.int32)
        self.groups = YearGroupCounts(days)

    @property
    def sent(self) -> Bools:
        """Whether a register stands for (day, session, school)."""
        return self.winner >= 0

    def sent_on(self, day: int) -> Bools:
        """The same of one day, (2, schools)."""
        sent: Bools = self.winner[day] >= 0
        return sent

    def apply(self, rank: Ints, day: Ints, session: Ints, school: Ints, sums: Tally) -> tuple[Ints, Ints]:
        """Merge registers, in ascending rank; the days and the schools of those that won.

        rank, day (deployment day index), session, school: (n,); `sums` in the same order.
        """
        at = (day.astype(np.int64) * 2 + session) * self.winner.shape[2] + school
        better = rank > self.winner.reshape(-1)[at]
        chosen: Bools | slice = slice(None) if better.all() else better
        at = at[chosen]
        self.winner.reshape(-1)[at] = rank[chosen]
        for name in ("possible", "absences", "study_leave", "unmarked"):
            getattr(self, name).reshape(-1)[at] = getattr(sums, name)[chosen]
        return day[chosen], school[chosen]
