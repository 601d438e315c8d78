"""The thread that closes the day when it is due, and tries again when a close fails."""

from __future__ import annotations

import json
import logging
import threading
from datetime import date, datetime
from typing import TYPE_CHECKING, Protocol

from schemas.errors import BrokenPromise, HeadwayError
from streams.closer import OtherRules
from streams.reject_limit import TooManyRejects
from streams.schedule import Arrived, CloseOrder, ClosingTimes, Completed, due

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from schemas.control import Requested
    from streams.sqlite_log import EmbeddedLogs

__all__ = ["Arrivals", "CloseRunner", "Closing", "EmbeddedArrivals"]

ATTEMPTS_MAX = 5
PAUSES_SECONDS = (2.0, 10.0, 60.0, 300.0)
OTHERS_SECONDS_MAX = 600.0
"""So long an undecided close of other rules is left to whoever asked for it."""
ABANDONED_PAUSE_SECONDS = 3600.0

_log = logging.getLogger("headway.closing")


class CloseRunner(Protocol):
    """Who computes and publishes a close (`streams.runner`); called from one thread."""

    @property
    def school_days(self) -> Sequence[date]:
        """Every school day of the deployment, ascending."""

    def completed(self) -> Sequence[Completed]:
        """The chain of completed closes, from the control log."""

    def resume(self) -> Requested | None:
        """Carry out the close that is open, and return it; None when none is."""

    def close(self, day: date, positions: Mapping[str, int]) -> None:
        """Close a day; returns when `completed` stands in the control log. A close left open by a crash is repeated first."""

    def abandon(self, reason: str) -> None:
        """Give up the request that is open, unless `decided` stands."""


class Arrivals(Protocol):
    """What has come into the logs."""

    def look(self, completed: Sequence[Completed]) -> Arrived:
        """What stands in the logs now."""


class EmbeddedArrivals:
    """Which registers have come since the last close for a day that was closed; reads each register once per close."""

    def __init__(self, logs: EmbeddedLogs, times: ClosingTimes) -> None:
        self._logs, self._times = logs, times
        self._closes = -1
        self._cursor, self._late = 0, False
        self._began: date | None = None

    def look(self, completed: Sequence[Completed]) -> Arrived:
        """What stands in the logs now."""
        end = self._logs.end_positions()
        last = max((one.day for one in completed), default=None)
        if len(completed) != self._closes:
            self._closes, self._late = len(completed), False
            self._cursor = completed[-1].positions["register"] if completed else 0
        if last is not None:
            for _, body in self._logs.read_registers(self._cursor, end["register"]):
                self._late |= json.loads(body)["attendance_date"] <= last.isoformat()
            self._cursor = end["register"]
        if self._began is None and (first := self._logs.first_received_at()) is not None:
            self._began = datetime.fromisoformat(first).astimezone(self._times.zone).date()
        return Arrived(end, self._began, self._late)


