"""`headway casebook`: the live process that follows the topics; beside `headway serve` the casebook needs no process of its own."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from casebook.acknowledgements import acknowledgements_sent
from casebook.beside_serve import telling_of
from casebook.casebook_metrics import Port, metrics_port
from casebook.casebook_options import CasebookOption, opened
from casebook.close_application import AppliedClose
from casebook.feed import Feed
from casebook.ledger_check import export_heads
from casebook.live_feed import LiveFeed, begin_anew, relay_to_topic
from casebook.opening import Opened
from casebook.relay import Relay
from casebook.service import AgainAndAgain
from casebook.settings import CasebookSettings
from streams import casebook_consumer, clock
from streams.casebook_consumer import Arrived
from streams.closer_command import check_rights
from streams.live_settings import LiveSettings, live_settings
from streams.log_lines import log_to_stderr
from streams.outputs import whole_file

__all__ = ["casebook_command"]


def casebook_command(
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Make the read model again from the logs; what people did stays.")] = False,
    acknowledgements: Annotated[
        Path | None,
        typer.Option(help="Write what people decided to this file, as `headway replay --acknowledgements` reads it, and end."),
    ] = None,
    casebook: CasebookOption = None,
    kafka: Annotated[str | None, typer.Option(help="Bootstrap servers; or HEADWAY_KAFKA.")] = None,
) -> None:
    """Make cases of what the closes say, and carry what people decide back to the engine."""
    log_to_stderr()
    with opened(casebook) as (here, settings):
        if acknowledgements is not None:
            _export(here, acknowledgements)
        else:
            _live(here, settings, live_settings(kafka=kafka), rebuild=rebuild)


def _export(here: Opened, file: Path) -> None:
    with here.database.read() as connection, whole_file(file) as out:
        lines = list(acknowledgements_sent(connection))
        out.writelines(line + b"\n" for line in lines)
    typer.echo(f"{len(lines)} acknowledgements written to {file}")


def _live(here: Opened, settings: CasebookSettings, kafka: LiveSettings, *, rebuild: bool) -> None:
    check_rights(kafka, "casebook")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def applied(_: Sequence[AppliedClose]) -> None:
        export_heads(here.database, here.heads, clock.now())

    feed = LiveFeed(_feed(here, settings), kafka, applied)
    if rebuild:
        begin_anew(kafka)
    feed.follow(anew=rebuild)
    relay = AgainAndAgain("relay", (Relay(here.database, relay_to_topic(kafka), clock.now).step,))
    with metrics_port("casebook", settings, here.database, lambda: [] if relay.problem is None else [relay.problem]) as port:
        logging.getLogger("headway.casebook").info("metrics, /live and /ready at http://%s:%d", settings.metrics_host, port.health.port)
        relay.start()
        try:
            casebook_consumer.run(kafka, _counted(feed, port), stop, waits=port.watchdog.waits)
        finally:
            relay.stop()


def _counted(feed: LiveFeed, port: Port) -> Callable[[Sequence[Arrived]], None]:
    def handle(arrived: Sequence[Arrived]) -> None:
        feed.handle(arrived)
        port.watchdog.progressed()

    return handle


def _feed(here: Opened, settings: CasebookSettings) -> Feed:
    telling = telling_of(here, settings)
    return Feed(here.database, here.ledger, clock.now, lambda connection, close: telling.at_close(connection, close, clock.now()))
