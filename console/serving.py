"""One web server in a thread of its own: the console's, and the development issuer's beside it in a demo."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import uvicorn

from schemas.errors import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

    from streams.serve import Beside

__all__ = ["WebServer", "WithConsole", "listen"]

CONNECTIONS_MAX = 256
_STOP_SECONDS = 10


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: whoever started the process handles them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class WebServer:
    """Serves an application on a socket until `stop`; `run` blocks, `start` does it in a thread."""

    def __init__(self, app: ASGIApp, listening: socket.socket, *, trusted_proxies: str = "") -> None:
        """trusted_proxies: addresses whose word on who asks is taken."""
        self._socket = listening
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=trusted_proxies or None,
            server_header=False,
            date_header=True,
            lifespan="off",
            ws="none",
            limit_concurrency=CONNECTIONS_MAX,
            timeout_graceful_shutdown=_STOP_SECONDS,
            h11_max_incomplete_event_size=32 * 1024,
        )
        self._server = _Server(config)
        self.port: int = listening.getsockname()[1]
        self._thread: threading.Thread | None = None

    def run(self) -> None:
        """Until `stop`."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()

    def start(self) -> None:
        """In a thread."""
        self._thread = threading.Thread(target=self.run, name="headway-web", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """May be called from any thread, and twice."""
        self._server.should_exit = True
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_STOP_SECONDS + 5)


class WithConsole:
    """The console beside what else runs beside the intake (`streams.serve.Beside`)."""

    def __init__(self, beside: Beside, server: WebServer) -> None:
        self._beside, self._server = beside, server

    def start(self) -> None:
        """Both."""
        self._beside.start()
        self._server.start()

    def closed(self) -> None:
        """A day was closed."""
        self._beside.closed()

    def stop(self) -> None:
        """The console first: nobody begins what could not be finished."""
        self._server.stop()
        self._beside.stop()

    def problems(self) -> list[str]:
        """Why all is not well, in words for ops."""
        return self._beside.problems()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0: any free one. Raises WrongUsage."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=CONNECTIONS_MAX)
    except OSError as error:
        raise WrongUsage(f"{host}:{port}: cannot be listened on ({error.strerror}). Stop what uses it, or name another port") from error
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
