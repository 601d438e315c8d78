"""One `headway worker` on real Kafka: registers a second, a burst, and how long a register waits for its provisional reading.

usage: python -m benchmarks.live_worker [--kafka HOST:PORT] [--schools 24000] [--seconds 60] [--with-close]
Registers of five year groups (480 bytes) of as many schools, through a broker that shares this machine; writes
docs/evidence/live_worker.md. `--with-close`: a closer closes the first day while registers come.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
from aiokafka import AIOKafkaProducer

from benchmarks.england_year import write_england
from benchmarks.evidence import write
from deploy.kafka.broker import Broker
from models.parameters import Parameters
from streams import clock, topology
from streams.close_command import ask, wait_for
from streams.kafka_logs import KafkaLogs, positions_of
from streams.live_closer import LiveCloser
from streams.live_settings import LiveSettings
from streams.log_reader import end_offsets, read
from streams.reference import read_reference
from streams.reference_publish import publish_reference
from streams.topics import declare
from tests.live.fleet import Fleet, Running

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EVENTS_ONLY = "import streams.worker_intake as w; w.BEHIND_MAX = 10**9; from streams.command import main; main()"
"""A worker that never reads in bulk what has come since its start."""
BURST = 22_000
RATE = 200
TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(one: Running) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{one.process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def taken(one: Running) -> float:
    """Records that the worker says it has taken in."""
    lines = httpx.get(f"http://127.0.0.1:{one.port}/metrics", timeout=5).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("headway_registers_total "))


async def send(settings: LiveSettings, lines: Sequence[bytes], rate: float | None = None) -> dict[int, float]:
    """Send registers at a rate, or as fast as it goes; when each was sent, by URN."""
    producer = AIOKafkaProducer(**settings.client(), acks="all", enable_idempotence=True, linger_ms=5 if rate is None else 1)
    await producer.start()
    sent, waiting, begin = {}, [], time.time()
    try:
        for i, line in enumerate(lines):
            if rate is not None and (ahead := begin + i / rate - time.time()) > 0:
                await asyncio.sleep(ahead)
            urn = json.loads(line)["urn"] if rate is not None else int(line[8 : line.index(b",")])
            sent[urn] = time.time()
            waiting.append(await producer.send(settings.topic(topology.REGISTERS), line, str(urn).encode()))
        await asyncio.gather(*waiting)
    finally:
        await producer.stop()
    return sent


async def answered(settings: LiveSettings, starts: dict[str, int], session: str) -> dict[int, float]:
    """When each school's first reading with this session was appended, of the records since some positions."""
    out: dict[int, float] = {}

    def take(_: int, records: Sequence[Any]) -> None:
        for record in records:
            for said in json.loads(record.value):
                if session in said["sessions"]:
                    out[said["urn"]] = min(out.get(said["urn"], 9e9), record.timestamp / 1000)

    ends = await end_offsets(settings, topology.PROVISIONAL)
    if any(starts[name] < end for name, end in ends.items()):
        log = topology.PROVISIONAL
        await read(settings, log, positions_of(log, starts), positions_of(log, ends), take)
    return out


def wait_until(one: Running, count: float, seconds: float = 120) -> float:
    """When so many records were taken in."""
    until = time.time() + seconds
    while taken(one) < count:
        if time.time() > until or one.process.poll() is not None:
            raise TimeoutError(f"{taken(one)} of {count}:\n{one.tail()}")
        time.sleep(0.05)
    return time.time()


def event_by_event(settings: LiveSettings, fleet: Fleet, lines: Sequence[bytes]) -> dict[str, Any]:
    """All of it through Faust's events alone."""
    one = fleet.start("worker", program=[sys.executable, "-c", EVENTS_ONLY])
    one.ready()
    used, before = processor_seconds(one), taken(one)
    asyncio.run(send(settings, lines[:200]))  # Connections and first batches are not what is measured.
    wait_until(one, before + 200)
    begin, used = time.time(), processor_seconds(one)
    asyncio.run(send(settings, lines[200:]))
    produced = time.time() - begin
    wall = wait_until(one, before + len(lines)) - begin
    used = processor_seconds(one) - used
    one.stop()
    count = len(lines) - 200
    return {
        "what": f"{count:,} registers, event by event",
        "registers/s": round(count / wall),
        "processor, s per 1,000": round(1000 * used / count, 3),
        "remark": f"produced in {produced:.1f} s",
    }


