"""The metrics port of a live process: /metrics for Prometheus, /live for whoever restarts it, /ready for whoever sends to it.

It is served from threads of its own, so that it answers while the event loop is busy, and never says a URN or a target.
"""

from __future__ import annotations

import json
import threading
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from schemas.errors import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from streams.metrics import Metrics

__all__ = ["Health", "Watchdog"]


class Watchdog:
    """Alive means: nothing waits, or something was done within `stalled_seconds`. A process can be up and fetch nothing."""

    def __init__(self, monotonic_seconds: Callable[[], float], now_seconds: Callable[[], float], *, stalled_seconds: float = 120.0) -> None:
        self._monotonic, self.now_seconds, self._stalled_seconds = monotonic_seconds, now_seconds, stalled_seconds
        self._progress = self._monotonic()
        self.progress_at, self.lag, self._undelivered = self.now_seconds(), 0, 0

    def progressed(self) -> None:
        """Something was done."""
        self._progress, self.progress_at = self._monotonic(), self.now_seconds()

    def waits(self, lag: int, undelivered: int | None = None) -> None:
        """So many records wait, and so many of them were not delivered to the process by whoever delivers; none is progress too."""
        self.lag, self._undelivered = lag, lag if undelivered is None else undelivered
        if not self._undelivered:
            self.progressed()

    def stalled(self) -> str | None:
        """Why the process should be started again, or None."""
        seconds = self._monotonic() - self._progress
        if self._undelivered and seconds > self._stalled_seconds:
            return f"{self._undelivered} records wait and nothing was done for {seconds:.0f} s"
        return None


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each answer: who connects and says nothing holds nobody up."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
        """Nothing: an access log of health checks hides what matters."""


class Health:
    """Serves until `close`; the port is taken when it is made."""

    def __init__(self, host: str, port: int, watchdog: Watchdog, not_ready: Callable[[], list[str]], metrics: Metrics) -> None:
        """not_ready: the reasons why nothing should be sent here now; raises WrongUsage when the port cannot be had."""
        self._watchdog, self._not_ready = watchdog, not_ready
        metrics.follow("headway_last_progress_timestamp_seconds", lambda: watchdog.progress_at)
        metrics.follow("headway_lag_records", lambda: watchdog.lag)
        metrics.follow("headway_clock_timestamp_seconds", watchdog.now_seconds)
        metrics.follow("headway_not_ready_reasons", lambda: len(not_ready()))
        self._page = make_wsgi_app(metrics.registry)
        try:
            self._server = make_server(host, port, self._answer, server_class=_Server, handler_class=_Quiet)
        except OSError as error:
            raise WrongUsage(f"HEADWAY_METRICS_PORT {host}:{port}: cannot be listened on ({error.strerror}). Name another port") from error
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="headway-health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Give the port up."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return self._page(environ, start_response)  # type: ignore[no-any-return]  # the library says less than it gives
        if path == "/live":
            stalled = self._watchdog.stalled()
            return _json(start_response, [] if stalled is None else [stalled])
        if path == "/ready":
            return _json(start_response, self._not_ready())
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"/metrics, /live, /ready\n"]


def _json(start_response: StartResponse, reasons: list[str]) -> list[bytes]:
    start_response("503 Service Unavailable" if reasons else "200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"status": "unavailable" if reasons else "ok", "reasons": reasons}).encode() + b"\n"]
