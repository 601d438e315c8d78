"""`headway config` and `headway doctor` without a broker: what is wrong is named with its remedy, and no secret is ever said."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from casebook.casebook_checks import casebook_clock, database, mail
from casebook.database import Database
from casebook.settings import CasebookSettings
from console.effective_settings import HIDDEN, effective
from streams import clock
from streams.finding import Finding, Standing, found
from streams.live_checks import calendars, clock_against, disk
from tests.casebooks import FIRST, reference
from tests.live.fleet import HEADWAY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.postgres import Server

SECRET = "correct-horse-battery"


def headway(folder: Path, *given: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("HEADWAY_")} | environment
    return subprocess.run([*HEADWAY, *given], cwd=folder, env=env, capture_output=True, text=True, check=False)


def standings(findings: Sequence[Finding]) -> list[tuple[str, Standing]]:
    return [(one.check, one.standing) for one in findings]


@pytest.mark.slow
def test_the_settings_are_shown_with_their_source_and_no_secret(tmp_path: Path) -> None:
    done = headway(
        tmp_path,
        "config",
        "--json",
        HEADWAY_CASEBOOK=f"postgresql://desk:{SECRET}@db/casebook?password={SECRET}",
        HEADWAY_CHAT_HOOK=f"jsons://chat.example/{SECRET}",
        HEADWAY_METRICS_PORT="9100",
    )
    assert done.returncode == 0
    assert SECRET not in done.stdout + done.stderr
    said = {one["name"]: one for one in json.loads(done.stdout)}
    assert said["HEADWAY_CASEBOOK"]["value"] == f"postgresql://desk:{HIDDEN}@db/casebook?{HIDDEN}"
    assert said["HEADWAY_CHAT_HOOK"]["value"] == HIDDEN
    assert (said["HEADWAY_METRICS_PORT"]["value"], said["HEADWAY_METRICS_PORT"]["source"]) == ("9100", "environment")
    assert said["HEADWAY_TIME_ZONE"] == {
        "name": "HEADWAY_TIME_ZONE",
        "value": "Europe/London",
        "source": "default",
        "parts": ["live", "casebook", "console"],
        "means": "Whose clock and midnight",
        "problem": "",
    }


@pytest.mark.slow
def test_a_wrong_setting_is_named_and_nothing_else_is_tried(tmp_path: Path) -> None:
    config = headway(tmp_path, "config", HEADWAY_KAFKA="broker")
    assert config.returncode == 1
    assert "WRONG: Value error, 'broker' is no host:port" in config.stdout
    done = headway(tmp_path, "doctor", "--json", HEADWAY_KAFKA="broker", HEADWAY_KAFAK="b:1")
    assert done.returncode == 1
    findings = [Finding(**one) for one in json.loads(done.stdout)]
    assert standings(findings) == [("config", Standing.WRONG), ("config", Standing.LOOK), ("the rest", Standing.NOT_TRIED)]
    assert findings[1].remedy == "Did you mean HEADWAY_KAFKA?"


@pytest.mark.slow
def test_an_embedded_installation_that_is_well_and_one_whose_secret_is_gone(tmp_path: Path) -> None:
    database_file = tmp_path / "casebook.db"
    made = Database(str(database_file))
    made.migrate()
    made.close()
    well = headway(tmp_path, "doctor", "--embedded", "--json", HEADWAY_CASEBOOK=str(database_file))
    assert well.returncode == 0, well.stdout + well.stderr
    assert ["database", "well"] in [[one["check"], one["standing"]] for one in json.loads(well.stdout)]
    (tmp_path / "key").write_text("k" * 50, "utf-8")
    (tmp_path / "key").chmod(0o644)
    given = {"HEADWAY_LEDGER_KEY_FILE": str(tmp_path / "key"), "HEADWAY_SMTP_PASSWORD_FILE": str(tmp_path / "gone")}
    ill = headway(tmp_path, "doctor", "--embedded", HEADWAY_CASEBOOK=str(database_file), **given)
    assert ill.returncode == 1
    assert f"WRONG  config: HEADWAY_SMTP_PASSWORD_FILE {tmp_path}/gone: cannot be read" in ill.stdout
    assert "key: others on this machine may read it\n       chmod 600 on it" in ill.stdout


def test_every_variable_is_listed_once() -> None:
    names = [one.name for one in effective({})]
    assert len(names) == len(set(names)) > 30
    assert {"HEADWAY_KAFKA", "HEADWAY_CASEBOOK", "HEADWAY_OIDC_ISSUER"} <= set(names)


def test_a_database_with_older_tables_or_none_or_no_room_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "casebook.db"
    settings = CasebookSettings(casebook=str(file))
    assert standings(found("database", lambda: database(settings))) == [("database", Standing.LOOK)]
    assert not file.exists()
    file.touch()
    (empty,) = found("database", lambda: database(settings))
    assert empty.standing is Standing.WRONG
    assert "of version none" in empty.said
    made = Database(str(file))
    made.migrate()
    assert standings(found("database", lambda: database(settings))) == [("database", Standing.WELL), ("outbox", Standing.WELL)]
    with made.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM mark").scalar() == 0
    made.close()


def test_a_disk_without_room_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here,) = disk("HEADWAY_STATE_DIR", tmp_path / "not" / "made" / "yet")
    assert here.standing in {Standing.WELL, Standing.LOOK}
    monkeypatch.setattr("streams.live_checks.FREE_BYTES_MIN", 2**60)
    (full,) = disk("HEADWAY_STATE_DIR", tmp_path)
    assert full.standing is Standing.WRONG
    assert full.remedy


@pytest.mark.slow
def test_postgresql_its_clock_and_its_absence(postgres: Server) -> None:
    settings, now = CasebookSettings(casebook=postgres.fresh()), clock.now()
    assert standings(found("database", lambda: database(settings))) == [("database", Standing.WELL), ("outbox", Standing.WELL)]
    assert standings(found("clock", lambda: casebook_clock(settings, now))) == [("clock", Standing.WELL)]
    (late,) = found("clock", lambda: casebook_clock(settings, now - timedelta(hours=1)))
    assert late.standing is Standing.WRONG
    assert "s behind PostgreSQL's clock" in late.said
    gone = CasebookSettings(casebook=f"postgresql://desk:{SECRET}@127.0.0.1:1/none")
    (away,) = found("database", lambda: database(gone))
    assert away.standing is Standing.WRONG
    assert SECRET not in str(away)


def test_half_a_minute_is_what_two_clocks_may_differ_by() -> None:
    now = datetime(2026, 9, 7, 12, tzinfo=UTC)
    assert clock_against("it", now - timedelta(seconds=30), now).standing is Standing.WELL
    assert clock_against("it", now - timedelta(seconds=31), now).said == "31 s ahead of it"
    assert clock_against("it", now + timedelta(seconds=31), now).said == "31 s behind it"


def test_a_calendar_that_ends_is_told_in_time() -> None:
    assert standings(list(calendars(reference(), FIRST))) == [("calendars", Standing.WELL)]
    assert standings(list(calendars(reference(), FIRST.replace(month=8, day=20)))) == [("calendars", Standing.WRONG)]
    assert standings(list(calendars(reference(), FIRST.replace(year=2027, month=8, day=3)))) == [("calendars", Standing.WELL)]
    assert standings(list(calendars(reference(), FIRST.replace(year=2027, month=8, day=20)))) == [("calendars", Standing.LOOK)]


@contextmanager
def mail_server() -> Iterator[int]:
    """A real one on this machine, which lets one person in."""

    def lets_in(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        well = isinstance(given, LoginPassword) and given.password == SECRET.encode()
        return AuthResult(success=well, handled=False)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(object(), hostname="127.0.0.1", port=port, authenticator=lets_in, auth_require_tls=False)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def test_a_mail_server_is_greeted_and_says_whom_it_does_not_let_in(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text(SECRET, "utf-8")
    with mail_server() as port:
        given: dict[str, Any] = {
            "smtp_host": "127.0.0.1",
            "smtp_security": "none",
            "smtp_username": "headway",
            "smtp_password_file": password,
        }
        settings = CasebookSettings(smtp_port=port, **given)
        assert standings(found("smtp", lambda: mail(settings))) == [("smtp", Standing.WELL)]
        password.write_text("another", "utf-8")
        (refused,) = found("smtp", lambda: mail(settings))
        assert (refused.standing, refused.remedy) == (Standing.WRONG, "Are HEADWAY_SMTP_USERNAME and HEADWAY_SMTP_PASSWORD_FILE right?")
        (plain,) = found("smtp", lambda: mail(CasebookSettings(smtp_host="127.0.0.1", smtp_port=port)))
        assert plain.standing is Standing.WRONG
    (away,) = found("smtp", lambda: mail(settings))
    assert away.standing is Standing.WRONG
    assert "another" not in str(refused) + str(away)


def test_mail_into_files_is_worth_a_look_and_no_fault(tmp_path: Path) -> None:
    said = found("smtp", lambda: mail(CasebookSettings(maildir=tmp_path / "mail")))
    assert said[0].standing is Standing.LOOK
