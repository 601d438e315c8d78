"""Topics read in bulk between named offsets, by a plain consumer without a group: exactly these records, or a named error."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from schemas.errors import HeadwayError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from aiokafka.structs import ConsumerRecord

    from streams.live_settings import LiveSettings
    from streams.topology import Log

__all__ = ["BrokerUnavailable", "Ends", "PositionLost", "end_offsets", "offsets_at", "read"]

RECORDS_MAX = 5_000
STALLED_SECONDS_MAX = 30.0
ANSWER_SECONDS_MAX = 15.0
_FETCH_BYTES = 8 * 1024**2
_POLL_MS = 1_000


class BrokerUnavailable(HeadwayError):
    """Kafka does not answer now; what was asked for may be asked for again."""

    temporary = True


class PositionLost(HeadwayError):
    """A position lies outside the log: its records are gone, or it is another log."""


async def read(
    settings: LiveSettings,
    log: Log,
    starts: Mapping[int, int],
    ends: Mapping[int, int],
    take: Callable[[int, Sequence[ConsumerRecord]], None],
) -> int:
    """Give `take` the records of each partition with start <= offset < end, in the order of their offsets.

    The result counts the offsets of them that held no record. A partition without a start is read from the first record that
    the log still holds. The event loop has its turn after each call of `take`.

    Raises
    ------
    PositionLost
        A start before the log's first record or an end behind its last: never a shorter answer.
    BrokerUnavailable
        No record came for `STALLED_SECONDS_MAX`.
    """
    consumer = AIOKafkaConsumer(
        **settings.client(),
        auto_offset_reset="none",
        enable_auto_commit=False,
        fetch_max_bytes=6 * _FETCH_BYTES,
        max_partition_fetch_bytes=_FETCH_BYTES,
        check_crcs=True,
        retry_backoff_ms=20,
    )
    topic = settings.topic(log)
    try:
        try:
            partitions = [TopicPartition(topic, p) for p in ends]
            async with asyncio.timeout(2 * ANSWER_SECONDS_MAX):  # It waits for ever for a topic that is not there.
                await consumer.start()
                first, last = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
            at = {p: starts.get(p.partition, first[p]) for p in partitions}
            for p in partitions:
                if max(ends[p.partition], at[p]) > last[p] or (at[p] < first[p] and at[p] < ends[p.partition]):
                    raise PositionLost(
                        f"{topic}/{p.partition}: {at[p]} to {ends[p.partition]} is asked for, the log holds {first[p]} to {last[p]}. "
                        "Is it the same topic, and is its retention long enough?"
                    )
            return await _drain(consumer, {p: at[p] for p in partitions if at[p] < ends[p.partition]}, ends, take)
        finally:
            await consumer.stop()
    except OffsetOutOfRangeError as error:
        raise PositionLost(f"{topic}: records went away while they were read. Is its retention long enough?") from error
    except (KafkaError, OSError) as error:
        raise BrokerUnavailable(f"{settings.kafka}: reading {topic} failed ({type(error).__name__}). Is the broker up?") from error


async def _drain(
    consumer: AIOKafkaConsumer,
    at: dict[TopicPartition, int],
    ends: Mapping[int, int],
    take: Callable[[int, Sequence[ConsumerRecord]], None],
) -> int:
    consumer.assign(list(at))
    for partition, offset in at.items():
        consumer.seek(partition, offset)
    holes = 0
    while at:
        async with asyncio.timeout(STALLED_SECONDS_MAX):
            got = await consumer.getmany(*at, timeout_ms=_POLL_MS, max_records=RECORDS_MAX)
            while not got:
                got = await consumer.getmany(*at, timeout_ms=_POLL_MS, max_records=RECORDS_MAX)
        for partition, records in got.items():
            end = ends[partition.partition]
            wanted = [r for r in records if r.offset < end]
            if wanted:
                take(partition.partition, wanted)
                await asyncio.sleep(0)
            reached = min(records[-1].offset + 1, end)
            holes += reached - at[partition] - len(wanted)
            at[partition] = reached
            if reached == end:
                del at[partition]
                consumer.pause(partition)
    return holes


async def end_offsets(settings: LiveSettings, *logs: Log) -> dict[str, int]:
    """Where each partition of these logs ends, by "log/partition"."""
    return await _offsets(settings, logs, lambda consumer, partitions: consumer.end_offsets(partitions))


async def beginning_offsets(settings: LiveSettings, *logs: Log) -> dict[str, int]:
    """The first record that each partition of these logs still holds, by "log/partition"."""
    return await _offsets(settings, logs, lambda consumer, partitions: consumer.beginning_offsets(partitions))


async def offsets_at(settings: LiveSettings, milliseconds: int, *logs: Log) -> dict[str, int]:
    """Where each partition of these logs ended at a moment (milliseconds since 1970), by the time at which records were appended."""

    async def ask(consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, milliseconds))
        ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
        return ends | {p: later.offset for p, later in found.items() if later is not None}

    return await _offsets(settings, logs, ask)


async def _offsets(
    settings: LiveSettings,
    logs: Sequence[Log],
    ask: Callable[[AIOKafkaConsumer, Sequence[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]],
) -> dict[str, int]:
    consumer = AIOKafkaConsumer(**settings.client(), enable_auto_commit=False, retry_backoff_ms=20)
    partitions = {TopicPartition(settings.topic(log), p): f"{log.name}/{p}" for log in logs for p in range(log.partitions)}
    try:
        try:
            async with asyncio.timeout(2 * ANSWER_SECONDS_MAX):
                await consumer.start()
                found = await ask(consumer, list(partitions))
            return {name: found[p] for p, name in partitions.items()}
        finally:
            await consumer.stop()
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerUnavailable(
            f"{settings.kafka}: the ends of its topics cannot be had ({type(error).__name__}). Is the broker up?"
        ) from error


class Ends:
    """Where the partitions of some logs end, for who asks again and again: over one connection, a new one after a failure."""

    def __init__(self, settings: LiveSettings, *logs: Log) -> None:
        self._settings = settings
        self._places = {TopicPartition(settings.topic(log), p): f"{log.name}/{p}" for log in logs for p in range(log.partitions)}
        self._consumer: AIOKafkaConsumer | None = None

    async def now(self) -> dict[str, int]:
        """The end of each, by "log/partition"; raises BrokerUnavailable."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                if self._consumer is None:
                    self._consumer = AIOKafkaConsumer(**self._settings.client(), enable_auto_commit=False, retry_backoff_ms=20)
                    await self._consumer.start()
                return {self._places[p]: end for p, end in (await self._consumer.end_offsets(list(self._places))).items()}
        except (KafkaError, OSError, TimeoutError) as error:
            await self.close()
            raise BrokerUnavailable(
                f"{self._settings.kafka}: the ends of its topics cannot be had ({type(error).__name__}). Is the broker up?"
            ) from error

    async def close(self) -> None:
        """Let go of the connection."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with suppress(KafkaError, OSError):
                await consumer.stop()
