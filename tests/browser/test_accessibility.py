"""axe-core finds nothing on any page of any role, wide and narrow; nothing scrolls sideways at 320 px; a case prints on one sheet.

axe finds a minority of faults: docs/console.md holds the list that people check by hand.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from console.routes import TABLE
from tests.casebooks import HUB_A, day

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

    from tests.browser.conftest import Morning

pytestmark = pytest.mark.slow
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})"
ROLES = {"Ann": "ann", "Lea": "lea", "Head": "head", "Ana": "ana", "Ops": "ops"}


def sign_in(page: Page, morning: Morning, name: str) -> None:
    page.goto(morning.desk.origin + "/sign-in?next=/")
    page.get_by_role("button", name=name, exact=True).click()
    page.wait_for_url(morning.desk.origin + "/**")


def addresses(morning: Morning, who: str) -> list[str]:
    """Every page by GET that this person may open, and what is shown when something is wrong."""
    case, scope = morning.book.case(HUB_A[0]).case_id, morning.book.scope(who)
    area = "00000000-0000-0000-0000-00000000001e"
    filled = [
        page.path.format(case=case, urn=HUB_A[0], alert=area)
        for page in TABLE
        if page.method == "GET" and (not page.who or scope.role in page.who) and not page.path.endswith(".csv")
    ]
    return [*filled, "/no-such-page", *(("/inbox?show=asleep", "/schools?q=nothing") if who == "ann" else ())]


def faults(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    found: dict[str, Any] = page.evaluate(RUN, TAGS)
    return [
        f"{one['id']}: {node['html'][:120]} {node.get('failureSummary', '')[:200]}" for one in found["violations"] for node in one["nodes"]
    ]


@pytest.mark.parametrize("name", ROLES)
def test_axe_finds_nothing(morning: Morning, visit: BrowserContext, axe: str, name: str) -> None:
    page = visit.new_page()
    sign_in(page, morning, name)
    looked = 0
    for where in addresses(morning, ROLES[name]):
        page.goto(morning.desk.origin + where)
        for details in page.locator("details").all():
            details.evaluate("d => d.open = true")
        assert faults(page, axe) == [], where
        page.set_viewport_size({"width": 320, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, f"{where} scrolls sideways at 320 px"
        assert faults(page, axe) == [], f"{where} at 320 px"
        page.set_viewport_size({"width": 1280, "height": 900})
        looked += 1
    assert looked >= 9


def test_axe_finds_nothing_on_forms_that_were_filled_in_wrongly(morning: Morning, visit: BrowserContext, axe: str) -> None:
    page = visit.new_page()
    sign_in(page, morning, "Ann")
    case = morning.book.case(HUB_A[0]).case_id
    page.goto(f"{morning.desk.origin}/cases/{case}")
    for verb, button in (("Snooze it", "Snooze"), ("Say the reason", "Save the reason"), ("Add a note", "Save the note")):
        page.locator("summary", has_text=verb).click()
        if verb == "Snooze it":
            page.get_by_label("on a date", exact=True).check()
        page.get_by_role("button", name=button, exact=True).click()
        page.get_by_role("alert").get_by_role("link").click()
        assert page.evaluate("document.activeElement.closest('details') !== null"), "the summary leads to the field"
        assert faults(page, axe) == [], verb
    page.goto(f"{morning.desk.origin}/schools/{HUB_A[0]}")
    page.get_by_role("button", name="Show the path to the target").click()
    assert faults(page, axe) == []
    page.locator("#purpose-1").check()
    page.get_by_role("button", name="Show the path to the target").click()
    assert page.locator("#path svg").first.is_visible()
    assert faults(page, axe) == []
    page.context.clear_cookies()
    page.goto(morning.desk.origin + "/inbox")
    assert [f for f in faults(page, axe) if not f.startswith("color")] == [], "the issuer's page"


def test_axe_would_find_something(visit: BrowserContext, axe: str) -> None:
    page = visit.new_page()
    page.set_content("<html><body><img src='x'><input></body></html>")
    found = {fault.split(":")[0] for fault in faults(page, axe)}
    assert {"image-alt", "label", "html-has-lang"} <= found


def test_everything_can_be_done_from_the_keyboard(morning: Morning, visit: BrowserContext) -> None:
    page = visit.new_page()
    sign_in(page, morning, "Ann")
    case = morning.book.case(HUB_A[0]).case_id
    page.goto(f"{morning.desk.origin}/cases/{case}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").strip() == "Skip to main content"
    page.keyboard.press("Enter")
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))
        if reached[-1] == "Take this case":
            break
    assert reached[-1] == "Take this case", reached
    page.keyboard.press("Enter")
    page.wait_for_url("**?done=take")


def test_a_case_prints_on_one_sheet(morning: Morning, visit: BrowserContext) -> None:
    page = visit.new_page()
    sign_in(page, morning, "Ann")
    page.goto(f"{morning.desk.origin}/cases/{morning.book.case(HUB_A[0]).case_id}")
    sheets = len(re.findall(rb"/Type\s*/Page[^s]", page.pdf(format="A4")))
    assert sheets == 1


def test_every_state_is_told_in_words_too(morning: Morning, visit: BrowserContext) -> None:
    """Without any colour the page says the same: tags are words, series differ in dash and weight, marks carry their word."""
    page = visit.new_page()
    sign_in(page, morning, "Ann")
    page.goto(morning.desk.origin + "/inbox")
    assert page.locator(".govuk-tag").first.inner_text().strip() == "New"
    page.goto(f"{morning.desk.origin}/cases/{morning.book.case(HUB_A[0]).case_id}")
    wide = page.locator("#chart .hw-wide svg")
    dashes = wide.evaluate(
        "s => [...s.querySelectorAll('path[class^=s-]')].map(p => getComputedStyle(p).strokeDasharray + getComputedStyle(p).strokeWidth)"
    )
    assert len(set(dashes)) >= 4
    assert wide.locator("text", has_text="case opened").count() == 1
    assert wide.locator("text", has_text="about since").count() == 1
    assert day(60).isoformat() in page.locator("#chart table").inner_text() or page.locator("#chart tbody tr").count() == 60


def test_the_heat_map_is_filled_and_its_words_stay_inside(morning: Morning, visit: BrowserContext) -> None:
    page = visit.new_page()
    sign_in(page, morning, "Head")
    page.goto(f"{morning.desk.origin}/schools/{HUB_A[0]}")
    heat = page.locator("#heat .hw-wide svg")
    fills = heat.evaluate("s => [...s.querySelectorAll('path[class^=heat]')].map(p => getComputedStyle(p).fill)")
    assert len(set(fills)) == len(fills) >= 3
    assert "none" not in fills
    assert heat.locator("text", has_text="Reception").bounding_box()["x"] >= heat.bounding_box()["x"]  # type: ignore[index]  # both are drawn
