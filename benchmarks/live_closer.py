"""The closer on a real Kafka that holds a year of England: read from nothing, close a day in June, start again from segments.

usage: python -m benchmarks.live_closer --work DIR [--schools 24000] [--days 190] [--quix]
Beside it, on the same broker, records and kernel (decode, add up, store): a plain aiokafka loop and a kafka-python loop, the
floor; and with --quix Quix Streams with and without state, a peer, in an environment of its own. DIR keeps the year's file
(4.3 GB); the broker's directory (5 GB) is deleted. About 15 minutes. Writes docs/evidence/live_closer.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
import venv
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer
from kafka import KafkaConsumer, TopicPartition
from kafka.partitioner import murmur2

from benchmarks.england_year import write_england
from benchmarks.evidence import write
from deploy.kafka.broker import Broker
from models.parameters import Parameters
from models.store import RegisterStore
from streams import clock, topology
from streams.kafka_logs import KafkaLogs, judged, positions_of
from streams.live_closer import LiveCloser, identity_of
from streams.live_settings import LiveSettings
from streams.log_reader import end_offsets, read
from streams.reference import read_reference
from streams.reference_publish import publish_reference
from streams.snapshot import Segments
from streams.topics import declare

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date
    from typing import BinaryIO

PIECE = 48_000
FLOOR_RECORDS = 1_000_000
QUIX = "quixstreams==3.28.1"


def main() -> None:
    """Play it and write the page."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--schools", type=int, default=24_000)
    arguments.add_argument("--days", type=int, default=190)
    arguments.add_argument("--quix", action="store_true")
    given = arguments.parse_args()
    file = given.work / "sessions.jsonl"
    if not file.exists():
        write_england(given.work, schools=given.schools, days=given.days, layout="jsonl", corrected=0.0, seed=1)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="headway-live-") as folder, Broker(Path(folder) / "kafka") as broker:
        settings = LiveSettings(kafka=broker.start().bootstrap, replication_factor=1, state_dir=Path(folder) / "state")
        declare(settings)
        publish_reference(settings, read_reference(*(given.work / f"{name}.csv" for name in ("schools", "targets", "calendar"))))
        _play(settings, file, rows, quix=given.quix)
    command = f"python -m benchmarks.live_closer --work DIR --schools {given.schools} --days {given.days}" + " --quix" * given.quix
    write("live_closer", "The closer on Kafka, all of England", command, rows, NOTES)


NOTES = [
    "One broker, producer and closer share the two cores; everything in one run. Read means decoded, added up and kept by column.",
    "CPU is of the closer's process alone. Its memory holds every register of the year, code by code and year group by year group.",
]


def _play(settings: LiveSettings, file: Path, rows: list[dict[str, Any]], *, quix: bool) -> None:
    *before, last = _days(file)
    seconds, records = asyncio.run(_produce(settings, file, 0, last[1]))
    rows.append(
        {"what": f"{records:,} registers produced (aiokafka, batches)", "measured": f"{records / seconds:,.0f} a second", "goal": ""}
    )
    rows += _floors(settings, quix=quix)
    segments = Segments(settings.state_dir, identity_of(settings))
    marks: list[tuple[str, float]] = []
    closer = LiveCloser(
        settings, KafkaLogs(settings, segments), Parameters(), clock.now, at=lambda p: marks.append((p, time.perf_counter()))
    )
    rows += _timed(closer, before[-1][0], marks, f"a year from nothing ({records:,} registers) and a close", "190 s")
    asyncio.run(_produce(settings, file, last[1], file.stat().st_size))
    rows += _timed(closer, last[0], marks, f"the next day's close, {_schools(settings)} schools", "10 s")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    rows.append({"what": "peak memory of the closer", "measured": f"{memory:.2f} GiB", "goal": ""})
    segments.close()
    begin = time.perf_counter()
    segments = Segments(settings.state_dir, identity_of(settings))
    again = LiveCloser(settings, KafkaLogs(settings, segments), Parameters(), clock.now)
    again.follow()
    same = again.compute(again.chain.completed[-1][0]).state_digest == again.chain.completed[-1][1].state_digest
    rows.append(
        {
            "what": "started again from its segments on disk",
            "measured": f"{time.perf_counter() - begin:.1f} s, digest equal: {same}",
            "goal": "",
        }
    )
    size = sum(f.stat().st_size for f in settings.state_dir.glob("*.segment"))
    rows.append({"what": "segments on disk", "measured": f"{size / 1e9:.2f} GB", "goal": ""})


