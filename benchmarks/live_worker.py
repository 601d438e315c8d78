"""One `headway worker`: a backlog event by event, bursts, a steady rate, and the wait from a register's append to its reading's."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np

from benchmarks.live_load import fill, log, peak_bytes, processor_seconds, send
from streams import topology
from streams.kafka_logs import positions_of
from streams.log_reader import end_offsets, read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.live_load import HalfDay
    from streams.live_settings import LiveSettings
    from streams.topology import Log
    from tests.live.fleet import Fleet, Running

__all__ = ["Waits", "Workers"]

EVENTS_ONLY = "import streams.worker_intake as w; w.BEHIND_MAX = 10**9; w.STALE_SECONDS = 1e9; from streams.command import main; main()"
"""A worker that never reads in bulk what has come since its start."""
WAIT_SECONDS = 120


@dataclass
class Waits:
    """Seconds from a register's append to its reading's, of a steady rate; processor seconds per 1,000; registers without a reading."""

    p50: float
    p99: float
    longest: float
    processor: float
    without: int
    registers: int


class Workers:
    """One worker at a time."""

    def __init__(self, settings: LiveSettings, fleet: Fleet) -> None:
        self._settings, self._fleet = settings, fleet
        self._running: Running | None = None

    def start(self, *, events_only: bool = False) -> None:
        """Start one, and wait until it answers everything."""
        program = [sys.executable, "-c", EVENTS_ONLY] if events_only else None
        self._running = self._fleet.start("worker", program=program)
        self._running.ready(WAIT_SECONDS)
        time.sleep(3)

    def stop(self) -> None:
        """Stop it."""
        self._one.stop()
        self._running = None

    @property
    def _one(self) -> Running:
        if self._running is None:
            raise ValueError("no worker runs")
        return self._running

    @property
    def peak(self) -> int:
        """Bytes it held at most."""
        return peak_bytes(self._one.process.pid)

    def processor(self) -> float:
        """Seconds it used so far."""
        return processor_seconds(self._one.process.pid)

    def _taken(self) -> float:
        lines = httpx.get(f"http://127.0.0.1:{self._one.port}/metrics", timeout=10).text.splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("headway_registers_total "))

    def backlog(self, half: HalfDay, places: dict[bytes, int]) -> tuple[float, float]:
        """Registers a second and processor seconds per 1,000 of a backlog: the worker is held still while it is produced."""
        before, used, pid = self._taken(), self.processor(), self._one.process.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            asyncio.run(fill(self._settings, half.lines, places))
        finally:
            os.kill(pid, signal.SIGCONT)
        begin, count = time.monotonic(), len(half.lines)
        while self._taken() < before + count:
            if time.monotonic() - begin > WAIT_SECONDS or self._one.process.poll() is not None:
                raise TimeoutError(f"{self._taken() - before} of {count}:\n{self._one.tail()}")
            time.sleep(0.05)
        wall = time.monotonic() - begin
        log(f"backlog of {count:,}, event by event: {count / wall:,.0f} a second")
        return count / wall, 1000 * (self.processor() - used) / count

    def burst(self, half: HalfDay, count: int) -> tuple[float, float]:
        """Seconds from the first send until every school has its reading; of them, until all was acknowledged."""
        starts = asyncio.run(end_offsets(self._settings, topology.PROVISIONAL))
        begin = asyncio.run(send(self._settings, half.lines[:count]))
        produced, answered = time.time() - begin, dict[int, float]()
        while len(answered) < count:
            time.sleep(1)
            answered = self._answered(starts, half)
            if time.time() - begin > WAIT_SECONDS:
                raise TimeoutError(f"{len(answered)} of {count} schools are answered:\n{self._one.tail()}")
        log(f"burst of {count:,}: {max(answered.values()) - begin:.1f} s, produced in {produced:.1f} s")
        return max(answered.values()) - begin, produced

    def steady(self, half: HalfDay, lines: Sequence[bytes], rate: float, meanwhile: Callable[[], None] | None = None) -> Waits:
        """At a steady rate, with something else done meanwhile."""
        registers = asyncio.run(end_offsets(self._settings, topology.REGISTERS))
        starts = asyncio.run(end_offsets(self._settings, topology.PROVISIONAL))
        used = self.processor()

        async def both() -> None:
            other = asyncio.create_task(asyncio.to_thread(meanwhile or (lambda: None)))
            await send(self._settings, lines, rate)
            await other

        asyncio.run(both())
        time.sleep(4)
        used = self.processor() - used
        appended = dict[int, float]()
        for at, value in self._between(topology.REGISTERS, registers):
            register = json.loads(value)
            appended[register["urn"]] = at
        answered = self._answered(starts, half)
        waits = np.array([answered[urn] - at for urn, at in appended.items() if urn in answered])
        p50, p99 = np.quantile(waits, (0.5, 0.99)).tolist()
        without = len(appended) - len(waits)
        log(f"{rate:.0f} a second: p50 {p50:.2f} s, p99 {p99:.2f} s, longest {waits.max():.2f} s, {without} without a reading")
        return Waits(p50, p99, float(waits.max()), 1000 * used / len(lines), without, len(lines))

    def _answered(self, starts: dict[str, int], half: HalfDay) -> dict[int, float]:
        """When each school's first reading with this session was appended, since some positions."""
        out: dict[int, float] = {}
        for at, value in self._between(topology.PROVISIONAL, starts):
            for said in json.loads(value):
                if said["attendance_date"] == str(half.day) and half.session in said["sessions"]:
                    out[said["urn"]] = min(out.get(said["urn"], at), at)
        return out

    def _between(self, of: Log, starts: dict[str, int]) -> list[tuple[float, bytes]]:
        """Time of arrival and value of what has come since."""
        out: list[tuple[float, bytes]] = []

        def take(_: int, records: Sequence[Any]) -> None:
            out.extend((record.timestamp / 1000, record.value) for record in records)

        async def all_of_it() -> None:
            ends = await end_offsets(self._settings, of)
            if any(starts[name] < end for name, end in ends.items()):
                await read(self._settings, of, positions_of(of, starts), positions_of(of, ends), take)

        asyncio.run(all_of_it())
        return out
