"""A backup that is restored, and an upgrade by replay, say what the original says: the same state digests, cases and ledger."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from casebook import tables as t
from casebook.database import Database
from casebook.ledger import Ledger
from casebook.ledger_check import export_heads, read_heads, verify
from models.parameters import Budget, Parameters
from schemas.alert import AlertKind, AlertState
from schemas.control import CloseCompleted, read_control_record
from streams.intake import judge
from streams.reference import read_reference
from streams.runner import EmbeddedRunner
from streams.sqlite_log import EmbeddedLogs
from tests.casebooks import HUB_A, HUB_B, KEY, Book, alert
from tests.streams_of_registers import line, small_year, write_reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.replay import Reference
    from tests.postgres import Server

pytestmark = pytest.mark.slow
NOW = datetime(2026, 12, 1, 18, tzinfo=UTC)


def runner(logs: EmbeddedLogs, reference: Reference) -> EmbeddedRunner:
    return EmbeddedRunner(logs, reference, Parameters(), Budget.of_rate(0.5), lambda: NOW)


def digests(logs: EmbeddedLogs) -> list[str]:
    """Of every completed close, in order."""
    records = [read_control_record(body) for _, body in logs.read_control()]
    return [one.state_digest for one in records if isinstance(one, CloseCompleted)]


def close_all(logs: EmbeddedLogs, reference: Reference, days: Sequence[date]) -> None:
    closer = runner(logs, reference)
    for day in days:
        closer.close(day, closer.ends())


def test_a_log_restored_from_a_backup_goes_on_as_the_original_would_have(tmp_path: Path) -> None:
    year = small_year(1, days=12, schools=16)
    reference = read_reference(*write_reference(year, tmp_path))
    days = sorted({date.fromisoformat(e["attendance_date"]) for e in year.events})
    first, later = (
        [judge(line(e)) for e in year.events if (e["attendance_date"] < days[8].isoformat()) == early] for early in (True, False)
    )
    with closing(EmbeddedLogs(tmp_path / "log.db", now=lambda: NOW)) as logs:
        logs.append_registers(first)
        close_all(logs, reference, days[:8])
        with closing(sqlite3.connect(tmp_path / "log.db")) as source, closing(sqlite3.connect(tmp_path / "restored.db")) as target:
            source.backup(target)  # While the process runs: `sqlite3 headway.db ".backup restored.db"`.
        logs.append_registers(later)
        close_all(logs, reference, days[8:])
        original = digests(logs)
    with closing(EmbeddedLogs(tmp_path / "restored.db", now=lambda: NOW)) as logs:
        assert digests(logs) == original[:8]
        restored = runner(logs, reference)
        assert restored.compute(restored.chain.completed[-1][0]).state_digest == original[7]
        logs.append_registers(later)
        close_all(logs, reference, days[8:])
        assert digests(logs) == original
    assert len(set(original)) == len(original)


def test_an_upgrade_by_replay_into_a_new_log_comes_to_the_same_state(tmp_path: Path) -> None:
    year = small_year(1, days=12, schools=16)
    reference = read_reference(*write_reference(year, tmp_path))
    days = sorted({date.fromisoformat(e["attendance_date"]) for e in year.events})
    with closing(EmbeddedLogs(tmp_path / "old.db", now=lambda: NOW)) as old:
        old.append_registers([judge(line(e)) for e in year.events])
        close_all(old, reference, days)
        registers = [body for _, body in old.read_registers(0, old.end_positions()["register"])]
        before = digests(old)
    with closing(EmbeddedLogs(tmp_path / "new.db", now=lambda: NOW)) as new:
        new.append_registers(registers[::-1])
        close_all(new, reference, days)
        assert digests(new) == before


def test_a_casebook_restored_by_postgresql_s_own_tools_has_the_same_cases_and_an_unbroken_ledger(postgres: Server, tmp_path: Path) -> None:
    name, heads = postgres.fresh(), tmp_path / "heads"
    database = Database(name)
    book = Book(database)
    book.close(1, *(alert(urn, AlertKind.LEVEL_DROP, AlertState.OPENED, 1, 1) for urn in (HUB_A[0], HUB_B[0])))
    case = book.case(HUB_A[0])
    book.work.take(book.scope(), case.case_id, case.version, book.now, "called the head")
    export_heads(database, heads, book.now)
    database.close()
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    empty = postgres.empty()
    made = subprocess.run([programs / "pg_dump", "--format=custom", name], check=True, capture_output=True)
    subprocess.run([programs / "pg_restore", "--exit-on-error", f"--dbname={empty}"], input=made.stdout, check=True)
    restored = Database(empty)
    try:
        restored.migrate()
        assert verify(restored, Ledger(restored, KEY), read_heads(heads)) == []
        with restored.read() as here:
            held = here.execute(sa.select(t.case_.c.case_id, t.case_.c.holder)).all()
            words = list(here.execute(sa.select(t.free_text.c.words)).scalars())
        assert len(held) == 2
        assert (case.case_id, "ann") in [tuple(row) for row in held]
        assert words == ["called the head"]
    finally:
        restored.close()
