"""`headway deliver`: digests at their time, snoozed cases woken on their day, and everything that waits sent; a live process."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterable
from typing import Annotated

import typer

from casebook.beside_serve import telling_of
from casebook.casebook_metrics import metrics_port
from casebook.casebook_options import CasebookOption, opened
from casebook.delivery import Delivery
from casebook.opening import Opened
from casebook.service import AgainAndAgain
from casebook.settings import CasebookSettings
from streams import clock
from streams.log_lines import log_to_stderr

__all__ = ["deliver_command", "problems_of", "until_stopped"]


def deliver_command(
    casebook: CasebookOption = None,
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, and end.")] = False,
) -> None:
    """Tell coordinators what is new, by mail and chat, from the casebook's database alone."""
    log_to_stderr()
    with opened(casebook) as (here, settings):
        if once:
            raise typer.Exit(0 if AgainAndAgain("delivery", _steps(here, settings)).round() else 1)
        threads: list[AgainAndAgain] = []
        with metrics_port("deliver", settings, here.database, lambda: problems_of(threads)) as port:
            threads.append(AgainAndAgain("delivery", (*_steps(here, settings, port.casebook.sent), port.watchdog.progressed)))
            logging.getLogger("headway.delivery").info("metrics, /live and /ready at http://%s:%d", settings.metrics_host, port.health.port)
            until_stopped(*threads)


def _steps(
    here: Opened, settings: CasebookSettings, tried: Callable[[str, str], None] = lambda *_: None
) -> tuple[Callable[[], object], ...]:
    telling = telling_of(here, settings)
    delivery = Delivery(here.database, settings.transports(), clock.now, lambda moment: moment.astimezone(settings.zone).date(), tried)
    return (lambda: telling.wake_due(clock.now()), lambda: telling.make_digests(clock.now()), delivery.step)


def problems_of(threads: Iterable[AgainAndAgain]) -> list[str]:
    """Why all is not well with them, in words for ops."""
    return [one.problem for one in threads if one.problem is not None]


def until_stopped(*threads: AgainAndAgain) -> None:
    """Runs threads until SIGTERM or SIGINT, then stops them."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    for one in threads:
        one.start()
    stop.wait()
    for one in threads:
        one.stop()
