"""The embedded logs: one row a record, whole transactions, and nothing foreign, torn or shared is taken for ours."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from schemas.errors import BadContents, BrokenPromise, InvalidRegister, WrongUsage
from schemas.reject import Reject, RejectReason
from streams.sqlite_log import Appended, EmbeddedLogs, LogUnavailable, ReplayedRejects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _now() -> datetime:
    return datetime(2026, 10, 5, 9, 41, 7, tzinfo=UTC)


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[EmbeddedLogs]:
    with closing(EmbeddedLogs(tmp_path / "headway.db", now=_now)) as opened:
        yield opened


def _reopened(logs: EmbeddedLogs) -> EmbeddedLogs:
    logs.close()
    return EmbeddedLogs(logs.path, now=_now)


def _edited(logs: EmbeddedLogs, sql: str) -> EmbeddedLogs:
    logs.close()
    with closing(sqlite3.connect(logs.path)) as connection, connection:
        connection.executescript(sql)
    return EmbeddedLogs(logs.path, now=_now)


def _kept(original: bytes, length: int | None = None) -> Reject:
    return Reject(
        RejectReason.UNKNOWN_CODE, "code Q", original, len(original) if length is None else length, hashlib.sha256(original).hexdigest()
    )


def test_the_same_bytes_are_one_row_and_keep_their_position(logs: EmbeddedLogs) -> None:
    assert logs.append_registers([b"a", b"b", b"a"]) == [Appended(1, False), Appended(2, False), Appended(1, True)]
    assert logs.append_registers([b"b", b"c"]) == [Appended(2, True), Appended(3, False)]
    assert list(logs.read_registers(0, 3)) == [(1, b"a"), (2, b"b"), (3, b"c")]


def test_a_reader_gets_what_lies_after_one_position_up_to_another(logs: EmbeddedLogs) -> None:
    logs.append_registers([str(n).encode() for n in range(1, 10_001)])
    assert [p for p, _ in logs.read_registers(0, 10_000)] == list(range(1, 10_001))
    assert list(logs.read_registers(4_095, 10_000, limit=3)) == [(4_096, b"4096"), (4_097, b"4097"), (4_098, b"4098")]
    assert list(logs.read_registers(10_000, 10_000)) == []


def test_a_position_after_the_end_is_an_error_and_never_a_shorter_panel(logs: EmbeddedLogs) -> None:
    logs.append_registers([b"a"])
    with pytest.raises(BadContents, match="position 2 is asked for, the register log ends at 1"):
        list(logs.read_registers(0, 2))


def test_what_was_appended_is_there_after_a_restart(logs: EmbeddedLogs) -> None:
    logs.append([b"a"], [_kept(b"bad")])
    logs.append_acknowledgements([b"handled", b"handled"])
    assert logs.append_control(b'{"kind":"requested"}') == 1
    assert logs.append_control(b'{"kind":"requested"}') == 2
    log_id = logs.log_id
    with closing(_reopened(logs)) as again:
        assert again.log_id == log_id
        assert again.end_positions() == {"register": 1, "acknowledgement": 1}
        assert list(again.read_acknowledgements(0, 1)) == [(1, b"handled")]
        assert list(again.read_control()) == [(1, b'{"kind":"requested"}'), (2, b'{"kind":"requested"}')]
        assert [r for _, r in again.read_rejects()] == [_kept(b"bad")]
        assert again.first_received_at() == "2026-10-05T09:41:07+00:00"


def test_alerts_are_published_once_and_never_edited(logs: EmbeddedLogs) -> None:
    logs.publish_alerts(2, [("id-2", b"second")])
    logs.publish_alerts(1, [("id-1", b"first"), ("id-0", b"beside")])
    logs.publish_alerts(1, [("id-1", b"first"), ("id-0", b"beside")])
    said = [(1, "id-1", b"first"), (1, "id-0", b"beside"), (2, "id-2", b"second")]
    assert list(logs.read_alerts()) == said
    with pytest.raises(BrokenPromise, match="alert record id-1"):
        logs.publish_alerts(1, [("new", b"new"), ("id-1", b"edited")])
    with pytest.raises(BrokenPromise, match="alert record id-1"):
        logs.publish_alerts(3, [("id-1", b"first")])
    assert list(logs.read_alerts()) == said, "the refused transaction left nothing behind"


def test_a_fix_brings_rejects_back_and_marks_them(logs: EmbeddedLogs) -> None:
    logs.append([b"taken"], [_kept(b"fixed now"), _kept(b"still bad"), _kept(b"big", length=70_000), _kept(b"fixed now")])

    def offer(original: bytes) -> bytes:
        if original == b"still bad":
            raise InvalidRegister(RejectReason.UNKNOWN_CODE, "code Q")
        return original.upper()

    assert logs.replay_rejects(offer) == ReplayedRejects(accepted=1, rejected=1, incomplete=1)
    assert list(logs.read_registers(0, 2)) == [(1, b"taken"), (2, b"FIXED NOW")]
    assert [r.original for _, r in logs.read_rejects(state="replayed")] == [b"fixed now"]
    assert logs.replay_rejects(offer) == ReplayedRejects(accepted=0, rejected=1, incomplete=1)


def test_a_message_with_a_lone_surrogate_is_kept(logs: EmbeddedLogs) -> None:
    logs.append_rejects([replace(_kept(b"x"), detail="code \ud800")])
    assert [r.detail for _, r in logs.read_rejects()] == ["code \\ud800"]


def test_a_second_holder_is_refused_and_disturbs_nothing(logs: EmbeddedLogs) -> None:
    with pytest.raises(WrongUsage, match="another headway process is using it"):
        EmbeddedLogs(logs.path)
    code = "import sys; from pathlib import Path; from streams.sqlite_log import EmbeddedLogs; EmbeddedLogs(Path(sys.argv[1]))"
    other = subprocess.run([sys.executable, "-c", code, str(logs.path)], capture_output=True, text=True, check=False)
    assert other.returncode == 1
    assert "another headway process is using it" in other.stderr
    assert logs.append_registers([b"a"]) == [Appended(1, False)]


def test_only_the_owner_may_read_the_files(logs: EmbeddedLogs) -> None:
    logs.append_registers([b"a"])
    assert {file.stat().st_mode & 0o777 for file in logs.path.parent.iterdir()} == {0o600}


@pytest.mark.parametrize(
    "contents", [b"not a database at all, only words " * 50, b"SQLite format 3\0" + b"\xff" * 4_000], ids=["words", "header"]
)
def test_a_foreign_file_is_named_and_left_as_it_was(tmp_path: Path, contents: bytes) -> None:
    file = tmp_path / "foreign.db"
    file.write_bytes(contents)
    with pytest.raises(BadContents, match=r"foreign\.db"):
        EmbeddedLogs(file)
    assert file.read_bytes() == contents


def test_the_database_of_another_program_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE pupils (name TEXT)")
    before = file.read_bytes()
    with pytest.raises(BadContents, match="not a Headway log"):
        EmbeddedLogs(file)
    assert file.read_bytes() == before


def test_a_log_of_another_schema_version_is_refused(logs: EmbeddedLogs) -> None:
    with pytest.raises(BadContents, match="schema version 99, this Headway reads 2"):
        _edited(logs, "UPDATE meta SET value = '99' WHERE name = 'schema_version'")


def test_a_log_of_version_1_gets_the_table_of_readings(logs: EmbeddedLogs) -> None:
    with closing(_edited(logs, "DROP TABLE reading; UPDATE meta SET value = '1' WHERE name = 'schema_version'")) as again:
        again.publish_readings(1, [(100_000, b"{}")])
        again.publish_readings(2, [(100_001, b"{}")])
        assert again.read_readings() == (2, {100_001: b"{}"})


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9], ids=lambda share: f"{share:.0%} left")
def test_a_truncated_log_is_never_taken_for_a_whole_one(logs: EmbeddedLogs, share: float) -> None:
    logs.append_registers([os.urandom(500) for _ in range(2_000)])
    logs.close()
    os.truncate(logs.path, int(logs.path.stat().st_size * share))
    with pytest.raises(BadContents):
        EmbeddedLogs(logs.path)


def test_a_deleted_row_is_found_when_read(logs: EmbeddedLogs) -> None:
    logs.append_registers([b"a", b"b", b"c"])
    with (
        closing(_edited(logs, "DELETE FROM register WHERE position = 2")) as again,
        pytest.raises(BadContents, match="position 2 of the register log is missing"),
    ):
        list(again.read_registers(0, 3))


@pytest.mark.parametrize("table", ["register", "control", "alert"])
def test_a_changed_body_is_found_when_read(logs: EmbeddedLogs, table: str) -> None:
    logs.append_registers([b"a"])
    logs.append_control(b"a")
    logs.publish_alerts(1, [("id", b"a")])
    with closing(_edited(logs, f"UPDATE {table} SET body = x'62'")) as again:
        readers = {"register": lambda: again.read_registers(0, 1), "control": again.read_control, "alert": again.read_alerts}
        with pytest.raises(BadContents, match="is not what was written"):
            list(readers[table]())


def test_a_full_disk_keeps_whole_transactions_and_goes_on_when_there_is_space(logs: EmbeddedLogs) -> None:
    logs.append_registers([b"before"])
    pages = logs._connection.execute("PRAGMA page_count").fetchone()[0]
    logs._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(LogUnavailable, match="SQLITE_FULL") as caught:
        logs.append_registers([os.urandom(3_000) for _ in range(20)])
    assert caught.value.full
    assert logs.end_positions()["register"] == 1
    logs._connection.execute("PRAGMA max_page_count = 1000000")
    assert logs.append_registers([b"after"]) == [Appended(2, False)]
    with closing(_reopened(logs)) as again:
        assert list(again.read_registers(0, 2)) == [(1, b"before"), (2, b"after")]


def test_a_folder_that_cannot_be_written_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WrongUsage, match="cannot be opened for writing"):
        EmbeddedLogs(tmp_path / "file" / "headway.db")
