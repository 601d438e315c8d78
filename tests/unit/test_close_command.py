"""`headway close` on the log of a stopped `headway serve`: closes, computes an old close again, refuses what cannot be."""

from __future__ import annotations

import hashlib
import json
import sys
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from schemas.errors import WrongUsage
from streams import clock, command
from streams.command import app
from streams.intake import judge
from streams.sqlite_log import EmbeddedLogs
from tests.streams_of_registers import line, small_year, write_reference

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result


@pytest.fixture(autouse=True)
def term_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 9, 30, tzinfo=UTC))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with every register of a small year; the reference files stand beside it."""
    year = small_year(1, days=6, schools=12)
    write_reference(year, tmp_path)
    with closing(EmbeddedLogs(tmp_path / "headway.db")) as logs:
        logs.append_registers([judge(line(event)) for event in year.events])
    return tmp_path / "headway.db"


def close(log: Path, *arguments: str, calendar: str = "calendar") -> Result:
    files = [f"--{name}={log.with_name(f'{name}.csv')}" for name in ("schools", "targets")]
    return CliRunner().invoke(app, ["close", f"--log={log}", *files, f"--calendar={log.with_name(f'{calendar}.csv')}", *arguments])


def test_a_day_is_closed_and_computed_again(log: Path) -> None:
    done = close(log, "--day=2026-09-08", "--json")
    assert (done.exit_code, json.loads(done.output)["number"]) == (0, 1), done.output
    again = close(log, "--as-known=2026-09-08", "--json")
    assert (again.exit_code, json.loads(again.output)["verdict"]) == (0, "equal")
    with closing(EmbeddedLogs(log)) as logs:
        assert len(list(logs.read_control())) == 3, "computing again writes nothing"


def test_a_day_that_was_never_closed_cannot_be_computed_again(log: Path) -> None:
    never = close(log, "--as-known=2026-09-08")
    assert never.exit_code == 1
    assert "was never closed" in never.output


def test_an_old_close_needs_the_reference_data_that_it_names(log: Path) -> None:
    assert close(log, "--day=2026-09-08").exit_code == 0
    log.with_name("other.csv").write_text(log.with_name("calendar.csv").read_text("utf-8") + "all,closed,2026-09-09,2026-09-09\n", "utf-8")
    again = close(log, "--as-known=2026-09-08", calendar="other")
    assert again.exit_code == 1
    assert "not the reference data of that close" in again.output


def test_a_close_that_the_log_does_not_bear_out_is_different(log: Path) -> None:
    assert close(log, "--day=2026-09-08").exit_code == 0
    with closing(EmbeddedLogs(log)) as logs:
        completed = [text for _, text in logs.read_control()][-1]
        said = json.loads(completed) | {"state_digest": "0" * 64}
        body = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
        logs._connection.execute("UPDATE control SET body = ?, digest = ? WHERE position = 3", (body, hashlib.sha256(body).digest()))
    again = close(log, "--as-known=2026-09-08")
    assert again.exit_code == 1
    assert "different" in again.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--day=2026-09-32"], "no date"),
        (["--day=tomorrow"], "no date"),
        (["--day=2026-09-07"], "is closed already"),
        (["--day=2026-09-12"], "no school day of the calendar"),
        (["--day=2030-09-04"], "no school day of the calendar"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(log: Path, arguments: list[str], message: str) -> None:
    assert close(log, "--day=2026-09-09").exit_code == 0
    refused = close(log, *arguments)
    assert isinstance(refused.exception, WrongUsage)
    assert message in str(refused.exception)


def test_a_log_needs_its_reference_files(log: Path) -> None:
    refused = CliRunner().invoke(app, ["close", f"--log={log}"])
    assert isinstance(refused.exception, WrongUsage)


def test_a_slip_of_the_pen_does_not_end_the_year(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 9, 8, 18, tzinfo=UTC))
    refused = close(log, "--day=2026-09-10")
    assert isinstance(refused.exception, WrongUsage)
    assert "has not come yet" in str(refused.exception)
    assert json.loads(close(log, "--json").output)["day"] == "2026-09-08", "the latest that has come"
    assert close(log, "--day=2026-09-10", "--ahead").exit_code == 0


def test_a_command_that_is_stopped_by_hand_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stopped = typer.Typer()

    @stopped.command()
    def waiting() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "app", stopped)
    monkeypatch.setattr(sys, "argv", ["headway"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 130
    assert "run the same command again" in capsys.readouterr().err
