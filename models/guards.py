"""What is not a measurement: closed, missing, partial, implausible and all-present registers. (detection.md 1.7)

Everything that can keep a school's day from its charts lives here, but for the rule of too few peers (`models.close`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from models.numbers import Bools, Floats, Ints, exact

__all__ = ["Guarded", "Usual", "Verdict", "judge", "judge_plausible"]

USUAL_DAYS, USUAL_DAYS_LEAST = 10, 5
_ALL_PRESENT_LOG_CHANCE = float(exact(np.log(np.array(0.001))))


class Verdict(IntEnum):
    """Why a school's day is not a measurement; the number is its order of precedence. MEASURED: it is one."""

    UNPLANNED = 0
    NO_SESSIONS = 1
    MISSING = 2
    PARTIAL = 3
    IMPLAUSIBLE = 4
    ALL_PRESENT = 5
    MEASURED = 6


class Counts(NamedTuple):
    """One day's winning registers, (2, schools) by session: sent, possible sessions and absences without study leave, unmarked."""

    sent: Bools
    possible: Ints
    absences: Ints
    unmarked: Ints


@dataclass(slots=True)
class Usual:
    """The pupils (doubled, so that halves stay whole) of each school's last 10 days with possible sessions, (10, schools)."""

    pupils2: Ints
    days: Ints

    @classmethod
    def start(cls, schools: int) -> Usual:
        """Nothing seen yet."""
        return cls(np.zeros((USUAL_DAYS, schools), np.int32), np.zeros(schools, np.int32))

    def copy(self) -> Usual:
        """A value that `push` on the other leaves alone."""
        return Usual(self.pupils2.copy(), self.days.copy())

    def unusual(self, pupils2: Ints, roll: Floats) -> Bools:
        """Outside 60 to 140 % of the median of these days; of the roll while there are fewer than 5; no roll, no check."""
        known = self.days >= USUAL_DAYS_LEAST
        full = self.days >= USUAL_DAYS
        large = np.where(full, self.pupils2.max(axis=0), 0)
        small = self.pupils2.min(axis=0)
        odd = known & ~(full & ~_outside(pupils2, large, small))
        out = ~known & _outside(pupils2, 2 * roll, 2 * roll)
        seen = np.minimum(self.days, USUAL_DAYS)
        for count in range(USUAL_DAYS_LEAST, USUAL_DAYS + 1):
            some = np.flatnonzero(odd & (seen == count))
            if len(some):
                middle = np.median(self.pupils2[:count, some], axis=0)
                out[some] = _outside(pupils2[some], middle, middle)
        return out

    def push(self, pupils2: Ints, held: Bools) -> None:
        """Remember the day of the schools that held possible sessions, all but unmarked registers."""
        schools = np.flatnonzero(held)
        self.pupils2[self.days[schools] % USUAL_DAYS, schools] = pupils2[schools]
        self.days[schools] += 1


def _outside(pupils2: Ints, low: Ints | Floats, high: Ints | Floats) -> Bools:
    """Under 60 % of `low` or over 140 % of `high`; exact, for a median is a multiple of one half. NaN: not."""
    out: Bools = (5 * pupils2 < 3 * low) | (5 * pupils2 > 7 * high)
    return out


class Guarded(NamedTuple):
    """One day after the guards, (schools,): verdict, counting registers k, possible sessions N and absences y over them; and which
    sessions those are, counted (2, schools)."""

    verdict: Ints
    registers: Ints
    possible: Ints
    absences: Ints
    counted: Bools


def judge(day: Counts, planned: Bools, p0: Floats, roll: Floats, usual: Usual) -> Guarded:
    """Everything that needs only this school; moves `usual` on. p0: expected absence ratio, roll: NaN when unknown."""
    pupils = day.possible + day.unmarked
    partial = day.sent & (20 * day.unmarked > pupils)
    held = day.sent & (day.possible > 0)
    with np.errstate(divide="ignore"):
        chance = exact(np.log(1.0 - p0)) * (day.possible / 2.0)
    all_present = held & ~partial & (day.absences == 0) & (chance < _ALL_PRESENT_LOG_CHANCE)
    counts = held & ~partial & ~all_present
    k = counts.sum(axis=0, dtype=np.int32)
    possible = np.where(counts, day.possible, 0).sum(axis=0, dtype=np.int32)
    absences = np.where(counts, day.absences, 0).sum(axis=0, dtype=np.int32)
    verdict = np.full(k.shape, Verdict.MEASURED, np.int32)
    verdict[k == 0] = Verdict.ALL_PRESENT
    pupils2 = np.where(k == 1, 2 * possible, possible)
    verdict[(k > 0) & usual.unusual(pupils2, roll)] = Verdict.PARTIAL
    verdict[(k == 0) & partial.any(axis=0)] = Verdict.PARTIAL
    verdict[~day.sent.any(axis=0)] = Verdict.MISSING
    verdict[day.sent.any(axis=0) & ~(day.sent & (pupils > 0)).any(axis=0)] = Verdict.NO_SESSIONS
    verdict[~planned] = Verdict.UNPLANNED
    whole = held & ~partial
    sessions = whole.sum(axis=0, dtype=np.int32)
    seen2 = np.where(whole, day.possible, 0).sum(axis=0, dtype=np.int32)
    usual.push(np.where(sessions == 1, 2 * seen2, seen2), (sessions > 0) & planned)
    return Guarded(verdict, k, possible, absences, counts)


def judge_plausible(day: Guarded, p0: Floats, area: Ints, areas: int) -> Ints:
    """The verdicts after the rule that compares with the area: more than max(.6, 1 - (1 - p0) / 3) absent is no measurement,
    unless over a tenth of the area's other schools are above .6 that day."""
    candidate = (day.verdict == Verdict.MEASURED) & (5 * day.absences.astype(np.int64) > 3 * day.possible)
    if not candidate.any():
        return day.verdict
    seen = np.bincount(area[day.registers > 0], minlength=areas)
    high = np.bincount(area[(day.registers > 0) & (5 * day.absences.astype(np.int64) > 3 * day.possible)], minlength=areas)
    shared = 10 * (high[area] - 1) > seen[area] - 1
    absence = day.absences / np.maximum(day.possible, 1)
    implausible = candidate & ~shared & (absence > np.maximum(0.6, 1.0 - (1.0 - p0) / 3.0))
    return np.where(implausible, Verdict.IMPLAUSIBLE, day.verdict).astype(np.int32)
