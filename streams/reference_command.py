"""`headway reference`: versions of the reference data, published and listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from streams.live_settings import live_settings
from streams.progress import Progress
from streams.reference import read_reference
from streams.reference_publish import Outcome, publish_reference
from streams.reference_topics import manifests

__all__ = ["reference_app"]

reference_app = typer.Typer(help="Schools, targets and calendars of the live runner.", no_args_is_help=True)

Kafka = Annotated[str | None, typer.Option("--kafka", help="Bootstrap servers; default: HEADWAY_KAFKA.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

_SAID = {
    Outcome.PUBLISHED: "published",
    Outcome.UNCHANGED: "stands there already as the newest version; nothing was written",
    Outcome.NEWEST_AGAIN: "stood there already and is the newest version again",
}


@reference_app.command("publish")
def publish_command(
    schools: Annotated[Path, typer.Option(help="schools.csv")],
    targets: Annotated[Path, typer.Option(help="targets.csv")],
    calendar: Annotated[Path, typer.Option(help="calendar.csv")],
    kafka: Kafka = None,
    as_json: Json = False,
) -> None:
    """Check the three files and publish them as one version, which replaces the whole set."""
    settings = live_settings(kafka=kafka)
    reference = read_reference(schools, targets, calendar)
    with Progress(quiet=as_json) as bar:
        outcome, made = publish_reference(settings, reference, lambda sent, total: bar.closing("rows", sent, total))
    if as_json:
        typer.echo(json.dumps({"outcome": outcome.value, **made.model_dump(mode="json")}, sort_keys=True))
        return
    typer.echo(f"version {made.version} {_SAID[outcome]}")
    for name, rows in sorted(made.rows.items()):
        typer.echo(f"  {name}: {rows:,} rows")


@reference_app.command("list")
def list_command(kafka: Kafka = None, as_json: Json = False) -> None:
    """Every version that was published, the newest last."""
    found = manifests(live_settings(kafka=kafka))
    if as_json:
        typer.echo(json.dumps([made.model_dump(mode="json") for made in found], sort_keys=True))
        return
    for made in found:
        rows = ", ".join(f"{name} {rows:,}" for name, rows in sorted(made.rows.items()))
        typer.echo(f"{made.published_at:%Y-%m-%d %H:%M:%S} UTC  {made.version}  {rows}")
    if not found:
        typer.echo("no version has been published")
