"""A real browser on a real console: Debian's Chromium through Playwright, the development issuer, axe-core from npm.

Skipped where the browser or axe-core is missing; with HEADWAY_REQUIRE_BROWSER=1, as on CI, that is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from casebook.database import Database
from console.demo_desk import DemoDesk
from schemas.alert import AlertState
from tests.casebooks import HUB_A, HUB_B, Book
from tests.hub_year import area, live, spoken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext

CHROMIUM = Path("/usr/bin/chromium")
ASSETS = Path(__file__).parents[2] / "console" / "assets"
REQUIRED = os.environ.get("HEADWAY_REQUIRE_BROWSER") == "1"


def _without(what: str) -> None:
    if REQUIRED:
        pytest.fail(f"HEADWAY_REQUIRE_BROWSER=1, and there is no {what}")
    pytest.skip(f"no {what}")


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's source (MPL-2.0), fetched by npm when it is not there; it is not ours to ship and not shipped."""
    source = ASSETS / "node_modules/axe-core/axe.min.js"
    if not source.is_file() and shutil.which("npm") is not None:
        subprocess.run(["npm", "ci"], cwd=ASSETS, check=False, capture_output=True, timeout=120)
    if not source.is_file():
        _without("axe-core in console/assets/node_modules")
    return source.read_text("utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one file only: while Playwright's event loop runs in this thread, no other test can run one."""
    if not CHROMIUM.is_file():
        _without(f"browser at {CHROMIUM}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@dataclass
class Morning:
    """A hub on the morning after its 60th school day, served."""

    book: Book
    desk: DemoDesk


@pytest.fixture
def morning(tmp_path: Path) -> Iterator[Morning]:
    with closing(Database(str(tmp_path / "casebook.db"))) as database:
        database.migrate()
        database.mark_demo()
        book = Book(database)
        book.close(30, area("hub A", 30, 30))
        book.close(33, area("hub A", 30, 33, AlertState.CLOSED))
        book.close(59, spoken(HUB_A[1], AlertState.OPENED, 59, 59, rank=14.0, pupils=3.1))
        book.close(
            60,
            spoken(HUB_A[0], AlertState.OPENED, 60, 60, rank=30.0, pupils=6.2),
            spoken(HUB_B[0], AlertState.OPENED, 60, 60, rank=99.0, pupils=9.0),
        )
        live(book)
        book.at(61, 8)
        desk = DemoDesk.open(database, book.ledger, now=lambda: book.now)
        desk.start()
        yield Morning(book, desk)
        desk.stop()


@pytest.fixture
def visit(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB", timezone_id="Europe/London")
    context.set_default_timeout(20_000)
    yield context
    context.close()
