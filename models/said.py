"""What was published in an academic year so far, folded: what the policy remembers from close to close, and nothing else.

A cache of the alert log: the same records in the same order give the same value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from schemas.alert import AlertState

if TYPE_CHECKING:
    from datetime import date

    from schemas.alert import Alert

__all__ = ["Key", "Line", "Said", "key_of"]


class Key(NamedTuple):
    """What at most one alert is open for: a school's chart (`data` for its registers, `sudden`), or an area (urn None).

    G is one chart, whichever year group leads: a second year group above the limit is news about the open alert.
    """

    chart: str
    urn: int | None
    area: str | None


@dataclass(slots=True)
class Line:
    """The state of one key: the newest alert's opening day, rank and leading part as last published, and whether it is open.

    named: the year group of G's chart, the leading one at the opening. known_until: when the newest register that the opening
    rests on was recorded.
    """

    opened_on: date
    rank: float
    open: bool
    onset: date | None
    hold_off_from: date | None
    leading: str | None = None
    named: str | None = None
    known_until: str | None = None


@dataclass(slots=True)
class Said:
    """What was published in this academic year so far: the fold of the alert log, a cache of it."""

    lines: dict[Key, Line] = field(default_factory=dict)
    opened: set[str] = field(default_factory=set)

    def add(self, alert: Alert) -> None:
        """Fold one published record, in order of closes."""
        key = key_of(alert)
        line = self.lines.get(key)
        if alert.state is AlertState.OPENED:
            self.opened.add(str(alert.alert_id))
            held = line.hold_off_from if line else None
            rank = alert.once_in_school_years or 0.0
            line = self.lines[key] = Line(alert.opened_on, rank, open=True, onset=alert.onset_about, hold_off_from=held)
            line.known_until = str(alert.evidence["known_until"]) if alert.evidence.get("known_until") else None
            line.named = alert.chart.removeprefix("G:") if alert.chart and key.chart == "G" else None
        elif line is not None:
            line.open = alert.state is AlertState.UPDATED
            line.rank = alert.once_in_school_years or line.rank
            if alert.state is AlertState.CLOSED:
                line.hold_off_from = alert.opened_on
        if line is not None:
            line.leading = str(alert.evidence["leading_cell"]) if alert.evidence.get("leading_cell") else None


def key_of(alert: Alert) -> Key:
    """What an alert is about."""
    chart = alert.chart or alert.kind
    return Key(chart.partition(":")[0], alert.urn, alert.area if alert.urn is None else None)
