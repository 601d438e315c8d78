"""One script of arrivals and closes on both runners: the live one on Kafka, the embedded one on the records that Kafka holds.

The embedded runner is given each partition's records up to the positions of each close, the partitions interleaved in a way of
choice, and closes the same days. What the two publish must be the same bytes per key.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

import numpy as np

from models.parameters import BUDGET, Budget, Parameters
from schemas import acknowledgement, register
from schemas.errors import InvalidRegister
from schemas.reject import Reject
from streams import clock, topology
from streams.chain import Chain
from streams.close_command import ask, wait_for
from streams.kafka_logs import KafkaLogs, positions_of
from streams.kafka_publish import Outgoing, publish
from streams.live_closer import LiveCloser
from streams.log_reader import read
from streams.runner import EmbeddedRunner
from streams.sqlite_log import EmbeddedLogs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import date
    from pathlib import Path

    from aiokafka.structs import ConsumerRecord

    from streams.live_settings import LiveSettings
    from streams.replay import Reference
    from streams.topology import Log

__all__ = ["INTERLEAVINGS", "Arrival", "Published", "embedded", "live", "produce", "published"]


@dataclass(frozen=True)
class Arrival:
    """What comes before a close, and the day that is closed then."""

    day: date
    registers: Sequence[bytes]
    acknowledgements: Sequence[bytes] = ()


@dataclass
class Published:
    """By key: alerts and readings with their close number, in order of closes; rejects; state digests of the closes."""

    alerts: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)
    readings: dict[int, dict[str, bytes]] = field(default_factory=dict)
    rejects: dict[str, set[bytes]] = field(default_factory=dict)
    digests: list[tuple[date, str]] = field(default_factory=list)


def produce(settings: LiveSettings, log: Log, lines: Sequence[bytes]) -> None:
    """Send lines, keyed by the URN that they name (or by nothing, when that cannot be told)."""
    asyncio.run(publish(settings, [Outgoing(log, _key(line), line) for line in lines]))


def _key(line: bytes) -> bytes | None:
    try:
        return str(json.loads(line)["urn"]).encode()
    except (ValueError, KeyError, TypeError):
        return None


def live(settings: LiveSettings, script: Sequence[Arrival], parameters: Parameters | None = None) -> Published:
    """Play a script: at each cut everything is sent and acknowledged, the day closed and waited for. A closer is running."""
    asker = LiveCloser(settings, KafkaLogs(settings), parameters or Parameters(), clock.now)
    for arrival in script:
        produce(settings, topology.REGISTERS, arrival.registers)
        produce(settings, topology.ACKNOWLEDGEMENTS, arrival.acknowledgements)
        wait_for(asker, ask(asker, arrival.day), 120)
    return published(settings)


def whole(settings: LiveSettings, log: Log) -> list[ConsumerRecord]:
    """Every record of a topic, by partition and offset."""
    out: list[ConsumerRecord] = []
    KafkaLogs(settings).behind(log, {}, lambda _, got: out.extend(got))
    return sorted(out, key=lambda r: (r.partition, r.offset))


def published(settings: LiveSettings) -> Published:
    """What stands in the topics, each record id, (URN, close) and origin once; raises where a repeat says something else."""
    out, ids = Published(), dict[bytes, bytes]()
    alerts: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
    for record in whole(settings, topology.ALERTS):
        headers = dict(record.headers)
        if ids.setdefault(headers["record_id"], record.value) != record.value:
            raise ValueError(f"{headers['record_id']} was said twice and differently")
        if headers["alert_id"].decode() != json.loads(record.value)["alert_id"] or not headers["close_id"]:
            raise ValueError(f"{headers['record_id']} does not say whose it is: {headers}")
        said = (int(headers["close_number"]), record.value)
        if said not in alerts[record.key.decode()]:
            alerts[record.key.decode()].append(said)
    out.alerts = dict(alerts)
    for record in whole(settings, topology.READINGS):
        number = int(dict(record.headers)["close_number"])
        if out.readings.setdefault(number, {}).setdefault(record.key.decode(), record.value) != record.value:
            raise ValueError(f"the reading of {record.key} at close {number} was said twice and differently")
    for record in whole(settings, topology.REJECTS):
        out.rejects.setdefault(record.key.decode(), set()).add(record.value)
    folded = Chain.of(KafkaLogs(settings).control())
    out.digests = [(request.day, done.state_digest) for request, done in folded.completed]
    return out


def _in_turn(partitions: Sequence[Sequence[bytes]]) -> Iterable[bytes]:
    return (line for row in zip_longest(*partitions) for line in row if line is not None)


def _shuffled(partitions: Sequence[Sequence[bytes]]) -> Iterable[bytes]:
    """Seeded: the next line comes from a partition drawn among those that have any left; each keeps its order."""
    rng = np.random.default_rng(11)
    turns = rng.permutation(np.repeat(np.arange(len(partitions)), [len(p) for p in partitions]))
    held = [iter(p) for p in partitions]
    return (next(held[int(turn)]) for turn in turns)


INTERLEAVINGS: dict[str, Callable[[Sequence[Sequence[bytes]]], Iterable[bytes]]] = {
    "one partition after the other": chain.from_iterable,
    "round robin": _in_turn,
    "seeded": _shuffled,
}


def embedded(
    settings: LiveSettings,
    reference: Reference,
    folder: Path,
    interleave: Callable[[Sequence[Sequence[bytes]]], Iterable[bytes]],
    parameters: Parameters | None = None,
    budget: Budget = BUDGET,
) -> Published:
    """The embedded runner on what Kafka holds, up to the positions of the live runner's own closes, one after the other."""
    out = Published()
    alerts: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
    folder.mkdir(parents=True)
    with closing(EmbeddedLogs(folder / "headway.db")) as logs:
        runner = EmbeddedRunner(logs, reference, parameters or Parameters(), budget, clock.now)
        before: dict[str, int] = {}
        for number, (request, _) in enumerate(Chain.of(KafkaLogs(settings).control()).completed, 1):
            for log, append in ((topology.REGISTERS, logs.append_registers), (topology.ACKNOWLEDGEMENTS, logs.append_acknowledgements)):
                good = []
                for value in interleave(_between(settings, log, before, request.positions)):
                    try:
                        good.append(_canonical(log, value))
                    except InvalidRegister as error:
                        logs.append_rejects([Reject.of(value, error)])
                        out.rejects.setdefault(log.name, set()).add(Reject.of(value, error).to_line())
                append(good)
            before = request.positions
            runner.close(request.day, logs.end_positions())
            said, readings = logs.read_readings()
            if said != number:
                raise ValueError(f"close {number} published no readings")
            out.readings[number] = {str(urn): line for urn, line in readings.items()}
        for number, _, line in logs.read_alerts():
            said_of = json.loads(line)
            alerts[str(said_of["area"] if said_of["urn"] is None else said_of["urn"])].append((number, line))
        out.digests = [(request.day, done.state_digest) for request, done in runner.chain.completed]
    out.alerts = dict(alerts)
    return out


def _canonical(log: Log, value: bytes) -> bytes:
    if log is topology.REGISTERS:
        return register.canonical(register.parse(value))
    return acknowledgement.canonical(acknowledgement.parse(value))


def _between(settings: LiveSettings, log: Log, after: dict[str, int], upto: dict[str, int]) -> list[list[bytes]]:
    """The values of each partition between two closes."""
    out: dict[int, list[bytes]] = {p: [] for p in range(log.partitions)}
    starts = positions_of(log, after) or dict.fromkeys(out, 0)
    asyncio.run(read(settings, log, starts, positions_of(log, upto), lambda p, got: out[p].extend(r.value or b"" for r in got)))
    return list(out.values())
