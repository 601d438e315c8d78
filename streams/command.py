"""The `headway` command as far as the streams go (`console.command` adds the rest): arguments in, exit codes out.

Exit 0 done, 1 failed (bad contents of a file), 2 wrong usage (a missing or unreadable argument), 3 done with rejects.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from models.parameters import Parameters
from schemas.errors import BadContents, HeadwayError, WrongUsage
from streams.acknowledgements import read_acknowledgements
from streams.backtest_command import backtest_command
from streams.budgets import budget_of, hubs_named, thresholds_from
from streams.calibrate_command import calibrate_command
from streams.close_command import close_command
from streams.closer_command import closer_command
from streams.outputs import write_all
from streams.produce_command import produce_command
from streams.progress import Progress
from streams.reference import read_reference
from streams.reference_command import reference_app
from streams.rejects_command import rejects_app
from streams.replay import Known, learn_history, read_input, replay
from streams.schema_export import schema_command
from streams.simulate_command import simulate_command
from streams.topics_command import topics_command
from streams.worker_command import worker_command

__all__ = ["app", "main"]

app = typer.Typer(help="Headway: a monitor of school attendance on its way to a yearly target.", no_args_is_help=True, add_completion=False)

DONE, FAILED, WRONG_USAGE, WITH_REJECTS = 0, 1, 2, 3
INTERRUPTED = 130

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise WrongUsage(f"--time-zone {name}: no such time zone. Write one such as Europe/London") from error


def _out(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongUsage(f"--out {out}: {error.strerror}. Name a directory that can be written") from error
    if not os.access(out, os.W_OK):
        raise WrongUsage(f"--out {out}: not writable. Name a directory that can be written")
    return out


@app.command("replay")
def replay_command(
    sessions: Annotated[list[Path], typer.Argument(help="Register files: .jsonl, .jsonl.gz or .parquet.")],
    schools: Annotated[Path, typer.Option(help="schools.csv")],
    targets: Annotated[Path, typer.Option(help="targets.csv")],
    calendar: Annotated[Path, typer.Option(help="calendar.csv")],
    out: Annotated[
        Path, typer.Option(help="Directory for readings, alerts, rejects and the summary (mode 0600: they hold targets in another form).")
    ],
    history: Annotated[
        list[Path] | None, typer.Option(help="Registers of earlier years: season, levels and noise are learned from them.")
    ] = None,
    acknowledgements: Annotated[Path | None, typer.Option(help="What people decided, as JSON lines.")] = None,
    known: Annotated[
        Known, typer.Option(help="Close each day with what was recorded by then, or every day on what is known now.")
    ] = Known.THEN,
    alarms_per_school_year: Annotated[
        float | None, typer.Option(help="One nominal rate for every chart, over 0 and at most 0.5; default: the hub's budget.")
    ] = None,
    false_alerts_per_hub_term: Annotated[
        float | None, typer.Option(help="The budget: false alerts a hub and term. Default: 2, for a hub of 57 schools.")
    ] = None,
    hub_schools: Annotated[
        int | None, typer.Option(help="How many schools share that budget; without it, each hub's own schools do.")
    ] = None,
    thresholds: Annotated[Path | None, typer.Option(help="A table that `headway calibrate` wrote; default: the shipped one.")] = None,
    time_zone: Annotated[str, typer.Option(help="Whose midnight ends a school day.")] = "Europe/London",
    processes: Annotated[int, typer.Option(min=1, max=2, help="Processes that read JSON lines.")] = 2,
    as_json: Json = False,
) -> None:
    """Run whole files through the embedded runner, as fast as it can."""
    zone, budget = _zone(time_zone), budget_of(alarms_per_school_year, false_alerts_per_hub_term, hub_schools)
    reference = read_reference(schools, targets, calendar)
    hubs_named(budget, reference)
    parameters = Parameters() if thresholds is None else Parameters(thresholds=thresholds_from(thresholds).laws)
    said = read_acknowledgements(acknowledgements)
    _out(out)
    with Progress(quiet=as_json) as bar:
        if history:
            parameters = learn_history(
                reference, history, parameters, processes=processes, progress=bar.reading(history, "history"), scored=sessions
            )
        held = read_input(sessions, processes=processes, progress=bar.reading(sessions, "registers"))
        held.rejects |= said.rejects
        done = replay(reference, held, parameters, known=known, budget=budget, zone=zone, acknowledgements=said, progress=bar.closing)
        bar.say("writing")
        result = write_all(out, done, held, parameters)
    _print_result(result, out, as_json=as_json)
    raise typer.Exit(WITH_REJECTS if held.rejects else DONE)


app.command("simulate")(simulate_command)
app.command("backtest")(backtest_command)
app.command("calibrate")(calibrate_command)
app.command("close")(close_command)
app.command("closer")(closer_command)
app.command("worker")(worker_command)
app.command("schema")(schema_command)
app.command("topics")(topics_command)
app.command("produce")(produce_command)
app.add_typer(reference_app, name="reference")
app.add_typer(rejects_app, name="rejects")


def _print_result(result: dict[str, Any], out: Path, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(result, sort_keys=True))
        return
    rejected = sum(result["rejected"].values())
    alerts = ", ".join(f"{kind} {n}" for kind, n in result["alerts"].items()) or "none"
    typer.echo(f"{result['read']:,} read: {result['accepted']:,} accepted, {result['duplicate']:,} duplicate, {rejected:,} rejected")
    for reason, n in result["rejected"].items():
        typer.echo(f"  rejected {n:,}: {reason}")
    for name in ("unknown_school", "outside_calendar", "superseded", "legacy_codes"):
        if result[name]:
            typer.echo(f"  {name.replace('_', ' ')}: {result[name]:,}")
    typer.echo(f"{result['schools']:,} schools, {result['days_closed']} days closed; alerts opened: {alerts}")
    expected, opened = result["false_alerts"]["expected"], result["false_alerts"]["opened"]
    by_chart = ", ".join(f"{chart} {expected[chart]:.1f} and {opened[chart]}" for chart in expected)
    typer.echo(f"false alerts that the budget leaves, and alerts opened, true ones among them: {by_chart}")
    typer.echo(f"state digest {result['state_digest']}\nwritten to {out}")


def main() -> None:
    """The entry point: turns the error tree into one clear message and an exit code."""
    try:
        app(standalone_mode=True)
    except WrongUsage as error:
        _fail(str(error), WRONG_USAGE)
    except BadContents as error:
        _fail(str(error), FAILED)
    except HeadwayError as error:
        _fail(f"{type(error).__name__}: {error}", FAILED)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:  # What a Ctrl-C becomes in Click, which says nothing.
            _fail("stopped; nothing half-written stands: run the same command again", INTERRUPTED)
        raise
    except MemoryError:
        _fail("out of memory. Replay fewer files at a time", FAILED)


def _fail(message: str, code: int) -> None:
    typer.echo(f"headway: {message}", err=True)
    sys.exit(code)
