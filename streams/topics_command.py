"""`headway topics`: makes the topics of the topology, or grants who may use them, and verifies what stands there."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.errors import WrongUsage
from streams.access_lists import principals
from streams.granting import grant, plan_access
from streams.live_settings import live_settings
from streams.topics import declare, plan

if TYPE_CHECKING:
    from streams.granting import AccessPlan
    from streams.topics import Plan

__all__ = ["topics_command"]


def topics_command(
    kafka: Annotated[str | None, typer.Option(help="Bootstrap servers; or HEADWAY_KAFKA.")] = None,
    replication_factor: Annotated[int | None, typer.Option(help="Copies of each topic; or HEADWAY_REPLICATION_FACTOR.")] = None,
    access: Annotated[bool, typer.Option("--access", help="Not the topics, but who may read and write them: the access lists.")] = False,
    principal: Annotated[
        list[str] | None,
        typer.Option(metavar="PART=NAME", help="The name under which a part signs in (worker=hw-worker); default: that of the part."),
    ] = None,
    only_plan: Annotated[bool, typer.Option("--plan", help="Print what would be done and change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Make the topics that are missing; exit 1, with nothing made, where one stands there with other settings."""
    settings = live_settings(kafka=kafka, replication_factor=replication_factor)
    if principal and not access:
        raise WrongUsage("--principal: names who may do what, so it goes with --access")
    if access:
        who = principals(principal or ())
        granted = plan_access(settings, who) if only_plan else grant(settings, who)
        said, lines, agrees = _access(granted, only_plan=only_plan), _access_lines(granted, only_plan=only_plan), not granted.beyond
    else:
        done = plan(settings) if only_plan else declare(settings)
        said, lines, agrees = _topics(done, only_plan=only_plan), _topic_lines(done, only_plan=only_plan), not done.mismatches
    typer.echo(json.dumps(said, sort_keys=True) if as_json else "\n".join(lines))
    raise typer.Exit(0 if agrees else 1)


def _topics(done: Plan, *, only_plan: bool) -> dict[str, Any]:
    return {
        "to_be_made" if only_plan else "made": [asdict(topic) for topic in done.make],
        "as_wanted": [topic.name for topic in done.stand],
        "mismatches": [asdict(mismatch) for mismatch in done.mismatches],
    }


def _topic_lines(done: Plan, *, only_plan: bool) -> list[str]:
    out = []
    for topic in done.make:
        stated = ", ".join(f"{name} {value}" for name, value in topic.settings.items())
        out.append(f"{topic.name}: {'to be made' if only_plan else 'made'}, {topic.partitions} partitions, {topic.copies} copies, {stated}")
    out += [f"{topic.name}: stands there as wanted" for topic in done.stand]
    return out + [f"{m.topic}: {m.setting} is {m.found}, wanted is {m.wanted}. {m.remedy}" for m in done.mismatches]


def _access(done: AccessPlan, *, only_plan: bool) -> dict[str, Any]:
    return {
        "to_be_granted" if only_plan else "granted": [entry._asdict() for entry in done.grant],
        "as_wanted": [entry._asdict() for entry in done.stand],
        "beyond": list(done.beyond),
    }


def _access_lines(done: AccessPlan, *, only_plan: bool) -> list[str]:
    out = []
    for entry in done.grant:
        said = "to be granted" if only_plan else "granted"
        out.append(f"{entry.principal} {entry.operation} {entry.resource.lower()} {entry.name}: {said}")
    return [*out, f"{len(done.stand)} entries stand there as wanted", *done.beyond]
