"""`headway closer` on a log that holds a year: days closed from request to completed, by parts; the year read again."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.live_load import log, peak_bytes, processor_seconds
from models.parameters import Parameters
from streams import clock, topology
from streams.close_command import ask, wait_for
from streams.kafka_logs import KafkaLogs
from streams.live_closer import LiveCloser

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from streams.live_settings import LiveSettings
    from tests.live.fleet import Fleet, Running

__all__ = ["ClosedDay", "Closers", "Restart"]

WAIT_SECONDS = 1_800


@dataclass
class ClosedDay:
    """One close: seconds and processor seconds of its parts, of the whole from request to completed, registers read."""

    seconds: float
    parts: dict[str, float]
    processor: dict[str, float]
    digest: str


@dataclass
class Restart:
    """Seconds from the start of a process until it is ready, until its next close stands, and of that of reading; processor
    seconds in all and of reading."""

    ready: float
    closed: float
    reading: float
    processor: float
    reading_processor: float
    digest: str


class Closers:
    """One closer at a time, and who asks it."""

    def __init__(self, settings: LiveSettings, fleet: Fleet, program: list[str], folder: Path) -> None:
        self._settings, self._fleet, self._program, self._folder = settings, fleet, program, folder
        self._marks = folder / "marks"
        self._running: Running | None = None
        self._asker = LiveCloser(settings, KafkaLogs(settings), Parameters(), clock.now)

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self._running = self._fleet.start(
            "closer", name="closer", program=self._program, environment={"HEADWAY_BENCH_MARKS": str(self._marks)}
        )
        self._running.ready(WAIT_SECONDS)

    def stop(self, *, forget: bool = False) -> None:
        """Stop it; forget: its segments too."""
        if self._running is not None:
            self._running.stop()
            self._running = None
        if forget:
            shutil.rmtree(self.state)

    @property
    def state(self) -> Path:
        """Where it keeps its segments."""
        return self._folder / "closer"

    @property
    def pid(self) -> int:
        """Of the process."""
        if self._running is None:
            raise ValueError("no closer runs")
        return self._running.process.pid

    @property
    def peak(self) -> int:
        """Bytes it held at most."""
        return peak_bytes(self.pid)

    @property
    def processor(self) -> float:
        """Seconds it used so far."""
        return processor_seconds(self.pid)

    def close(self, day: date) -> ClosedDay:
        """Ask for a close and wait for it; its parts by the closer's own marks, the whole by the broker's times of arrival."""
        before = self._written()
        digest = wait_for(self._asker, ask(self._asker, day), WAIT_SECONDS)
        time.sleep(0.5)
        marks = self._marks_from(before)
        requested, completed = self._control_times()
        return _closed(marks, requested, completed, digest)

    def restart(self, day: date, *, forget: bool = False) -> Restart:
        """Stop the closer, start it again (forget: without its segments), and close a day as soon as it is ready.

        One that has not been told yet that it leads computes the newest close before it is ready, as a follower does.
        """
        self.stop(forget=forget)
        before, begin = self._written(), time.time()
        self.start()
        ready = time.time() - begin
        digest = wait_for(self._asker, ask(self._asker, day), WAIT_SECONDS)
        read = [(float(at), float(used)) for at, used, where in self._marks_from(before) if where == "reading"]
        (first, used_first), (last, used_last) = read[0], read[-1]
        out = Restart(ready, self._control_times()[1] - begin, last - first, self.processor, used_last - used_first, digest)
        log(f"ready after {out.ready:.1f} s, closed after {out.closed:.1f} s, {out.reading:.1f} s of it reading")
        return out

    def _written(self) -> int:
        return self._marks.stat().st_size if self._marks.exists() else 0

    def _marks_from(self, begin: int) -> list[list[str]]:
        """Seconds, processor seconds and point, of what was written since."""
        with self._marks.open("r", encoding="utf-8") as file:
            file.seek(begin)
            return [line.rstrip("\n").split(" ", 2) for line in file]

    def _control_times(self) -> tuple[float, float]:
        """When the newest request and its completion were appended."""
        at: dict[str, float] = {}

        def keep(_: int, records: Any) -> None:  # noqa: ANN401 (records of aiokafka)
            for record in records:
                at[json.loads(record.value)["record"]] = record.timestamp / 1000

        KafkaLogs(self._settings).behind(topology.CONTROL, {}, keep)
        return at["requested"], at["completed"]


def _closed(marks: list[list[str]], requested: float, completed: float, digest: str) -> ClosedDay:
    wall: dict[str, float] = {}
    used: dict[str, float] = {}
    for at, processor, where in marks:
        first = where != "reading"
        if not (first and where in wall):
            wall[where], used[where] = float(at), float(processor)
    steps = {
        "wake up": ("", "requested"),
        "read": ("requested", "reading"),
        "merge, score, decide": ("reading", "digest"),
        "digest": ("digest", "scored"),
        "readings as JSON": ("scored", "before decided"),
        "decided, published, completed": ("before decided", ""),
    }
    wall[""], used[""] = requested, used["requested"]
    parts = {name: wall[end] - wall[begin] for name, (begin, end) in steps.items() if end}
    parts["decided, published, completed"] = completed - wall["before decided"]
    cores = {name: used[end] - used[begin] for name, (begin, end) in steps.items() if end}
    out = ClosedDay(completed - requested, parts, cores, digest)
    log(f"closed in {out.seconds:.1f} s: " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in parts.items()))
    return out
