"""What the live benchmarks share: the year a half-day at a time, producing it, and what processes use of the machine."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from aiokafka import AIOKafkaProducer
from kafka.partitioner import murmur2

from streams import topology
from streams.produce import Offered, register_record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from typing import BinaryIO

    from streams.live_settings import LiveSettings

__all__ = ["HalfDay", "Noise", "Year", "fill", "log", "median", "peak_bytes", "processor_seconds", "send"]

TICKS = os.sysconf("SC_CLK_TCK")
SOURCE = "simulated-export"


def log(text: str) -> None:
    """Progress."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def median(numbers: Sequence[float]) -> float:
    """Of a few measurements."""
    return float(np.median(numbers))


@dataclass(frozen=True)
class HalfDay:
    """The registers of one date and session, of every school once; as they stand in the file."""

    day: date
    session: str
    lines: list[bytes]


@dataclass
class Year:
    """A file of `england_year` without corrections, read on and on: each half-day holds every school once."""

    file: BinaryIO
    schools: int
    dates: list[date]
    taken: int = 0

    def half_day(self) -> HalfDay:
        """The next one."""
        lines = [line[:-1] for line in islice(self.file, self.schools)]
        first, day = json.loads(lines[0]), self.dates[self.taken // 2]
        if len(lines) != self.schools or first["attendance_date"] != str(day):
            raise ValueError(f"the file ends at, or is not of, {day}: take another directory, or --schools as it was made with")
        self.taken += 1
        return HalfDay(day, first["session"], lines)

    def day(self) -> list[HalfDay]:
        """Both of the next day."""
        return [self.half_day(), self.half_day()]


def urn_of(line: bytes) -> bytes:
    """As it stands in a line of the year."""
    return line[8 : line.index(b",")]


async def fill(settings: LiveSettings, lines: Sequence[bytes], places: dict[bytes, int]) -> None:
    """Lines into the register log as fast as it goes: whole batches by partition, with the headers that `headway produce` gives."""
    topic, partitions = settings.topic(topology.REGISTERS), topology.REGISTERS.partitions
    producer = AIOKafkaProducer(**settings.client(), acks="all", enable_idempotence=True, max_batch_size=250_000, linger_ms=0)
    await producer.start()
    try:
        builders, sends = [producer.create_batch() for _ in range(partitions)], []
        for line in lines:
            key = urn_of(line)
            p = places.get(key)
            if p is None:
                p = places[key] = (murmur2(key) & 0x7FFFFFFF) % partitions
            headers = list(register_record(Offered(int(key), SOURCE, line)).headers)
            if builders[p].append(key=key, value=line, timestamp=None, headers=headers) is None:
                sends.append(await producer.send_batch(builders[p], topic, partition=p))
                builders[p] = producer.create_batch()
                builders[p].append(key=key, value=line, timestamp=None, headers=headers)
        sends += [await producer.send_batch(b, topic, partition=p) for p, b in enumerate(builders) if b.record_count()]
        await asyncio.gather(*sends)
    finally:
        await producer.stop()


async def send(settings: LiveSettings, lines: Sequence[bytes], rate: float | None = None) -> float:
    """Send registers one by one at a rate, or as fast as it goes, as a producer of the field would; when the first was sent."""
    producer = AIOKafkaProducer(**settings.client(), acks="all", enable_idempotence=True, linger_ms=5 if rate is None else 1)
    await producer.start()
    topic, waiting, begin = settings.topic(topology.REGISTERS), [], time.time()
    try:
        for i, line in enumerate(lines):
            if rate is not None and (ahead := begin + i / rate - time.time()) > 0:
                await asyncio.sleep(ahead)
            record = register_record(Offered(int(urn_of(line)), SOURCE, line))
            waiting.append(await producer.send(topic, line, record.key, headers=list(record.headers)))
        await asyncio.gather(*waiting)
    finally:
        await producer.stop()
    return begin


def _times(pid: int | str) -> list[int]:
    """User, system, and those of its children that have ended, in ticks."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return [0, 0, 0, 0]
    return [int(x) for x in fields[11:15]]


def processor_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    return sum(_times(pid)[:2]) / TICKS


def peak_bytes(pid: int) -> int:
    """The most memory that a process has held (VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def _family(root: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(folder.name))
    out = [root]
    for one in out:
        out += children.get(one, [])
    return out


def broker_seconds() -> float:
    """Processor time of the broker that this process has started."""
    return sum(processor_seconds(pid) for pid in _family(os.getpid()) if _is_java(pid))


def _is_java(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text("utf-8").strip() == "java"
    except OSError:
        return False


@dataclass
class Noise:
    """What others took of this machine meanwhile, in cores, a figure for each stage."""

    stages: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._mark = self._now()

    @staticmethod
    def _now() -> tuple[float, float, float]:
        """Wall seconds; processor seconds of the machine and of our own processes."""
        busy = [int(x) for x in Path("/proc/stat").read_text("utf-8").split("\n", 1)[0].split()[1:9]]
        ours = sum(sum(_times(pid)) for pid in _family(os.getpid()))
        return time.monotonic(), (sum(busy) - busy[3] - busy[4]) / TICKS, ours / TICKS

    def stage(self, name: str) -> None:
        """Since the last call, this was done."""
        wall, busy, ours = (b - a for a, b in zip(self._mark, self._now(), strict=True))
        self._mark = self._now()
        self.stages.append({"stage": name, "seconds": round(wall), "cores taken by others": round(max(0.0, busy - ours) / wall, 2)})
        log(f"{name}: {wall:.0f} s, others took {self.stages[-1]['cores taken by others']} cores")
