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

_STRETCHES_MOST = 4_000
"""Copied one by one, as long as that is quicker than cell by cell."""

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
        key = school[register] << GROUP_BITS | group
        at = self.series.place(key)
        if len(at) and int(at.min()) < 0:
            self._know(key)
            at = self.series.place(key)
        self.held[day] = True
        sheet = self.sheets[day]
        for s in range(2) if known else ():
            self._forget(sheet, s, school[session == s])
        flat, at = sheet.reshape(-1), at + session[register] * np.int64(len(self.series))
        flat[at], flat[at + 2 * len(self.series)] = possible, absences

    def _forget(self, sheet: Sheets, session: int, schools: Ints) -> None:
        """What an earlier revision said of these schools."""
        if not len(schools):
            return
        gone: Bools = np.zeros(int(self.series.school[-1]) + 1, bool)
        gone[schools[schools < len(gone)]] = True
        mine = gone[self.series.school]
        sheet[session, mine], sheet[session + 2, mine] = 0, 0


def _by_year_group(batch: Batch, row: Longs) -> tuple[Ints, Ints, Ints, Ints]:
    """Place of the register in `row`, year group, possible sessions and absences, for each year group that has any of them."""
    start, end = batch.start[row], batch.start[row + 1]
    there = np.flatnonzero(end > start)
    broken = there[(batch.cells[start[there]] >> (PUPILS_BITS + CODE_BITS)) != _ALL]
    if not len(broken):
        none = np.zeros(0, np.int32)
        return none, none, none, none
    broken = broken[np.argsort(start[broken], kind="stable")]
    start, end = start[broken], end[broken]
    cells, offset = _stretches(batch, start, end), np.cumsum(end - start) - (end - start)
    group = cells >> (PUPILS_BITS + CODE_BITS)
    first = np.zeros(len(cells), bool)
    first[offset] = True
    begin = first.copy()
    begin[1:] |= group[1:] != group[:-1]
    begins = np.flatnonzero(begin)
    rule = np.take(_RULE, (cells >> PUPILS_BITS) & ((1 << CODE_BITS) - 1), mode="clip")
    sums = np.add.reduceat(rule * (cells & ((1 << PUPILS_BITS) - 1)), begins)
    register, group = broken.astype(np.int32)[np.cumsum(first[begins], dtype=np.int32) - 1], group[begins].astype(np.int32)
    possible, absences = (sums & ((1 << 32) - 1)).astype(np.int32), (sums >> 32).astype(np.int32)
    held = (possible > 0) & (possible <= PUPILS_MOST)
    if held.all():
        return register, group, possible, absences
    return register[held], group[held], possible[held], absences[held]


def _stretches(batch: Batch, start: Longs, end: Longs) -> Ints:
    """The cells of some registers, in ascending order of where they stand: registers that came together are copied together."""
    gaps = np.flatnonzero(start[1:] != end[:-1])
    firsts, lasts = start[np.append(0, gaps + 1)], end[np.append(gaps, len(end) - 1)]
    if len(firsts) <= _STRETCHES_MOST:
        out: Ints = np.concatenate([batch.cells[a:b] for a, b in zip(firsts.tolist(), lasts.tolist(), strict=True)])
        return out
    length = lasts - firsts
    place = np.repeat(firsts - (np.cumsum(length) - length), length)
    place += np.arange(len(place))
    return np.take(batch.cells, place)
