"""What one school's registers hold in their cells, day by day: pupils by year group, absences by code and by session.

Only registers that count (`models.guards`) are read, and study leave is left out, so the sums of a day are those that the
charts saw. Kept between closes as a cache: a day whose winning registers have not changed is not read again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.batch import CODE_BITS, PUPILS_BITS
from models.deployment import AM, PM
from models.year_group_counts import PUPILS_MOST
from schemas.codes import CODES, YEAR_GROUPS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from models.batch import Batch
    from models.close import YearModel
    from models.numbers import Floats, Ints
    from models.panel import Longs, Panel

__all__ = ["ABSENCE_CODES", "CellReader", "Registers", "SchoolCells", "counted_ranks"]

ABSENCE_CODES = tuple(row.code for row in CODES if row.absence and not row.study_leave)
"""The codes that a charted absence may stand under, in the order of the code table."""
_CODE_OF = np.full(len(CODES), -1, np.int64)
_CODE_OF[[n for n, row in enumerate(CODES) if row.absence and not row.study_leave]] = np.arange(len(ABSENCE_CODES))
_POSSIBLE = np.array([row.possible and not row.study_leave for row in CODES])
_GROUPS = len(YEAR_GROUPS)


class Registers(NamedTuple):
    """Where the winning registers of a panel can be read: `rows[rank]` is the row of a rank in `batch` (None: the rank is)."""

    batch: Batch
    rows: Longs | None = None


@dataclass(slots=True)
class SchoolCells:
    """One school's charted sessions and absences on each deployment day; int32.

    ranks (days, 2): the register read for AM and PM, -1 for none that counts. possible, absences by session (days, 2) and by
    year group (days, 17, in the order of `YEAR_GROUPS`); codes (days, codes of `ABSENCE_CODES`): absences.
    """

    ranks: Ints
    session_possible: Ints
    session_absences: Ints
    group_possible: Ints
    group_absences: Ints
    codes: Ints
    by_group: tuple[Ints, Ints, Floats] | None = None
    """Year groups there in the year, absences and share of the possible sessions (days, those): made when it is asked for."""

    @classmethod
    def empty(cls, days: int) -> SchoolCells:
        """Nothing read yet."""

        def zeros(width: int) -> Ints:
            return np.zeros((days, width), np.int32)

        return cls(np.full((days, 2), -1, np.int32), zeros(2), zeros(2), zeros(_GROUPS), zeros(_GROUPS), zeros(len(ABSENCE_CODES)))

    def groups(self) -> tuple[Ints, Ints, Floats]:
        """Year groups that had possible sessions this year (indices), their absences and share of them (days, those)."""
        if self.by_group is None:
            held = np.flatnonzero(self.group_possible.any(axis=0))
            there = self.group_possible[:, held]
            self.by_group = held, self.group_absences[:, held], there / np.maximum(there.sum(axis=1, keepdims=True), 1)
        return self.by_group


def counted_ranks(model: YearModel, panel: Panel, schools: Ints, end: int) -> Ints:
    """The ranks of the registers that count on the days before `end`, -1 for none: (schools, end, 2)."""
    bits = model.counted[:end, schools]
    counted = np.stack([bits & AM, bits & PM], axis=1) > 0
    out: Ints = np.where(counted, panel.winner[:end, :, schools], -1)
    return out.transpose(2, 0, 1)


class CellReader:
    """Reads schools' cells, and remembers them: a cache, that may be emptied at any moment."""

    def __init__(self, days: int) -> None:
        """days: of the deployment."""
        self._days = days
        self._held: dict[int, SchoolCells] = {}

    def read(self, model: YearModel, panel: Panel, registers: Registers, schools: Ints, end: int) -> dict[int, SchoolCells]:
        """The cells of some schools (indices) on the days before `end`, by school."""
        out = {i: self._held.setdefault(i, SchoolCells.empty(self._days)) for i in schools.tolist()}
        if not out:
            return out
        ranks = counted_ranks(model, panel, schools, end)
        held = np.stack([cells.ranks[:end] for cells in out.values()])
        place, days = np.nonzero((held != ranks).any(axis=2))
        _take(list(out.values()), place, days, ranks[place, days], registers)
        return out

    @staticmethod
    def read_year_group(cells: SchoolCells, registers: Registers, group: int, end: int) -> SchoolCells:
        """The same of one year group (its number) on the days before `end`, from the registers that `cells` was read from.

        A session in which it has more than 65,535 pupils is left out, as from chart G.
        """
        out = SchoolCells.empty(len(cells.ranks))
        _take([out], np.zeros(end, np.int64), np.arange(end), cells.ranks[:end], registers, group)
        return out

    def keep(self, schools: AbstractSet[int]) -> None:
        """Forget all but these schools."""
        self._held = {i: cells for i, cells in self._held.items() if i in schools}


def _take(into: Sequence[SchoolCells], school: Longs, days: Longs, ranks: Ints, registers: Registers, only: int | None = None) -> None:
    """Read some days again: (n,) places in `into`, ascending, and deployment days; ranks (n, 2) as in `counted_ranks`; only: the
    number of the one year group to read."""
    row, session = np.nonzero(ranks >= 0)
    register, group, code, pupils = cells_of(registers, ranks[row, session].astype(np.int64))
    if only is not None:
        there = np.bincount(register, pupils * (_POSSIBLE[code] & (group == only)), len(row)) <= PUPILS_MOST
        mine = (group == only) & there[register]
        register, group, code, pupils = register[mine], group[mine], code[mine], pupils[mine]
    at, half = row[register], session[register]

    def total(index: Ints, width: int, chosen: Ints) -> Ints:
        size = len(days) * width
        sums = np.bincount((at * width + index)[chosen], pupils[chosen], size)
        return sums.astype(np.int32).reshape(len(days), width)

    possible, absent = _POSSIBLE[code], _CODE_OF[code] >= 0
    by_session, absent_by_session = total(half, 2, possible), total(half, 2, absent)
    by_group, absent_by_group = total(group, _GROUPS, possible), total(group, _GROUPS, absent)
    codes = total(_CODE_OF[code], len(ABSENCE_CODES), absent)
    edges = np.searchsorted(school, np.arange(len(into) + 1)).tolist()
    for cells, first, last in zip(into, edges[:-1], edges[1:], strict=True):
        if first < last:
            part, on = slice(first, last), days[first:last]
            cells.ranks[on], cells.codes[on], cells.by_group = ranks[part], codes[part], None
            cells.session_possible[on], cells.session_absences[on] = by_session[part], absent_by_session[part]
            cells.group_possible[on], cells.group_absences[on] = by_group[part], absent_by_group[part]


def cells_of(registers: Registers, ranks: Longs) -> tuple[Ints, Ints, Ints, Ints]:
    """Every cell of some registers: which of them it stands in, year group, code, pupils; (cells,) each."""
    batch = registers.batch
    rows = ranks if registers.rows is None else registers.rows[ranks]
    first, length = batch.start[rows], batch.start[rows + 1] - batch.start[rows]
    register = np.repeat(np.arange(len(rows)), length)
    inside = np.arange(len(register)) - np.repeat(np.cumsum(length) - length, length)
    packed = batch.cells[np.repeat(first, length) + inside].astype(np.int64)
    code = (packed >> PUPILS_BITS) & ((1 << CODE_BITS) - 1)
    return register, packed >> (PUPILS_BITS + CODE_BITS), code, packed & ((1 << PUPILS_BITS) - 1)
