"""The panel by year group: possible sessions and absences of the winning registers, study leave left out.

Held per day and only for what registers named: a *series* is a school's year group, and series stand in ascending order of
(school, year group). Registers without a breakdown (`all`) make no series, so a deployment of such costs nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from models.batch import CODE_BITS, PUPILS_BITS
from schemas.codes import ALL, CODES, YEAR_GROUP_IDS

if TYPE_CHECKING:
    from models.batch import Batch
    from models.numbers import Bools, Ints
    from models.panel import Longs

__all__ = ["GROUP_BITS", "PUPILS_MOST", "Series", "YearGroupCounts", "series_key"]

GROUP_BITS = 5
_ALL = YEAR_GROUP_IDS[ALL]
_RULE = np.zeros(1 << CODE_BITS, np.int64)
_RULE[: len(CODES)] = [row.possible - row.study_leave + ((row.absence - row.study_leave) << 32) for row in CODES]
"""Two sums travel in one integer, 32 bits each, as in `models.panel.tally`."""
PUPILS_MOST = np.iinfo(np.uint16).max
"""A year group with more pupils than this in one session is no year group: it is left out."""

Sheets = np.ndarray[Any, np.dtype[np.uint16]]


def series_key(school: int, group: int) -> int:
    """The number of a school's year group: school index, then the number of the year group in `schemas.codes`.

    >>> series_key(2, 9)
    73
    """
    return school << GROUP_BITS | group


@dataclass(frozen=True, eq=False)
class Series:
    """The year groups known so far, n of them in s schools, ascending by `key` (n,); see `series_key`."""

    key: Ints

    def __len__(self) -> int:
        return len(self.key)

    @cached_property
    def school(self) -> Ints:
        """School index of each series (n,)."""
        return self.key >> GROUP_BITS

    @cached_property
    def group(self) -> Ints:
        """Number of the year group of each series (n,)."""
        return (self.key & ((1 << GROUP_BITS) - 1)).astype(np.uint8)

    @cached_property
    def starts(self) -> Longs:
        """The first series of each of the s schools (s,)."""
        return np.flatnonzero(np.diff(self.school, prepend=-1))

    @cached_property
    def schools(self) -> Ints:
        """School index of each of the s schools (s,)."""
        return self.school[self.starts]

    @cached_property
    def of(self) -> Ints:
        """Place of each series' school among the s schools (n,)."""
        out: Ints = np.cumsum(np.diff(self.school, prepend=-1) != 0, dtype=np.int32) - 1
        return out

    @cached_property
    def _table(self) -> Ints:
        """Place by key, -1 for none; one entry past the last key."""
        table = np.full((int(self.key[-1]) if len(self.key) else -1) + 2, -1, np.int32)
        table[self.key] = np.arange(len(self.key), dtype=np.int32)
        return table

    def place(self, keys: Ints) -> Ints:
        """Where some keys stand, -1 for one that is not known."""
        out: Ints = self._table[np.minimum(keys, len(self._table) - 1)]
        return out

    def with_keys(self, keys: Ints) -> Series:
        """These and some further ones; itself if all are known."""
        new = keys[self.place(keys) < 0]
        return Series(np.union1d(self.key, new).astype(np.int32)) if len(new) else self


class YearGroupCounts:
    """Counts by year group of one deployment year.

    sheets: uint16 (days, 4, series): possible sessions AM, PM, absences AM, PM, without study leave; 0 where nothing is known.
    held: (days,), whether any register of a day was broken down; what was never written takes no memory.
    """

    def __init__(self, days: int) -> None:
        """Nothing is known yet."""
        self.series = Series(np.zeros(0, np.int32))
        self.held: Bools = np.zeros(days, bool)
        self.sheets: Sheets = np.zeros((days, 4, 0), np.uint16)

    def on(self, day: int) -> Sheets | None:
        """The counts of deployment day `day`, (4, series); None if no register of the day was broken down."""
        return self.sheets[day] if self.held[day] else None

    def _know(self, keys: Ints) -> None:
        """Make room for the series of these keys."""
        series = self.series.with_keys(keys)
        if series is self.series:
            return
        wider, at = np.zeros((*self.sheets.shape[:2], len(series)), np.uint16), series.place(self.series.key)
        for day in np.flatnonzero(self.held).tolist():
            wider[day][:, at] = self.sheets[day]
        self.series, self.sheets = series, wider

    def put(self, day: int, series: Series, sheet: Sheets) -> None:
        """All counts of a day at once, (4, series) as `on` gives them; the days put so share one value of series."""
        if series is not self.series:
            self.series, self.sheets = series, np.zeros((len(self.held), 4, len(series)), np.uint16)
        self.held[day], self.sheets[day] = True, sheet

    def take(self, batch: Batch, row: Longs, day: Ints, session: Ints, school: Ints) -> None:
        """Registers that now win: rows of `batch` and where they belong, (n,) each, every (day, session, school) once."""
        if not len(row):
            return
        order = np.argsort(day, kind="stable")
        days = day[order]
        edges = np.flatnonzero(np.diff(days, prepend=-1, append=-1))
        for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            part = order[begin:end]
            self._take_day(int(days[begin]), session[part], school[part], *_by_year_group(batch, row[part]))

    def _take_day(self, day: int, session: Ints, school: Ints, register: Longs, group: Ints, possible: Ints, absences: Ints) -> None:
        known = bool(self.held[day])
        if not known and not len(register):
            return
        key = (school[register] << GROUP_BITS | group).astype(np.int32)
        self._know(key)
        self.held[day] = True
        sheet = self.sheets[day]
        for s in range(2) if known else ():
            self._forget(sheet, s, school[session == s])
        at, of = self.series.place(key), session[register]
        sheet[of, at], sheet[of + 2, at] = possible, absences

    def _forget(self, sheet: Sheets, session: int, schools: Ints) -> None:
        """What an earlier revision said of these schools."""
        if not len(schools):
            return
        gone: Bools = np.zeros(int(self.series.school[-1]) + 1, bool)
        gone[schools[schools < len(gone)]] = True
        mine = gone[self.series.school]
        sheet[session, mine], sheet[session + 2, mine] = 0, 0


def _by_year_group(batch: Batch, row: Longs) -> tuple[Longs, Ints, Ints, Ints]:
    """Place of the register in `row`, year group, possible sessions and absences, for each year group that has any of them."""
    start, end = batch.start[row], batch.start[row + 1]
    there = np.flatnonzero(end > start)
    broken = there[(batch.cells[start[there]] >> (PUPILS_BITS + CODE_BITS)) != _ALL]
    none = np.zeros(0, np.int64)
    if not len(broken):
        return none, none, none, none
    start, length = start[broken], (end - start)[broken]
    offset = np.cumsum(length) - length
    cells = batch.cells[np.arange(int(length.sum())) + np.repeat(start - offset, length)]
    group = cells >> (PUPILS_BITS + CODE_BITS)
    first = np.zeros(len(cells), bool)
    first[offset] = True
    begin = np.flatnonzero(first | (np.diff(group, prepend=group[:1]) != 0))
    sums = np.add.reduceat(_RULE[(cells >> PUPILS_BITS) & ((1 << CODE_BITS) - 1)] * (cells & ((1 << PUPILS_BITS) - 1)), begin)
    possible, absences = sums & ((1 << 32) - 1), sums >> 32
    held = (possible > 0) & (possible <= PUPILS_MOST)
    register = broken[np.cumsum(first[begin]) - 1]
    return register[held], group[begin][held].astype(np.int64), possible[held], absences[held]
