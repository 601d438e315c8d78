"""How often somebody may ask: a bucket of tokens for each, so that one who guesses slows himself down and nobody else."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RateLimit", "RateLimits"]


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `burst` at once, then `per_minute`."""

    burst: int
    per_minute: float


class RateLimits:
    """Buckets by name; the one longest not asked for is forgotten when there are too many."""

    def __init__(self, seconds: Callable[[], float], *, buckets_max: int = 50_000) -> None:
        self._seconds = seconds
        self._buckets_max = buckets_max
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def wait_seconds(self, what: str, who: str, limit: RateLimit) -> float:
        """0 when it may go on, and one token is taken; else how long to wait."""
        now = self._seconds()
        with self._lock:
            tokens, since = self._buckets.pop((what, who), (float(limit.burst), now))
            tokens = min(float(limit.burst), tokens + (now - since) * limit.per_minute / 60.0)
            allowed = tokens >= 1.0
            self._buckets[what, who] = (tokens - 1.0 if allowed else tokens, now)
            while len(self._buckets) > self._buckets_max:
                self._buckets.popitem(last=False)
        return 0.0 if allowed else (1.0 - tokens) * 60.0 / limit.per_minute
