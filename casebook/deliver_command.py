"""`headway deliver`: digests at their time, snoozed cases woken on their day, and everything that waits sent; a live process."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer

from casebook.beside_serve import telling_of
from casebook.casebook_options import CasebookOption, opened
from casebook.delivery import Delivery
from casebook.service import AgainAndAgain
from streams import clock
from streams.closer_command import log_to_stderr

__all__ = ["deliver_command", "until_stopped"]


def deliver_command(
    casebook: CasebookOption = None,
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, and end.")] = False,
) -> None:
    """Tell coordinators what is new, by mail and chat, from the casebook's database alone."""
    log_to_stderr()
    with opened(casebook) as (here, settings):
        telling = telling_of(here, settings)
        delivery = Delivery(here.database, settings.transports(), clock.now, lambda moment: moment.astimezone(settings.zone).date())
        steps = (lambda: telling.wake_due(clock.now()), lambda: telling.make_digests(clock.now()), delivery.step)
        thread = AgainAndAgain("delivery", steps)
        if once:
            raise typer.Exit(0 if thread.round() else 1)
        until_stopped(thread)


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
