"""`headway retention`: what the casebook holds longer than it should; `--apply` ends it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from casebook.casebook_options import CasebookOption, Json, opened
from casebook.retention import Due, apply, due
from streams import clock

__all__ = ["retention_command"]


def retention_command(
    do: Annotated[bool, typer.Option("--apply/--dry-run", help="End what is due, or only say it.")] = False,
    casebook: CasebookOption = None,
    as_json: Json = False,
) -> None:
    """Say what is kept longer than it should be; with --apply, end it. Events and ledger are counted and never deleted."""
    with opened(casebook) as (here, _):
        found = (apply if do else due)(here.database, clock.now())
    typer.echo(json.dumps([one._asdict() for one in found]) if as_json else "\n".join(_line(one, done=do) for one in found))


def _line(one: Due, *, done: bool) -> str:
    said = "ended" if done and one.deleted else "due" if one.deleted else "due, to be archived by a person"
    return f"{one.what}: {one.rows:,} {said} (kept {one.kept_days:,} days)"