def _timed(closer: LiveCloser, day: date, marks: list[tuple[str, float]], what: str, goal: str) -> list[dict[str, Any]]:
    """One close by parts: from the request to `completed`."""
    marks.clear()
    cpu, begin = time.process_time(), time.perf_counter()
    closer.put(closer.request(day, closer.ends()))
    closer.resume()
    end, cpu = time.perf_counter(), time.process_time() - cpu
    first: dict[str, float] = {}
    latest: dict[str, float] = {}
    for point, at in marks:
        first.setdefault(point, at)
        latest[point] = at
    read_seconds = latest["reading"] - first["requested"]
    parts = {
        "read": read_seconds,
        "merge, score, decide, digest": first["scored"] - latest["reading"],
        "readings as JSON, decided": first["decided"] - first["scored"],
        "publish, completed": end - first["decided"],
    }
    positions = closer.chain.completed[-1][0].positions
    before = closer.chain.completed[-2][0].positions if len(closer.chain.completed) > 1 else {}
    records = sum(offset - before.get(place, 0) for place, offset in positions.items())
    shown = ", ".join(f"{name} {seconds:.1f}" for name, seconds in parts.items())
    return [
        {"what": what, "measured": f"{end - begin:.1f} s ({shown})", "goal": goal},
        {"what": "… read at", "measured": f"{records / read_seconds:,.0f} registers a second", "goal": "50,000"},
        {"what": "… CPU", "measured": f"{cpu:.1f} s", "goal": ""},
    ]


def _days(file: Path) -> list[tuple[date, int]]:
    """Each school day and the byte at which its registers begin: a day's stand together."""
    out: list[tuple[date, int]] = []
    size, at = file.stat().st_size, 0
    with file.open("rb") as source:
        while at < size:
            source.seek(at)
            day = datetime.fromisoformat(json.loads(source.readline())["attendance_date"]).date()
            if not out or out[-1][0] != day:
                out.append((day, at))
            at = _next_day(source, at, size, day)
    return out


def _next_day(source: BinaryIO, low: int, size: int, day: date) -> int:
    """The first line behind `low` that is of another day, found by halving."""
    mark, step = f'"attendance_date": "{day}"'.encode(), 1 << 24
    high = low
    while high < size:
        high = min(high + step, size)
        source.seek(high)
        source.readline()
        line = source.readline()
        if not line or mark not in line:
            break
    while high - low > 1024:
        middle = (low + high) // 2
        source.seek(middle)
        source.readline()
        line = source.readline()
        low, high = (middle, high) if line and mark in line else (low, middle)
    source.seek(low)
    source.readline()
    at = source.tell()
    while (line := source.readline()) and mark in line:
        at = source.tell()
    return at if line else size


async def _produce(settings: LiveSettings, file: Path, begin: int, end: int) -> tuple[float, int]:
    """Lines between two bytes of a file, as whole batches by partition; seconds and records."""
    topic, partitions = settings.topic(topology.REGISTERS), topology.REGISTERS.partitions
    producer = AIOKafkaProducer(**settings.client(), acks="all", enable_idempotence=True, max_batch_size=250_000, linger_ms=0)
    await producer.start()
    started, records, at = time.perf_counter(), 0, begin
    place: dict[bytes, int] = {}
    try:
        with file.open("rb") as source:
            source.seek(begin)
            while at < end:
                builders = [producer.create_batch() for _ in range(partitions)]
                sends = []
                for _ in range(PIECE):
                    line = source.readline()
                    at += len(line)
                    key = line[8 : line.index(b",")]
                    p = place.get(key)
                    if p is None:
                        p = place[key] = (murmur2(key) & 0x7FFFFFFF) % partitions
                    if builders[p].append(key=key, value=line[:-1], timestamp=None) is None:
                        sends.append(await producer.send_batch(builders[p], topic, partition=p))
                        builders[p] = producer.create_batch()
                        builders[p].append(key=key, value=line[:-1], timestamp=None)
                    records += 1
                    if at >= end:
                        break
                sends += [await producer.send_batch(b, topic, partition=p) for p, b in enumerate(builders) if b.record_count()]
                await asyncio.gather(*sends)
                print(f"\r{records:>10,} produced, {time.perf_counter() - started:.0f} s", end="", file=sys.stderr, flush=True)
    finally:
        await producer.stop()
    print(file=sys.stderr)
    return time.perf_counter() - started, records


