"""When to close: what is due now, worked out from the calendar, the closes so far and what has come since.

A school day is closed at its time of day, in its zone; after a stop every missed school day is closed in its order. The last
closed day is closed again when registers for it or for earlier days have come since. No other day is ever closed.
Nothing here waits or asks the time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from schemas.errors import BrokenPromise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Arrived", "CloseOrder", "ClosingTimes", "Completed", "due"]


@dataclass(frozen=True, slots=True)
class ClosingTimes:
    """Local times of day. A day is closed again `again_minutes` after its last close (None: not), and at `again_at` next morning."""

    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/London"))
    close_at: time = time(17, 30)
    again_at: time = time(7, 0)
    again_minutes: int | None = 60

    def closes(self, day: date) -> datetime:
        """The moment a day is closed, in UTC."""
        return datetime.combine(day, self.close_at, self.zone).astimezone(UTC)

    def next_again(self, after: datetime) -> datetime:
        """The earliest moment to close again after a close at `after`, in UTC."""
        day = after.astimezone(self.zone).date()
        mornings = (datetime.combine(day + timedelta(days=n), self.again_at, self.zone).astimezone(UTC) for n in range(3))
        morning = next(m for m in mornings if m > after)
        return morning if self.again_minutes is None else min(morning, after + timedelta(minutes=self.again_minutes))


@dataclass(frozen=True, slots=True)
class Completed:
    """A completed close: its day, the positions that it read up to, and when it ended (None: not known)."""

    day: date
    positions: Mapping[str, int]
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """What the logs hold: end positions by log; the day the first register came (None: none yet), from which days are closed;
    and whether a register for the last closed day or an earlier one has come since the newest close."""

    end: Mapping[str, int]
    began: date | None
    late: bool = False


@dataclass(frozen=True, slots=True)
class CloseOrder:
    """Close this day at these positions. again: it was closed before; due_at: since when this is due, UTC."""

    day: date
    positions: Mapping[str, int]
    again: bool
    due_at: datetime


def due(
    now: datetime, school_days: Sequence[date], completed: Sequence[Completed], arrived: Arrived, times: ClosingTimes
) -> CloseOrder | None:
    """The one close that is due, or None. school_days: ascending, any school's; completed: in the order of the chain."""
    if now.tzinfo is None:
        raise BrokenPromise("the schedule needs a time with an offset")
    last = max(completed, key=lambda one: one.day, default=None)
    if last is not None:
        first = bisect_right(school_days, last.day)
    elif arrived.began is not None:
        first = bisect_left(school_days, arrived.began)
    else:
        return None
    if first < len(school_days) and times.closes(school_days[first]) <= now:
        day = school_days[first]
        return CloseOrder(day, arrived.end, again=False, due_at=times.closes(day))
    if last is None:
        return None
    if not arrived.late:
        return None
    newest = completed[-1]
    since = now if newest.at is None else times.next_again(newest.at)
    return CloseOrder(last.day, arrived.end, again=True, due_at=since) if since <= now else None
