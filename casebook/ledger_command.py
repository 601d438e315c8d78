"""`headway ledger verify` and `headway redact`: is the ledger as it was written; words that should not have been."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from casebook.casebook_options import CasebookOption, Json, opened
from casebook.ledger_check import export_heads, read_heads, verify
from casebook.people_command import actor
from casebook.redaction import redact
from schemas.errors import WrongUsage
from streams import clock

__all__ = ["ledger_app", "redact_command"]

ledger_app = typer.Typer(help="Who looked at and did what about a school: one chain for each.", no_args_is_help=True)


@ledger_app.command("verify")
def verify_command(
    heads: Annotated[Path | None, typer.Option(help="The exported heads, or your copy; or HEADWAY_LEDGER_HEADS_FILE.")] = None,
    casebook: CasebookOption = None,
    as_json: Json = False,
) -> None:
    """Recompute every chain and hold it against the exported heads; exit 1 when anything is not as it was written."""
    with opened(casebook) as (here, _):
        faults = verify(here.database, here.ledger, read_heads(heads or here.heads))
    if as_json:
        typer.echo(json.dumps([{"urn": one.urn, "row": one.number, "what": one.what} for one in faults]))
    for one in () if as_json else faults:
        typer.echo(f"{one.urn}: {'' if one.number is None else f'row {one.number}: '}{one.what}")
    if not faults and not as_json:
        typer.echo("every chain is as it was written")
    raise typer.Exit(1 if faults else 0)


@ledger_app.command("export")
def export_command(casebook: CasebookOption = None) -> None:
    """Write the heads of the chains that have grown, as each close does."""
    with opened(casebook) as (here, _):
        number = export_heads(here.database, here.heads, clock.now())
        typer.echo(f"{number} heads written to {here.heads}")


def redact_command(
    event: Annotated[str, typer.Argument(help="The event's id, from the case's history.")], casebook: CasebookOption = None
) -> None:
    """Remove what somebody wrote, for good; the event stays, and the ledger says that its words were removed."""
    try:
        event_id = UUID(event)
    except ValueError as error:
        raise WrongUsage(f"{event}: no event id. Copy it from the case's history") from error
    with opened(casebook) as (here, _):
        urn = redact(here.database, here.ledger, event_id, actor(), clock.now())
    typer.echo(f"the words of {event_id} (school {urn}) are gone; backups made before hold them until they are overwritten")