def burst(settings: LiveSettings, fleet: Fleet, lines: Sequence[bytes]) -> dict[str, Any]:
    """Until every school of a burst has its reading."""
    one = fleet.start("worker")
    one.ready()
    time.sleep(3)
    starts = asyncio.run(end_offsets(settings, topology.PROVISIONAL))
    begin, used = time.time(), processor_seconds(one)
    sent = asyncio.run(send(settings, lines))
    produced, held = time.time() - begin, dict[int, float]()
    while len(held) < len(sent):
        time.sleep(0.5)
        held = asyncio.run(answered(settings, starts, "PM"))
        if time.time() - begin > 60:
            raise TimeoutError(f"{len(held)} of {len(sent)} schools are answered:\n{one.tail()}")
    wall = max(held.values()) - begin
    time.sleep(2)
    used = processor_seconds(one) - used
    one.stop()
    return {
        "what": f"burst of {len(lines):,}, until every school has its reading",
        "registers/s": round(len(lines) / wall),
        "processor, s per 1,000": round(1000 * used / len(lines), 3),
        "remark": f"{wall:.1f} s from the first send; produced in {produced:.1f} s",
    }


def steady(settings: LiveSettings, fleet: Fleet, lines: Sequence[bytes], closing: Callable[[], float] | None = None) -> dict[str, Any]:
    """At a steady rate: the wait from the sending of a register to the append of its reading."""
    one = fleet.start("worker")
    one.ready()
    time.sleep(3)
    starts = asyncio.run(end_offsets(settings, topology.PROVISIONAL))
    used = processor_seconds(one)

    async def both() -> tuple[dict[int, float], float]:
        close = asyncio.create_task(asyncio.to_thread(closing or float))
        return await send(settings, lines, RATE), await close

    sent, closed = asyncio.run(both())
    time.sleep(3)
    used = processor_seconds(one) - used
    held = asyncio.run(answered(settings, starts, json.loads(lines[0])["session"]))
    waits = np.array([held[urn] - at for urn, at in sent.items() if urn in held])
    one.stop()
    p50, p99 = np.quantile(waits, (0.5, 0.99))
    return {
        "what": f"{RATE} a second for {len(lines) // RATE} s" + (", a close of all schools meanwhile" if closing else ""),
        "registers/s": RATE,
        "processor, s per 1,000": round(1000 * used / len(lines), 3),
        "remark": f"to the reading: p50 {p50:.2f} s, p99 {p99:.2f} s, longest {waits.max():.2f} s; {len(sent) - len(waits)} without one"
        + (f"; the close took {closed:.1f} s" if closing else ""),
    }


def main() -> None:
    """Measure and write the page."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--kafka")
    arguments.add_argument("--schools", type=int, default=24_000)
    arguments.add_argument("--seconds", type=int, default=60)
    arguments.add_argument("--with-close", action="store_true")
    arguments.add_argument("--only", default="event burst steady")
    given = arguments.parse_args()
    rows = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headway-worker-")))
        kafka = given.kafka or stack.enter_context(Broker(folder / "kafka")).start().bootstrap
        settings = LiveSettings(kafka=kafka, topic_prefix=f"b{uuid.uuid4().hex[:8]}.", replication_factor=1)
        declare(settings)
        write_england(folder, schools=given.schools, days=2, layout="jsonl", corrected=0.0, seed=1)
        publish_reference(settings, read_reference(*(folder / f"{name}.csv" for name in ("schools", "targets", "calendar"))))
        lines = (folder / "sessions.jsonl").read_bytes().splitlines()
        am, pm, then = (lines[i * given.schools : (i + 1) * given.schools] for i in range(3))
        fleet = stack.enter_context(Fleet(settings, folder))
        if "event" in given.only:
            rows.append(event_by_event(settings, fleet, am))
        if "burst" in given.only:
            rows.append(burst(settings, fleet, pm[:BURST]))
        if "steady" in given.only:
            rows.append(steady(settings, fleet, then[: given.seconds * RATE]))
        if given.with_close:
            rows.append(with_close(settings, fleet, lines, given))
    for row in rows:
        print(json.dumps(row))
    if given.only == "event burst steady":
        notes = ["Broker, producer, worker (and closer) share the cores. A reading is appended at most every 250 ms for each partition."]
        write("live_worker", "One worker on Kafka", "python -m benchmarks.live_worker --with-close", rows, notes)


def with_close(settings: LiveSettings, fleet: Fleet, lines: Sequence[bytes], given: argparse.Namespace) -> dict[str, Any]:
    """A steady rate while the first day of all schools is closed by a closer beside the worker."""
    fleet.start("closer").ready(180)
    asker = LiveCloser(settings, KafkaLogs(settings), Parameters(), clock.now)
    day = json.loads(lines[0])["attendance_date"]

    def close() -> float:
        time.sleep(10)
        begin = time.time()
        wait_for(asker, ask(asker, date.fromisoformat(day)), 300)
        return time.time() - begin

    return steady(settings, fleet, lines[3 * given.schools :][: given.seconds * RATE], close)


if __name__ == "__main__":
    main()
