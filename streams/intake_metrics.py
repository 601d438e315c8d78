"""What the HTTP intake counts: once a request, never once a register."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from schemas.reject import Reject
    from streams.group_commit import Kept
    from streams.health import Watchdog
    from streams.metrics import Metrics

__all__ = ["IntakeMetrics"]


class IntakeMetrics:
    """Requests, their answers, and what they brought."""

    def __init__(self, metrics: Metrics, watchdog: Watchdog, seconds: Callable[[], float]) -> None:
        """seconds: a monotonic clock."""
        self._metrics, self._watchdog, self.seconds = metrics, watchdog, seconds

    def kept(self, kept: Kept, rejects: Sequence[Reject]) -> None:
        """Durable in the log."""
        registers, refused = kept
        self._watchdog.progressed()
        self._metrics.counter("headway_registers_total").inc(len(registers) + len(refused))
        self._metrics.counter("headway_registers_duplicate_total").inc(sum(one.duplicate for one in registers))
        for reason, count in Counter(str(reject.reason) for reject in rejects).items():
            self._metrics.counter("headway_registers_rejected_total").labels(reason).inc(count)

    def answered(self, status: int, began: float) -> None:
        """A request that was begun at `began` has its answer."""
        self._metrics.counter("headway_requests_total").labels(str(status)).inc()
        self._metrics.histogram("headway_request_seconds").observe(self.seconds() - began)
