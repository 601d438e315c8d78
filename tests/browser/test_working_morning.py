"""The whole working morning of a coordinator, in a real browser, with pictures (HEADWAY_PICTURES names a folder to keep them)."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from schemas.alert import AlertState
from tests.casebooks import HUB_A
from tests.hub_year import spoken

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

    from tests.browser.conftest import Morning

pytestmark = pytest.mark.slow
FIRST, SECOND = f"School {HUB_A[0]}", f"School {HUB_A[1]}"
HISTORY = (
    "closed the case: handled",
    "said the reason",
    "woke the case",
    "snoozed the case until it worsens",
    "noted",
    "took the case",
    "opened the case",
)


class Camera:
    def __init__(self, page: Page, folder: Path) -> None:
        self.page, self.folder, self.taken = page, folder, 0
        folder.mkdir(parents=True, exist_ok=True)

    def picture(self, name: str) -> None:
        self.taken += 1
        self.page.screenshot(path=str(self.folder / f"{self.taken:02d}-{name}.png"), full_page=True)


def test_the_working_morning(morning: Morning, visit: BrowserContext, tmp_path: Path) -> None:
    page = visit.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    camera = Camera(page, Path(os.environ.get("HEADWAY_PICTURES", str(tmp_path / "pictures"))))
    _signs_in_and_finds(page, morning, camera)
    _opens_the_case(page, camera)
    _takes_notes_and_snoozes(page, camera)
    _new_evidence_wakes_it(page, morning, camera)
    _says_the_reason_and_closes(page, camera)
    _signs_out(page, morning)
    assert [words for words in said if "422" not in words] == [], "nothing complained, and nothing ran"
    assert camera.taken == 8


def _signs_in_and_finds(page: Page, morning: Morning, camera: Camera) -> None:
    page.goto(morning.desk.origin + "/inbox")
    camera.picture("sign-in")
    page.get_by_role("button", name="Ann").click()
    page.wait_for_url("**/inbox")
    cases = page.locator("ol.hw-cases > li")
    assert cases.locator("h3").all_inner_texts() == [FIRST, SECOND], "the rarest first, and no other hub's"
    assert page.get_by_text("2 cases wait, 1 is new").is_visible()
    camera.picture("inbox")


def _opens_the_case(page: Page, camera: Camera) -> None:
    page.get_by_role("link", name=FIRST).click()
    assert "6.2 pupils more absent each day" in page.locator("h1").inner_text()
    order = page.locator(".hw-answer h2").all_inner_texts()
    questions = ["Since when?", "Area or trust problem?", "Alone or shared with the cohort?", "Concern or explainable anomaly?"]
    assert order[:4] == questions
    assert order[4:] == [
        "What this adds",
        "Second opinions",
        "What was said and done",
        "What you can do",
        "How this could be wrong",
    ]
    chart = page.locator("#chart .hw-wide svg")
    assert chart.is_visible()
    assert "averages" in (chart.locator("desc").text_content() or "")
    camera.picture("case")
    page.locator("#chart summary").click()
    assert page.locator("#chart tbody tr").count() == 60


def _takes_notes_and_snoozes(page: Page, camera: Camera) -> None:
    page.get_by_role("button", name="Take this case").click()
    assert page.get_by_text("The case is yours.").is_visible()
    page.get_by_text("Add a note").click()
    page.get_by_label("Your note").fill("Rang Mrs Shah.\nA new bus since half-term.")
    page.get_by_role("button", name="Save the note").click()
    assert page.locator(".hw-timeline q").first.inner_text().strip("“”") == "Rang Mrs Shah.\nA new bus since half-term."
    camera.picture("noted")
    page.locator("summary", has_text="Snooze it").click()
    page.get_by_label("when it worsens").check()
    page.get_by_role("button", name="Snooze", exact=True).click()
    assert page.get_by_text("The case sleeps.").is_visible()
    page.get_by_role("link", name="Inbox").first.click()
    assert FIRST not in page.locator("main").inner_text()
    page.get_by_role("link", name="Snoozed").click()
    assert page.get_by_text("Snoozed until it worsens").is_visible()
    camera.picture("snoozed")


def _new_evidence_wakes_it(page: Page, morning: Morning, camera: Camera) -> None:
    book = morning.book
    book.close(61, spoken(HUB_A[0], AlertState.UPDATED, 60, 61, rank=31.0, pupils=6.4))
    book.at(62, 8)
    _signs_in_again(page, morning)
    assert FIRST not in page.locator("main").inner_text(), "no worse, no noise"
    book.close(62, spoken(HUB_A[0], AlertState.UPDATED, 60, 62, rank=75.0, pupils=9.8))
    book.at(63, 8)
    _signs_in_again(page, morning)
    assert page.locator("ol.hw-cases > li").first.locator("h3").inner_text() == FIRST
    page.get_by_role("link", name=FIRST).click()
    assert page.get_by_text("woke the case: it has worsened").is_visible()
    camera.picture("woken")


def _signs_in_again(page: Page, morning: Morning) -> None:
    """A night has passed, and with it the sign-in."""
    page.goto(morning.desk.origin + "/inbox")
    page.get_by_role("button", name="Ann").click()
    page.wait_for_url("**/inbox")


def _says_the_reason_and_closes(page: Page, camera: Camera) -> None:
    page.get_by_text("Say the reason").click()
    page.get_by_label("Transport").check()
    page.get_by_role("button", name="Save the reason").click()
    assert page.get_by_text("said the reason: transport").is_visible()
    page.get_by_text("Close it, with the outcome").click()
    page.get_by_role("button", name="Close the case").click()
    assert page.get_by_role("alert").get_by_text("Choose how it ended").is_visible(), "an outcome must be said"
    camera.picture("no-outcome")
    page.get_by_label("Handled").check()
    page.get_by_role("button", name="Close the case").click()
    assert page.get_by_text("The charts take it in at tonight's close.").is_visible()
    history = "\n".join(page.locator(".hw-timeline li").all_inner_texts())
    for words in HISTORY:
        assert words in history, words
    camera.picture("closed")


def _signs_out(page: Page, morning: Morning) -> None:
    page.get_by_role("button", name="Sign out").click()
    assert page.get_by_role("heading", name="You are signed out").is_visible()
    page.goto(morning.desk.origin + "/inbox")
    assert "/authorize" in page.url


def test_what_was_typed_survives_the_end_of_a_sign_in(morning: Morning, visit: BrowserContext) -> None:
    page = visit.new_page()
    page.goto(morning.desk.url)
    page.get_by_role("link", name=f"School {HUB_A[0]}").click()
    page.get_by_text("Add a note").click()
    page.get_by_label("Your note").fill("Half a thought about buses")
    morning.book.now += timedelta(minutes=31)
    page.get_by_role("button", name="Save the note").click()
    assert page.get_by_text("What you typed is kept").is_visible()
    page.get_by_role("link", name="Sign in again").click()
    page.get_by_role("button", name="Ada Okafor").or_(page.get_by_role("button", name="Ann")).first.click()
    page.wait_for_url("**/cases/**")
    assert page.get_by_label("Your note").input_value() == "Half a thought about buses"
