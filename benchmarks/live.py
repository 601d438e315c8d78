"""The live runner on real Kafka, all of England in one run: throughput, latency, closes, the year read again, the bill.

usage: python -m benchmarks.live [--schools 24000] [--days 190] [--year DIR] [--no-quix]
One broker, one producer, one worker and one closer share this machine; 5 GB in a temporary directory, deleted at the end, and
4 GB for the year's file in DIR, made there when it is not (kept; without --year it is temporary too). Some 20 minutes.
`--schools 600 --days 20` takes two. At full size it writes docs/evidence/live.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.england_year import england, write_england
from benchmarks.evidence import EVIDENCE
from benchmarks.live_closer import ClosedDay, Closers, Restart
from benchmarks.live_load import Noise, Year, broker_seconds, fill, log
from benchmarks.live_page import origin, write_page
from benchmarks.live_readers import Readers
from benchmarks.live_worker import Waits, Workers
from deploy.kafka.broker import Broker
from streams import topology
from streams.live_settings import LiveSettings
from streams.reference import read_reference
from streams.reference_publish import publish_reference
from streams.topics import declare
from tests.live.fleet import Fleet

if TYPE_CHECKING:
    from streams.topology import Log

__all__ = ["Measured", "main"]

ROUNDS = 3
HELD_BACK_DAYS = 7
"""Late in the year: closed and measured day by day."""
RATE = 200
READ_RECORDS = 300_000
CORRECTED = 20
BURST_SHARE = 11 / 12
"""22,000 of England's 24,000 schools."""


@dataclass
class Measured:
    """Everything that was measured, as it was: lists hold one figure for each round."""

    schools: int
    days: int
    registers: int = 0
    register_bytes: float = 0
    produced: float = 0
    broker: float = 0
    """Processor seconds of the broker for 1,000 registers that come in, at the speed of a backfill."""
    readers: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    first: ClosedDay | None = None
    closes: list[ClosedDay] = field(default_factory=list)
    corrected: ClosedDay | None = None
    """A close that finds registers of the year's first day corrected."""
    backlog: list[tuple[float, float]] = field(default_factory=list)
    burst_registers: int = 0
    burst: list[tuple[float, float]] = field(default_factory=list)
    burst_processor: float = 0
    quiet: Waits | None = None
    closing: Waits | None = None
    close_meanwhile: ClosedDay | None = None
    segments: Restart | None = None
    nothing: Restart | None = None
    segments_bytes: int = 0
    disk: dict[str, float] = field(default_factory=dict)
    """Bytes of a topic on the broker's disk, by the name of its log."""
    closer_peak: int = 0
    worker_peak: int = 0
    closes_published: int = 0
    noise: list[dict[str, Any]] = field(default_factory=list)


