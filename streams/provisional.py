"""The overlay: the registers since about the last close, held beside what that close knows, for provisional readings.

It is quick and never the truth. Nothing here reaches a close; it may be lost at any moment and is filled again from the
register log. A register that is already held changes nothing and is still answered.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from models import common_effect, provisional
from models.provisional import NO_ROW, ProvisionalReading, Row, Seen, SessionCounts, Standing
from schemas.codes import CODES, CodeClass
from schemas.errors import BrokenPromise

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from models.common_effect import Sums
    from models.foresight import Outset

__all__ = ["Counted", "LastClose", "Overlay"]

DAYS_HELD_MAX = 15
"""School days held at once, so that registers of junk dates cannot fill the memory."""

_RULES = {row.code: (row.possible, row.absence, row.study_leave, row.kind is CodeClass.UNMARKED) for row in CODES}


class Counted(NamedTuple):
    """One register as the overlay needs it; `rank` orders the revisions: (revision, recorded_at, SHA-256), all of one maker."""

    urn: int
    attendance_date: str
    session: str
    rank: tuple[Any, ...]
    counts: SessionCounts

    @classmethod
    def of(cls, body: bytes) -> Counted:
        """From canonical bytes (`contracts.md` section 1)."""
        said = json.loads(body)
        sums = [0, 0, 0, 0]
        for group in said["counts"].values():
            for code, pupils in group.items():
                for i, holds in enumerate(_RULES[code]):
                    sums[i] += pupils * holds
        rank = (said["revision"], said["recorded_at"], hashlib.sha256(body).digest())
        return cls(said["urn"], said["attendance_date"], said["session"], rank, SessionCounts(*sums))


@dataclass(frozen=True, slots=True)
class LastClose:
    """What the last close knows, as the overlay asks for it.

    day: the day closed last (ISO date; empty before the first close). schools: URN -> (phase 0..2, area number), in `areas`
    areas. eta_star: (URN, ISO date) -> expected logit of absence, None when that is no school day of the school.
    slow_level, last_effect: URN -> logit. shrinkage: t1, t2 of detection.md 1.3. sigma_u: by phase. outset: (URN, ISO date) ->
    what the predictive law of that day starts from, None on a closed day.
    """

    day: str
    schools: Mapping[int, tuple[int, int]]
    areas: int
    eta_star: Callable[[int, str], float | None]
    slow_level: Callable[[int], float]
    last_effect: Callable[[int], float]
    sigma_u: tuple[float, ...]
    shrinkage: tuple[float, float] = (common_effect.T1_START, common_effect.T2_START)
    outset: Callable[[int, str], Outset | None] = lambda _urn, _day: None


@dataclass(slots=True)
class _Day:
    """One school day: the winning registers by URN and session; the peers' sums, and the rows they were made of.

    The sums are brought up to date when a reading is asked for, so that taking in many registers at once stays cheap.
    """

    sums: Sums
    held: dict[int, dict[str, Counted]] = field(default_factory=dict)
    rows: dict[int, Row] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)


class Overlay:
    """Provisional readings from the registers in so far; its methods may be called from any thread."""

    def __init__(self, last: LastClose) -> None:
        """Holds nothing yet: give it the registers since the day of the last close by `take_in`."""
        self._last = last
        self._days: dict[str, _Day] = {}
        self._guard = threading.RLock()

    def take_in(self, register: Counted) -> ProvisionalReading | str:
        """The school's reading with this register in, or why there is none: as `reading`."""
        with self._guard:
            self.fill([register])
            return self.reading(register.urn, register.attendance_date)

    def reading(self, urn: int, attendance_date: str) -> ProvisionalReading | str:
        """A school day before its close, or why there is no reading.

        unknown_school, outside_calendar: the reference does not name it. no_register: none is in. next_close: of a day before
        the last close, or too far ahead to be held.
        """
        with self._guard:
            at = self._standing(urn, attendance_date)
            if isinstance(at, str):
                return at
            day = self._days.get(attendance_date)
            if day is None or urn not in day.held:
                beyond = len(self._days) == DAYS_HELD_MAX and not min(self._days) <= attendance_date <= max(self._days)
                return "next_close" if beyond or attendance_date < self._last.day else "no_register"
            self._bring_up_to_date(day, attendance_date)
            return provisional.read_many(attendance_date, [self._seen(day, attendance_date, urn, at)], day.sums, self._last.shrinkage)[0]

    def readings(self, urns: Iterable[int], attendance_date: str) -> list[ProvisionalReading]:
        """Those of many schools on one day; a school of which there is none is left out."""
        with self._guard:
            day = self._days.get(attendance_date)
            if day is None:
                return []
            self._bring_up_to_date(day, attendance_date)
            found = [(urn, self._standing(urn, attendance_date)) for urn in urns if urn in day.held]
            seen = [self._seen(day, attendance_date, urn, at) for urn, at in found if not isinstance(at, str)]
            return provisional.read_many(attendance_date, seen, day.sums, self._last.shrinkage) if seen else []

    def newest_date(self, urn: int) -> str | None:
        """The latest day on which a register of the school is held."""
        with self._guard:
            return max((date for date, day in self._days.items() if urn in day.held), default=None)

    def rebase(self, last: LastClose) -> None:
        """Stand on another close: days before it are dropped, the others are worked out again."""
        with self._guard:
            registers = self.registers()
            self._last, self._days = last, {}
            self.fill(registers)

    def registers(self) -> list[Counted]:
        """All that is held."""
        with self._guard:
            return [r for day in self._days.values() for sessions in day.held.values() for r in sessions.values()]

    def holds(self, attendance_date: str) -> bool:
        """Whether any register of this day is held."""
        return attendance_date in self._days

    def settle(self, schools_max: int) -> bool:
        """Work the rows of so many schools out beforehand; whether any are left. Who asks for a reading then waits less."""
        with self._guard:
            for date, day in self._days.items():
                if day.changed:
                    self._bring_up_to_date(day, date, schools_max)
                    return True
            return False

    def forget(self, urns: Collection[int]) -> None:
        """Let schools go, with what they count for among their peers."""
        with self._guard:
            for date, day in list(self._days.items()):
                rows = [(day.rows.pop(urn), *self._last.schools[urn]) for urn in urns if urn in day.rows]
                if rows:
                    day.sums = provisional.minus(day.sums, provisional.contribution(rows, self._last.areas))
                day.changed.difference_update(urns)
                for urn in urns:
                    day.held.pop(urn, None)
                if not day.held:
                    del self._days[date]

    def fill(self, registers: Iterable[Counted]) -> None:
        """Take registers in without answering; order and repeats do not matter."""
        with self._guard:
            for register in registers:
                if isinstance(self._standing(register.urn, register.attendance_date), str):
                    continue
                day = self._day(register.attendance_date)
                if day is None:
                    continue
                sessions = day.held.setdefault(register.urn, {})
                held = sessions.get(register.session)
                if held is None or register.rank > held.rank:
                    sessions[register.session] = register
                    day.changed.add(register.urn)

    def _standing(self, urn: int, attendance_date: str) -> Standing | str:
        school = self._last.schools.get(urn)
        if school is None:
            return "unknown_school"
        eta_star = self._last.eta_star(urn, attendance_date)
        if eta_star is None:
            return "outside_calendar"
        phase, area = school
        return Standing(phase, area, eta_star, self._last.slow_level(urn), self._last.last_effect(urn), self._last.sigma_u[phase])

    def _day(self, attendance_date: str) -> _Day | None:
        if attendance_date < self._last.day:
            return None
        if attendance_date not in self._days:
            if len(self._days) == DAYS_HELD_MAX:
                # Nearest to the close go first; before the first close today is among the latest.
                furthest = max(self._days) if self._last.day else min(self._days)
                if attendance_date > furthest if self._last.day else attendance_date < furthest:
                    return None
                del self._days[furthest]
            self._days[attendance_date] = _Day(provisional.no_sums(self._last.areas))
        return self._days[attendance_date]

    def _bring_up_to_date(self, day: _Day, attendance_date: str, schools_max: int | None = None) -> None:
        """Put the rows of the schools that changed among the peers, in place of their earlier ones."""
        if not day.changed:
            return
        urns, standings = sorted(day.changed)[:schools_max], []
        for urn in urns:
            at = self._standing(urn, attendance_date)
            if isinstance(at, str):
                raise BrokenPromise(f"school {urn} is held on {attendance_date}, and is {at}")
            standings.append(at)
        rows = provisional.observe_many([[r.counts for r in day.held[urn].values()] for urn in urns], standings)
        before = [(day.rows.get(urn, NO_ROW), at.phase, at.area) for urn, at in zip(urns, standings, strict=True)]
        after = [(row, at.phase, at.area) for row, at in zip(rows, standings, strict=True)]
        day.rows |= zip(urns, rows, strict=True)
        areas = self._last.areas
        day.sums = provisional.minus(day.sums, provisional.contribution(before, areas)) + provisional.contribution(after, areas)
        day.changed.difference_update(urns)

    def _seen(self, day: _Day, attendance_date: str, urn: int, at: Standing) -> Seen:
        sessions = {r.session: r.counts for r in day.held[urn].values()}
        return Seen(urn, sessions, day.rows[urn], at, self._last.outset(urn, attendance_date))
