"""What the console counts: each request by the name of its page and its status, and how long it took. Never who, never an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.metrics import Metrics

__all__ = ["PageMetrics", "uncounted"]


class PageMetrics:
    """Given to the console's dispatcher."""

    def __init__(self, metrics: Metrics, seconds: Callable[[], float]) -> None:
        """seconds: a monotonic clock."""
        self._metrics, self._seconds = metrics, seconds

    def answered(self, page: str) -> Callable[[int], None]:
        """A request for a page begins; the result is called with the status of its answer."""
        began = self._seconds()

        def done(status: int) -> None:
            self._metrics.counter("headway_pages_total").labels(page, str(status)).inc()
            self._metrics.histogram("headway_page_seconds").observe(self._seconds() - began)

        return done


def uncounted(_: str) -> Callable[[int], None]:
    """Counts nothing: the demo, and tests of other things."""
    return lambda _: None
