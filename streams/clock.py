"""The one file that may read the clock; everyone else is given the time."""

from __future__ import annotations

import time
from datetime import UTC, datetime

__all__ = ["monotonic_seconds", "now", "sleep_seconds"]


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def monotonic_seconds() -> float:
    """Seconds from an arbitrary start, for measuring how long something took."""
    return time.perf_counter()


def sleep_seconds(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)
