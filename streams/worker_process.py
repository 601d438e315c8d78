"""`headway worker`: registers in by Faust, any number of processes; what a record says, `streams.worker` decides.

An agent's body never lets an exception out: Faust would take the record for done. A record that cannot be judged is a dead
letter; a promise that cannot be kept (a send that failed, too many rejects) ends the process. What was being done is in the
log still: the next worker reads it there, and so does the next close.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError

from schemas.errors import BrokenPromise, HeadwayError
from streams import clock, topology
from streams.control_follower import ControlFollower
from streams.faust_app import Supervisor, make_app
from streams.health import Health, Watchdog
from streams.metrics import Metrics
from streams.worker import Record
from streams.worker_intake import Intake

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from streams.kafka_publish import Outgoing
    from streams.live_settings import LiveSettings

__all__ = ["run_worker"]

BATCH, WITHIN_SECONDS = 500, 0.05
ANSWER_SECONDS = 0.25
REFERENCE_SECONDS = 30.0
RETRY_SECONDS = 2.0

_log = logging.getLogger("headway.worker")


class _Counts:
    """What a worker's intake counts, of the declared metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._registers = metrics.counter("headway_registers_total")
        self._rejected = metrics.counter("headway_registers_rejected_total")
        self._provisional = metrics.histogram("headway_provisional_seconds")
        self._recovery = metrics.gauge("headway_recovery_seconds")

    def taken(self, records: int) -> None:
        self._registers.inc(records)

    def rejected(self, reason: str) -> None:
        self._rejected.labels(reason).inc()

    def answered(self, appended: float) -> None:
        self._provisional.observe(max(0.0, clock.now().timestamp() - appended))

    def recovered(self, seconds: float) -> None:
        self._recovery.set(seconds)


class _Worker:
    """One worker's Faust app, and what runs beside it in its event loop."""

    def __init__(self, settings: LiveSettings) -> None:
        self._settings = settings
        # What this worker has to have, it reads from the log itself: events begin with what comes from now on.
        self.app = make_app(settings, "worker", reset="latest")
        self.supervisor = Supervisor(self.app)
        self._watchdog = Watchdog(clock.monotonic_seconds, lambda: clock.now().timestamp())
        self._problems: dict[str, str] = {}
        self._intake: Intake | None = None
        self._metrics = Metrics("worker")
        self.health = Health(settings.metrics_host, settings.metrics_port, self._watchdog, self._not_ready, self._metrics)
        self._metrics.follow("headway_partitions_owned", lambda: float(len(self._intake.owned)) if self._intake else 0.0)
        self._topics = {log: self._topic(log) for log in (topology.REGISTERS, topology.PROVISIONAL, topology.REJECTS)}

    def _topic(self, log: topology.Log) -> Any:  # noqa: ANN401 (Faust's own types are opaque)
        return self.app.topic(
            self._settings.topic(log),
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            partitions=log.partitions,
        )

    def _not_ready(self) -> list[str]:
        waits_for = "starting" if self._intake is None else self._intake.waits_for
        return [reason for reason in (self.supervisor.failure, *self._problems.values(), waits_for) if reason is not None]

    def _begun(self) -> Intake:
        """Made in the event loop, where it belongs."""
        if self._intake is None:
            metrics = _Counts(self._metrics)
            fail, seconds = self.supervisor.fail, clock.monotonic_seconds
            self._intake = Intake(self._settings, self._post, fail, self._watchdog, metrics, seconds)
        return self._intake

    async def _post(self, records: Sequence[Outgoing]) -> list[Awaitable[object]]:
        return [await self._topics[r.log].send(key=r.key, value=r.value, headers=dict(r.headers)) for r in records]

    def hang_on(self) -> None:
        """The agent, the timer and the tasks of the app."""
        app = self.app

        @app.agent(self._topics[topology.REGISTERS], concurrency=1)  # type: ignore[untyped-decorator]  # Faust's are not typed
        async def registers(stream: Any) -> None:  # noqa: ANN401 (Faust's own types are opaque)
            try:
                async for events in stream.take_events(BATCH, within=WITHIN_SECONDS):
                    await self._guarded(self._events, events)
            except Exception as error:  # noqa: BLE001 (its fate: the process ends)
                self._broken("registers cannot be had from Faust", error)

        @app.timer(ANSWER_SECONDS)  # type: ignore[untyped-decorator]  # the same
        async def answers() -> None:
            await self._guarded(self._begun().answer)

        @app.task  # type: ignore[untyped-decorator]  # the same
        async def beside() -> None:
            intake = self._begun()
            follower = ControlFollower(self._settings, intake)
            try:
                await asyncio.gather(
                    self._for_ever(intake.keep_up, 0),
                    self._for_ever(follower.follow_control, 0),
                    self._for_ever(follower.look_at_reference, REFERENCE_SECONDS),
                )
            finally:
                await intake.close()

        @app.on_partitions_assigned.connect  # type: ignore[untyped-decorator]  # the same
        async def assigned(_: Any, assigned: Any, **__: Any) -> None:  # noqa: ANN401 (the same)
            mine = sorted(p.partition for p in assigned if p.topic == self._settings.topic(topology.REGISTERS))
            _log.info("partitions %s", mine)
            await self._guarded(self._begun().assigned, mine, clock.now().timestamp())

    async def _events(self, events: Sequence[Any]) -> None:
        records: dict[int, list[Record]] = {}
        for event in events:
            message = event.message
            records.setdefault(message.partition, []).append(Record(message.offset, message.value or b"", message.timestamp))
        await self._begun().events(records)

    async def _guarded(self, what: Callable[..., Awaitable[None]], *given: Any) -> None:  # noqa: ANN401 (whatever it takes)
        """Do it; whatever it raises ends the process before Faust commits, or goes on as if nothing had been."""
        try:
            await what(*given)
        except Exception as error:  # noqa: BLE001 (its fate: the process ends)
            self._broken(what.__name__.strip("_"), error)

    def _broken(self, doing: str, error: Exception) -> None:
        if self.supervisor.stopping:
            _log.info("%s was cut off by the stop (%s)", doing, type(error).__name__)
            return
        _log.error("%s failed", doing, exc_info=error)
        self.supervisor.fail(f"{doing} failed ({type(error).__name__})")

    async def _for_ever(self, what: Callable[[], Awaitable[None]], pause_seconds: float) -> None:
        """Do it again and again; the outside world is shown on /ready and tried again, anything else ends the process."""
        name = what.__name__
        while not self.supervisor.stopping:
            try:
                await what()
            except BrokenPromise as error:
                self._broken(name, error)
            except (HeadwayError, KafkaError, OSError) as error:
                problem = str(error) if isinstance(error, HeadwayError) else f"{name.replace('_', ' ')} failed ({type(error).__name__})"
                if self._problems.get(name) != problem:
                    _log.warning("%s", problem)
                self._problems[name] = problem
                await asyncio.sleep(RETRY_SECONDS)
            except Exception as error:  # noqa: BLE001 (its fate: the process ends)
                self._broken(name, error)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._problems.pop(name, None)
                await asyncio.sleep(pause_seconds)


def run_worker(settings: LiveSettings) -> int:
    """Run until SIGTERM or a failure; the exit code."""
    worker = _Worker(settings)
    worker.hang_on()
    _log.info("metrics, /live and /ready at http://%s:%d", settings.metrics_host, worker.health.port)
    try:
        return worker.supervisor.run()
    finally:
        worker.health.close()