class Run:
    """One broker, the year, and the order of things."""

    def __init__(self, settings: LiveSettings, year: Year, fleet: Fleet, folder: Path, out: Measured) -> None:
        self._settings, self._year, self._folder, self._out = settings, year, folder, out
        self._workers = Workers(settings, fleet)
        self._closers = Closers(settings, fleet, [sys.executable, "-m", "benchmarks.live_marked"], folder)
        self._places: dict[bytes, int] = {}
        self._first: list[bytes] = []
        """Some registers of the first day, with more ill pupils."""
        self._noise = Noise(out.noise)

    def play(self, seconds: int, *, quix: bool) -> None:
        """All of it."""
        self.produce()
        self.readers(quix=quix)
        self.closes()
        self.worker(seconds)
        self.again()

    def _size(self, of: Log) -> int:
        logs = self._folder / "kafka" / "logs"
        return sum(f.stat().st_size for f in logs.glob(f"{self._settings.topic(of)}-*/*.log"))

    def produce(self) -> None:
        """All of the year but its last days."""
        out, before, lines = self._out, broker_seconds(), 0
        spent = 0.0
        for number in range(out.days - HELD_BACK_DAYS):
            day = [line for half in self._year.day() for line in half.lines]
            if not number:
                self._first = [line.replace(b'"revision": 0', b'"revision": 1').replace(b'"I": ', b'"I": 1', 1) for line in day[:CORRECTED]]
            begin = time.monotonic()
            asyncio.run(fill(self._settings, day, self._places))
            spent += time.monotonic() - begin
            lines += sum(map(len, day))
            out.registers += len(day)
            if number % 10 == 0:
                log(f"{out.registers:,} registers produced")
        out.produced, out.broker = out.registers / spent, 1000 * (broker_seconds() - before) / out.registers
        out.register_bytes = lines / out.registers
        out.disk[topology.REGISTERS.name] = self._size(topology.REGISTERS) / out.registers
        self._noise.stage("producing the year")

    def readers(self, *, quix: bool) -> None:
        """Side by side."""
        with tempfile.TemporaryDirectory(prefix="headway-readers-") as folder:
            self._out.readers = Readers(self._settings, READ_RECORDS, Path(folder), quix=quix).play(ROUNDS)
        self._noise.stage("readers side by side")

    def closes(self) -> None:
        """The first one, which reads the year from nothing, then a day at a time."""
        self._closers.start()
        self._out.first = self._closers.close(self._year.dates[self._year.taken // 2 - 1])
        self._noise.stage("the year from nothing, and a close")
        for _ in range(ROUNDS):
            am, pm = self._year.day()
            asyncio.run(fill(self._settings, am.lines + pm.lines, self._places))
            self._out.closes.append(self._closers.close(am.day))
        self._noise.stage("a day and its close, three times")
        asyncio.run(fill(self._settings, self._first, self._places))
        self._out.corrected = self._closers.close(am.day)
        self._out.closer_peak = self._closers.peak
        self._noise.stage("a close with a correction of the first day")

    def worker(self, seconds: int) -> None:
        """One worker beside a warm closer, late in the year."""
        out, workers = self._out, self._workers
        workers.start(events_only=True)
        out.backlog = [workers.backlog(self._year.half_day(), self._places) for _ in range(ROUNDS)]
        workers.stop()
        self._noise.stage("a backlog through Faust, three times")
        workers.start()
        out.burst_registers = round(out.schools * BURST_SHARE)
        used = workers.processor()
        out.burst = [workers.burst(self._year.half_day(), out.burst_registers) for _ in range(ROUNDS)]
        out.burst_processor = 1000 * (workers.processor() - used) / (ROUNDS * out.burst_registers)
        self._noise.stage("bursts")
        half, count = self._year.half_day(), min(out.schools // 2, RATE * seconds)
        out.quiet = workers.steady(half, half.lines[:count], RATE)
        self._noise.stage("a steady rate")

        def close() -> None:
            time.sleep(min(10, seconds / 4))
            out.close_meanwhile = self._closers.close(half.day)

        out.closing = workers.steady(half, half.lines[-count:], RATE, close)
        out.worker_peak = workers.peak
        workers.stop()
        self._noise.stage("a steady rate and a close")

    def again(self) -> None:
        """What is left of the year, and all of it read again: by a closer with its segments, by one with nothing."""
        out, left = self._out, 2 * self._out.days - self._year.taken
        for _ in range(left):
            asyncio.run(fill(self._settings, self._year.half_day().lines, self._places))
        last = self._year.dates[-1]
        out.segments_bytes = sum(f.stat().st_size for f in self._closers.state.glob("*.segment"))
        out.segments = self._closers.restart(last)
        self._noise.stage("the year from segments, and a close")
        out.nothing = self._closers.restart(last, forget=True)
        if out.nothing.digest != out.segments.digest:
            raise ValueError("the closes from segments and from nothing differ")
        out.closer_peak = max(out.closer_peak, self._closers.peak)
        self._closers.stop()
        out.registers = 2 * out.days * out.schools
        out.closes_published = len(out.closes) + 5
        for kind in (topology.READINGS, topology.ALERTS, topology.PROVISIONAL, topology.CONTROL):
            out.disk[kind.name] = self._size(kind)
        self._noise.stage("the whole year from nothing, and a close")


def remembered(measured: dict[str, Any]) -> Measured:
    """As it stands in live.json."""
    kinds = {"first": ClosedDay, "corrected": ClosedDay, "close_meanwhile": ClosedDay, "quiet": Waits, "closing": Waits}
    kinds |= {"segments": Restart, "nothing": Restart}
    single = {name: kind(**measured[name]) for name, kind in kinds.items()}
    return Measured(**measured | single | {"closes": [ClosedDay(**one) for one in measured["closes"]]})


def main() -> None:
    """Measure, and write the page at full size."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--schools", type=int, default=24_000)
    arguments.add_argument("--days", type=int, default=190)
    arguments.add_argument("--seconds", type=int, default=60, help="of the steady rates")
    arguments.add_argument("--year", type=Path, help="where `england_year` has written such a year, or shall")
    arguments.add_argument("--no-quix", action="store_true", help="installs nothing")
    arguments.add_argument("--page", action="store_true", help="write the page again from live.json; measures nothing")
    given = arguments.parse_args()
    if given.page:
        raw = json.loads((EVIDENCE / "live.json").read_text("utf-8"))
        write_page(remembered(raw["measured"]), raw["provenance"], keep=True)
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headway-live-")))
        where = given.year or folder / "year"
        if not (where / "sessions.jsonl").exists():
            write_england(where, schools=given.schools, days=given.days, layout="jsonl", corrected=0.0, seed=1)
        broker = stack.enter_context(Broker(folder / "kafka"))
        settings = LiveSettings(kafka=broker.start().bootstrap, topic_prefix=f"b{uuid.uuid4().hex[:8]}.", replication_factor=1)
        declare(settings)
        publish_reference(settings, read_reference(*(where / f"{name}.csv" for name in ("schools", "targets", "calendar"))))
        file = stack.enter_context((where / "sessions.jsonl").open("rb"))
        out = Measured(given.schools, given.days)
        fleet = stack.enter_context(Fleet(settings, folder))
        dates = [date(1970, 1, 1) + timedelta(days=day) for day in england(given.schools, given.days, 1).dates.tolist()]
        Run(settings, Year(file, given.schools, dates), fleet, folder, out).play(given.seconds, quix=not given.no_quix)
    full = (given.schools, given.days) == (24_000, 190)
    write_page(out, origin("python -m benchmarks.live"), keep=full)


if __name__ == "__main__":
    main()
