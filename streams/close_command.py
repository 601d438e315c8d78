"""`headway close`: asks the closer for a close, or computes an old one again."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from schemas.errors import BadContents, HeadwayError, WrongUsage
from schemas.register import iso_date
from streams import clock
from streams.as_known import Verdict, as_known
from streams.close_logs import EmbeddedCloseLogs
from streams.granting import require
from streams.kafka_logs import KafkaLogs
from streams.live_closer import LiveCloser, read_parameters
from streams.live_settings import live_settings
from streams.reference import read_reference
from streams.reference_topics import read_reference_topics
from streams.runner import EmbeddedRunner
from streams.sqlite_log import EmbeddedLogs

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.control import Requested
    from streams.close_logs import CloseLogs
    from streams.closer import Closer
    from streams.live_settings import LiveSettings
    from streams.replay import Reference

__all__ = ["NotClosed", "ask", "close_command", "wait_for"]

POLL_SECONDS = 0.5


class NotClosed(HeadwayError):
    """A close that was asked for was abandoned, or did not come in time."""


def close_command(
    day: Annotated[str | None, typer.Option(help="The school day, as 2026-11-14; the latest up to today if not given.")] = None,
    as_known_on: Annotated[
        str | None, typer.Option("--as-known", metavar="DATE", help="Compute the last close of that day again and compare; writes nothing.")
    ] = None,
    parameters: Annotated[Path | None, typer.Option(help="The parameters file that the closer works with.")] = None,
    log: Annotated[
        Path | None, typer.Option(help="Of `headway serve`, while it is stopped: closes this log, with the files below.")
    ] = None,
    schools: Annotated[Path | None, typer.Option(help="schools.csv, with --log")] = None,
    targets: Annotated[Path | None, typer.Option(help="targets.csv, with --log")] = None,
    calendar: Annotated[Path | None, typer.Option(help="calendar.csv, with --log")] = None,
    timeout_seconds: Annotated[int, typer.Option(min=1, help="How long --wait waits.")] = 600,
    wait: Annotated[bool, typer.Option("--wait", help="Return when the close is completed.")] = False,
    ahead: Annotated[
        bool, typer.Option("--ahead", help="Close a day that has not come yet, of a simulated year: no day before it can be closed then.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Ask for a close of all that is in the logs now, or compute an old close again (exit 1: different, or cannot be computed)."""
    settings = live_settings(parameters=parameters)
    if log is not None:
        _embedded(log, (schools, targets, calendar), settings, day, as_known_on, ahead=ahead, as_json=as_json)
        return
    day_then = None if as_known_on is None else _date(as_known_on, "--as-known")
    require(settings, "close")
    if day_then is not None:
        _again(KafkaLogs(settings), lambda version: read_reference_topics(settings, version), settings, day_then, as_json=as_json)
    closer = LiveCloser(settings, KafkaLogs(settings), read_parameters(settings.parameters), clock.now)
    request = ask(closer, _day(closer, settings, day, ahead=ahead))
    _print(request, wait_for(closer, request, timeout_seconds) if wait else None, as_json=as_json)


def ask(closer: LiveCloser, day: date) -> Requested:
    """Put a request to close a day at the ends of the logs into the control log; where a close is open, that one is returned."""
    closer.catch_up()
    _not_before_the_last(closer, day)
    if closer.chain.open is None:
        closer.put(closer.request(day, closer.ends()))
    if closer.chain.open is None:
        raise NotClosed(f"the request to close {day} was overtaken by another close. Ask again")
    return closer.chain.open


def wait_for(closer: LiveCloser, request: Requested, timeout_seconds: float) -> str:
    """The state digest of a close once it is completed; raises NotClosed."""
    until = clock.monotonic_seconds() + timeout_seconds
    while True:
        closer.catch_up()
        for held, done in closer.chain.completed:
            if held.close_id == request.close_id:
                return done.state_digest
        if request != closer.chain.open:
            raise NotClosed(f"the close of {request.day} was abandoned: {closer.chain.abandoned.get(request.close_id, 'it is void')}")
        if clock.monotonic_seconds() > until:
            raise NotClosed(f"the close of {request.day} is not completed after {timeout_seconds:.0f} s. Is a closer running and ready?")
        clock.sleep_seconds(POLL_SECONDS)


