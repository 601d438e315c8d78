"""`headway rejects`: what was refused, with its reason and its bytes; offered again, or accepted as it stands."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Annotated, Any

import typer

from schemas.errors import WrongUsage
from schemas.reject import RejectReason
from streams.dead_letters import DeadLetter, fold, original_of, read_dead_letters
from streams.kafka_tools import LogReader
from streams.live_settings import live_settings
from streams.replay_rejects import accept_rejects, replay_rejects

__all__ = ["rejects_app"]

rejects_app = typer.Typer(help="Rejects of the live runner (dead letters).", no_args_is_help=True)

Kafka = Annotated[str | None, typer.Option("--kafka", help="Bootstrap servers; default: HEADWAY_KAFKA.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

_WITH_REJECTS = 3
_CHARACTERS_SHOWN = 100


@rejects_app.command("list")
def list_command(
    replayed: Annotated[bool, typer.Option("--replayed", help="Also those that were replayed.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="Lines after the counts; 0 shows none.")] = 50,
    kafka: Kafka = None,
    as_json: Json = False,
) -> None:
    """How many there are by reason, and each with its origin."""
    letters = fold(live_settings(kafka=kafka))
    shown = [letter for letter in letters.values() if replayed or not letter.replayed]
    by_reason = dict(sorted(Counter(letter.reason for letter in shown).items()))
    done = sum(letter.replayed is not None for letter in letters.values())
    if as_json:
        typer.echo(json.dumps({"rejects": len(shown), "by_reason": by_reason, "replayed": done, "listed": list(map(_said, shown))}))
        return
    typer.echo(f"{len(shown):,} rejects" + ("" if replayed or not done else f", and {done:,} that were replayed"))
    for reason, count in by_reason.items():
        typer.echo(f"  {count:,}: {reason}")
    for letter in shown[:limit]:
        typer.echo(f"{letter.origin}  {letter.reason}  {letter.length:,} bytes  {letter.detail[:_CHARACTERS_SHOWN]}")
    if 0 < limit < len(shown):
        typer.echo(f"and {len(shown) - limit:,} more: --limit {len(shown)}")


@rejects_app.command("show")
def show_command(
    origin: Annotated[str, typer.Argument(help="As `headway rejects list` shows it.")],
    details: Annotated[bool, typer.Option("--details", help="What is known of it instead of its bytes.")] = False,
    kafka: Kafka = None,
    as_json: Json = False,
) -> None:
    """The original bytes, as they came; or what is known of them."""
    settings = live_settings(kafka=kafka)
    with LogReader(settings) as reader, LogReader(settings) as origins:
        found = [letter for letter in read_dead_letters(reader) if letter.origin == origin]
        if not found:
            raise _unknown(origin)
        letter = max(found, key=lambda letter: letter.replayed or "")
        original = original_of(origins, letter)
    if as_json:
        typer.echo(json.dumps(_said(letter)))
    elif details:
        for name, value in _said(letter).items():
            typer.echo(f"{name}: {value}")
    else:
        if original is None:
            typer.echo(f"headway: only the first {len(letter.original):,} of {letter.length:,} bytes are kept", err=True)
        sys.stdout.buffer.write(letter.original if original is None else original)
        sys.stdout.buffer.flush()


@rejects_app.command("replay")
def replay_command(
    reason: Annotated[str | None, typer.Option(help="Only those refused for this reason.")] = None,
    origin: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    kafka: Kafka = None,
    as_json: Json = False,
) -> None:
    """Offer them again: what is valid by the rules of this version goes to its log, the rest remains. Repeating is harmless."""
    if reason is not None and reason not in set(RejectReason):
        raise WrongUsage(f"--reason {reason}: there is no such reason. Write one of {', '.join(RejectReason)}")
    settings = live_settings(kafka=kafka)
    if origin is not None and origin not in fold(settings):
        raise _unknown(origin)
    done = replay_rejects(settings, lambda letter: reason in {None, letter.reason} and origin in {None, letter.origin})
    if as_json:
        typer.echo(json.dumps(done._asdict()))
    else:
        typer.echo(f"{done.accepted:,} accepted now, {done.rejected:,} refused again, {done.incomplete:,} whose bytes are not kept")
    raise typer.Exit(_WITH_REJECTS if done.rejected or done.incomplete else 0)


@rejects_app.command("accept")
def accept_command(
    by: Annotated[str, typer.Option(help="Who has looked at them.")],
    reason: Annotated[str, typer.Option(help="Why they may stand.")],
    kafka: Kafka = None,
    as_json: Json = False,
) -> None:
    """Let workers and closes go on in spite of the rejects so far. Written to the control log for ever."""
    record = accept_rejects(live_settings(kafka=kafka), by, reason)
    if as_json:
        typer.echo(record.to_line().decode())
    else:
        typer.echo(f"accepted by {record.by}: what was rejected up to now stops nothing any more")


def _said(letter: DeadLetter) -> dict[str, Any]:
    names = ("origin", "source", "reason", "detail", "length", "sha256", "replayed")
    return {name: getattr(letter, name) for name in names}


def _unknown(origin: str) -> WrongUsage:
    return WrongUsage(f"{origin}: there is no reject of this origin. Find it with `headway rejects list`")
