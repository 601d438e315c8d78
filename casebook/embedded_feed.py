"""The embedded feed: what the engine's SQLite log holds comes into the casebook after each close, and at the start what was missed.

The log keeps the readings of its last close only; those of earlier closes that the casebook has missed are computed again, which
gives the same bytes (`streams.as_known`). A close of other rules than today's cannot be: its readings stay out, its alerts do not.
"""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING
from uuid import UUID

from casebook.feed import Arrival
from casebook.feed_records import PublishedAlert, PublishedReading
from schemas.control import read_control_record
from streams.chain import Chain
from streams.close_logs import EmbeddedCloseLogs
from streams.closed_readings import closed_readings
from streams.closer import Closer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from casebook.close_application import AppliedClose
    from casebook.feed import Feed, Followed
    from models.parameters import Budget, Parameters
    from schemas.control import Requested
    from streams.replay import Reference
    from streams.sqlite_log import EmbeddedLogs

__all__ = ["EmbeddedFeed"]

_REGISTERS_AT_ONCE = 5_000
_CLOSES_AT_ONCE = 20
_log = logging.getLogger("headway.casebook")


class EmbeddedFeed:
    """Called from one thread: before the first close, and after each."""

    def __init__(
        self, feed: Feed, logs: EmbeddedLogs, reference: Reference, parameters: Parameters, budget: Budget, now: Callable[[], datetime]
    ) -> None:
        """The rules are those by which missed readings are computed again."""
        self._feed, self._logs, self._reference = feed, logs, reference
        self._again: Callable[[], Closer] = lambda: Closer(EmbeddedCloseLogs(logs), reference, parameters, budget, now)
        self._budget, self._followed = budget, False

    def rebuild(self) -> list[AppliedClose]:
        """The read model from nothing, and every alert heard again; what people did stays."""
        self._feed.follow(self._logs.log_id, anew=True)
        self._feed.forget_read_model()
        self._followed = False
        return self.catch_up()

    def catch_up(self) -> list[AppliedClose]:
        """All that the log holds and the casebook does not; the closes that have become cases now."""
        stands = self._feed.stands() if self._followed else self._feed.follow(self._logs.log_id)
        if not self._followed:
            self._feed.refer(self._reference)
            self._followed = True
        control = list(self._logs.read_control(stands.control_upto))
        if control:
            self._take(stands, control)
        applied = self._feed.apply() if control or stands.applied < stands.closes else []
        self._feed.finish_rebuild()
        return applied

    def _take(self, stands: Followed, control: Sequence[tuple[int, bytes]]) -> None:
        """What the new control records speak of, and at last these themselves."""
        completed = [request for request, _ in Chain.of(read_control_record(line) for _, line in self._logs.read_control()).completed]
        new = completed[stands.closes :]
        for i in range(0, len(new), _CLOSES_AT_ONCE):
            self._readings(new[i : i + _CLOSES_AT_ONCE])
        if new:
            self._registers(stands, new[-1].positions["register"])
        alerts = [
            PublishedAlert(UUID(record_id), number, line)
            for number, record_id, line in self._logs.read_alerts()
            if stands.closes < number <= len(completed)
        ]
        self._feed.take(Arrival(control=control, alerts=alerts))

    def _readings(self, closes: Sequence[Requested]) -> None:
        held, lines = self._logs.read_readings()
        out: list[PublishedReading] = []
        closer: Closer | None = None
        for request in closes:
            if request.number == held:
                out += [PublishedReading(held, line) for line in lines.values()]
                continue
            closer = closer or self._again()
            if closer.mine(request):
                closed = closer.compute(request)
                out += [PublishedReading(request.number, line) for _, line in closed_readings(closed, self._budget)]
            else:
                _log.warning("close %d of %s is of other rules: its readings stay out of the casebook", request.number, request.day)
        self._feed.take(Arrival(readings=out))

    def _registers(self, stands: Followed, upto: int) -> None:
        rows: Iterator[tuple[int, bytes]] = self._logs.read_registers(stands.registers_upto, upto)
        while block := list(islice(rows, _REGISTERS_AT_ONCE)):
            self._feed.take(Arrival(registers=[body for _, body in block], registers_upto=block[-1][0]))
