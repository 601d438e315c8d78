"""`headway worker`: registers in by Faust, any number of processes; what a record says, `streams.worker` decides.

An agent's body never lets an exception out: Faust would take the record for done. A record that cannot be judged is a dead
letter; a promise that cannot be kept (a send that failed, too many rejects) ends the process. What was being done is in the
log still, and the next close reads it there.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Counter, Gauge, Histogram

from schemas.control import CloseCompleted, Decided, read_control_record
from schemas.errors import HeadwayError
from streams import clock, topology
from streams.chain import Chain
from streams.faust_app import Supervisor, make_app
from streams.health import Health, Watchdog
from streams.kafka_logs import positions_of
from streams.kafka_publish import Outgoing
from streams.last_close_topics import Base
from streams.live_closer import read_parameters
from streams.log_reader import end_offsets, read
from streams.reference_topics import manifests, read_reference_topics
from streams.worker import Desk, Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiokafka.structs import ConsumerRecord

    from schemas.control import Requested
    from streams.live_settings import LiveSettings

__all__ = ["run_worker"]

BATCH, WITHIN_SECONDS = 500, 0.05
ANSWER_SECONDS = 0.25
BEHIND_MAX = 2_000
"""Records behind, from which on a partition is read in bulk; Faust's events come after that as known."""
LOOK_SECONDS = 5.0
REFERENCE_SECONDS = 30.0
_CONTROL_POLL_MS = 1_000

_log = logging.getLogger("headway.worker")


class _Metrics:
    """Declared once; never a URN."""

    def __init__(self, health: Health) -> None:
        r = health.registry
        self.registers = Counter("headway_registers_total", "Records of the register log taken in.", registry=r)
        self.rejected = Counter("headway_registers_rejected_total", "Records rejected.", ["reason"], registry=r)
        self.provisional = Histogram(
            "headway_provisional_seconds",
            "From a register's append to its provisional reading's.",
            registry=r,
            buckets=(0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 5, 10, 30),
        )
        self.partitions = Gauge("headway_partitions_owned", "Partitions of the register log.", registry=r)


