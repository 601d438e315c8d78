"""The embedded runner stopped before or after any write of the control log or the alert log, and started again.

The closes, their digests and every published byte are those of a run that was never stopped; no alert is said twice.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from models.parameters import Budget, Parameters
from streams.closing import Closing, EmbeddedArrivals
from streams.intake import judge
from streams.reference import read_reference
from streams.runner import EmbeddedRunner
from streams.schedule import ClosingTimes
from streams.sqlite_log import EmbeddedLogs
from tests.streams_of_registers import SmallYear, line, small_year, write_reference

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streams.replay import Reference


class _Killed(BaseException):
    """The process ends here: nothing may catch this."""


@dataclass
class _Axe:
    """Kills at a write of the control log or the alert log: before it (even) or after it (odd); negative: never."""

    at: int
    writes: int = 0

    def strike(self) -> None:
        self.writes += 1
        if self.writes == self.at + 1:
            raise _Killed

    def hang_over(self, logs: EmbeddedLogs) -> None:
        for name in ("append_control", "publish_readings", "publish_alerts"):
            setattr(logs, name, self._guarded(getattr(logs, name)))

    def _guarded(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*arguments: Any) -> Any:
            self.strike()
            result = write(*arguments)
            self.strike()
            return result

        return guarded


@dataclass(frozen=True)
class _Said:
    """What a whole run left behind: completed closes (day, digest) and alerts, as they stand in the logs."""

    closes: list[tuple[str, str]]
    alerts: list[tuple[int, str, bytes]]


class _Life:
    """One deployment from its first school day to its last: each day its registers come, then it is closed."""

    def __init__(self, folder: Path, year: SmallYear, reference: Reference, axe: _Axe) -> None:
        self._file, self._reference, self._axe = folder / "headway.db", reference, axe
        self._days = sorted({event["attendance_date"] for event in year.events})
        self._arrivals = {day: [judge(line(e)) for e in year.events if e["recorded_at"][:10] == day] for day in self._days}
        self._day = 0

    def now(self) -> datetime:
        return datetime.combine(date.fromisoformat(self._days[self._day]), time(17), UTC)

    def lived(self) -> _Said:
        """Whenever the axe falls all is opened again from the file."""
        while True:
            with closing(EmbeddedLogs(self._file, now=self.now)) as logs:
                self._axe.hang_over(logs)
                try:
                    self._live(logs)
                except _Killed:
                    continue
                return _left(logs)

    def _live(self, logs: EmbeddedLogs) -> None:
        runner = EmbeddedRunner(logs, self._reference, Parameters(), Budget.of_rate(0.5), self.now)
        times = ClosingTimes(again_minutes=None, again_at=time(16, 0))
        thread = Closing(runner, EmbeddedArrivals(logs, times), times, self.now, lambda: 0.0)
        while True:
            logs.append_registers(self._arrivals[self._days[self._day]])
            while thread.step() is not None:
                pass
            if thread.problem is not None:
                raise RuntimeError(thread.problem)
            if self._day + 1 == len(self._days):
                return
            self._day += 1


def _left(logs: EmbeddedLogs) -> _Said:
    records = [json.loads(body) for _, body in logs.read_control()]
    days = {r["previous"]: r["day"] for r in records if r["record"] == "requested"}
    previous, closes = None, []
    for record in records:
        if record["record"] == "completed":
            closes.append((days[previous], record["state_digest"]))
            previous = record["close_id"]
    return _Said(closes, list(logs.read_alerts()))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_crash_between_any_two_writes_changes_no_published_byte(tmp_path: Path, seed: int) -> None:
    year = small_year(seed, days=12, schools=14)
    reference = read_reference(*write_reference(year, tmp_path))
    (tmp_path / "whole").mkdir()
    whole = _Axe(-1)
    expected = _Life(tmp_path / "whole", year, reference, whole).lived()
    assert len(expected.closes) >= 12
    chosen = np.random.default_rng(seed).choice(whole.writes, min(12, whole.writes), replace=False)
    for at in sorted(int(n) for n in chosen):
        folder = tmp_path / f"killed-{at}"
        folder.mkdir()
        assert _Life(folder, year, reference, _Axe(at)).lived() == expected, f"seed {seed}, killed at {at}"


@pytest.mark.slow
def test_the_small_years_say_something_to_be_doubled(tmp_path: Path) -> None:
    said = 0
    for seed in range(3):
        year = small_year(seed, days=12, schools=14)
        folder = tmp_path / str(seed)
        folder.mkdir()
        said += len(_Life(folder, year, read_reference(*write_reference(year, folder)), _Axe(-1)).lived().alerts)
    assert said > 0
