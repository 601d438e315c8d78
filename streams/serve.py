"""`headway serve`: the embedded all in one, without its command line: logs, intake, overlay, schedule, in one process.

Started again after `kill -9` at any instruction it stands where it stood: what was answered is in the log, and what was
being closed is closed again from the logs. SIGTERM and SIGINT stop it gracefully: no new request is taken, what is being
answered is answered, a close that runs is finished.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import uvicorn

from schemas.errors import WrongUsage
from streams import clock
from streams.access import Access
from streams.closing import CloseRunner, Closing, EmbeddedArrivals
from streams.health import Health, Watchdog
from streams.intake import Intake, Limits
from streams.intake_metrics import IntakeMetrics
from streams.metrics import Metrics
from streams.provisional import Counted, Overlay
from streams.schedule import ClosingTimes
from streams.sqlite_log import EmbeddedLogs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from streams.provisional import LastClose


__all__ = ["Beside", "ServeOptions", "Serving", "serve"]

STOP_SECONDS_MAX = 20
CONNECTIONS_MAX = 512


class ServedRunner(CloseRunner, Protocol):
    """A runner that also tells the overlay what it needs."""

    def last_close(self) -> LastClose:
        """What the overlay needs of the last close; before the first, of the reference data alone."""


class Beside(Protocol):
    """What runs beside the intake in the same process and follows its logs: the casebook, the console."""

    def start(self) -> None:
        """Start; returns at once."""

    def closed(self) -> None:
        """A day was closed; returns at once and raises nothing."""

    def stop(self) -> None:
        """No new work begins; what runs is finished."""

    def problems(self) -> list[str]:
        """Why all is not well, in words."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What `headway serve` is told. port 0: any free one. tokens: see `streams.access`."""

    log: Path
    host: str = "127.0.0.1"
    port: int = 8080
    tokens: tuple[str, ...] = field(default=(), repr=False)
    limits: Limits = field(default_factory=Limits)
    times: ClosingTimes = field(default_factory=ClosingTimes)
    tick_seconds: float = 5.0
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    """None: metrics are not served; 0: at any free port."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: it would raise the signal again before the logs are closed."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Serving:
    """One running `headway serve`; `run` blocks until `stop`."""

    def __init__(
        self,
        options: ServeOptions,
        open_runner: Callable[[EmbeddedLogs], ServedRunner],
        judge: Callable[[bytes], bytes],
        now: Callable[[], datetime] = clock.now,
        open_beside: Callable[[EmbeddedLogs], Beside] | None = None,
        attempted: Callable[[float, bool], None] = lambda *_: None,
        metrics: Metrics | None = None,
    ) -> None:
        """Opens the log and the socket; raises WrongUsage, BadContents or LogUnavailable with nothing left open."""
        access = Access.on(options.host, options.tokens)
        with contextlib.ExitStack() as opened:
            self.logs = EmbeddedLogs(options.log, now=now)
            opened.callback(self.logs.close)
            runner = open_runner(self.logs)
            self.overlay = Overlay(runner.last_close())
            _fill(self.overlay, self.logs, runner)
            self._beside = None if open_beside is None else open_beside(self.logs)
            self.closing = Closing(
                runner,
                EmbeddedArrivals(self.logs, options.times),
                options.times,
                now,
                clock.monotonic_seconds,
                closed=lambda: self._closed(runner),
                attempted=attempted,
                tick_seconds=options.tick_seconds,
            )
            metrics = metrics or Metrics("serve")
            watchdog = Watchdog(clock.monotonic_seconds, lambda: now().timestamp())
            counts = IntakeMetrics(metrics, watchdog, clock.monotonic_seconds)
            self._intake = Intake(self.logs, self.overlay, judge, access, options.limits, self._problems, counts)
            self.health: Health | None = None
            if options.metrics_port is not None:
                self.health = Health(options.metrics_host, options.metrics_port, watchdog, self._intake.problems, metrics)
                opened.callback(self.health.close)
                metrics.follow("headway_lag_records", lambda: self._intake.pending)
                metrics.follow("headway_leads", lambda: 1.0)
            self._socket = _listen(options.host, options.port)
            opened.callback(self._socket.close)
            config = uvicorn.Config(
                self._intake.app,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                lifespan="on",
                ws="none",
                limit_concurrency=CONNECTIONS_MAX,
                timeout_graceful_shutdown=STOP_SECONDS_MAX,
            )
            self._server = _Server(config)
            self._opened = opened.pop_all()
        host = f"[{options.host}]" if ":" in options.host else options.host
        self.url = f"http://{host}:{self._socket.getsockname()[1]}"

    def run(self) -> None:
        """Serve until `stop`; everything is closed when it returns."""
        with self._opened:
            self.closing.start()
            if self._beside is not None:
                self._beside.start()
            try:
                self._server.run(sockets=[self._socket])
            finally:
                self.closing.stop()
                if self._beside is not None:
                    self._beside.stop()

    def stop(self) -> None:
        """Stop gracefully; may be called from any thread or a signal handler, twice to stop waiting for senders."""
        self._intake.refuse_new()
        self._server.force_exit = self._server.should_exit
        self._server.should_exit = True

    def _closed(self, runner: ServedRunner) -> None:
        self.overlay.rebase(runner.last_close())
        if self._beside is not None:
            self._beside.closed()

    def _problems(self) -> list[str]:
        beside = [] if self._beside is None else self._beside.problems()
        return beside if self.closing.problem is None else [self.closing.problem, *beside]


def serve(
    options: ServeOptions,
    open_runner: Callable[[EmbeddedLogs], ServedRunner],
    judge: Callable[[bytes], bytes],
    announce: Callable[[str], None],
    open_beside: Callable[[EmbeddedLogs], Beside] | None = None,
    attempted: Callable[[float, bool], None] = lambda *_: None,
    metrics: Metrics | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. `announce` is told the URL once connections are taken."""
    serving = Serving(options, open_runner, judge, open_beside=open_beside, attempted=attempted, metrics=metrics)
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: serving.stop())
    announce(serving.url)
    serving.run()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=CONNECTIONS_MAX)
    except OSError as error:
        raise WrongUsage(f"{host}:{port}: cannot be listened on ({error.strerror}). Stop what uses it, or name another port.") from error
    # asyncio sets it only on sockets whose protocol number it knows; without it each answer waits 40 ms for an acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _fill(overlay: Overlay, logs: EmbeddedLogs, runner: ServedRunner) -> None:
    """The registers since the close before the last, among which are those of the last closed day."""
    completed = runner.completed()
    after = completed[-2].positions["register"] if len(completed) > 1 else 0
    overlay.fill(Counted.of(body) for _, body in logs.read_registers(after, logs.end_positions()["register"]))