class _Worker:
    """What runs in the event loop of one worker."""

    def __init__(self, settings: LiveSettings, app: Any, supervisor: Supervisor, watchdog: Watchdog) -> None:  # noqa: ANN401 (Faust's)
        self.settings, self.app, self.supervisor, self.watchdog = settings, app, supervisor, watchdog
        self.parameters = read_parameters(settings.parameters)
        self.base: Base | None = None
        self.desk: Desk | None = None
        self.partitions: tuple[int, ...] = ()
        self.problem: str | None = "starting"
        self.metrics: _Metrics | None = None
        self._chain = Chain()
        self._decided_at: dict[str, int] = {}
        self._oldest: float | None = None
        self._bulk = asyncio.Lock()
        self._topics = {log: app.topic(settings.topic(log), value_serializer="raw", key_serializer="raw") for log in topology.LOGS}

    # Registers

    async def take(self, partition: int, records: Sequence[Record], stamps: Sequence[float]) -> None:
        """Registers in, dead letters out; returns when these are acknowledged."""
        desk = self.desk
        if desk is None:
            return
        fresh = [r for r in records if r.offset >= desk.next.get(partition, 0)]
        if not fresh:
            return
        letters = desk.take(partition, fresh)
        self._oldest = min([*stamps, *([] if self._oldest is None else [self._oldest])])
        await self._send(letters)
        self.watchdog.progressed()
        if self.metrics is not None:
            self.metrics.registers.inc(len(fresh))
            for letter in letters:
                self.metrics.rejected.labels(dict(letter.headers)["reason"].decode()).inc()
        if (reason := desk.too_many_rejects()) is not None:
            self.supervisor.fail(reason)

    async def _send(self, records: Sequence[Outgoing]) -> None:
        waiting = [await self._topics[r.log].send(key=r.key, value=r.value, headers=dict(r.headers)) for r in records]
        for sent in waiting:
            await sent

    async def answer(self) -> None:
        """Provisional readings of what came since the last time."""
        if self.desk is None:
            return
        out, self._oldest, oldest = self.desk.answers(), None, self._oldest
        await self._send(out)
        if out and oldest is not None and self.metrics is not None:
            self.metrics.provisional.observe(max(0.0, clock.now().timestamp() - oldest))

    async def catch_up(self, partitions: Sequence[int]) -> None:
        """Bring partitions up to the end of the log, in bulk."""
        async with self._bulk:
            desk = self.desk
            if desk is None:
                return
            log, found = topology.REGISTERS, list[Outgoing]()
            ends = {p: end for p, end in positions_of(log, await end_offsets(self.settings, log)).items() if p in partitions}
            starts = {p: max(desk.next.get(p, 0), desk.start_of(p)) for p in ends}

            def take(partition: int, records: Sequence[ConsumerRecord]) -> None:
                found.extend(desk.take(partition, [Record(r.offset, r.value or b"") for r in records]))

            if any(starts[p] < end for p, end in ends.items()):
                await read(self.settings, log, {p: min(starts[p], end) for p, end in ends.items()}, ends, take)
            for p, end in ends.items():
                desk.next[p] = max(desk.next.get(p, 0), end)
            await self._send(found)
            if (reason := desk.too_many_rejects()) is not None:
                self.supervisor.fail(reason)

    # What it stands on

    async def rest(self) -> None:
        """A new desk for the partitions that are here now, on the last close; filled from the log in bulk."""
        if self.base is None:
            return
        since = positions_of(topology.REGISTERS, self._newest_positions())
        desk = Desk(self.base.last_close(clock.now().date()), since)
        desk.accepted = positions_of(topology.REGISTERS, self._chain.accepted)
        self.desk = desk
        await self.catch_up(self.partitions)
        if self.supervisor.failure is None:
            self.problem = None

    def _newest_positions(self) -> Mapping[str, int]:
        return self._chain.completed[-1][0].positions if self._chain.completed else {}

    async def look_at_reference(self) -> None:
        """Take up the newest version of the reference data."""
        newest = await asyncio.to_thread(manifests, self.settings)
        if self.base is not None and (not newest or newest[-1].version == self.base.reference.version):
            return
        reference = await asyncio.to_thread(read_reference_topics, self.settings)
        if self.base is None or reference.version != self.base.reference.version:
            self.base = Base(reference, self.parameters)
            if self._chain.completed:
                await self._read_close(self._chain.completed[-1][0])
            await self.rest()

    async def follow_control(self) -> None:
        """Fold the control log for ever; each completed close becomes what the overlay stands on."""
        consumer = AIOKafkaConsumer(**self.settings.client(), auto_offset_reset="none", enable_auto_commit=False)
        await consumer.start()
        try:
            place = TopicPartition(self.settings.topic(topology.CONTROL), 0)
            consumer.assign([place])
            consumer.seek(place, 0)
            self._chain, self._decided_at = Chain(), {}
            end = (await consumer.end_offsets([place]))[place]
            while True:
                got = await consumer.getmany(place, timeout_ms=_CONTROL_POLL_MS)
                before, accepted = self._chain.newest, dict(self._chain.accepted)
                for record in got.get(place, ()):
                    self._fold(record)
                caught_up = await consumer.position(place) >= end
                if caught_up and self.base is None:
                    await self.look_at_reference()
                elif self._chain.newest != before and caught_up:
                    await self._closed()
                if self.desk is not None and self._chain.accepted != accepted:
                    self.desk.accepted = positions_of(topology.REGISTERS, self._chain.accepted)
        finally:
            await consumer.stop()

    def _fold(self, record: ConsumerRecord) -> None:
        said = read_control_record(record.value)
        if isinstance(said, Decided):
            self._decided_at.setdefault(said.close_id, record.timestamp)
        self._chain.add(said)
        if isinstance(said, CloseCompleted) and said.close_id != self._chain.newest:
            self._decided_at.pop(said.close_id, None)

    async def _closed(self) -> None:
        request = self._chain.completed[-1][0]
        await self._read_close(request)
        if self.base is not None and self.desk is not None:
            self.desk.rebase(self.base.last_close(clock.now().date()), positions_of(topology.REGISTERS, request.positions))

    async def _read_close(self, request: Requested) -> None:
        """The readings of one close: they stand behind its `decided`."""
        if self.base is None:
            return
        log, lines, mine = topology.READINGS, list[bytes](), request.close_id.encode()
        ends = positions_of(log, await end_offsets(self.settings, log))
        starts = await self._offsets_at(log, ends, self._decided_at.get(request.close_id, 0))
        await read(
            self.settings, log, starts, ends, lambda _, got: lines.extend(r.value for r in got if dict(r.headers).get("close_id") == mine)
        )
        self.base.closed(request.day, lines)

    async def _offsets_at(self, log: topology.Log, ends: Mapping[int, int], at: int) -> dict[int, int]:
        consumer = AIOKafkaConsumer(**self.settings.client(), enable_auto_commit=False)
        await consumer.start()
        try:
            places = {p: TopicPartition(self.settings.topic(log), p) for p in ends}
            found = await consumer.offsets_for_times(dict.fromkeys(places.values(), at))
            return {p: found[place].offset if found.get(place) else ends[p] for p, place in places.items()}
        finally:
            await consumer.stop()

    async def look_at_lag(self) -> None:
        """How much waits, by the broker's own account; partitions far behind are read in bulk."""
        desk = self.desk
        if desk is None:
            return
        ends = positions_of(topology.REGISTERS, await end_offsets(self.settings, topology.REGISTERS))
        behind = {p: ends[p] - desk.next.get(p, 0) for p in self.partitions}
        self.watchdog.waits(sum(max(0, n) for n in behind.values()))
        if far := [p for p, n in behind.items() if n > BEHIND_MAX]:
            await self.catch_up(far)


