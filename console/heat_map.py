"""Absence by week and year group: how deep a cell's colour is, and in words the same number, or that the count is too small.

Which counts may be seen is decided by `schemas.small_numbers` before anything is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from schemas.small_numbers import CountTable
from streams import svg
from streams.demo_words import brief_date

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from schemas.small_numbers import Count

__all__ = ["HeatMap", "draw", "heat_map"]

DEPTHS = (3.0, 6.0, 9.0, 12.0)
"""Per cent absent at which the next depth begins."""
_LEFT, _TOP, _CELL_WIDE, _CELL_NARROW = 72.0, 20.0, 26.0, 20.0
_WEEK_LABEL = 58.0


@dataclass(frozen=True, slots=True)
class HeatMap:
    """weeks by their Monday; absences of (year group, week), pupil-sessions, as they may be seen; possible of the same."""

    year_groups: tuple[str, ...]
    weeks: tuple[date, ...]
    absences: CountTable
    possible: tuple[tuple[int, ...], ...]

    def per_cent(self, group: int, week: int) -> float | None:
        """None where nothing was possible or the count may not be seen."""
        count, possible = self.absences.cells[group][week], self.possible[group][week]
        return 100.0 * count.value / possible if possible and count.value is not None else None

    def words(self, group: int, week: int) -> str:
        """The cell in words: a rate, why there is none, or that no session was held."""
        if not self.possible[group][week]:
            return "no sessions"
        rate = self.per_cent(group, week)
        return str(self.absences.cells[group][week]) if rate is None else f"{rate:.1f} %"

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """The table: week, then each year group."""
        groups = range(len(self.year_groups))
        return tuple((brief_date(week), *(self.words(g, w) for g in groups)) for w, week in enumerate(self.weeks))


def heat_map(
    year_groups: Sequence[str], weeks: Sequence[date], absences: Sequence[Sequence[int]], possible: Sequence[Sequence[int]], *, exact: bool
) -> HeatMap:
    """exact: for the school's own people; others see no small count. absences, possible: [year group][week]."""
    return HeatMap(tuple(year_groups), tuple(weeks), CountTable.of(absences, exact=exact), tuple(map(tuple, possible)))


def draw(heat: HeatMap, width: int, uid: str, title: str, description: str) -> str:
    """Weeks across and year groups down on a desk; weeks down on a telephone."""
    if width >= svg.ROOMY:
        return _wide(heat, width, uid, title, description)
    return _narrow(heat, width, uid, title, description)


def depth(per_cent: float) -> int:
    """0 to 4.

    >>> depth(0.0), depth(3.0), depth(11.9), depth(40.0)
    (0, 1, 3, 4)
    """
    return sum(per_cent >= step for step in DEPTHS)


def _wide(heat: HeatMap, width: int, uid: str, title: str, description: str) -> str:
    cell = min(_CELL_WIDE, (width - _LEFT - 4) / max(len(heat.weeks), 1))
    height = 22.0
    root = svg.drawing(width, _TOP + height * len(heat.year_groups) + 8, uid, title, description)
    cells = _Cells(root, heat)
    last = None
    for w, week in enumerate(heat.weeks):
        if week.month != last:
            svg.text(root, _LEFT + w * cell, _TOP - 6, f"{week:%b}", "start", "tick")
            last = week.month
    for g, group in enumerate(heat.year_groups):
        svg.text(root, _LEFT - 6, _TOP + g * height + 15, _label(group), "end", "label")
        for w in range(len(heat.weeks)):
            cells.add(g, w, _LEFT + w * cell, _TOP + g * height, cell, height)
    return cells.done()


def _narrow(heat: HeatMap, width: int, uid: str, title: str, description: str) -> str:
    cell = (width - _WEEK_LABEL - 4) / max(len(heat.year_groups), 1)
    root = svg.drawing(width, _TOP + _CELL_NARROW * len(heat.weeks) + 8, uid, title, description)
    cells = _Cells(root, heat)
    for g, group in enumerate(heat.year_groups):
        svg.text(root, _WEEK_LABEL + (g + 0.5) * cell, _TOP - 6, group, "middle", "tick")
    for w, week in enumerate(heat.weeks):
        svg.text(root, _WEEK_LABEL - 6, _TOP + w * _CELL_NARROW + 14, brief_date(week), "end", "tick")
        for g in range(len(heat.year_groups)):
            cells.add(g, w, _WEEK_LABEL + g * cell, _TOP + w * _CELL_NARROW, cell, _CELL_NARROW)
    return cells.done()


class _Cells:
    """Rectangles gathered into one path for each depth, under the words in them."""

    def __init__(self, root: ET.Element, heat: HeatMap) -> None:
        self._root, self._heat = root, heat
        kinds = ("heat-none", *(f"heat{d}" for d in range(len(DEPTHS) + 1)))
        self._paths = {kind: ET.SubElement(root, "path", {"class": kind}) for kind in kinds}
        self._drawn: dict[str, list[str]] = {kind: [] for kind in kinds}

    def add(self, group: int, week: int, x: float, y: float, width: float, height: float) -> None:
        """One cell and its word."""
        heat = self._heat
        rate = heat.per_cent(group, week)
        kind = "heat-none" if rate is None else f"heat{depth(rate)}"
        self._drawn[kind].append(f"M{x + 0.5:.1f} {y + 0.5:.1f}h{width - 1:.1f}v{height - 1:.1f}h{1 - width:.1f}z")
        sign = _sign(heat.absences.cells[group][week], heat.possible[group][week], rate)
        if sign:
            svg.text(self._root, x + width / 2, y + height / 2 + 4, sign, "middle", "heat" if rate is None else f"heat t-{kind}")

    def done(self) -> str:
        """The whole drawing."""
        for kind, path in self._paths.items():
            if self._drawn[kind]:
                path.set("d", "".join(self._drawn[kind]))
            else:
                self._root.remove(path)
        return ET.tostring(self._root, encoding="unicode")


def _label(group: str) -> str:
    """Beside a row.

    >>> _label("R"), _label("N1"), _label("10")
    ('Reception', 'Nursery 1', 'Year 10')
    """
    return {"R": "Reception", "N1": "Nursery 1", "N2": "Nursery 2"}.get(group, f"Year {group}")


def _sign(count: Count, possible: int, rate: float | None) -> str:
    """The number without its decimal; a point for a count that is not shown; nothing where no session was held."""
    if not possible:
        return ""
    return "·" if rate is None or count.value is None else f"{rate:.0f}"
