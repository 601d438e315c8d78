"""Charts as SVG elements: panels with a scale, lines, dots, rules, months, words.

Every series differs in dash, weight or shape as well as in colour; marks carry their word. Text comes from the caller and is
escaped by the element tree. Sizes are in the units of the drawing, which is meant to be shown at about that many pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from models.numbers import Floats

__all__ = ["LETTER", "NARROW", "ROOMY", "WIDE", "Panel", "dots", "drawing", "grid", "line", "months", "path", "rule", "swatch", "text"]

WIDE, NARROW = 760, 300
"""Widths that are drawn: a desk or a sheet of paper, and a telephone."""
LETTER = 6.6
"""Width of a letter, about."""
ROOMY = 500.0
"""From this width on words are written out."""
_TICKS_MOST = 5


@dataclass(frozen=True, slots=True)
class Panel:
    """A rectangle with a scale: values bottom..top over bottom_y..top_y, days 0..count-1 over left..right."""

    left: float
    right: float
    top_y: float
    bottom_y: float
    top: float
    count: int
    bottom: float = 0.0

    def x(self, day: float) -> float:
        """The middle of a day."""
        return self.left + (day + 0.5) * (self.right - self.left) / self.count

    def y(self, value: float) -> float:
        """The height of a value, held within the panel."""
        share = (value - self.bottom) / (self.top - self.bottom)
        return self.bottom_y - min(max(share, 0.0), 1.0) * (self.bottom_y - self.top_y)


def drawing(width: float, height: float, uid: str, title: str, description: str) -> ET.Element:
    """An empty drawing with its name and its text alternative; `uid` must be unique on the page."""
    root = ET.Element(
        "svg", {"viewBox": f"0 0 {width:.0f} {height:.0f}", "role": "img", "aria-labelledby": f"{uid}-t {uid}-d", "class": "chart"}
    )
    ET.SubElement(root, "title", {"id": f"{uid}-t"}).text = title
    ET.SubElement(root, "desc", {"id": f"{uid}-d"}).text = description
    return root


def swatch(name: str) -> str:
    """A small sample of one series for a legend: path, expected, dots, mean, last."""
    root = ET.Element("svg", {"viewBox": "0 0 28 10", "class": "swatch", "aria-hidden": "true"})
    path(root, name, "M4 5h0M14 5h0M24 5h0" if name == "dots" else "M1 5H27")
    return ET.tostring(root, encoding="unicode")


def path(root: ET.Element, kind: str, d: str) -> None:
    """A path of the series `kind`; nothing when it is empty."""
    if d:
        ET.SubElement(root, "path", {"class": f"s-{kind}", "d": d})


def text(root: ET.Element, x: float, y: float, words: str, anchor: str = "start", kind: str = "label") -> None:
    """Words at a point."""
    ET.SubElement(root, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor, "class": f"t-{kind}"}).text = words


def rule(root: ET.Element, kind: str, x1: float, y1: float, x2: float, y2: float) -> None:
    """A straight line."""
    ET.SubElement(root, "path", {"class": f"r-{kind}", "d": f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"})


def line(panel: Panel, values: Floats) -> str:
    """A line through the days that have a value, broken where a day has none."""
    parts, pen_down = [], False
    for i, value in enumerate(values.tolist()):
        if math.isnan(value):
            pen_down = False
            continue
        parts.append(f"{'L' if pen_down else 'M'}{panel.x(i):.1f} {panel.y(value):.1f}")
        pen_down = True
    return "".join(parts)


def dots(panel: Panel, values: Floats) -> str:
    """Round points, as strokes without length."""
    return "".join(f"M{panel.x(i):.1f} {panel.y(v):.1f}h0" for i, v in enumerate(values.tolist()) if not math.isnan(v))


def grid(root: ET.Element, panel: Panel) -> None:
    """Level lines with their value in per cent, at most five of them."""
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100) if (panel.top - panel.bottom) / s <= _TICKS_MOST)
    for value in range(math.ceil(panel.bottom / step) * step, int(panel.top) + 1, step):
        y = panel.y(value)
        rule(root, "grid" if value > panel.bottom else "axis", panel.left, y, panel.right, y)
        text(root, panel.left - 5, y + 4, f"{value} %", "end", "tick")


def months(root: ET.Element, days: Sequence[date], panel: Panel, bottom_y: float) -> None:
    """A line where a month begins and its name below, an initial where there is no room; a stump goes without."""
    starts = [0, *(i for i, (a, b) in enumerate(pairwise(days), 1) if a.month != b.month)]
    for start, end in zip(starts, [*starts[1:], len(days)], strict=True):
        x = panel.x(start - 0.5)
        if start:
            rule(root, "grid", x, panel.top_y, x, bottom_y)
        room = (end - start) * (panel.right - panel.left) / panel.count
        name = f"{days[start]:%b}" if panel.right >= ROOMY else f"{days[start]:%b}"[0]
        if room >= len(name) * 8:
            text(root, x + room / 2, bottom_y + 14, name, "middle", "tick")
