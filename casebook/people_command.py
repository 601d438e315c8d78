"""`headway people import | grant | revoke | list | export`: who works for which hub, and which school consents to which."""

from __future__ import annotations

import getpass
import json
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from casebook.casebook_options import CasebookOption, Json, opened
from casebook.directory import Directory, Person, deputies_of, memberships_now, people_now, version_now
from casebook.directory_files import iso_day, memberships_csv, people_csv, read_memberships, read_people
from casebook.scope import Role
from schemas.errors import WrongUsage
from streams import clock

__all__ = ["people_app"]

people_app = typer.Typer(help="People, their roles, and the schools that consent; in the casebook's database only.", no_args_is_help=True)


@people_app.command("import")
def import_command(
    people: Annotated[Path | None, typer.Option(help="people.csv: person, name, email, role, scope, valid_from, valid_to")] = None,
    memberships: Annotated[Path | None, typer.Option(help="memberships.csv: urn, hub, support, consent_from, consent_to")] = None,
    casebook: CasebookOption = None,
    as_json: Json = False,
) -> None:
    """Replace the list of people, of memberships, or both, by whole files; the same files again change nothing."""
    if people is None and memberships is None:
        raise WrongUsage("name a file: --people people.csv, --memberships memberships.csv, or both")
    loaded = (None if people is None else read_people(people), None if memberships is None else read_memberships(memberships))
    with opened(casebook) as (here, _):
        version = Directory(here.database).load(*loaded, actor=actor(), now=clock.now())
    numbers = {"people": len(loaded[0] or ()), "memberships": len(loaded[1] or ()), "version": version}
    words = f"{numbers['people']} roles, {numbers['memberships']} memberships read; the directory stands at version {version}"
    typer.echo(json.dumps(numbers, sort_keys=True) if as_json else words)


@people_app.command("grant")
def grant_command(
    person: Annotated[str, typer.Argument(help="The opaque id.")],
    role: Annotated[Role, typer.Argument()],
    scope: Annotated[str, typer.Argument(help="The hub, or the school's URN; nothing for analysts and ops.")] = "",
    name: Annotated[str | None, typer.Option(help="Needed for somebody new.")] = None,
    email: Annotated[str | None, typer.Option(help="Needed for somebody new who signs in or is told anything.")] = None,
    valid_from: Annotated[str | None, typer.Option(help="YYYY-MM-DD; today unless said.")] = None,
    valid_to: Annotated[str | None, typer.Option(help="YYYY-MM-DD; until further notice unless said.")] = None,
    casebook: CasebookOption = None,
) -> None:
    """Give a person one more role."""
    now = clock.now()
    with opened(casebook) as (here, settings):
        with here.database.read() as connection:
            known = next((one for one in people_now(connection) if one.person == person), None)
        if name is None and known is None:
            raise WrongUsage(f"{person}: is new: give --name and --email")
        if role not in {Role.ANALYST, Role.OPS} and not scope:
            raise WrongUsage(f"{role}: name the hub, or the school's URN")
        first = _day(valid_from, "--valid-from") or now.astimezone(settings.zone).date()
        row = Person(
            person,
            name or (known.name if known else ""),
            email if email is not None else (known.email if known else ""),
            role,
            scope,
            first,
            _day(valid_to, "--valid-to"),
        )
        version = Directory(here.database).grant(row, actor(), now)
    typer.echo(f"{person} is {role}{' of ' + scope if scope else ''}; the directory stands at version {version}")


@people_app.command("revoke")
def revoke_command(
    person: Annotated[str, typer.Argument(help="The opaque id.")],
    role: Annotated[Role | None, typer.Argument(help="All of them unless said.")] = None,
    scope: Annotated[str | None, typer.Argument(help="All of them unless said.")] = None,
    casebook: CasebookOption = None,
) -> None:
    """Take a person's roles away; whoever is signed in with one is signed out at once."""
    with opened(casebook) as (here, _):
        version = Directory(here.database).revoke(person, actor(), clock.now(), role, scope)
    typer.echo(f"{person} has {'no role' if role is None else f'no role {role}'} any more; the directory stands at version {version}")


@people_app.command("list")
def list_command(casebook: CasebookOption = None, as_json: Json = False) -> None:
    """Everybody's roles, and how many schools each hub has."""
    with opened(casebook) as (here, settings):
        today = clock.now().astimezone(settings.zone).date()
        with here.database.read() as connection:
            people, members, version = people_now(connection), memberships_now(connection), version_now(connection)
            hubs = sorted({one.hub for one in members})
            deputies = {hub: deputies_of(connection, hub, today) for hub in hubs}
    schools = {hub: sum(one.hub == hub and _consents(one.consent_from, one.consent_to, today) for one in members) for hub in hubs}
    if as_json:
        rows = [{"person": p.person, "role": p.role, "scope": p.scope, "valid_from": p.valid_from, "valid_to": p.valid_to} for p in people]
        typer.echo(json.dumps({"people": rows, "schools": schools, "deputies": deputies, "version": version}, sort_keys=True, default=str))
        return
    for p in people:
        until = f" to {p.valid_to}" if p.valid_to else ""
        typer.echo(f"{p.person}  {p.role}  {p.scope or '-'}  from {p.valid_from}{until}  {p.name}")
    for hub in hubs:
        stand = ", ".join(f"{who} by {deputy}" for who, deputy in deputies[hub].items())
        typer.echo(f"{hub}: {schools[hub]} schools consent today{'; deputised: ' + stand if stand else ''}")
    typer.echo(f"version {version}")


@people_app.command("export")
def export_command(
    out: Annotated[Path, typer.Option(help="A folder for people.csv and memberships.csv (mode 0600).")], casebook: CasebookOption = None
) -> None:
    """Write both files as `import` reads them."""
    with opened(casebook) as (here, _), here.database.read() as connection:
        files = {"people.csv": people_csv(people_now(connection)), "memberships.csv": memberships_csv(memberships_now(connection))}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (out / name).touch(mode=0o600)
            (out / name).chmod(0o600)
            (out / name).write_text(text, "utf-8")
    except OSError as error:
        raise WrongUsage(f"--out {out}: {error.strerror}. Name a folder that can be written") from error
    typer.echo(f"written to {out}")


def actor() -> str:
    """Who runs the command, as the system names them."""
    return f"{getpass.getuser()} (command line)"


def _day(text: str | None, option: str) -> date | None:
    day = None if text is None else iso_day(text)
    if text is not None and day is None:
        raise WrongUsage(f"{option} {text}: no date. Write one such as 2026-09-01")
    return day


def _consents(first: date, last: date | None, today: date) -> bool:
    return first <= today and (last is None or today <= last)
