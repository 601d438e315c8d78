"""`headway produce`: files of registers into the log of the live runner."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.errors import WrongUsage
from streams import clock, topology
from streams.kafka_tools import Sender, topic_identity
from streams.live_settings import live_settings
from streams.produce import Pace, Produced, produce
from streams.produce_state import ProduceState
from streams.progress import Progress
from streams.sources import read_sessions

__all__ = ["produce_command"]

_WITH_REJECTS = 3


def produce_command(
    files: Annotated[list[Path], typer.Argument(help="Register files: .jsonl, .jsonl.gz or .parquet.")],
    resume: Annotated[
        Path | None, typer.Option(help="A file that remembers what was acknowledged: the same command goes on after an interruption.")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Records a second, at most; default: as fast as it goes.")] = None,
    kafka: Annotated[str | None, typer.Option("--kafka", help="Bootstrap servers; default: HEADWAY_KAFKA.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Send whole files of registers to their topic; what is invalid goes to the rejects. Sending again is harmless."""
    if rate is not None and not rate > 0:
        raise WrongUsage(f"--rate {rate}: write a number of records a second over 0")
    for file in files:
        read_sessions(file)
        if not file.is_file():
            raise WrongUsage(f"{file}: there is no such file. Name a readable file of registers")
    settings = live_settings(kafka=kafka)
    state = ProduceState(resume, topic_identity(settings, topology.REGISTERS))
    before = [state.of(file) for file in files]
    whole = [Produced(done.accepted, done.rejected.copy()) for done in before]
    begun = clock.monotonic_seconds()
    with Progress(quiet=as_json) as bar, Sender(settings) as sender:
        told, pace = bar.reading(files, "registers"), Pace(rate)
        for file, done in zip(files, whole, strict=True):
            produce(sender, file, done, pace=pace, acknowledged=partial(state.keep, file), progress=told)
    result = _result(before, whole, clock.monotonic_seconds() - begun)
    if as_json:
        typer.echo(json.dumps(result, sort_keys=True))
    else:
        _print(result)
    raise typer.Exit(_WITH_REJECTS if result["rejected"] else 0)


def _result(before: list[Produced], whole: list[Produced], seconds: float) -> dict[str, Any]:
    total = Produced()
    for done in whole:
        total.accepted += done.accepted
        total.rejected += done.rejected
    resumed = sum(done.read for done in before)
    return {
        "read": total.read,
        "accepted": total.accepted,
        "rejected": dict(sorted(total.rejected.items())),
        "resumed_after": resumed,
        "seconds": round(seconds, 3),
        "records_per_second": round((total.read - resumed) / seconds) if seconds > 0 else 0,
    }


def _print(result: dict[str, Any]) -> None:
    rejected = sum(result["rejected"].values())
    typer.echo(f"{result['read']:,} read: {result['accepted']:,} in the log, {rejected:,} among the rejects")
    for reason, count in result["rejected"].items():
        typer.echo(f"  rejected {count:,}: {reason}")
    if result["resumed_after"]:
        typer.echo(f"  {result['resumed_after']:,} of them had been acknowledged before")
    typer.echo(f"{result['seconds']:.1f} s, {result['records_per_second']:,} records/s")
