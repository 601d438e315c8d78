"""An alert's chart as the demo's page draws it: absence above, the statistic with its decision interval below."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np

from streams import svg
from streams.demo_words import brief_date

if TYPE_CHECKING:
    from streams.demo_chart import AlertChart

__all__ = ["draw"]

_LEFT, _RIGHT, _LABEL_ROW, _LABEL_ROWS, _BOTTOM, _GAP = 40.0, 8.0, 15.0, 3, 20.0, 24.0
_MAIN_WIDE, _MAIN_NARROW, _STRIP = 220.0, 180.0, 64.0
_STRIP_MOST = 4.0
"""The strip shows the statistic up to so many decision intervals."""


def draw(chart: AlertChart, width: int, uid: str, title: str, description: str) -> str:
    """One chart `width` units wide; `uid` must be unique on the page. Ratios are shown in per cent."""
    right, top_y = width - _RIGHT, _LABEL_ROW * _LABEL_ROWS + 6
    main_y = top_y + (_MAIN_WIDE if width >= svg.ROOMY else _MAIN_NARROW)
    strip_y = main_y + _GAP + _STRIP
    most = float(np.nanmax(np.concatenate([chart.actual, chart.expected, chart.path]))) * 100.0 * 1.05
    main = svg.Panel(_LEFT, right, top_y, main_y, most, len(chart.days))
    held = float(chart.statistic.max())
    limit = chart.decision_interval
    strip = svg.Panel(_LEFT, right, main_y + _GAP, strip_y, min(max(held, 1.3 * limit), _STRIP_MOST * limit), len(chart.days))
    root = svg.drawing(width, round(strip_y + _BOTTOM), uid, title, description)
    _bands(root, chart, main, strip)
    svg.grid(root, main)
    svg.months(root, chart.days, main, strip.bottom_y)
    svg.path(root, "path", svg.line(main, chart.path * 100.0))
    svg.path(root, "expected", svg.line(main, chart.expected * 100.0))
    svg.path(root, "dots", svg.dots(main, chart.actual * 100.0))
    svg.path(root, "mean", svg.line(main, chart.mean * 100.0))
    _strip(root, chart, strip, held)
    _marks(root, chart, main, strip)
    return ET.tostring(root, encoding="unicode")


def _bands(root: ET.Element, chart: AlertChart, main: svg.Panel, strip: svg.Panel) -> None:
    """Where an area alert was open: hatched from top to bottom, with its word."""
    for first, last in chart.area:
        left, right = main.x(first - 0.5), main.x(last + 0.5)
        box = {"x": f"{left:.1f}", "y": f"{main.top_y:.1f}", "width": f"{right - left:.1f}", "height": f"{strip.bottom_y - main.top_y:.1f}"}
        ET.SubElement(root, "rect", {"class": "band", **box})
        svg.text(root, (left + right) / 2, main.bottom_y - 5, "area", "middle", "band")


def _marks(root: ET.Element, chart: AlertChart, main: svg.Panel, strip: svg.Panel) -> None:
    """Upright lines for the onset, the opening and, if there was one, the planted drop, each with its word in a row of its own."""
    rows = [("opened", f"alert opened {brief_date(chart.days[chart.opened])}", chart.opened)]
    rows.insert(0, ("onset", f"onset about {brief_date(chart.days[chart.onset])}", chart.onset))
    if chart.planted is not None:
        rows.insert(0, ("planted", f"planted {brief_date(chart.days[chart.planted])}", chart.planted))
    labels = []
    for row, (kind, words, day) in enumerate(rows, _LABEL_ROWS - len(rows)):
        x, y = main.x(day), (row + 1) * _LABEL_ROW - 3
        svg.rule(root, kind, x, y - 9, x, strip.bottom_y if kind == "opened" else main.bottom_y)
        labels.append((x, y, words, kind))
    for x, y, words, kind in labels:
        late = x + 5 + svg.LETTER * len(words) > main.right
        svg.text(root, x - 5 if late else x + 5, y, words, "end" if late else "start", kind)


def _strip(root: ET.Element, chart: AlertChart, panel: svg.Panel, held: float) -> None:
    line = svg.line(panel, chart.statistic)
    base = f"L{panel.x(len(chart.days) - 1):.1f} {panel.bottom_y:.1f}L{panel.x(0):.1f} {panel.bottom_y:.1f}Z"
    svg.path(root, "evidence", line + base)
    svg.path(root, "statistic", line)
    svg.rule(root, "axis", panel.left, panel.bottom_y, panel.right, panel.bottom_y)
    y = panel.y(chart.decision_interval)
    svg.rule(root, "limit", panel.left, y, panel.right, y)
    svg.text(root, panel.left - 5, y + 4, f"{chart.decision_interval:.1f}", "end", "tick")
    svg.text(root, panel.left - 5, panel.bottom_y + 1, "0", "end", "tick")
    svg.text(root, panel.left + 4, y - 4, "decision interval", "start", "limit")
    words = "evidence (the chart's statistic)" if panel.right >= svg.ROOMY else "evidence"
    svg.text(root, panel.left, panel.top_y - 6, words, "start", "label")
    if held > panel.top:
        svg.text(root, panel.right, panel.top_y - 6, f"goes up to {held:.0f}", "end", "tick")
