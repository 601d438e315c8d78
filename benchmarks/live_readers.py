"""Who reads the register log how fast, doing the same work on the same records: decode, add up, keep."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
import venv
from pathlib import Path
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as Place
from kafka import KafkaConsumer, TopicPartition

from benchmarks.live_load import log
from models.store import RegisterStore
from streams import topology
from streams.decode import decode
from streams.kafka_logs import judged, positions_of
from streams.log_reader import end_offsets, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.live_settings import LiveSettings

__all__ = ["QUIX", "Readers"]

QUIX = "quixstreams==3.28.1"
PIECE = 5_000


class Readers:
    """Each gives registers a second and processor seconds per 1,000, over about `records` of them from the beginning of each partition."""

    def __init__(self, settings: LiveSettings, records: int, folder: Path, *, quix: bool) -> None:
        self._settings, self._folder = settings, folder
        ends = positions_of(topology.REGISTERS, asyncio.run(end_offsets(settings, topology.REGISTERS)))
        self._upto = {p: min(end, records // len(ends)) for p, end in ends.items()}
        self.records = sum(self._upto.values())
        self._topic = settings.topic(topology.REGISTERS)
        self.all: dict[str, Callable[[], tuple[float, float]]] = {
            "our closer's reader (aiokafka; exact positions, every offset accounted for)": lambda: self._timed(self._ours),
            "plain aiokafka loop, the same kernel": lambda: self._timed(lambda store: asyncio.run(self._aiokafka(store))),
            "plain kafka-python loop, the same kernel": lambda: self._timed(self._kafka_python),
        }
        if quix:
            self._python = self._environment()
            self.all |= {
                "Quix Streams 3.28.1, the same kernel": lambda: self._quix("kernel"),
                "Quix Streams 3.28.1, no state: record by record, a dictionary": lambda: self._quix("dictionary"),
                "Quix Streams 3.28.1, with state: record by record, RocksDB": lambda: self._quix("state"),
            }

    def play(self, rounds: int) -> dict[str, list[tuple[float, float]]]:
        """So many rounds, each begun by another one."""
        out: dict[str, list[tuple[float, float]]] = {name: [] for name in self.all}
        names = list(self.all)
        for turn in range(rounds):
            for name in names[turn:] + names[:turn]:
                out[name].append(self.all[name]())
                log(f"{name}: {out[name][-1][0]:,.0f} a second, {out[name][-1][1]:.4f} processor s per 1,000")
        return out

    def _timed(self, run: Callable[[RegisterStore], None]) -> tuple[float, float]:
        store, begin, used = RegisterStore(), time.perf_counter(), time.process_time()
        run(store)
        if len(store) != self.records:
            raise ValueError(f"{len(store)} registers of {self.records} were read")
        return len(store) / (time.perf_counter() - begin), 1000 * (time.process_time() - used) / len(store)

    def _ours(self, store: RegisterStore) -> None:
        asyncio.run(read(self._settings, topology.REGISTERS, {}, self._upto, lambda _, got: store.add(judged(got)[0])))

    async def _aiokafka(self, store: RegisterStore) -> None:
        consumer = AIOKafkaConsumer(**self._settings.client(), auto_offset_reset="earliest", enable_auto_commit=False)
        await consumer.start()
        left = {Place(self._topic, p): end for p, end in self._upto.items()}
        consumer.assign(list(left))
        await consumer.seek_to_beginning()
        while left:
            for place, got in (await consumer.getmany(*left, timeout_ms=1000, max_records=PIECE)).items():
                store.add(decode([r.value for r in got if r.offset < self._upto[place.partition]]).batch)
                if got[-1].offset + 1 >= left[place]:
                    del left[place]
                    consumer.pause(place)
        await consumer.stop()

    def _kafka_python(self, store: RegisterStore) -> None:
        consumer = KafkaConsumer(**self._settings.client(), auto_offset_reset="earliest", enable_auto_commit=False)
        left = {TopicPartition(self._topic, p): end for p, end in self._upto.items()}
        consumer.assign(list(left))
        consumer.seek_to_beginning()
        while left:
            for place, got in consumer.poll(timeout_ms=1000, max_records=PIECE).items():
                store.add(decode([r.value for r in got if r.offset < self._upto[place.partition]]).batch)
                if got[-1].offset + 1 >= left[place]:
                    del left[place]
                    consumer.pause(place)
        consumer.close()

    def _environment(self) -> Path:
        """A temporary one: what Quix pins is not what we pin."""
        log(f"an environment for {QUIX}")
        venv.create(self._folder / "quix", with_pip=True)
        python = self._folder / "quix" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "-q", QUIX, "msgspec", "numpy"], check=True)
        return python

    def _quix(self, how: str) -> tuple[float, float]:
        given = [self._settings.kafka, self._topic, str(self.records), how, str(self._folder)]
        root = Path(__file__).resolve().parents[1]
        done = subprocess.run(
            [self._python, "-m", "benchmarks.live_quix", *given],
            capture_output=True,
            text=True,
            check=False,
            cwd=root,
            env=os.environ | {"PYTHONPATH": str(root)},
        )
        if done.returncode:
            raise ValueError(f"Quix ended with {done.returncode}: {done.stderr[-500:]}")
        rate, used = done.stdout.split()[-2:]
        return float(rate), float(used)
