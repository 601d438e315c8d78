"""The panel of the logs at some positions, moved on from close to close without looking at what has not changed.

Every register read so far, which of them win, and the course of the academic year being closed. All of it is a cache of the
logs: `Panels` made from nothing at the same positions says the same. (design.md section 3)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.batch import canonical
from models.close import BLOCK_DAYS
from models.course import Course, Revisions
from models.digests import Settled, school_digests, state_digest
from models.panel import arrange, identities
from models.school_cells import Registers
from models.store import RegisterStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from models.batch import Batch
    from models.close import Acknowledged
    from models.deployment import Deployment
    from models.digests import SchoolDigest
    from models.numbers import Bools, Ints
    from models.panel import Longs
    from models.parameters import Budget, Parameters
    from models.policy import Close
    from models.said import Said

__all__ = ["Closed", "Panels"]


class Closed(NamedTuple):
    """A close, computed: the course it belongs to, what it says, each school's digests in order of URN, and the state digest."""

    course: Course
    day: int
    close: Close
    schools: tuple[SchoolDigest, ...]
    state_digest: str


@dataclass(slots=True)
class _Winners:
    """The winning row of each identity, ascending by identity."""

    identity: Longs
    row: Longs

    def take(self, batch: Batch, first: int) -> Longs:
        """Merge the rows of `batch` from `first` on; those that won, ascending by identity."""
        arranged = arrange(batch.tail(first))
        row = arranged.rows[arranged.wins] + first
        identity = identities(batch, row)
        at = np.searchsorted(self.identity, identity)
        known = at < len(self.identity)
        known[known] = self.identity[at[known]] == identity[known]
        better = ~known
        better[known] = _outranks(batch, row[known], self.row[at[known]])
        replaced = known & better
        self.row[at[replaced]] = row[replaced]
        self.identity = np.insert(self.identity, at[~known], identity[~known])
        self.row = np.insert(self.row, at[~known], row[~known])
        return row[better]


def _outranks(batch: Batch, one: Longs, other: Longs) -> Bools:
    """Whether each register of `one` stands above that of `other`, which has its identity."""
    revision, recorded = batch.revision[one] - batch.revision[other], batch.recorded_at[one] - batch.recorded_at[other]
    out: Bools = (revision > 0) | ((revision == 0) & (recorded > 0))
    for i in np.flatnonzero((revision == 0) & (recorded == 0)):
        mine, its = (hashlib.sha256(canonical(batch, int(rows[i]))).digest() for rows in (one, other))
        out[i] = mine > its
    return out


class Panels:
    """Registers in, closes out; what it holds follows from what was added, in whatever order."""

    def __init__(self, parameters: Parameters, budget: Budget) -> None:
        """Nothing is held yet, and `refer` comes before the first close."""
        self._parameters, self._budget = parameters, budget
        self._urns: Ints = np.zeros(0, np.int32)
        self._deployments: Mapping[str, Deployment] = {}
        self._store = RegisterStore()
        self._winners = _Winners(np.zeros(0, np.int64), np.zeros(0, np.int64))
        self._merged = 0
        self._course: Course | None = None
        self._settled = Settled(0)

    def __len__(self) -> int:
        """Registers held, superseded ones and repeats among them."""
        return len(self._store)

    def add(self, batch: Batch) -> None:
        """Take registers in; they count from the next close."""
        self._store.add(batch)

    def refer(self, urns: Ints, deployments: Mapping[str, Deployment]) -> None:
        """Other reference data: urns, ascending, are those of every deployment (by academic year).

        A course stays as it is where nothing of its year differs. Else the year is scored from its first day: a target, a
        calendar or a roll moves the expected path on every day of the year.
        """
        if self._course is not None:
            here = deployments.get(self._course.deployment.academic_year)
            if here is None or not here.equals(self._course.deployment):
                self._course = None
        self._urns, self._deployments = urns, deployments

    def forget_course(self) -> None:
        """The next close scores its year from the first day."""
        self._course = None

    def close(self, academic_year: str, day: int, acknowledged: Acknowledged, said: Callable[[], Said]) -> Closed:
        """Close deployment day `day` (days since 1970) on all that was added. said: what earlier closes published, asked for
        when the course of the year has to be made."""
        batch, tally = self._store.batch(), self._store.tally()
        new = self._winners.take(batch, self._merged)
        self._merged = len(batch)
        here = self._deployments[academic_year]
        if self._course is None or self._course.deployment.academic_year != academic_year:
            self._course = Course(here, self._parameters, self._budget, BLOCK_DAYS, said=said())
            new = self._winners.row
            self._settled = Settled(len(self._urns))
        index, course, winners = int(np.searchsorted(here.days, day)), self._course, self._winners.row
        close = course.close(index, Revisions.of(here, batch, tally, new), acknowledged, Registers(batch))
        self._settled.correct(batch, winners, self._urns, new, course.changed_from)
        self._settled.advance(batch, winners, self._urns, course.model, course.panel, self._budget)
        schools = tuple(school_digests(batch, winners, self._urns, [(course.model, course.panel)], self._budget, self._settled))
        return Closed(self._course, index, close, schools, state_digest(self._urns, (s.digest for s in schools)))
