"""`headway doctor`: looks at all that Headway stands on and says what is wrong and how to mend it; exit 1 where anything is.

It changes nothing but one row of the casebook, which it writes and takes away again, and sends no mail. Each check is tried
whatever becomes of the others, but for those that would only say the same again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from casebook import casebook_checks
from casebook.settings import casebook_settings
from console.effective_settings import config
from schemas.errors import WrongUsage
from streams import clock, live_checks
from streams.finding import Finding, Standing, found
from streams.live_settings import live_settings
from streams.reference import read_reference
from streams.reference_topics import read_reference_topics

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime

    from casebook.settings import CasebookSettings
    from streams.live_settings import LiveSettings

__all__ = ["doctor_command"]

_SIGNS = {Standing.WELL: "well ", Standing.LOOK: "LOOK ", Standing.WRONG: "WRONG", Standing.NOT_TRIED: "-    "}


def doctor_command(
    embedded: Annotated[bool, typer.Option("--embedded", help="There is no broker: `headway serve` takes the registers in.")] = False,
    schools: Annotated[Path | None, typer.Option(help="schools.csv of `headway serve`; live, the topics say it.")] = None,
    targets: Annotated[Path | None, typer.Option(help="targets.csv")] = None,
    calendar: Annotated[Path | None, typer.Option(help="calendar.csv")] = None,
    log: Annotated[Path, typer.Option(help="The SQLite file of the logs of `headway serve`.")] = Path("headway.db"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look at config, broker, topics, database, clock, disk, calendars and SMTP; say what is wrong and how to mend it."""
    files = (schools, targets, calendar)
    if any(files) and not all(files):
        raise WrongUsage("--schools, --targets, --calendar: name all three, or none")
    findings = found("config", lambda: config(os.environ))
    if any(one.standing is Standing.WRONG and "_FILE" not in one.said for one in findings):
        findings.append(Finding("the rest", Standing.NOT_TRIED, "what the settings name is not known", "Mend the settings first"))
    else:
        findings += _rest(files, log, clock.now(), embedded=embedded)
    if as_json:
        typer.echo(json.dumps([one._asdict() for one in findings]))
    else:
        typer.echo("\n".join(map(_line, findings)))
    raise typer.Exit(1 if any(one.standing is Standing.WRONG for one in findings) else 0)


def _rest(files: tuple[Path | None, ...], log: Path, now: datetime, *, embedded: bool) -> Iterator[Finding]:
    people = casebook_settings()
    today = now.astimezone(people.zone).date()
    if embedded:
        yield from found("disk", lambda: live_checks.disk("--log", log))
    else:
        yield from _live(live_settings(), now, today, from_topics=not all(files))
    schools, targets, calendar = files
    if schools is not None and targets is not None and calendar is not None:
        yield from found("calendars", lambda: live_checks.calendars(read_reference(schools, targets, calendar), today))
    elif embedded:
        yield Finding("calendars", Standing.NOT_TRIED, "no files were named", "Name --schools, --targets and --calendar")
    yield from _casebook(people, now)


def _live(settings: LiveSettings, now: datetime, today: date, *, from_topics: bool) -> Iterator[Finding]:
    answers = found("broker", lambda: live_checks.broker(settings))
    yield from answers
    yield from found("disk", lambda: live_checks.disk("HEADWAY_STATE_DIR", settings.state_dir))
    if not any(one.standing is Standing.WELL or "brokers" in one.said for one in answers):
        for name in ("topics", "clock", "calendars"):
            yield Finding(name, Standing.NOT_TRIED, "the broker does not answer")
        return
    yield from found("topics", lambda: live_checks.topics(settings))
    yield from found("clock", lambda: live_checks.log_clock(settings, now))
    if from_topics:
        yield from found("calendars", lambda: live_checks.calendars(read_reference_topics(settings), today))


def _casebook(settings: CasebookSettings, now: datetime) -> Iterator[Finding]:
    there = found("database", lambda: casebook_checks.database(settings))
    yield from there
    if any(one.check == "database" and one.standing is Standing.WELL for one in there):
        yield from found("clock", lambda: casebook_checks.casebook_clock(settings, now))
    if "://" not in settings.casebook:
        yield from found("disk", lambda: live_checks.disk("HEADWAY_CASEBOOK", Path(settings.casebook)))
    yield from found("smtp", lambda: casebook_checks.mail(settings))


def _line(one: Finding) -> str:
    return f"{_SIGNS[one.standing]}  {one.check}: {one.said}" + (f"\n       {one.remedy}" if one.remedy else "")
