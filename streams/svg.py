"""An alert's chart as SVG: absence above, the statistic with its decision interval below.

Every series differs in dash, weight or shape as well as in colour; marks carry their word. Text comes from the caller and is
escaped by the element tree. Sizes are in the units of the drawing, which is meant to be shown at about that many pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np

from streams.demo_words import brief_date

if TYPE_CHECKING:
    from models.numbers import Floats
    from streams.demo_chart import AlertChart

__all__ = ["NARROW", "WIDE", "draw", "swatch"]

WIDE, NARROW = 760, 300
"""Widths that are drawn: a desk or a sheet of paper, and a telephone."""
_LEFT, _RIGHT, _LABEL_ROW, _LABEL_ROWS, _BOTTOM, _GAP = 40.0, 8.0, 15.0, 3, 20.0, 24.0
_MAIN_WIDE, _MAIN_NARROW, _STRIP = 220.0, 180.0, 64.0
_STRIP_MOST = 4.0
"""The strip shows the statistic up to so many decision intervals."""
_TICKS_MOST, _LETTER = 5, 6.6
_ROOMY = 500.0
"""From this width on words are written out."""


@dataclass(frozen=True, slots=True)
class _Panel:
    """A rectangle with a scale: values 0..top over top_y..bottom_y, days 0..count-1 over left..right."""

    left: float
    right: float
    top_y: float
    bottom_y: float
    top: float
    count: int

    def x(self, day: float) -> float:
        return self.left + (day + 0.5) * (self.right - self.left) / self.count

    def y(self, value: float) -> float:
        return self.bottom_y - min(value / self.top, 1.0) * (self.bottom_y - self.top_y)


def draw(chart: AlertChart, width: int, uid: str, title: str, description: str) -> str:
    """One chart `width` units wide; `uid` must be unique on the page. Ratios are shown in per cent."""
    right, top_y = width - _RIGHT, _LABEL_ROW * _LABEL_ROWS + 6
    main_y = top_y + (_MAIN_WIDE if width >= _ROOMY else _MAIN_NARROW)
    strip_y = main_y + _GAP + _STRIP
    most = float(np.nanmax(np.concatenate([chart.actual, chart.expected, chart.path]))) * 100.0 * 1.05
    main = _Panel(_LEFT, right, top_y, main_y, most, len(chart.days))
    held = float(chart.statistic.max())
    limit = chart.decision_interval
    strip = _Panel(_LEFT, right, main_y + _GAP, strip_y, min(max(held, 1.3 * limit), _STRIP_MOST * limit), len(chart.days))
    root = ET.Element(
        "svg", {"viewBox": f"0 0 {width} {strip_y + _BOTTOM:.0f}", "role": "img", "aria-labelledby": f"{uid}-t {uid}-d", "class": "chart"}
    )
    ET.SubElement(root, "title", {"id": f"{uid}-t"}).text = title
    ET.SubElement(root, "desc", {"id": f"{uid}-d"}).text = description
    _bands(root, chart, main, strip)
    _grid(root, main)
    _months(root, chart, main, strip)
    _path(root, "path", _line(main, chart.path * 100.0))
    _path(root, "expected", _line(main, chart.expected * 100.0))
    _path(root, "dots", _dots(main, chart.actual * 100.0))
    _path(root, "mean", _line(main, chart.mean * 100.0))
    _strip(root, chart, strip, held)
    _marks(root, chart, main, strip)
    return ET.tostring(root, encoding="unicode")


def swatch(name: str) -> str:
    """A small sample of one series for a legend: path, expected, dots, mean."""
    root = ET.Element("svg", {"viewBox": "0 0 28 10", "class": "swatch", "aria-hidden": "true"})
    _path(root, name, "M4 5h0M14 5h0M24 5h0" if name == "dots" else "M1 5H27")
    return ET.tostring(root, encoding="unicode")


def _path(root: ET.Element, kind: str, d: str) -> None:
    if d:
        ET.SubElement(root, "path", {"class": f"s-{kind}", "d": d})


def _text(root: ET.Element, x: float, y: float, text: str, anchor: str = "start", kind: str = "label") -> None:
    ET.SubElement(root, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor, "class": f"t-{kind}"}).text = text


def _rule(root: ET.Element, kind: str, x1: float, y1: float, x2: float, y2: float) -> None:
    ET.SubElement(root, "path", {"class": f"r-{kind}", "d": f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"})


def _line(panel: _Panel, values: Floats) -> str:
    """A line through the days that have a value, broken where a day has none."""
    parts, pen_down = [], False
    for i, value in enumerate(values.tolist()):
        if math.isnan(value):
            pen_down = False
            continue
        parts.append(f"{'L' if pen_down else 'M'}{panel.x(i):.1f} {panel.y(value):.1f}")
        pen_down = True
    return "".join(parts)


def _dots(panel: _Panel, values: Floats) -> str:
    """Round points, as strokes without length."""
    return "".join(f"M{panel.x(i):.1f} {panel.y(v):.1f}h0" for i, v in enumerate(values.tolist()) if not math.isnan(v))


def _grid(root: ET.Element, panel: _Panel) -> None:
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100) if panel.top / s <= _TICKS_MOST)
    for value in range(0, int(panel.top) + 1, step):
        y = panel.y(value)
        _rule(root, "grid" if value else "axis", panel.left, y, panel.right, y)
        _text(root, panel.left - 5, y + 4, f"{value} %", "end", "tick")


def _months(root: ET.Element, chart: AlertChart, main: _Panel, strip: _Panel) -> None:
    """A line where a month begins and its name below, an initial where there is no room; a stump goes without."""
    starts = [0, *(i for i, (a, b) in enumerate(pairwise(chart.days), 1) if a.month != b.month)]
    for start, end in zip(starts, [*starts[1:], len(chart.days)], strict=True):
        x = main.x(start - 0.5)
        if start:
            _rule(root, "grid", x, main.top_y, x, strip.bottom_y)
        room = (end - start) * (main.right - main.left) / main.count
        name = f"{chart.days[start]:%b}" if main.right >= _ROOMY else f"{chart.days[start]:%b}"[0]
        if room >= len(name) * 8:
            _text(root, x + room / 2, strip.bottom_y + 14, name, "middle", "tick")


def _bands(root: ET.Element, chart: AlertChart, main: _Panel, strip: _Panel) -> None:
    """Where an area alert was open: hatched from top to bottom, with its word."""
    for first, last in chart.area:
        left, right = main.x(first - 0.5), main.x(last + 0.5)
        box = {"x": f"{left:.1f}", "y": f"{main.top_y:.1f}", "width": f"{right - left:.1f}", "height": f"{strip.bottom_y - main.top_y:.1f}"}
        ET.SubElement(root, "rect", {"class": "band", **box})
        _text(root, (left + right) / 2, main.bottom_y - 5, "area", "middle", "band")


def _marks(root: ET.Element, chart: AlertChart, main: _Panel, strip: _Panel) -> None:
    """Upright lines for the onset, the opening and, if there was one, the planted drop, each with its word in a row of its own."""
    rows = [("opened", f"alert opened {brief_date(chart.days[chart.opened])}", chart.opened)]
    rows.insert(0, ("onset", f"onset about {brief_date(chart.days[chart.onset])}", chart.onset))
    if chart.planted is not None:
        rows.insert(0, ("planted", f"planted {brief_date(chart.days[chart.planted])}", chart.planted))
    labels = []
    for row, (kind, words, day) in enumerate(rows, _LABEL_ROWS - len(rows)):
        x, y = main.x(day), (row + 1) * _LABEL_ROW - 3
        _rule(root, kind, x, y - 9, x, strip.bottom_y if kind == "opened" else main.bottom_y)
        labels.append((x, y, words, kind))
    for x, y, words, kind in labels:
        late = x + 5 + _LETTER * len(words) > main.right
        _text(root, x - 5 if late else x + 5, y, words, "end" if late else "start", kind)


def _strip(root: ET.Element, chart: AlertChart, panel: _Panel, held: float) -> None:
    line = _line(panel, chart.statistic)
    base = f"L{panel.x(len(chart.days) - 1):.1f} {panel.bottom_y:.1f}L{panel.x(0):.1f} {panel.bottom_y:.1f}Z"
    _path(root, "evidence", line + base)
    _path(root, "statistic", line)
    _rule(root, "axis", panel.left, panel.bottom_y, panel.right, panel.bottom_y)
    y = panel.y(chart.decision_interval)
    _rule(root, "limit", panel.left, y, panel.right, y)
    _text(root, panel.left - 5, y + 4, f"{chart.decision_interval:.1f}", "end", "tick")
    _text(root, panel.left - 5, panel.bottom_y + 1, "0", "end", "tick")
    _text(root, panel.left + 4, y - 4, "decision interval", "start", "limit")
    words = "evidence (the chart's statistic)" if panel.right >= _ROOMY else "evidence"
    _text(root, panel.left, panel.top_y - 6, words, "start", "label")
    if held > panel.top:
        _text(root, panel.right, panel.top_y - 6, f"goes up to {held:.0f}", "end", "tick")
