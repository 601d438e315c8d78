"""A chart as a page shows it: drawn twice (desk and telephone), with a sentence for those who do not see it and its table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from streams.svg import NARROW, WIDE, swatch

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Figure", "drawn"]


@dataclass(frozen=True, slots=True)
class Figure:
    """What the template `figure.html` needs. legend: (sample, words); rows: the chart's data as text."""

    uid: str
    title: str
    description: str
    wide: Markup
    narrow: Markup
    legend: tuple[tuple[Markup, str], ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def drawn(
    uid: str,
    title: str,
    description: str,
    draw: Callable[[int, str], str],
    legend: tuple[tuple[str, str], ...],
    columns: tuple[str, ...],
    rows: tuple[tuple[str, ...], ...],
) -> Figure:
    """draw: (width, unique id) to SVG, made by an element tree, which escapes. legend: (series, words)."""
    return Figure(
        uid,
        title,
        description,
        Markup(draw(WIDE, f"{uid}-wide")),  # noqa: S704 - see above
        Markup(draw(NARROW, f"{uid}-narrow")),  # noqa: S704 - the same
        tuple((Markup(swatch(series)), words) for series, words in legend),  # noqa: S704 - our own drawing
        columns,
        rows,
    )
