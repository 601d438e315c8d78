"""What a worker's overlay stands on, followed for ever: the last completed close and the newest whole reference data.

The control log is folded by a plain reader from its beginning; what a completed close published is read from the readings.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from schemas.control import Decided, read_control_record
from schemas.errors import BadContents
from streams import clock, topology
from streams.chain import Chain
from streams.kafka_logs import positions_of
from streams.last_close_topics import Base
from streams.live_closer import read_parameters
from streams.log_reader import BrokerUnavailable, end_offsets, offsets_at, read
from streams.reference_topics import manifests, read_reference_topics
from streams.worker import Ground

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiokafka.structs import ConsumerRecord

    from schemas.control import Requested
    from streams.live_settings import LiveSettings

__all__ = ["ControlFollower"]

_log = logging.getLogger("headway.worker")

POLL_MS = 500
CLOCKS_APART_MS = 60_000
"""Brokers stamp records by their own clocks."""
DECIDED_KEPT = 10


class Follower(Protocol):
    """Who is told."""

    async def stand_on(self, ground: Ground, *, afresh: bool) -> None:
        """Another close or, with `afresh`, other reference data."""

    def accept(self, positions: Mapping[int, int]) -> None:
        """A person has looked at the rejects up to here."""


class ControlFollower:
    """Its steps are called again and again in one event loop, and again after an error."""

    def __init__(self, settings: LiveSettings, told: Follower) -> None:
        self._settings, self._told = settings, told
        self._parameters = read_parameters(settings.parameters)
        self._place = TopicPartition(settings.topic(topology.CONTROL), 0)
        self._consumer: AIOKafkaConsumer | None = None
        self._chain, self._end = Chain(), 0
        self._decided_at: dict[str, int] = {}
        self._base: Base | None = None
        self._stands_on: str | None = ""
        """The close that was told last; none told yet: empty."""
        self._telling = asyncio.Lock()

    async def follow_control(self) -> None:
        """Fold what has come to the control log; tell of a close that is completed and of what a person has accepted."""
        try:
            consumer = self._consumer or await self._begin()
            for record in (await consumer.getmany(self._place, timeout_ms=POLL_MS)).get(self._place, ()):
                self._fold(record)
            if await consumer.position(self._place) < self._end:
                return
            self._told.accept(positions_of(topology.REGISTERS, self._chain.accepted))
            if self._base is None or self._stands_on != self._chain.newest:
                await self._tell(afresh=False)
        except BaseException as error:
            await self.close()
            if isinstance(error, KafkaError | OSError):
                raise BrokerUnavailable(f"{self._settings.kafka}: closes cannot be followed ({type(error).__name__}). Is it up?") from error
            raise

    async def _begin(self) -> AIOKafkaConsumer:
        """From its beginning, always: it is short."""
        self._consumer = consumer = AIOKafkaConsumer(**self._settings.client(), auto_offset_reset="none", enable_auto_commit=False)
        await consumer.start()
        consumer.assign([self._place])
        consumer.seek(self._place, 0)
        self._chain, self._end = Chain(), (await consumer.end_offsets([self._place]))[self._place]
        return consumer

    async def close(self) -> None:
        """Let go of the broker."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with suppress(KafkaError, OSError):
                await consumer.stop()

    def _fold(self, record: ConsumerRecord) -> None:
        try:
            said = read_control_record(record.value or b"")
        except ValidationError:
            raise BadContents(
                f"record {record.offset} is none of this version", file=record.topic, remedy="Run the version that wrote it, or a later one"
            ) from None
        if isinstance(said, Decided):
            self._decided_at.setdefault(said.close_id, record.timestamp)
            for old in list(self._decided_at)[:-DECIDED_KEPT]:
                del self._decided_at[old]
        self._chain.add(said)

    async def look_at_reference(self) -> None:
        """Take up the newest version of the reference data, if it is another."""
        if self._base is None:
            return
        found = await asyncio.to_thread(manifests, self._settings)
        if found and found[-1].version != self._base.reference.version:
            await self._tell(afresh=True)

    async def _tell(self, *, afresh: bool) -> None:
        async with self._telling:
            base = self._base
            if base is None or afresh:
                reference = await asyncio.to_thread(read_reference_topics, self._settings)
                if base is not None and reference.version == base.reference.version:
                    return
                base = await asyncio.to_thread(Base, reference, self._parameters)
            completed = self._chain.completed
            newest = completed[-1][0] if completed else None
            lines = [] if newest is None else await self._readings(newest)
            last = await asyncio.to_thread(base.last_close, clock.now().date(), None if newest is None else newest.day, lines)
            since = {} if newest is None else positions_of(topology.REGISTERS, newest.positions)
            before = completed[-2][0].positions if len(completed) > 1 else {}
            begin = await self._still_there(positions_of(topology.REGISTERS, before))
            await self._told.stand_on(Ground(last, since, begin), afresh=afresh)
            self._base, self._stands_on = base, None if newest is None else newest.close_id
            _log.info("stands on close %s and reference version %s", len(completed) or "none", base.reference.version[:12])

    async def _readings(self, request: Requested) -> list[bytes]:
        """What one close published: it stands behind its `decided`."""
        log, lines, mine = topology.READINGS, list[bytes](), request.close_id.encode()
        at = max(0, self._decided_at.get(request.close_id, 0) - CLOCKS_APART_MS)
        ends = positions_of(log, await end_offsets(self._settings, log))
        starts = positions_of(log, await offsets_at(self._settings, at, log))

        def take(_: int, records: Sequence[ConsumerRecord]) -> None:
            lines.extend(r.value for r in records if dict(r.headers).get("close_id") == mine)

        if any(starts[p] < end for p, end in ends.items()):
            await read(self._settings, log, {p: min(start, ends[p]) for p, start in starts.items()}, ends, take)
        return lines

    async def _still_there(self, positions: Mapping[int, int]) -> dict[int, int]:
        """Positions from which the overlay would be filled, as far as the log still reaches back."""
        first = positions_of(topology.REGISTERS, await offsets_at(self._settings, 0, topology.REGISTERS))
        return {p: max(offset, positions.get(p, 0)) for p, offset in first.items()}
