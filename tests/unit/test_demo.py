"""The demo: the truth table counts school days and cases, the page draws every alert and says only what is its own."""

from __future__ import annotations

import io
import re
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from models.parameters import BUDGET
from schemas.alert import Alert, AlertKind, AlertState, alert_id
from streams import demo_words as words
from streams.demo import Demo, as_json, run_demo
from streams.demo_findings import compare, expected_false_cases, stories
from streams.demo_hub import MIX, Planted, PlantedDrift, PlantedEvent, PlantedStretch, plant
from streams.demo_page import render
from streams.demo_report import print_report
from streams.demo_view import DemoView

if TYPE_CHECKING:
    from pathlib import Path

    from streams.demo_findings import Findings

CHARTS = {"T": AlertKind.OFF_TRAJECTORY, "C": AlertKind.LEVEL_DROP}
HUB = "hub 1"
START = date(2027, 1, 4)


def school_days(count: int = 60) -> tuple[date, ...]:
    """Weekdays from a Monday, with a week's holiday after 30 of them."""
    return tuple(START + timedelta(days=i // 5 * 7 + i % 5 + (7 if i >= 30 else 0)) for i in range(count))


def truth(**planted: object) -> Planted:
    """A hub-year in which nothing is planted but what is said."""
    return replace(Planted(school_days(), (), (), (), frozenset(), 0, 0, 0), **planted)  # type: ignore[arg-type]


def alert(chart: str, urn: int | None, opened: int, state: AlertState = AlertState.OPENED, day: int | None = None) -> Alert:
    """A published record; days from 1, chart `data` or `area` where no chart speaks."""
    days = school_days()
    kind = AlertKind.YEAR_GROUP if chart.startswith("G:") else CHARTS.get(chart) or AlertKind(chart)
    subject = HUB if urn is None else urn
    return Alert(
        alert_id=alert_id(kind, chart, subject, "2026/27", days[opened - 1]),
        urn=urn,
        area=HUB if urn is None else None,
        kind=kind,
        chart=chart if chart in CHARTS or chart.startswith("G:") else None,
        state=state,
        opened_on=days[opened - 1],
        as_of=days[(day or opened) - 1],
        onset_about=None,
        once_in_school_years=None,
        evidence={},
        attribution=None,
        reason="as told",
    )


def found(planted: Planted, *alerts: Alert) -> Findings:
    """The findings of these records, which come in order of closes."""
    return compare(planted, alerts, {}, BUDGET, 57)


STEP = PlantedDrift(1, "step", 2.0, 29)


@pytest.mark.parametrize(
    ("opened", "delay"),
    [
        (29, 1),  # the drop's first day is day 1
        (31, 3),  # over a holiday: ten calendar days, three school days
        (42, 14),
    ],
)
def test_a_delay_counts_school_days_from_the_first_day_of_the_drop(opened: int, delay: int) -> None:
    (drift,) = found(truth(drifts=(STEP,)), alert("T", 1, opened)).drifts
    assert drift.school_days == delay


def test_the_first_chart_to_open_finds_the_drop() -> None:
    told = found(truth(drifts=(STEP,)), alert("C", 1, 33), alert("T", 1, 36))
    assert told.drifts[0].story is not None
    assert (told.drifts[0].story.opening.chart, told.drifts[0].school_days) == ("C", 5)
    assert not told.false_cases


def test_an_alert_before_the_drop_is_false_and_finds_nothing() -> None:
    told = found(truth(drifts=(STEP,)), alert("T", 1, 20))
    assert told.drifts[0].school_days is None
    assert told.drifts[0].why == "a false alert was open before it"
    assert [case.urn for case in told.false_cases] == [1]


def test_a_withdrawn_alert_finds_nothing() -> None:
    told = found(truth(drifts=(STEP,)), alert("T", 1, 30), alert("T", 1, 30, AlertState.WITHDRAWN, 40))
    assert told.drifts[0].why == "an alert opened and was withdrawn"
    assert len(told.withdrawn) == 1


def test_missed_drops_stand_first() -> None:
    early, late = PlantedDrift(2, "step", 3.0, 10), replace(STEP, urn=3, onset_day=35)
    told = found(truth(drifts=(early, late)), alert("T", 2, 12))
    assert [(d.planted.urn, d.why) for d in told.drifts] == [(3, "no alert opened"), (2, None)]
    assert told.missed["drops"] == (1, 2)


def test_both_charts_of_a_school_are_one_false_case() -> None:
    told = found(truth(), alert("T", 1, 10), alert("C", 1, 15), alert("T", 2, 15))
    assert [(case.urn, len(case.stories)) for case in told.false_cases] == [(1, 2), (2, 1)]


@pytest.mark.parametrize(("again", "cases"), [(35, 1), (36, 2)])
def test_a_case_opens_again_within_20_school_days_of_its_closing(again: int, cases: int) -> None:
    told = found(truth(), alert("T", 1, 10), alert("T", 1, 10, AlertState.CLOSED, 15), alert("C", 1, again))
    assert len(told.false_cases) == cases


def test_a_reopened_alert_is_one_story() -> None:
    (story,) = stories([alert("T", 1, 10), alert("T", 1, 10, AlertState.WITHDRAWN, 12), alert("T", 1, 10, AlertState.OPENED, 10)])
    assert (story.state, story.ended_on) == (AlertState.OPENED, None)


def test_area_and_data_alerts_are_held_against_what_was_planted() -> None:
    planted = truth(
        events=(PlantedEvent("shock", 20, 24, 0.6), PlantedEvent("block", 50, 52, 0.3)),
        stretches=(PlantedStretch(1, "outage", 5, 9), PlantedStretch(2, "silent", 40, 44)),
        all_present=frozenset({(3, 12)}),
    )
    told = found(planted, alert("data", 1, 9), alert("data", 3, 12), alert("data", 4, 13), alert("area", None, 21), alert("area", None, 30))
    assert [(e.planted.kind, e.school_days) for e in told.events] == [("block", None), ("shock", 2)]
    assert [(s.planted.urn, s.school_days) for s in told.stretches] == [(2, None), (1, 5)]
    assert [s.opening.urn for s in told.single_days] == [3]
    assert [s.opening.urn for s in told.false_data] == [4]
    assert [s.opening.opened_on for s in told.false_area] == [school_days()[29]]


def test_the_budget_lets_expect_two_a_hub_term() -> None:
    assert expected_false_cases(BUDGET, 57, 190) == pytest.approx(2 * 3)
    assert expected_false_cases(BUDGET, 57, 95) == pytest.approx(3)


@pytest.mark.parametrize(
    ("planted", "opened", "days"),
    [
        ("8", ("G:8", 33), 5),  # named right
        ("8", ("G:9", 33), None),  # another year group
        ("8", ("T", 33), 5),  # the school as a whole shows it too
        (None, ("G:8", 33), None),  # the whole school dropped: no year group is right
    ],
)
def test_a_year_group_s_alert_finds_the_drop_of_that_year_group_only(
    planted: str | None, opened: tuple[str, int], days: int | None
) -> None:
    drift = replace(STEP, kind="year group" if planted else "step", year_group=planted)
    told = found(truth(drifts=(drift,)), alert(opened[0], 1, opened[1]))
    assert told.drifts[0].school_days == days
    assert not told.false_cases
    assert len(found(truth(), alert(opened[0], 1, opened[1])).false_cases) == 1


def test_a_hub_plants_its_mix_in_turn_a_shock_and_defects() -> None:
    planted = plant(2, 57, 60).planted
    assert Counter((d.kind, d.size_points) for d in planted.drifts) == Counter((d.kind, d.size_points) for d in MIX)
    assert [e.last_day - e.first_day for e in planted.events if e.kind == "shock"] == [4]
    assert Counter(s.kind for s in planted.stretches) == {"all present": 1, "outage": 3, "silent": 1}
    assert [d.year_group is not None for d in planted.drifts] == [d.kind == "year group" for d in planted.drifts]
    assert planted.corrections > 0
    assert planted.late_registers > 0


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A small hub through the whole demo, in one process."""
    out: Path = tmp_path_factory.mktemp("demo")
    with DemoView(quiet=True) as view:
        return run_demo(out, 1, view, schools=16, days=80, processes=1)


@pytest.fixture(scope="module")
def page(demo: Demo) -> str:
    """Its page, with a name that would break it and an alert on each chart whatever the seed says."""
    return render(with_hostile_names(demo))


def with_hostile_names(demo: Demo) -> Demo:
    """Every school renamed into markup."""
    schools = tuple(s.model_copy(update={"name": f'<b>{s.name}</b> & "Sons"'}) for s in demo.reference.schools)
    return replace(demo, reference=replace(demo.reference, schools=schools))


def test_the_demo_runs_on_files_alone_and_writes_the_ordinary_outputs(demo: Demo) -> None:
    names = {p.name for p in demo.out.iterdir()}
    assert {"input", "alerts.jsonl", "readings.csv", "rejects.jsonl", "summary.json", "parameters.json"} <= names
    assert {p.name for p in (demo.out / "input").iterdir()} == {
        "calendar.csv",
        "history.jsonl.gz",
        "schools.csv",
        "sessions.jsonl.gz",
        "targets.csv",
        "truth.json",
    }
    assert demo.summary["days_closed"] == 80
    assert demo.parameters.source == "history 2025/26"


@pytest.mark.slow
def test_the_json_names_each_drop_once(demo: Demo) -> None:
    said = as_json(demo)
    assert len(said["drifts"]) == len(demo.hub.planted.drifts) > 0
    assert said["false_cases"]["expected"] == pytest.approx(6 * 16 / 57 * 80 / 190, abs=1e-6)


def test_the_report_says_expected_and_got(demo: Demo) -> None:
    text = io.StringIO()
    print_report(with_hostile_names(demo), Console(file=text, width=120))
    assert re.search(r"expected \d+\.\d, got \d+", text.getvalue())
    assert "Missed:" in text.getvalue()


def test_every_chart_alert_has_a_chart_with_title_description_and_table(demo: Demo, page: str) -> None:
    root = ET.fromstring(page)  # parses only if it is well-formed
    charted = [s for s in demo.findings.stories if s.opening.chart]
    articles = {a.get("id"): a for a in root.iter("article")}
    assert charted, "the seed should open at least one alert"
    assert set(articles) == {f"alert-{s.opening.alert_id}" for s in charted}
    for article in articles.values():
        drawings = [s for s in article.iter("svg") if s.get("role") == "img"]
        assert len(drawings) == 2
        for drawing in drawings:
            assert drawing.find("title") is not None
            assert drawing.find("desc") is not None
        assert len(list(article.iter("tr"))) == 1 + 80


def test_every_id_is_there_once_and_every_link_leads_somewhere(page: str) -> None:
    root = ET.fromstring(page)
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    links = [a.get("href", "") for a in root.iter("a")]
    assert links
    assert all(link[0] == "#" and link[1:] in ids for link in links)
    named = [name for e in root.iter() for name in e.get("aria-labelledby", "").split()]
    assert set(named) <= set(ids)


def test_the_page_asks_for_nothing_from_elsewhere_and_runs_nothing(page: str) -> None:
    root = ET.fromstring(page)
    assert not re.search(r"https?:|//\w|url\(|@import|javascript:", page)
    tags = {e.tag for e in root.iter()}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    assert not [name for e in root.iter() for name in e.attrib if name.startswith("on") or name in {"src", "srcset", "style"}]


def test_names_are_escaped_in_text_drawings_and_attributes(demo: Demo, page: str) -> None:
    root = ET.fromstring(page)
    assert "b" not in {e.tag for e in root.iter()}
    shown = {e.text or "" for e in root.iter("title")} | {e.text or "" for e in root.iter("h3")}
    assert any(text.startswith("<b>") for text in shown)
    assert "<b>" not in page


def test_the_page_is_the_same_bytes_again(demo: Demo) -> None:
    assert render(demo) == render(demo)


def test_the_page_has_words_for_every_kind_of_alert() -> None:
    assert words.FOUND_BY.keys() | {AlertKind.DATA} == set(AlertKind)
    assert words.FOUND_BY_BRIEFLY.keys() | {AlertKind.DATA} == set(AlertKind)
