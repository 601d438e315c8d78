"""Small observed counts, which nobody outside the school sees: 1 to 9 of a code or a year group over the period shown.

Pages, the tables under charts, CSV and mail all show counts through these types. A hidden count prints itself hidden, and so
does whatever would give it back by subtraction. Estimated sizes and rates of a whole school are not counts and are not hidden.
(casework.md section 3)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FEW", "NOT_SHOWN", "Count", "CountTable", "Shown"]

SMALL_MOST = 9
"""The largest count that is small."""
FEW, NOT_SHOWN = "fewer than 10", "not shown"


class Shown(StrEnum):
    """What of a count may be seen; `hidden` would give back another one."""

    EXACT = "exact"
    FEW = "few"
    HIDDEN = "hidden"


class Count:
    """One observed count and what of it may be seen; its text is never more than that.

    >>> f"{Count.outside(7)}, {Count.outside(0)}, {Count.outside(1234)}, {Count.exact(7)}"
    'fewer than 10, 0, 1,234, 7'
    """

    __slots__ = ("_value", "shown")

    def __init__(self, value: int, shown: Shown) -> None:
        self._value = value
        self.shown = shown

    @classmethod
    def exact(cls, value: int) -> Count:
        """As the school itself sees its own."""
        return cls(value, Shown.EXACT)

    @classmethod
    def outside(cls, value: int) -> Count:
        """As everybody else sees it; a count that stands in a table comes from `CountTable`."""
        return cls(value, Shown.FEW if 0 < value <= SMALL_MOST else Shown.EXACT)

    @property
    def value(self) -> int | None:
        """The number where it may be seen, else None."""
        return self._value if self.shown is Shown.EXACT else None

    @property
    def csv(self) -> str:
        """The number, or the DfE's marker for a suppressed one."""
        return str(self._value) if self.shown is Shown.EXACT else "c"

    def __str__(self) -> str:
        if self.shown is Shown.EXACT:
            return f"{self._value:,}"
        return FEW if self.shown is Shown.FEW else NOT_SHOWN

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __repr__(self) -> str:
        return f"Count({self})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Count) and self.shown is other.shown and self.value == other.value

    def __hash__(self) -> int:
        return hash((self.shown, self.value))


@dataclass(frozen=True, slots=True)
class CountTable:
    """Counts with the sums of rows and columns and the sum of all; what is shown gives nothing back.

    Of every line, margins included, either nothing is hidden, or at least two counts that together are no small number, or the
    sum is hidden too.
    """

    cells: tuple[tuple[Count, ...], ...]
    rows: tuple[Count, ...]
    columns: tuple[Count, ...]
    total: Count

    @classmethod
    def of(cls, values: Sequence[Sequence[int]], *, exact: bool = False) -> CountTable:
        """exact: for the school itself. Rows are of equal length; a table may be empty."""
        width = len(values[0]) if values else 0
        grid = [[*row, sum(row)] for row in values]
        grid.append([sum(row[j] for row in grid) for j in range(width + 1)])
        shown = [[Count.exact(v) if exact else Count.outside(v) for v in row] for row in grid]
        if not exact:
            _hide(shown)
        *cells, columns = shown
        return cls(
            tuple(tuple(row[:-1]) for row in cells),
            tuple(row[-1] for row in cells),
            tuple(columns[:-1]),
            columns[-1],
        )


def _hide(grid: list[list[Count]]) -> None:
    """Hides, line by line until nothing changes, what would give a hidden count back. Ends: it only ever hides more."""
    lines = [*grid, *([row[j] for row in grid] for j in range(len(grid[0])))]
    changed = True
    while changed:
        changed = any(_hide_in(line) for line in lines) or _hide_bridges(grid)


def _hide_in(line: list[Count]) -> bool:
    """One line: parts, then their sum."""
    parts, total = line[:-1], line[-1]
    changed = False
    while total.shown is Shown.EXACT:
        hidden = [c for c in parts if c.shown is not Shown.EXACT]
        if not hidden or (len(hidden) > 1 and sum(c._value for c in hidden) > SMALL_MOST):  # noqa: SLF001 - of the same type
            break
        rest = [c for c in parts if c.shown is Shown.EXACT and c._value]  # noqa: SLF001 - the same
        chosen = min(rest, key=lambda c: c._value, default=total)  # noqa: SLF001 - the same
        chosen.shown = Shown.HIDDEN
        changed = True
    return changed


def _hide_bridges(grid: list[list[Count]]) -> bool:
    """Hidden counts join their row to their column; a small one that alone joins two parts follows from all sums together, so
    one more of its row or column is hidden: the smallest that is not 0, else a 0."""
    for i, row in enumerate(grid):
        for j, count in enumerate(row):
            if count.shown is not Shown.FEW or not _alone(grid, i, j):
                continue
            rest = [c for c in (*row, *(r[j] for r in grid)) if c.shown is Shown.EXACT]
            if rest:
                min(rest, key=lambda c: (not c._value, c._value)).shown = Shown.HIDDEN  # noqa: SLF001 - of this type
                return True
    return False


def _alone(grid: list[list[Count]], i: int, j: int) -> bool:
    """Whether row i and column j are joined by no other way than their own hidden count."""
    seen_rows, seen_columns, todo = {i}, set[int](), [(True, i)]
    while todo:
        of_row, k = todo.pop()
        if of_row:
            for c in range(len(grid[0])):
                if c not in seen_columns and grid[k][c].shown is not Shown.EXACT and (k, c) != (i, j):
                    seen_columns.add(c)
                    todo.append((False, c))
        else:
            for r in range(len(grid)):
                if r not in seen_rows and grid[r][k].shown is not Shown.EXACT:
                    seen_rows.add(r)
                    todo.append((True, r))
    return j not in seen_columns