async def _for_ever(what: Any, pause_seconds: float, worker: _Worker) -> None:  # noqa: ANN401 (a coroutine function)
    """Do it again and again; what it meets is logged and shown, and tried again."""
    while True:
        try:
            await what()
        except asyncio.CancelledError:
            raise
        except (HeadwayError, KafkaError, OSError) as error:
            _log.warning("%s: %s", what.__name__, error)
            worker.problem = worker.problem or f"{what.__name__.replace('_', ' ')}: {type(error).__name__}"
        except Exception as error:  # noqa: BLE001 (its fate: the process ends)
            _log.exception("%s failed", what.__name__)
            worker.supervisor.fail(f"{what.__name__} failed ({type(error).__name__})")
        else:
            if worker.desk is not None:
                worker.problem = None
        await asyncio.sleep(pause_seconds)


def run_worker(settings: LiveSettings) -> int:
    """Run until SIGTERM or a failure; the exit code."""
    app = make_app(settings, "worker")
    supervisor = Supervisor(app)
    watchdog = Watchdog(clock.monotonic_seconds, lambda: clock.now().timestamp())
    worker = _Worker(settings, app, supervisor, watchdog)
    health = Health(
        settings.metrics_host,
        settings.metrics_port,
        watchdog,
        lambda: [reason for reason in (supervisor.failure, worker.problem) if reason is not None],
    )
    worker.metrics = _Metrics(health)
    _hang_on(app, worker)
    _log.info("metrics, /live and /ready at http://%s:%d", settings.metrics_host, health.port)
    try:
        return supervisor.run()
    finally:
        health.close()


def _hang_on(app: Any, worker: _Worker) -> None:  # noqa: ANN401 (Faust's)
    topic = app.topic(
        worker.settings.topic(topology.REGISTERS), key_type=bytes, value_type=bytes, value_serializer="raw", key_serializer="raw"
    )

    @app.agent(topic, concurrency=1)  # type: ignore[untyped-decorator]  # Faust's decorators are not typed
    async def registers(stream: Any) -> None:  # noqa: ANN401 (Faust's stream)
        async for events in stream.take_events(BATCH, within=WITHIN_SECONDS):
            try:
                by_partition: dict[int, list[Any]] = {}
                for event in events:
                    by_partition.setdefault(event.message.partition, []).append(event.message)
                for partition, messages in by_partition.items():
                    records = [Record(m.offset, m.value or b"") for m in messages]
                    await worker.take(partition, records, [m.timestamp for m in messages])
            except Exception as error:  # noqa: BLE001 (its fate: the process ends before Faust takes these for done and commits)
                _log.exception("registers could not be taken in")
                worker.supervisor.fail(f"registers could not be taken in ({type(error).__name__})")

    @app.timer(ANSWER_SECONDS)  # type: ignore[untyped-decorator]  # the same
    async def answers() -> None:
        try:
            await worker.answer()
        except Exception as error:  # noqa: BLE001 (its fate: the process ends)
            _log.exception("provisional readings could not be sent")
            worker.supervisor.fail(f"provisional readings could not be sent ({type(error).__name__})")

    @app.task  # type: ignore[untyped-decorator]  # the same
    async def control() -> None:
        await _for_ever(worker.follow_control, 2.0, worker)

    @app.task  # type: ignore[untyped-decorator]  # the same
    async def reference() -> None:
        await asyncio.sleep(REFERENCE_SECONDS)
        await _for_ever(worker.look_at_reference, REFERENCE_SECONDS, worker)

    @app.task  # type: ignore[untyped-decorator]  # the same
    async def lag() -> None:
        await _for_ever(worker.look_at_lag, LOOK_SECONDS, worker)

    @app.on_partitions_assigned.connect  # type: ignore[untyped-decorator]  # the same
    async def assigned(_: Any, assigned: Any, **__: Any) -> None:  # noqa: ANN401 (the same)
        mine = worker.settings.topic(topology.REGISTERS)
        worker.partitions = tuple(sorted(p.partition for p in assigned if p.topic == mine))
        _log.info("partitions %s", worker.partitions)
        if worker.metrics is not None:
            worker.metrics.partitions.set(len(worker.partitions))
        app.add_future(_once(worker.rest, worker))


async def _once(what: Any, worker: _Worker) -> None:  # noqa: ANN401 (a coroutine function)
    try:
        await what()
    except (HeadwayError, KafkaError, OSError) as error:
        worker.problem = f"{what.__name__}: {type(error).__name__}"
        _log.warning("%s: %s", what.__name__, error)
