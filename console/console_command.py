"""`headway console`: the desk as a process of its own, on any casebook; `headway serve --console-port` has it inside."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Annotated

import typer

from casebook.casebook_metrics import metrics_port
from casebook.casebook_options import CasebookOption, opened
from casebook.opening import Opened
from console.app import console_app
from console.opening import client_of, helper_of, open_desk
from console.page_metrics import PageMetrics, uncounted
from console.routes import TABLE
from console.serving import WebServer, listen
from console.settings import ConsoleSettings, console_settings
from schemas.errors import WrongUsage
from streams import clock
from streams.log_lines import log_to_stderr

__all__ = ["PORT", "console_command", "console_server"]

PORT = 8090
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def console_command(
    casebook: CasebookOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on; other than loopback needs HEADWAY_CONSOLE_URL, with TLS before it.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65_535)] = PORT,
) -> None:
    """Serve the console: inbox, cases, schools, areas, people, analysis. Who people are is said by HEADWAY_OIDC_ISSUER."""
    log_to_stderr()
    with opened(casebook) as (here, settings), metrics_port("console", settings, here.database) as watched:
        counts = PageMetrics(watched.metrics, clock.monotonic_seconds)
        server, url = console_server(here, console_settings(), host, port, counts.answered)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: server.stop())
        typer.echo(f"headway console: {url}")
        typer.echo(f"headway console: metrics, /live and /ready at http://{settings.metrics_host}:{watched.health.port}")
        server.run()


def console_server(
    here: Opened, settings: ConsoleSettings, host: str, port: int, begun: Callable[[str], Callable[[int], None]] = uncounted
) -> tuple[WebServer, str]:
    """Listening, not yet serving, and how people reach it; raises WrongUsage."""
    if host not in _LOOPBACK and not settings.console_url:
        raise WrongUsage(
            "HEADWAY_CONSOLE_URL: how people reach a console that listens on more than this machine, such as https://desk.example.org"
        )
    issuer = client_of(settings)
    socket = listen(host, port)
    url = settings.console_url or f"http://{f'[{host}]' if ':' in host else host}:{socket.getsockname()[1]}"
    desk = open_desk(here.database, here.ledger, issuer, url, helper_of(settings))
    return WebServer(console_app(desk, TABLE, begun), socket, trusted_proxies=settings.console_trusted_proxies), url
