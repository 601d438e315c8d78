"""`headway serve`: embedded all in one, from files of reference data and an SQLite log: intake, closes, casebook, mail, console."""

from __future__ import annotations

import os
from datetime import time
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from casebook.beside_serve import beside_serve
from casebook.casebook_options import CasebookOption, opened
from console.console_command import console_server
from console.page_metrics import PageMetrics
from console.serving import WithConsole
from console.settings import console_settings
from models.parameters import Parameters
from schemas.errors import WrongUsage
from schemas.register import canonical, parse
from streams import clock
from streams.access import tokens_from
from streams.budgets import budget_of, hubs_named, thresholds_from
from streams.close_metrics import CloseMetrics, newest_close
from streams.log_lines import log_to_stderr
from streams.metrics import Metrics
from streams.reference import read_reference
from streams.replay import Reference, learn_history
from streams.runner import EmbeddedRunner
from streams.schedule import ClosingTimes
from streams.serve import Beside, ServeOptions, serve
from streams.sqlite_log import EmbeddedLogs

__all__ = ["serve_command"]


def serve_command(
    schools: Annotated[Path, typer.Option(help="schools.csv")],
    targets: Annotated[Path, typer.Option(help="targets.csv")],
    calendar: Annotated[Path, typer.Option(help="calendar.csv")],
    log: Annotated[Path, typer.Option(help="The SQLite file of the logs; made if it is not there.")] = Path("headway.db"),
    history: Annotated[list[Path] | None, typer.Option(help="Registers of earlier years.")] = None,
    thresholds: Annotated[Path | None, typer.Option(help="A table that `headway calibrate` wrote; default: the shipped one.")] = None,
    false_alerts_per_hub_term: Annotated[
        float | None, typer.Option(help="The budget: false alerts a hub and term. Default: 2, for a hub of 57 schools.")
    ] = None,
    hub_schools: Annotated[
        int | None, typer.Option(help="How many schools share that budget; without it, each hub's own schools do.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; other than loopback needs a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535)] = 8080,
    token_file: Annotated[
        Path | None, typer.Option(help="A file with one intake token a line; or HEADWAY_INTAKE_TOKENS, blank separated.")
    ] = None,
    close_at: Annotated[str, typer.Option(help="Local time at which a school day is closed.")] = "17:30",
    close_again_at: Annotated[str, typer.Option(help="Local time at which it is closed again if late registers have come.")] = "07:00",
    time_zone: Annotated[str, typer.Option(help="Whose clock and midnight.")] = "Europe/London",
    casebook: CasebookOption = None,
    console_port: Annotated[
        int | None, typer.Option(help="Serve the console too, at this port of the same address (HEADWAY_OIDC_…).", min=0, max=65_535)
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(help="Serve /metrics, /live and /ready at this port of the loopback address.", min=0, max=65_535)
    ] = None,
    rebuild_casebook: Annotated[
        bool, typer.Option("--rebuild-casebook", help="Make the casebook's read model again from the log first; what people did stays.")
    ] = False,
) -> None:
    """Take registers in over HTTP, answer with provisional readings, close each school day by schedule, make cases of what is said."""
    log_to_stderr()
    zone, budget = _zone(time_zone), budget_of(None, false_alerts_per_hub_term, hub_schools)
    reference = read_reference(schools, targets, calendar)
    hubs_named(budget, reference)
    parameters = _parameters(reference, thresholds, history)
    times = ClosingTimes(zone=zone, close_at=_clock(close_at, "--close-at"), again_at=_clock(close_again_at, "--close-again-at"))
    tokens = tokens_from(token_file, os.environ)
    options = ServeOptions(log=log, host=host, port=port, tokens=tokens, times=times, metrics_port=metrics_port)
    metrics = Metrics("serve")
    said = CloseMetrics(metrics, budget)
    pages = PageMetrics(metrics, clock.monotonic_seconds)
    with opened(casebook) as (here, settings):
        desk = None if console_port is None else console_server(here, console_settings(), host, console_port, pages.answered)

        def beside(logs: EmbeddedLogs) -> Beside:
            return beside_serve(here, settings, logs, reference, parameters, budget, clock.now, rebuild=rebuild_casebook, metrics=metrics)

        serve(
            options,
            open_runner=lambda logs: _watched(EmbeddedRunner(logs, reference, parameters, budget, clock.now), metrics, said),
            judge=lambda raw: canonical(parse(raw)),
            announce=lambda url: _announce(url, None if desk is None else desk[1]),
            open_beside=beside if desk is None else lambda logs: WithConsole(beside(logs), desk[0]),
            attempted=said.attempted,
            metrics=metrics,
        )


def _parameters(reference: Reference, thresholds: Path | None, history: list[Path] | None) -> Parameters:
    parameters = Parameters() if thresholds is None else Parameters(thresholds=thresholds_from(thresholds).laws)
    return learn_history(reference, history, parameters, processes=1, progress=lambda _: None) if history else parameters


def _announce(url: str, console: str | None) -> None:
    typer.echo(f"headway serve: taking registers at {url}/v1/registers")
    if console is not None:
        typer.echo(f"headway serve: the console at {console}")


def _watched(runner: EmbeddedRunner, metrics: Metrics, said: CloseMetrics) -> EmbeddedRunner:
    runner.observed = said.closed
    metrics.follow("headway_close_timestamp_seconds", lambda: newest_close(runner))
    return runner


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise WrongUsage(f"--time-zone {name}: no such time zone. Write one such as Europe/London") from error


def _clock(text: str, option: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError as error:
        raise WrongUsage(f"{option} {text}: no time of day. Write one such as 17:30") from error
