"""Absence by day or week as lines and dots, with marks for what happened when, and below it a chart's statistic.

Where the day's value is not known the line breaks; nothing is drawn in its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np

from streams import svg
from streams.demo_words import brief_date

if TYPE_CHECKING:
    from datetime import date

    from models.numbers import Floats

__all__ = ["Band", "Line", "LineChart", "Mark", "Strip", "draw"]

_LEFT, _RIGHT, _LABEL_ROW, _BOTTOM, _GAP = 40.0, 8.0, 15.0, 20.0, 26.0
_MAIN_WIDE, _MAIN_NARROW, _STRIP = 220.0, 180.0, 64.0
_STRIP_MOST = 4.0
"""The strip shows the statistic up to so many decision intervals."""
_LEAST_SPAN = 4.0
"""Per cent that the scale covers at least, so that small movements do not look like large ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One series: `path`, `expected`, `mean`, `last` (lines) or `dots`; per cent, NaN where unknown."""

    kind: str
    words: str
    values: Floats


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened: `onset`, `opened`; position of its day."""

    kind: str
    words: str
    day: int


@dataclass(frozen=True, slots=True)
class Band:
    """Days first..last on which an area alert stood."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """A chart's statistic with its decision interval."""

    statistic: Floats
    decision_interval: float


@dataclass(frozen=True, slots=True, eq=False)
class LineChart:
    """days in order; every series is of their length."""

    days: tuple[date, ...]
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...] = ()
    bands: tuple[Band, ...] = ()
    strip: Strip | None = None


def draw(chart: LineChart, width: int, uid: str, title: str, description: str) -> str:
    """SVG, `width` units wide."""
    top_y = _LABEL_ROW * len(chart.marks) + 8
    main_y = top_y + (_MAIN_WIDE if width >= svg.ROOMY else _MAIN_NARROW)
    bottom_y = main_y if chart.strip is None else main_y + _GAP + _STRIP
    main = svg.Panel(_LEFT, width - _RIGHT, top_y, main_y, _top(chart), len(chart.days))
    root = svg.drawing(width, bottom_y + _BOTTOM, uid, title, description)
    _bands(root, chart, main, bottom_y)
    svg.grid(root, main)
    svg.months(root, chart.days, main, bottom_y)
    for line in chart.lines:
        svg.path(root, line.kind, svg.dots(main, line.values) if line.kind == "dots" else svg.line(main, line.values))
    if chart.strip is not None:
        _strip(root, chart.strip, main, bottom_y)
    _marks(root, chart, main, bottom_y)
    return ET.tostring(root, encoding="unicode")


def _top(chart: LineChart) -> float:
    values = [line.values for line in chart.lines]
    held = np.concatenate(values) if values else np.zeros(1)
    return max(_LEAST_SPAN, 1.05 * float(np.nanmax(held))) if not np.isnan(held).all() else _LEAST_SPAN


def _bands(root: ET.Element, chart: LineChart, main: svg.Panel, bottom_y: float) -> None:
    for band in chart.bands:
        left, right = main.x(band.first - 0.5), main.x(band.last + 0.5)
        box = {"x": f"{left:.1f}", "y": f"{main.top_y:.1f}", "width": f"{right - left:.1f}", "height": f"{bottom_y - main.top_y:.1f}"}
        ET.SubElement(root, "rect", {"class": "band", **box})
        svg.text(root, (left + right) / 2, main.bottom_y - 5, "area", "middle", "band")


def _marks(root: ET.Element, chart: LineChart, main: svg.Panel, bottom_y: float) -> None:
    """Upright lines, each with its words in a row of its own."""
    for row, mark in enumerate(chart.marks):
        x, y = main.x(mark.day), (row + 1) * _LABEL_ROW - 3
        svg.rule(root, mark.kind, x, y - 9, x, bottom_y)
        words = f"{mark.words} {brief_date(chart.days[mark.day])}"
        late = x + 5 + svg.LETTER * len(words) > main.right
        svg.text(root, x - 5 if late else x + 5, y, words, "end" if late else "start", mark.kind)


def _strip(root: ET.Element, strip: Strip, main: svg.Panel, bottom_y: float) -> None:
    limit = strip.decision_interval
    values = np.where(np.isnan(strip.statistic), 0.0, strip.statistic)
    held = float(values.max()) if len(values) else 0.0
    panel = svg.Panel(main.left, main.right, bottom_y - _STRIP, bottom_y, min(max(held, 1.3 * limit), _STRIP_MOST * limit), main.count)
    line = svg.line(panel, values)
    base = f"L{panel.x(main.count - 1):.1f} {panel.bottom_y:.1f}L{panel.x(0):.1f} {panel.bottom_y:.1f}Z"
    svg.path(root, "evidence", line + base)
    svg.path(root, "statistic", line)
    svg.rule(root, "axis", panel.left, panel.bottom_y, panel.right, panel.bottom_y)
    y = panel.y(limit)
    svg.rule(root, "limit", panel.left, y, panel.right, y)
    svg.text(root, panel.left - 5, y + 4, f"{limit:.1f}", "end", "tick")
    svg.text(root, panel.left - 5, panel.bottom_y + 1, "0", "end", "tick")
    svg.text(root, panel.left + 4, y - 4, "limit: a case opens above it", "start", "limit")
    svg.text(root, panel.left, panel.top_y - 6, "strength of the evidence" if panel.right >= svg.ROOMY else "evidence", "start", "label")
    if held > panel.top:
        svg.text(root, panel.right, panel.top_y - 6, f"goes up to {held:.0f}", "end", "tick")
