"""School days: the most specific scope with a term replaces the less specific ones, closed days add up. (contracts.md section 2)"""

from __future__ import annotations

import time
from datetime import date, timedelta

import numpy as np
import pytest

from schemas.calendar import Calendar, CalendarKind, CalendarRow, academic_year, academic_year_starts
from schemas.school import Phase, School, Urn


def row(scope: str, kind: str, first: str, last: str) -> CalendarRow:
    return CalendarRow(scope, CalendarKind(kind), date.fromisoformat(first), date.fromisoformat(last))


def school(urn: int = 1, region: str = "north", authority: str = "leeds") -> School:
    return School(urn=Urn(urn), name="A", phase=Phase.PRIMARY, region=region, local_authority=authority, hub="", roll=None)


def days(first: str, last: str) -> set[date]:
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    span = (start + timedelta(days=i) for i in range((end - start).days + 1))
    return {day for day in span if day.weekday() < 5}


def open_on(rows: list[CalendarRow], of: School | None = None, year: str = "2026/27") -> set[date]:
    return set(Calendar(tuple(rows)).school_days(of or school(), year))


@pytest.mark.parametrize(
    ("day", "name"),
    [("2026-08-31", "2025/26"), ("2026-09-01", "2026/27"), ("1999-10-01", "1999/00"), ("2000-01-01", "1999/00"), ("2009-09-01", "2009/10")],
)
def test_an_academic_year_begins_on_the_first_of_september(day: str, name: str) -> None:
    assert academic_year(date.fromisoformat(day)) == name
    assert academic_year_starts(name).month == 9
    assert academic_year(academic_year_starts(name)) == name
    assert academic_year(academic_year_starts(name) - timedelta(days=1)) < name


def test_school_days_are_monday_to_friday_and_both_ends_belong_to_a_term() -> None:
    found = Calendar((row("all", "term", "2026-09-04", "2026-09-14"),)).school_days(school(), "2026/27")
    assert [str(day) for day in found] == [f"2026-09-{d:02d}" for d in (4, 7, 8, 9, 10, 11, 14)]


def test_a_closed_day_is_no_school_day_and_a_closed_weekend_changes_nothing() -> None:
    rows = [row("all", "term", "2026-09-07", "2026-09-11"), row("all", "closed", "2026-09-09", "2026-09-09")]
    assert open_on(rows) == days("2026-09-07", "2026-09-11") - {date(2026, 9, 9)}
    assert open_on([*rows, row("all", "closed", "2026-09-12", "2026-09-13")]) == open_on(rows)


EVERYWHERE = row("all", "term", "2026-09-01", "2026-09-30")
REGION = row("region:north", "term", "2026-10-01", "2026-10-30")
AUTHORITY = row("local_authority:leeds", "term", "2026-11-02", "2026-11-30")
OWN = row("urn:1", "term", "2026-12-01", "2026-12-18")


@pytest.mark.parametrize(
    ("rows", "first", "last"),
    [
        ([EVERYWHERE], "2026-09-01", "2026-09-30"),
        ([EVERYWHERE, REGION], "2026-10-01", "2026-10-30"),
        ([AUTHORITY, EVERYWHERE, REGION], "2026-11-02", "2026-11-30"),
        ([EVERYWHERE, OWN, REGION, AUTHORITY], "2026-12-01", "2026-12-18"),
        ([EVERYWHERE, OWN], "2026-12-01", "2026-12-18"),
    ],
    ids=["all", "region over all", "authority over region", "its own over everything", "its own over all"],
)
def test_the_most_specific_scope_with_a_term_replaces_the_others(rows: list[CalendarRow], first: str, last: str) -> None:
    assert open_on(rows) == days(first, last)


def test_rows_of_other_scopes_say_nothing_of_a_school() -> None:
    rows = [EVERYWHERE, row("region:south", "term", "2026-10-01", "2026-10-30"), row("urn:2", "closed", "2026-09-01", "2026-09-30")]
    assert open_on(rows) == days("2026-09-01", "2026-09-30")


def test_only_a_term_row_replaces_and_only_in_its_own_academic_year() -> None:
    only_closed = [EVERYWHERE, row("urn:1", "closed", "2026-09-02", "2026-09-02")]
    assert open_on(only_closed) == days("2026-09-01", "2026-09-30") - {date(2026, 9, 2)}
    another_year = [EVERYWHERE, row("urn:1", "term", "2025-09-01", "2025-09-30")]
    assert open_on(another_year) == days("2026-09-01", "2026-09-30")
    assert open_on(another_year, year="2025/26") == days("2025-09-01", "2025-09-30")


def test_closed_days_of_all_scopes_add_up_even_under_a_more_specific_term() -> None:
    rows = [
        row("urn:1", "term", "2026-09-07", "2026-09-11"),
        row("all", "closed", "2026-09-07", "2026-09-07"),
        row("region:north", "closed", "2026-09-08", "2026-09-08"),
        row("local_authority:leeds", "closed", "2026-09-09", "2026-09-09"),
        row("urn:1", "closed", "2026-09-10", "2026-09-10"),
    ]
    assert open_on(rows) == {date(2026, 9, 11)}


def test_a_term_over_the_end_of_august_is_split_between_two_years() -> None:
    rows = [row("all", "term", "2026-08-24", "2026-09-04")]
    assert Calendar(tuple(rows)).academic_years() == ("2025/26", "2026/27")
    assert open_on(rows, year="2025/26") == days("2026-08-24", "2026-08-31")
    assert open_on(rows, year="2026/27") == days("2026-09-01", "2026-09-04")


def test_academic_years_are_those_of_term_rows() -> None:
    rows = (row("all", "closed", "2020-12-25", "2020-12-25"), row("urn:1", "term", "2023-09-04", "2025-09-05"))
    assert Calendar(rows).academic_years() == ("2023/24", "2024/25", "2025/26")


def test_planned_has_the_days_on_which_any_school_is_open_and_a_school_without_a_term_has_none() -> None:
    schools = [school(1), school(2, region="south"), school(3, region="west", authority="bath")]
    rows = (row("urn:1", "term", "2026-09-07", "2026-09-08"), row("region:south", "term", "2026-09-08", "2026-09-09"))
    found, planned = Calendar(rows).planned(schools, "2026/27")
    assert found.dtype == np.int32
    assert [str(np.datetime64(int(day), "D")) for day in found] == ["2026-09-07", "2026-09-08", "2026-09-09"]
    assert planned.tolist() == [[True, True, False], [False, True, True], [False, False, False]]


def test_a_year_without_any_term_has_no_days() -> None:
    found, planned = Calendar((EVERYWHERE,)).planned([school()], "2030/31")
    assert (len(found), planned.shape) == (0, (1, 0))


def test_england_with_a_row_for_every_school_takes_about_a_second_at_most() -> None:
    schools = [school(urn, region=f"r{urn % 9}", authority=f"a{urn % 150}") for urn in range(1, 24_001)]
    rows = [row("all", "term", "2026-09-01", "2027-07-21")] + [
        row(f"urn:{urn}", "closed", "2026-11-02", "2026-11-02") for urn in range(1, 24_001)
    ]
    begun = time.process_time()
    found, planned = Calendar(tuple(rows)).planned(schools, "2026/27")
    assert time.process_time() - begun < 2.0, "grew with schools x rows"
    assert planned.shape == (24_000, len(found))
    assert len(found) == len(days("2026-09-01", "2027-07-21")) - 1
