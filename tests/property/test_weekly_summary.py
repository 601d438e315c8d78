"""The weekly file gives no small group of schools and no small count back, by itself or by subtracting any of its rows or columns."""

from __future__ import annotations

from datetime import date
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebook.pages_weeks import WeekCount
from console.weekly_summary import COLUMNS, weekly_rows
from schemas.codes import CODES, CodeClass

WEEK = date(2026, 11, 16)
schools = st.builds(
    WeekCount,
    phase=st.sampled_from(["primary", "secondary", "special"]),
    region=st.sampled_from(["North", "South"]),
    local_authority=st.just("Here"),
    enrolments=st.integers(50, 300),
    counts=st.fixed_dictionaries(
        {"/": st.integers(400, 900), "I": st.integers(0, 40)},
        optional={"M": st.integers(0, 3), "C2": st.integers(0, 1), "O": st.integers(0, 30), "U": st.integers(0, 2), "B": st.integers(0, 1)},
    ),
)
weeks = st.lists(schools, min_size=8, max_size=60)


def _by_group(counts: list[WeekCount]) -> dict[tuple[str, str], dict[str, Any]]:
    header, *rows = weekly_rows(WEEK, counts)
    assert header == COLUMNS
    named = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    return {(str(row["region_name"]), str(row["education_phase"])): row for row in named}


@pytest.mark.slow
@given(weeks)
def test_no_group_under_ten_schools_is_shown_or_follows(counts: list[WeekCount]) -> None:
    rows = _by_group(counts)
    sizes = {group: row["num_schools"] for group, row in rows.items()}
    shown = {group: size for group, size in sizes.items() if size != "c"}
    assert all(size >= 10 for size in shown.values())
    for region in ("", "North", "South"):
        rest = shown.get((region, "Total"))
        if rest is not None:
            rest -= sum(size for (r, phase), size in shown.items() if r == region and phase != "Total")
            assert rest == 0 or rest >= 10
    for phase in ("Total", "Primary", "Secondary", "Special"):
        rest = shown.get(("", phase))
        if rest is not None:
            rest -= sum(size for (region, p), size in shown.items() if region and p == phase)
            assert rest == 0 or rest >= 10


@given(weeks)
def test_no_pair_of_figures_of_a_column_gives_a_small_count(counts: list[WeekCount]) -> None:
    """Every two rows of which one holds the other: their difference is a count of real schools, and never 1 to 9."""
    rows = _by_group(counts)
    for (one, a), (other, b) in product(rows.items(), repeat=2):
        holds = one != other and one[0] in {"", other[0]} and one[1] in {"Total", other[1]}
        for name in COLUMNS[10:-4]:
            if a[name] != "c":
                assert not 0 < a[name] <= 9, name
            if holds and a[name] != "c" and b[name] != "c":
                assert not 0 < a[name] - b[name] <= 9, f"{name}: {one} less {other}"


@given(weeks)
def test_a_class_less_its_shown_reasons_is_never_a_small_count(counts: list[WeekCount]) -> None:
    of_class = {
        "present_sessions": CodeClass.PRESENT,
        "approved_educational_activity": CodeClass.APPROVED,
        "authorised_absence": CodeClass.AUTHORISED,
        "unauthorised_absence": CodeClass.UNAUTHORISED,
    }
    places = {row.code: 18 + i for i, row in enumerate(row for row in CODES if row.possible and not row.legacy)}
    for row in weekly_rows(WEEK, counts)[1:]:
        for name, kind in of_class.items():
            total = row[COLUMNS.index(name)]
            if total == "c":
                continue
            parts = [row[places[c.code]] for c in CODES if c.kind is kind and c.code in places]
            rest = int(str(total)) - sum(int(str(p)) for p in parts if p != "c")
            assert rest == 0 or rest > 9
            assert parts.count("c") != 1
