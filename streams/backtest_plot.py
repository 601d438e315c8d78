"""Plots of a backtest as SVG: shares over days, and days by kind of school.

Every series has a dash of its own beside its colour and its name at its end; a title and a description say in words what is
seen, and the data stand in a table beside the plot. Text is escaped by the element tree; sizes are in the drawing's units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Bar", "Line", "bars", "lines"]

_WIDTH, _HEIGHT = 820.0, 440.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 290.0, 40.0, 44.0
_ROW = 15.0
_COLOURS = ("#0b5394", "#b45309", "#111827", "#0f766e", "#9d174d", "#4d7c0f", "#6d28d9", "#64748b", "#b91c1c")
_DASHES = ("", "7 3", "2 3", "10 3 2 3", "4 2", "1 2", "12 4", "5 5", "3 1")
_FONT = "font:13px system-ui,sans-serif"


@dataclass(frozen=True, slots=True)
class Line:
    """A named series over days 1, 2, ...: shares in 0..1; its number gives colour and dash; one of ours is drawn heavier."""

    name: str
    shares: tuple[float, ...]
    number: int
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """A named row with one value (school days, None: over the axis) for each group of the plot."""

    name: str
    days: tuple[float | None, ...]


def _start(title: str, description: str, height: float) -> ET.Element:
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_WIDTH:g} {height:g}",
            "role": "img",
            "aria-labelledby": "title description",
            "style": _FONT,
        },
    )
    ET.SubElement(root, "title", {"id": "title"}).text = title
    ET.SubElement(root, "desc", {"id": "description"}).text = description
    ET.SubElement(root, "rect", {"width": f"{_WIDTH:g}", "height": f"{height:g}", "fill": "#ffffff"})
    _text(root, 12.0, 22.0, title, bold=True)
    return root


def _text(root: ET.Element, x: float, y: float, text: str, anchor: str = "start", colour: str = "#111827", *, bold: bool = False) -> None:
    style = {"font-weight": "600"} if bold else {}
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor, "fill": colour}
    ET.SubElement(root, "text", {**place, **style}).text = text


def _rule(root: ET.Element, x1: float, y1: float, x2: float, y2: float, colour: str = "#d1d5db") -> None:
    ET.SubElement(root, "path", {"d": f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}", "stroke": colour, "fill": "none"})


def lines(title: str, description: str, series: Sequence[Line], axis: str) -> str:
    """Shares over days; names at the right ends, moved apart where they would touch."""
    root = _start(title, description, _HEIGHT)
    days = max(len(line.shares) for line in series)
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def x(day: float) -> float:
        return _LEFT + day / days * (right - _LEFT)

    def y(share: float) -> float:
        return bottom - share * (bottom - _TOP)

    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        _rule(root, _LEFT, y(share), right, y(share))
        _text(root, _LEFT - 6, y(share) + 4, f"{share:.0%}", "end")
    for day in range(0, days + 1, 20):
        _rule(root, x(day), bottom, x(day), bottom + 5, "#111827")
        _text(root, x(day), bottom + 20, str(day), "middle")
    _text(root, (_LEFT + right) / 2, _HEIGHT - 6, axis, "middle")
    order = sorted(range(len(series)), key=lambda i: -series[i].shares[-1])
    places = _apart([y(series[i].shares[-1]) for i in order], _TOP, bottom)
    for i, place in zip(order, places, strict=True):
        line = series[i]
        colour, dash = _COLOURS[line.number % len(_COLOURS)], _DASHES[line.number % len(_DASHES)]
        style = {"stroke": colour, "stroke-width": "3" if line.ours else "1.8", "fill": "none", "stroke-dasharray": dash or "none"}
        points = "L".join(f"{x(d):.1f} {y(s):.1f}" for d, s in enumerate((0.0, *line.shares)))
        end = y(line.shares[-1])
        ET.SubElement(root, "path", {"d": f"M{points}", **style})
        ET.SubElement(root, "path", {"d": f"M{right:.1f} {end:.1f}L{right + 14:.1f} {place:.1f}h22", **style})
        _text(root, right + 40, place + 4, line.name, colour=colour)
    return ET.tostring(root, encoding="unicode")


def _apart(wanted: Sequence[float], top: float, bottom: float) -> list[float]:
    """Heights of rows of text as near to the wanted ones (ascending) as keeps them apart and between top and bottom."""
    places: list[float] = []
    for end in wanted:
        places.append(max(end, places[-1] + _ROW if places else top))
    for i in range(len(places) - 1, -1, -1):
        most = places[i + 1] - _ROW if i + 1 < len(places) else bottom
        places[i] = min(places[i], most)
    return places


def bars(title: str, description: str, groups: Sequence[str], rows: Sequence[Bar], most: float, axis: str) -> str:
    """Days by row and group as dots on a common scale; what lies beyond it is an arrow at its end."""
    height = _TOP + 34 + len(rows) * (len(groups) * _ROW + 14) + _BOTTOM
    root = _start(title, description, height)
    left, right, top, bottom = 225.0, _WIDTH - 40, _TOP + 30, height - _BOTTOM

    def x(days: float) -> float:
        return left + days / most * (right - left)

    for day in range(0, int(most) + 1, 10):
        _rule(root, x(day), top, x(day), bottom)
        _text(root, x(day), bottom + 18, str(day), "middle")
    _text(root, (left + right) / 2, height - 8, axis, "middle")
    at = left
    for g, name in enumerate(groups):
        _mark(root, at, _TOP + 8, g)
        _text(root, at + 10, _TOP + 12, name, colour=_COLOURS[g])
        at += 30 + 7.4 * len(name)
    y = top + 14
    for row in rows:
        _text(root, left - 10, y + (len(groups) - 1) * _ROW / 2 + 4, row.name, "end")
        for g, days in enumerate(row.days):
            beyond = days is None or days > most
            end = most if beyond or days is None else days
            _rule(root, left, y, x(end), y, _COLOURS[g])
            if beyond:
                _text(root, x(most) + 4, y + 4, f"› {most:g}", colour=_COLOURS[g])
            else:
                _mark(root, x(end), y, g)
                _text(root, x(end) + 9, y + 4, f"{end:g}", colour=_COLOURS[g])
            y += _ROW
        y += 14
    return ET.tostring(root, encoding="unicode")


def _mark(root: ET.Element, x: float, y: float, group: int) -> None:
    """Circle, square, triangle, diamond by group, so that colour is not needed."""
    colour = {"fill": _COLOURS[group]}
    if group == 0:
        ET.SubElement(root, "circle", {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "4.5", **colour})
        return
    shapes = ("M-4 -4h8v8h-8z", "M0 -5L5 4H-5z", "M0 -6L6 0L0 6L-6 0z")
    ET.SubElement(root, "path", {"d": shapes[(group - 1) % 3], "transform": f"translate({x:.1f} {y:.1f})", **colour})
