"""The Faust app of a live process and its supervisor: settings that avoid the known faults, one way in and one way out.

No table, no web server, at least once, bytes only. A record that could not be sent and any failure of the app end the process
with exit code 1: whoever started it starts it again, and the logs say what was not done. (`docs/live.md` names each hazard)
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import threading
from typing import TYPE_CHECKING, Any, Literal

import faust
from faust.sensors import Sensor

from schemas.errors import HeadwayError

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.live_settings import LiveSettings

__all__ = ["Supervisor", "make_app"]

GARBAGE_THRESHOLDS = 50_000, 20, 100
"""A batch of records is 5,000 objects that live together: Python's own 700 would look through them again and again."""
GRACE_SECONDS = 75.0
"""A stop that takes longer (the broker is gone, Faust waits 60 s) ends hard: nothing is lost by it."""

_log = logging.getLogger("headway.supervisor")


class _App(faust.App):  # type: ignore[misc]  # Faust's own types are opaque
    def _create_directories(self) -> None:
        """None: there is no table to keep in them."""


def make_app(settings: LiveSettings, name: str, *, reset: Literal["earliest", "latest"] = "earliest") -> Any:  # noqa: ANN401 (the same)
    """An app of the group `headway-<name>`; agents are hung on by who asks for it.

    reset: where a group begins that has no offsets, or whose offsets were forgotten.
    """
    # Faust warns of a record that could not be sent by showing all of it, and it may hold a target.
    logging.getLogger("faust.topics").setLevel(logging.ERROR)
    logging.getLogger("mode.timers").setLevel(logging.ERROR)  # A timer that is late on a busy machine is no news.
    logging.getLogger(__name__).setLevel(logging.WARNING)  # Faust says under the name of this file what it starts and stops.
    return _App(
        settings.group(name),
        broker=[f"aiokafka://{server}" for server in settings.kafka.split(",")],
        broker_credentials=_credentials(settings),
        store="memory://",
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset=reset,
        consumer_group_instance_id=None if settings.instance_id is None else f"{name}-{settings.instance_id}",
        consumer_max_fetch_size=4 * 1024**2,
        key_serializer="raw",
        value_serializer="raw",
        producer_acks=-1,
        producer_linger=0.02,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=12,
        topic_replication_factor=settings.replication_factor,
        table_standby_replicas=0,
        broker_session_timeout=10,
        broker_heartbeat_interval=3,
        broker_commit_interval=1.0,
        broker_request_timeout=30,
        stream_buffer_maxsize=4096,
        web_enabled=False,
        worker_redirect_stdouts=False,
        autodiscover=False,
    )


def _credentials(settings: LiveSettings) -> Any:  # noqa: ANN401 (Faust's own types are opaque)
    if settings.security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.sasl_username,
            password=settings.password().get_secret_value(),
            ssl_context=settings.tls(),
            mechanism=settings.sasl_mechanism,
        )
    context = settings.tls()
    return None if context is None else faust.SSLCredentials(context)


class _SendErrors(Sensor):  # type: ignore[misc]  # Faust's own types are opaque
    """Faust only logs a failed send and commits the source offset all the same: here it ends the process."""

    def __init__(self, failed: Callable[[str], None]) -> None:
        super().__init__()
        self._failed = failed

    def on_send_error(self, producer: Any, exc: BaseException, state: Any) -> None:  # noqa: ANN401, ARG002 (Faust's signature)
        self._failed(f"a record could not be sent ({type(exc).__name__})")


class Supervisor:
    """Runs an app until SIGTERM, SIGINT or a failure; `run` gives the exit code."""

    def __init__(self, app: Any, *, grace_seconds: float = GRACE_SECONDS) -> None:  # noqa: ANN401 (the same)
        self._app, self._grace_seconds = app, grace_seconds
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.failure: str | None = None
        """Why the process ends with 1; None while all is well."""
        app.sensors.add(_SendErrors(self.fail))

    def fail(self, reason: str) -> None:
        """End the process; may be called from any thread."""
        if self.failure is None:
            self.failure = reason
            _log.error("stopping: %s", reason)
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)

    @property
    def stopping(self) -> bool:
        """Whether the app is being stopped: what it does may be cut off anywhere, and that is no failure."""
        return self.failure is not None or (self._stop is not None and self._stop.is_set())

    def run(self) -> int:
        """0 after a signal, 1 after a failure."""
        gc.freeze()
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        asyncio.run(self._supervise())
        return 0 if self.failure is None else 1

    async def _supervise(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stop.set)
        if self.failure is not None:
            return
        self._app.loop = self._loop
        self._app.finalize()
        waiting = [asyncio.create_task(self._app_runs()), asyncio.create_task(self._stop.wait())]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not self._stop.is_set():
            self.fail(f"Faust stopped ({type(self._app.crash_reason).__name__})")
        overdue = threading.Timer(self._grace_seconds, self._end_hard)
        overdue.daemon = True
        overdue.start()
        waiting[0].cancel()
        await self._app.stop()
        overdue.cancel()

    async def _app_runs(self) -> None:
        try:
            await self._app.start()
            await self._app.wait_until_stopped()
        except asyncio.CancelledError:
            raise
        except HeadwayError as error:
            self.fail(str(error))
        except Exception as error:  # noqa: BLE001 (its fate: the process ends)
            _log.exception("the app failed")
            self.fail(f"the app failed ({type(error).__name__})")

    def _end_hard(self) -> None:
        _log.error("still not stopped after %.0f s: ending", self._grace_seconds)
        os._exit(1 if self.failure is not None else 0)
