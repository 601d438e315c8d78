"""`headway closer`: leadership and wake-up by Faust, the closes themselves in a thread of their own.

Whoever is assigned the one partition of the control log leads; the others follow warm. A closer that only believes that it
leads does no harm: the control log makes one chain of what both say. Faust's events say that something was written, never
what: the closer folds the log itself, from its beginning.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from models import second_opinion
from schemas.errors import HeadwayError
from streams import clock, topology
from streams.close_metrics import CloseMetrics, newest_close
from streams.closing import Closing
from streams.faust_app import Supervisor, make_app
from streams.give_back import give_back
from streams.granting import require
from streams.health import Health, Watchdog
from streams.kafka_logs import KafkaLogs
from streams.live_closer import KafkaArrivals, LiveCloser, identity_of, read_parameters
from streams.metrics import Metrics
from streams.schedule import ClosingTimes
from streams.snapshot import Segments, claim

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.parameters import Parameters
    from streams.chain import Chain
    from streams.live_settings import LiveSettings

__all__ = ["heard", "run_closer"]

TICK_SECONDS = 5.0
START_PAUSE_SECONDS = 2.0

_log = logging.getLogger("headway.closer")


class _Thread:
    """Closes while it leads, follows while it does not; nothing it meets ends it but a stop."""

    def __init__(self, settings: LiveSettings, times: ClosingTimes, watchdog: Watchdog, at: Callable[[str], None]) -> None:
        self.metrics = Metrics("closer")
        self._settings, self._times, self._watchdog, self._at = settings, times, watchdog, at
        self._parameters: Parameters = read_parameters(settings.parameters)
        self._closer: LiveCloser | None = None
        self._closing: Closing | None = None
        self._wake, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="headway-closes", daemon=True)
        self._claimed = claim(settings.state_dir)
        self._segments: Segments | None = None
        self._heard: tuple[str, tuple[tuple[str, int], ...]] = ("", ())
        self.leads = False
        self.problem: str | None = "starting"

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Something was written to the control log, perhaps by ourselves: look now."""
        self._wake.set()

    def lead(self, *, leads: bool) -> None:
        """Who leads has changed: look now, forget any pause."""
        self.leads = leads
        if self._closing is not None:
            self._closing.wake()
        self._wake.set()

    def stop(self) -> None:
        """No new close begins; the one that runs may be finished."""
        self._stopped.set()
        self._wake.set()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)
        if not self._thread.is_alive():
            self._claimed.close()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._step()
            except Exception as error:  # noqa: BLE001 (its fate: logged, shown on /ready, tried again)
                ours = isinstance(error, HeadwayError)  # Its words say it all.
                _log.error("the closer is held up: %s", error if ours else type(error).__name__, exc_info=None if ours else error)
                self.problem = f"held up ({error if isinstance(error, HeadwayError) else type(error).__name__})"
                self._wake.wait(START_PAUSE_SECONDS)
            else:
                self._wake.wait(TICK_SECONDS)
            self._wake.clear()

    def _step(self) -> None:
        closer = self._closer or self._opened()
        closing = self._closing
        if closing is None:
            return
        closer.look_at_reference()
        if not self.leads:
            closer.follow()
            self.problem = None
            self._watchdog.waits(0)
            return
        if closing.pauses:
            closer.catch_up()
            if heard(closer.chain) != self._heard:  # Somebody asked for a close, or looked at the rejects.
                closing.wake()
        while closing.step() is not None and not self._stopped.is_set():
            self._watchdog.progressed()
            give_back()
        self._heard = heard(closer.chain)
        self.problem = closing.problem
        self._watchdog.waits(int(closer.chain.open is not None))

    def _opened(self) -> LiveCloser:
        """Made when the broker and the reference data are there, and this sign-in is let in."""
        if self._segments is None:
            require(self._settings, "closer")
            self._segments = Segments(self._settings.state_dir, identity_of(self._settings), self._at, self._claimed)
        second_opinion.load()  # Before a close waits for it.
        logs = KafkaLogs(self._settings, self._segments)
        closer = LiveCloser(self._settings, logs, self._parameters, clock.now, at=self._at)
        arrivals = KafkaArrivals(logs, self._times) if self._settings.schedule else None
        said = CloseMetrics(self.metrics, self._settings.budget())
        self.metrics.follow("headway_close_timestamp_seconds", lambda: newest_close(closer))
        closer.observed = said.closed
        self._closing = Closing(closer, arrivals, self._times, clock.now, clock.monotonic_seconds, attempted=said.attempted)
        self._closer = closer
        return closer


def heard(chain: Chain) -> tuple[str, tuple[tuple[str, int], ...]]:
    """What of the control log ends a pause when it changes: the open request, and how far people have looked at the rejects."""
    return ("" if chain.open is None else chain.open.close_id, tuple(sorted(chain.accepted.items())))


def run_closer(settings: LiveSettings, at: Callable[[str], None] = lambda _: None) -> int:
    """Run until SIGTERM or a failure; the exit code."""
    times = ClosingTimes(zone=ZoneInfo(settings.time_zone), close_at=settings.close_at, again_at=settings.close_again_at)
    watchdog = Watchdog(clock.monotonic_seconds, lambda: clock.now().timestamp())
    thread = _Thread(settings, times, watchdog, at)
    app = make_app(settings, "closer")
    supervisor = Supervisor(app)
    health = Health(
        settings.metrics_host,
        settings.metrics_port,
        watchdog,
        lambda: [reason for reason in (supervisor.failure, thread.problem) if reason is not None],
        thread.metrics,
    )
    thread.metrics.follow("headway_leads", lambda: float(thread.leads))
    topic = app.topic(settings.topic(topology.CONTROL), key_type=bytes, value_type=bytes, value_serializer="raw")

    @app.agent(topic, concurrency=1)  # type: ignore[untyped-decorator]  # Faust's decorators are not typed
    async def control(stream: Any) -> None:  # noqa: ANN401 (Faust's stream)
        async for _ in stream.events():
            thread.wake()

    @app.on_partitions_assigned.connect  # type: ignore[untyped-decorator]  # the same
    async def assigned(_: Any, assigned: Any, **__: Any) -> None:  # noqa: ANN401 (the same)
        thread.lead(leads=any(partition.topic == settings.topic(topology.CONTROL) for partition in assigned))
        _log.info("this closer %s", "leads" if thread.leads else "follows")

    @app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]  # the same
    async def revoked(_: Any, revoked: Any, **__: Any) -> None:  # noqa: ANN401 (the same)
        if revoked:
            thread.leads = False

    _log.info("metrics, /live and /ready at http://%s:%d", settings.metrics_host, health.port)
    thread.start()
    try:
        return supervisor.run()
    finally:
        thread.stop()
        thread.join(60)
        health.close()
