"""A running `headway serve` for tests: real sockets, a real log, and a runner that closes by writing it down."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from models.foresight import Footing, Outset, PhaseConstants
from models.parameters import Parameters
from streams.intake import judge
from streams.provisional import LastClose
from streams.schedule import Completed
from streams.serve import ServeOptions, Serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from streams.metrics import Metrics
    from streams.sqlite_log import EmbeddedLogs

__all__ = ["FIRST_DAY", "URNS", "WrittenDown", "eventually", "judge", "options", "register", "running"]

URNS = range(100_000, 100_012)
FIRST_DAY = date(2026, 10, 5)


def register(urn: int = 100_000, absent: int = 10, **changes: Any) -> dict[str, Any]:
    """A valid register as it is posted."""
    said = {
        "urn": urn,
        "attendance_date": "2026-10-05",
        "session": "AM",
        "revision": 0,
        "recorded_at": "2026-10-05T09:41:07Z",
        "source": "test-mis",
        "counts": {"all": {"/": 200 - absent, "I": absent}},
    }
    return said | changes


@dataclass
class WrittenDown:
    """The least that a close runner must do: a close is a record in the control log."""

    logs: EmbeddedLogs
    school_days: Sequence[date] = field(default_factory=lambda: [FIRST_DAY + timedelta(days=n) for n in range(200)])
    faults: list[Exception] = field(default_factory=list)
    abandoned: list[str] = field(default_factory=list)

    def completed(self) -> list[Completed]:
        """From the control log."""
        records = [json.loads(body) for _, body in self.logs.read_control()]
        return [Completed(date.fromisoformat(r["day"]), {"register": r["register"]}) for r in records]

    def resume(self) -> None:
        """None is ever left open."""

    def close(self, day: date, positions: Mapping[str, int]) -> None:
        """Write it down, or fail as told."""
        if self.faults:
            raise self.faults.pop()
        self.logs.append_control(json.dumps({"day": day.isoformat(), "register": positions["register"]}).encode())

    def abandon(self, reason: str) -> None:
        """Remember that it was given up."""
        self.abandoned.append(reason)

    def last_close(self) -> LastClose:
        """Twelve schools whose expected absence ratio is 0.05."""
        closed = self.completed()
        return LastClose(
            day=closed[-1].day.isoformat() if closed else "",
            schools=dict.fromkeys(URNS, (0, 0)),
            areas=1,
            eta_star=lambda _, __: -2.944439,
            slow_level=lambda _: 0.0,
            last_effect=lambda _: 0.0,
            sigma_u=(0.14, 0.12, 0.17),
            outset=lambda _, __: Outset(Footing.first(0), PhaseConstants.of(Parameters(), 0), 1, 0.0),
        )


@contextmanager
def running(options: ServeOptions, now: Callable[[], datetime], metrics: Metrics | None = None) -> Iterator[Serving]:
    """Serve from a thread; stopped and closed at the end."""
    serving = Serving(options, WrittenDown, judge, now, metrics=metrics)
    thread = threading.Thread(target=serving.run)
    thread.start()
    try:
        yield serving
    finally:
        serving.stop()
        thread.join(30)
        if thread.is_alive():
            raise TimeoutError("headway serve did not stop")


def options(folder: Path, **changes: Any) -> ServeOptions:
    """On any free port of this machine, looking at its clock often."""
    return replace(ServeOptions(folder / "headway.db", port=0, tick_seconds=0.01), **changes)


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Poll until it holds; fails after the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it never came true")
        time.sleep(0.005)