class Closing:
    """Looks at the clock every `tick_seconds` and closes what is due."""

    def __init__(
        self,
        runner: CloseRunner,
        arrivals: Arrivals | None,
        times: ClosingTimes,
        now: Callable[[], datetime],
        monotonic_seconds: Callable[[], float],
        *,
        closed: Callable[[], None] = lambda: None,
        attempted: Callable[[float, bool], None] = lambda *_: None,
        tick_seconds: float = 5.0,
    ) -> None:
        """arrivals: None to close on request only. now: the time, UTC; closed: called after each close; attempted: the seconds of
        each, and whether it was done. Nothing runs before `start`; `step` may be called instead of it."""
        self._attempted = attempted
        self._runner, self._arrivals, self._times, self._now, self._closed = runner, arrivals, times, now, closed
        self._monotonic, self._tick_seconds = monotonic_seconds, tick_seconds
        self._finished_at: dict[int, datetime] = {}
        self._failures, self._not_before = 0, 0.0
        self._others_since: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="headway-closing", daemon=True)
        self.problem: str | None = None
        """Why the close that is due has not been done, in words for ops; None when all is well."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """No new close begins; waits for the one that runs."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def wake(self) -> None:
        """Forget the pause after a failure, so that the next look tries again."""
        self._not_before = 0.0

    @property
    def pauses(self) -> bool:
        """Whether a failure is being waited out."""
        return self._monotonic() < self._not_before

    def step(self) -> CloseOrder | None:
        """One look at the clock: close what is due, if anything; the order that was carried out."""
        if self.pauses:
            return None
        order: CloseOrder | None = None
        began = self._monotonic()
        try:
            if (resumed := self._runner.resume()) is not None:
                order = CloseOrder(resumed.day, resumed.positions, again=False, due_at=self._now())
                return self._done(order, began)
            if self._arrivals is None:
                self.problem = None
                return None
            completed = [Completed(c.day, c.positions, c.at or self._finished_at.get(i)) for i, c in enumerate(self._runner.completed())]
            order = due(self._now(), self._runner.school_days, completed, self._arrivals.look(completed), self._times)
            if order is None:
                self.problem = None
                return None
            self._runner.close(order.day, order.positions)
        except OtherRules as error:
            _log.warning("%s", error)
            self._leave_alone(error)
            return None
        except Exception as error:  # noqa: BLE001 (its fate: logged, shown on /ready, tried again with pauses, then abandoned)
            self._attempted(self._monotonic() - began, False)
            self._failed(order, error)
            return None
        return self._done(order, began)

    def _done(self, order: CloseOrder, began: float) -> CloseOrder:
        self._attempted(self._monotonic() - began, True)
        self._failures, self._others_since, self.problem = 0, None, None
        self._finished_at = {len(self._runner.completed()) - 1: self._now()}
        self._closed()
        return order

    def _leave_alone(self, error: OtherRules) -> None:
        """A close of other rules is another closer's, for a while: if none carries it out, it must not stand in the way for ever."""
        self.problem, self._not_before = str(error), self._monotonic() + PAUSES_SECONDS[1]
        if self._others_since is None:
            self._others_since = self._monotonic()
        elif self._monotonic() - self._others_since >= OTHERS_SECONDS_MAX:
            self._others_since = None
            self._runner.abandon(f"{error}; nobody carried it out for {OTHERS_SECONDS_MAX / 60:.0f} minutes")

    def _failed(self, order: CloseOrder | None, error: Exception) -> None:
        """Pause and try again; after five failures, or at once where only a person can help, give the close up. While the
        outside world does not answer nothing is counted: an outage of any length is waited for."""
        if isinstance(error, HeadwayError) and error.temporary:
            _log.warning("%s", error)
            self.problem, self._not_before = str(error), self._monotonic() + PAUSES_SECONDS[0]
            return
        _log.error("a close failed", exc_info=error)
        self._failures += 1
        what = "the schedule, or a close that was asked for," if order is None else f"the close of {order.day}"
        hopeless = isinstance(error, TooManyRejects)
        ours = isinstance(error, HeadwayError) and not isinstance(error, BrokenPromise)
        why = str(error) if ours else type(error).__name__  # Other words may hold a figure that /ready must not tell.
        self.problem = f"{what} failed {self._failures} times ({why})"
        if self._failures < ATTEMPTS_MAX and not hopeless:
            self._not_before = self._monotonic() + PAUSES_SECONDS[self._failures - 1]
            return
        reason = str(error) if hopeless else f"failed {ATTEMPTS_MAX} times: {why}"
        self._failures = 0
        self._not_before = self._monotonic() + ABANDONED_PAUSE_SECONDS
        try:
            self._runner.abandon(reason)
        except Exception:  # noqa: BLE001 (its fate: logged and shown; the thread goes on)
            _log.exception("a failed close could not be abandoned")

    def _run(self) -> None:
        while not self._stop.wait(self._tick_seconds):
            while self.step() is not None and not self._stop.is_set():
                pass
