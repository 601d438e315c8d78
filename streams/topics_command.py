"""`headway topics`: makes the topics of the topology and verifies those that stand there."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.live_settings import live_settings
from streams.topics import declare, plan

if TYPE_CHECKING:
    from streams.topics import Plan

__all__ = ["topics_command"]


def topics_command(
    kafka: Annotated[str | None, typer.Option(help="Bootstrap servers; or HEADWAY_KAFKA.")] = None,
    replication_factor: Annotated[int | None, typer.Option(help="Copies of each topic; or HEADWAY_REPLICATION_FACTOR.")] = None,
    only_plan: Annotated[bool, typer.Option("--plan", help="Print what would be done and change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Make the topics that are missing; exit 1, with nothing made, where one stands there with other settings."""
    settings = live_settings(kafka=kafka, replication_factor=replication_factor)
    done = plan(settings) if only_plan else declare(settings)
    if as_json:
        typer.echo(json.dumps(_as_json(done, only_plan=only_plan), sort_keys=True))
    else:
        _print(done, "to be made" if only_plan else "made")
    raise typer.Exit(1 if done.mismatches else 0)


def _as_json(done: Plan, *, only_plan: bool) -> dict[str, Any]:
    return {
        "to_be_made" if only_plan else "made": [asdict(topic) for topic in done.make],
        "as_wanted": [topic.name for topic in done.stand],
        "mismatches": [asdict(mismatch) for mismatch in done.mismatches],
    }


def _print(done: Plan, made: str) -> None:
    for topic in done.make:
        stated = ", ".join(f"{name} {value}" for name, value in topic.settings.items())
        typer.echo(f"{topic.name}: {made}, {topic.partitions} partitions, {topic.copies} copies, {stated}")
    for topic in done.stand:
        typer.echo(f"{topic.name}: stands there as wanted")
    for m in done.mismatches:
        typer.echo(f"{m.topic}: {m.setting} is {m.found}, wanted is {m.wanted}. {m.remedy}")
