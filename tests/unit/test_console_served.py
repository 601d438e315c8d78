"""The console as it is started: at the end of the demo, as a process of its own; over real HTTP."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import httpx2
import pytest
import sqlalchemy as sa

from casebook import tables as t
from casebook.database import Database
from casebook.ledger import Ledger
from casebook.opening import Opened
from console.console_command import console_server
from console.demo_casebook import fill
from console.demo_console import show_console
from console.demo_desk import DemoDesk
from console.settings import ConsoleSettings
from schemas.errors import WrongUsage
from streams.demo import run_demo
from streams.demo_view import DemoView
from tests.casebooks import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streams.demo import Demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    out = tmp_path_factory.mktemp("demo")
    with DemoView(quiet=True) as view:
        return run_demo(out, 1, view, schools=16, days=80, processes=1)


@pytest.fixture
def casebook(tmp_path: Path) -> Iterator[Opened]:
    database = Database(str(tmp_path / "casebook.db"))
    database.migrate()
    yield Opened(database, Ledger(database, KEY), tmp_path / "heads")
    database.close()


@pytest.mark.slow
def test_the_demo_ends_in_the_inbox_signed_in_as_its_coordinator(demo: Demo, tmp_path: Path) -> None:
    said: list[str] = []
    stop = threading.Event()
    shown = threading.Thread(target=show_console, args=(demo, tmp_path / "casebook.db", 0, said.append, stop))
    shown.start()
    try:
        while not any("sign-in" in words for words in said):
            shown.join(0.1)
            assert shown.is_alive(), said
        url = next(line.strip() for words in said for line in words.splitlines() if "sign-in" in line)
        with httpx2.Client(follow_redirects=True) as browser:
            first = browser.get(url)
            assert first.status_code == 200
            assert str(first.url).endswith("/inbox")
            assert "Ada Okafor" in first.text
            assert "simulated data" in first.text
            assert "Cases, the strongest first" in first.text
            case = first.text.partition('href="/cases/')[2].partition('"')[0]
            page = browser.get(f"{first.url.copy_with(path='/cases/')}{case}")
            assert "What was said and done" in page.text
            school = page.text.partition('href="/schools/')[2].partition('"')[0]
            assert "last school year, the same weeks" in browser.get(f"{first.url.copy_with(path='/schools/')}{school}").text
    finally:
        stop.set()
        shown.join(30)
    assert not shown.is_alive()


@pytest.mark.slow
def test_the_demo_fills_the_same_cases_again(demo: Demo, tmp_path: Path) -> None:
    heads, c = [], t.case_.c
    for name in ("a", "b"):
        held = fill(demo, tmp_path / f"{name}.db", lambda _: None)
        with held.database.read() as db:
            rows = db.execute(sa.select(c.case_id, c.urn, c.kind, c.status, c.rank).order_by(c.case_id)).all()
        heads.append(rows)
        held.database.close()
    assert heads[0] == heads[1]
    assert len(heads[0]) >= 2


def test_a_development_issuer_is_refused_on_a_casebook_that_is_no_demo(casebook: Opened) -> None:
    with pytest.raises(WrongUsage, match="not marked as a demo"):
        DemoDesk.open(casebook.database, casebook.ledger)


def settings(tmp_path: Path, **given: object) -> ConsoleSettings:
    secret = tmp_path / "secret"
    secret.write_text("hush\n")
    named = {"oidc_issuer": "https://issuer.example", "oidc_client_id": "us", "oidc_client_secret_file": secret}
    return ConsoleSettings.model_validate(named | given)


def test_it_listens_on_more_than_this_machine_only_with_an_address_over_tls(casebook: Opened, tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="HEADWAY_CONSOLE_URL"):
        console_server(casebook, settings(tmp_path), "0.0.0.0", 0)
    with pytest.raises(ValueError, match="without TLS"):
        settings(tmp_path, console_url="http://desk.example.org")


def test_it_does_not_start_without_an_issuer(casebook: Opened) -> None:
    with pytest.raises(WrongUsage, match="HEADWAY_OIDC_ISSUER"):
        console_server(casebook, ConsoleSettings(), "127.0.0.1", 0)


def test_it_serves_over_http_with_its_headers(casebook: Opened, tmp_path: Path) -> None:
    server, url = console_server(casebook, settings(tmp_path, console_url="https://desk.example.org"), "127.0.0.1", 0)
    assert url == "https://desk.example.org"
    server.start()
    try:
        port = server.port
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}") as one:
            answer = one.get("/inbox")
            assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Finbox")
            assert "max-age=31536000" in answer.headers["strict-transport-security"]
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert one.get("/live").text == "alive\n"
            assert "server" not in answer.headers
    finally:
        server.stop()
