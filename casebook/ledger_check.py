"""Is the ledger what was written? Chains recomputed, held against each other, against the events, and against the exported heads.

An edited, inserted, deleted or reordered row breaks its chain. A cut-off end differs from the head kept beside it; where that was
cut too, from the number and head that a close exported to a file outside the database; so does a chain written anew with the key.
"""

from __future__ import annotations

import hmac
import json
import os
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from casebook import tables as t
from casebook.ledger import GENESIS, event_digest, text_digest
from schemas.errors import BadContents, WrongUsage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from casebook.database import Database
    from casebook.ledger import Ledger

__all__ = ["Fault", "export_heads", "read_heads", "verify"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a school's ledger; number: the first row that is not as it was, None: the end of the chain."""

    urn: int
    number: int | None
    what: str


def export_heads(database: Database, file: Path, at: datetime) -> int:
    """Append (count, head) of every chain that has grown since the last export; how many. Durable before it is noted as done."""
    h = t.ledger_head.c
    with database.write() as connection:
        rows = connection.execute(sa.select(t.ledger_head).where(h.rows > h.exported).order_by(h.urn).with_for_update()).all()
        if not rows:
            return 0
        line = {"at": at.isoformat(), "heads": {str(row.urn): [row.rows, bytes(row.head).hex()] for row in rows}}
        _append(file, json.dumps(line, separators=(",", ":"), sort_keys=True) + "\n")
        for row in rows:
            connection.execute(sa.update(t.ledger_head).where(h.urn == row.urn).values(exported=row.rows))
    return len(rows)


def read_heads(file: Path) -> dict[int, dict[int, bytes]]:
    """By school, the head at each number of rows that was exported. A torn last line (a crash while writing) is passed over."""
    try:
        lines = file.read_bytes().split(b"\n")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise WrongUsage(f"{file}: {error.strerror}. Name the file that closes export the ledger's heads to") from error
    out: dict[int, dict[int, bytes]] = {}
    for number, line in enumerate(lines[:-1], 1):
        try:
            heads = json.loads(line)["heads"]
            for urn, (rows, head) in heads.items():
                out.setdefault(int(urn), {})[int(rows)] = bytes.fromhex(head)
        except (ValueError, KeyError, TypeError) as error:
            raise BadContents("this is no line of ledger heads", file=str(file), line=number, remedy="Restore it from a copy") from error
    return out


def verify(database: Database, ledger: Ledger, heads: dict[int, dict[int, bytes]]) -> list[Fault]:
    """Every fault found, the first of each school and kind; empty: all is as it was written."""
    faults: list[Fault] = []
    with database.read() as connection:
        kept = {row.urn: row for row in connection.execute(sa.select(t.ledger_head))}
        events = {row.event_id: dict(row._mapping) for row in connection.execute(sa.select(t.event).where(t.event.c.actor != "engine"))}  # noqa: SLF001 (documented)
        words = {row.event_id: row for row in connection.execute(sa.select(t.free_text))}
        rows = connection.execution_options(yield_per=1_000).execute(sa.select(t.ledger).order_by(t.ledger.c.urn, t.ledger.c.number))
        seen = set()
        for urn, chain in groupby(rows, key=lambda row: row.urn):
            seen.add(urn)
            faults += _chain(urn, chain, ledger, kept.get(urn), heads.get(urn, {}), events, words)
    faults += [Fault(urn, None, "the whole chain is gone") for urn in sorted((set(heads) | {u for u, k in kept.items() if k.rows}) - seen)]
    faults += [Fault(event["urn"], None, f"event {key} has no row") for key, event in events.items()]  # What the chains named is taken out.
    return faults


def _chain(
    urn: int,
    rows: Iterator[Any],
    ledger: Ledger,
    kept: Any,  # noqa: ANN401 (a row of `ledger_head`, or None)
    exported: dict[int, bytes],
    events: dict[Any, dict[str, Any]],
    words: dict[Any, Any],
) -> Iterator[Fault]:
    head, number, macs = GENESIS, 0, {}
    broken = None
    for row in rows:
        number += 1
        said = dict(row._mapping)  # noqa: SLF001 (documented)
        if broken is None and (row.number != number or not hmac.compare_digest(ledger.mac(head, said), bytes(row.mac))):
            broken = number
        head = macs[row.number] = bytes(row.mac)
        yield from _beside(said, events, words)
    if broken is not None:
        yield Fault(urn, broken, "the chain breaks here: a row was edited, inserted, deleted or moved")
    if kept is None or (kept.rows, bytes(kept.head)) != (number, head):
        yield Fault(urn, None, "the chain does not end where it should")
    for rows_then, head_then in exported.items():
        if macs.get(rows_then) != head_then:
            yield Fault(urn, rows_then, "not what was exported: rows were cut off, or the chain was written anew")
            break


def _beside(row: dict[str, Any], events: dict[Any, dict[str, Any]], words: dict[Any, Any]) -> Iterator[Fault]:
    """The event that a row names, and the words beside it; events that have a row are taken out."""
    if row["event_id"] is None or row["action"] == "redacted":
        return
    event = events.pop(row["event_id"], None)
    if event is None or event_digest(event) != row["event_sha256"]:
        yield Fault(row["urn"], row["number"], "its event is gone, or not what it was")
    if row["text_sha256"] is None:
        return
    text = words.get(row["event_id"])
    if text is None or (text.words is None and text.redacted_at is None):
        yield Fault(row["urn"], row["number"], "its words are gone, and nobody redacted them")
    elif text.words is not None and text_digest(text.salt, text.words) != row["text_sha256"]:
        yield Fault(row["urn"], row["number"], "its words are not what they were")


def _append(file: Path, line: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise WrongUsage(f"{file}: cannot be written ({error.strerror}). Name a file in a folder of yours") from error
    try:
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