def _again(logs: CloseLogs, reference_of: Callable[[str], Reference], settings: LiveSettings, day: date, *, as_json: bool) -> None:
    found = as_known(logs, reference_of, read_parameters(settings.parameters), settings.budget(), day, clock.now)
    if as_json:
        typer.echo(json.dumps({**found._asdict(), "day": str(day)}, sort_keys=True))
    else:
        urns = f": {', '.join(map(str, found.urns))}" if found.urns else ""
        why = f": {found.why}" if found.why else ""
        typer.echo(f"close {found.close_number} of {day}: {found.verdict}{urns}{why}")
    raise typer.Exit(0 if found.verdict is Verdict.EQUAL else 1)


def _embedded(
    log: Path,
    files: tuple[Path | None, ...],
    settings: LiveSettings,
    day: str | None,
    as_known_on: str | None,
    *,
    ahead: bool,
    as_json: bool,
) -> None:
    """The same on the log of `headway serve`."""
    schools, targets, calendar = files
    if schools is None or targets is None or calendar is None:
        raise WrongUsage("--log: name --schools, --targets and --calendar too, the files that `headway serve` was given")
    reference = read_reference(schools, targets, calendar)

    def of(version: str) -> Reference:
        if version != reference.version:
            raise BadContents("not the reference data of that close", file=str(schools.parent), remedy="Name the files of that time")
        return reference

    with closing(EmbeddedLogs(log)) as logs:
        if as_known_on is not None:
            _again(EmbeddedCloseLogs(logs), of, settings, _date(as_known_on, "--as-known"), as_json=as_json)
        runner = EmbeddedRunner(logs, reference, read_parameters(settings.parameters), settings.budget(), clock.now)
        when = _day(runner, settings, day, ahead=ahead)
        _not_before_the_last(runner, when)
        runner.close(when, logs.end_positions())
        request, done = runner.chain.completed[-1]
        _print(request, done.state_digest, as_json=as_json)


def _not_before_the_last(closer: Closer, day: date) -> None:
    if closer.chain.completed and day < (last := closer.chain.completed[-1][0].day):
        raise WrongUsage(
            f"--day {day}: {last} is closed already, and no day before it is closed again. What came late counts at the next close"
        )


def _print(request: Requested, digest: str | None, *, as_json: bool) -> None:
    said: dict[str, object] = {"close_id": request.close_id, "number": request.number, "day": str(request.day)}
    if as_json:
        typer.echo(json.dumps(said if digest is None else said | {"state_digest": digest}, sort_keys=True))
    else:
        typer.echo(f"close {request.number} of {request.day}: {'requested' if digest is None else f'completed, state digest {digest}'}")


def _day(closer: Closer, settings: LiveSettings, asked: str | None, *, ahead: bool) -> date:
    """The day that is asked for, or the latest that has come. Its close can never be undone, so a slip of the pen is refused."""
    today = clock.now().astimezone(ZoneInfo(settings.time_zone)).date()
    days = closer.school_days
    if asked is None:
        past = [day for day in days if day <= today]
        if not past:
            raise WrongUsage("--day: no school day of the calendar has come yet. Name one")
        return past[-1]
    day = _date(asked, "--day")
    if day not in days:
        raise WrongUsage(f"--day {day}: no school day of the calendar, which goes from {days[0]} to {days[-1]}. Name one of them")
    if day > today and not ahead:
        raise WrongUsage(
            f"--day {day}: it has not come yet, and after its close no earlier day can be closed. For a simulated year say --ahead"
        )
    return day


def _date(text: str, option: str) -> date:
    day = iso_date(text)
    if day is None:
        raise WrongUsage(f"{option} {text}: no date. Write one such as 2026-11-14")
    return day