def _some(settings: LiveSettings) -> dict[int, int]:
    """About a million records from the beginning, by partition."""
    ends = positions_of(topology.REGISTERS, asyncio.run(end_offsets(settings, topology.REGISTERS)))
    return {p: min(end, FLOOR_RECORDS // len(ends)) for p, end in ends.items()}


def _floors(settings: LiveSettings, *, quix: bool) -> Iterator[dict[str, Any]]:
    upto = _some(settings)
    records = sum(upto.values())
    for name, run in (("our reader (aiokafka, exact positions)", _by_reader), ("kafka-python loop", _by_kafka_python)):
        store = RegisterStore()
        begin = time.perf_counter()
        run(settings, upto, store)
        rate = len(store) / (time.perf_counter() - begin)
        yield {"what": f"{name}, {records:,} registers decoded, added up, stored", "measured": f"{rate:,.0f} a second", "goal": ""}
    begin = time.perf_counter()
    asyncio.run(read(settings, topology.REGISTERS, {}, upto, lambda _, __: None))
    yield {"what": "plain aiokafka loop, bytes only", "measured": f"{records / (time.perf_counter() - begin):,.0f} a second", "goal": ""}
    if quix:
        yield from _quix(settings, records)


def _by_reader(settings: LiveSettings, upto: Mapping[int, int], store: RegisterStore) -> None:
    asyncio.run(read(settings, topology.REGISTERS, {}, upto, lambda _, got: store.add(judged(got)[0])))


def _by_kafka_python(settings: LiveSettings, upto: Mapping[int, int], store: RegisterStore) -> None:
    consumer = KafkaConsumer(**settings.client(), auto_offset_reset="none", enable_auto_commit=False, max_partition_fetch_bytes=8 * 2**20)
    places = {TopicPartition(settings.topic(topology.REGISTERS), p): end for p, end in upto.items()}
    consumer.assign(list(places))
    for place in places:
        consumer.seek(place, 0)
    left = dict(places)
    while left:
        for place, got in consumer.poll(timeout_ms=1000, max_records=5000).items():
            wanted = [r for r in got if r.offset < places[place]]
            if wanted:
                store.add(judged(wanted)[0])
            if got[-1].offset + 1 >= places[place]:
                left.pop(place, None)
                consumer.pause(place)
    consumer.close()


def _quix(settings: LiveSettings, records: int) -> Iterator[dict[str, Any]]:
    """In an environment of its own: its pins are not ours."""
    with tempfile.TemporaryDirectory(prefix="headway-quix-") as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "-q", QUIX, "msgspec"], check=True)
        for state in ("no", "yes"):
            script = Path(__file__).with_name("quix_loop.py")
            done = subprocess.run(
                [python, script, settings.kafka, settings.topic(topology.REGISTERS), str(min(records, 200_000)), state, folder],
                capture_output=True,
                text=True,
                check=False,
            )
            said = (
                done.stdout.strip().splitlines()[-1]
                if done.returncode == 0 and done.stdout.strip()
                else f"did not run: {done.stderr[-200:]}"
            )
            yield {
                "what": f"Quix Streams 3.28.1, {'RocksDB state' if state == 'yes' else 'no state'}, decoded and added up",
                "measured": said,
                "goal": "",
            }


def _schools(settings: LiveSettings) -> str:
    return f"{len(KafkaLogs(settings).readings(1)):,}"


if __name__ == "__main__":
    main()
