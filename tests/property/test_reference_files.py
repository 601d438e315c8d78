"""Whatever three files hold, the readers give a value or one of two named errors; school days equal a plain restatement."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.calendar import Calendar, CalendarKind, CalendarRow, academic_year
from schemas.errors import BadContents
from schemas.school import Confidential, Phase, School, Urn
from streams.reference import read_calendar, read_schools, read_targets

if TYPE_CHECKING:
    from collections.abc import Callable

HEADERS = (
    "urn,name,phase,region,local_authority,hub,roll",
    "urn,academic_year,baseline_attendance,target_attendance",
    "scope,kind,first_date,last_date",
)
_PIECES = st.sampled_from(
    [
        *HEADERS,
        *",;\n\r\t \"'\0\u2028",
        *("\r\n", "\ufeff", "1", "0", "-1", "9" * 5_000, "\u0661", "primary", "2026/27", "0000/01", "9999/00", "0.95", "95"),
        *("1e400", "nan", "inf", "all", "urn:1", "urn:", "region:x", "term", "closed", "2026-09-01", "9999-12-31", "0001-01-01"),
    ]
)
_GARBAGE = (
    st.binary(max_size=300)
    | st.lists(_PIECES, max_size=40).map("".join).map(str.encode)
    | st.tuples(st.sampled_from(HEADERS), st.lists(st.lists(_PIECES, max_size=8).map(",".join), max_size=6)).map(
        lambda made: "\n".join([made[0], *made[1]]).encode()
    )
)


@settings(max_examples=300, deadline=None)
@given(_GARBAGE)
def test_any_bytes_give_a_value_or_one_clear_message(content: bytes) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "reference.csv"
        path.write_bytes(content)
        for read in (read_schools, read_targets, read_calendar):
            told = _told(read, path)
            assert told is None or told.startswith(str(path))


def _told(read: Callable[[Path], object], path: Path) -> str | None:
    """What a refused file is told; what is read can be used."""
    try:
        value = read(path)
    except BadContents as error:
        return str(error)
    if isinstance(value, Calendar):
        for year in value.academic_years():
            value.planned([_school(1)], year)
    return None


def _school(urn: int, region: str = "x", authority: str = "y") -> School:
    return School(urn=Urn(urn), name="", phase=Phase.PRIMARY, region=region, local_authority=authority, hub="", roll=None)


def _plainly(rows: tuple[CalendarRow, ...], school: School, year: str) -> list[date]:
    """Day by day, as the contract reads."""
    scopes = [f"urn:{school.urn}", f"local_authority:{school.local_authority}", f"region:{school.region}", "all"]
    every = [date(int(year[:4]), 9, 1) + timedelta(days=i) for i in range(366)]
    days = [day for day in every if academic_year(day) == year]

    def covers(scope: str, kind: CalendarKind, day: date) -> bool:
        return any(r.scope == scope and r.kind is kind and r.first_date <= day <= r.last_date for r in rows)

    term = next((s for s in scopes if any(covers(s, CalendarKind.TERM, day) for day in days)), None)
    return [
        day
        for day in days
        if term is not None
        and day.weekday() < 5
        and covers(term, CalendarKind.TERM, day)
        and not any(covers(scope, CalendarKind.CLOSED, day) for scope in scopes)
    ]


_DAYS = st.dates(date(2026, 8, 1), date(2027, 10, 31))
_ROWS = st.builds(
    lambda scope, kind, one, length: CalendarRow(scope, kind, one, one + timedelta(days=length)),
    st.sampled_from(["all", "region:x", "region:z", "local_authority:y", "urn:1", "urn:2"]),
    st.sampled_from(CalendarKind),
    _DAYS,
    st.integers(0, 90),
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(_ROWS, max_size=8).map(tuple))
def test_school_days_equal_a_plain_restatement_of_the_contract(rows: tuple[CalendarRow, ...]) -> None:
    schools = [_school(1), _school(2), _school(3, authority="w"), _school(4, region="z", authority="w")]
    calendar = Calendar(rows)
    for year in ("2025/26", "2026/27", "2027/28"):
        days, planned = calendar.planned(schools, year)
        for school, row in zip(schools, planned, strict=True):
            wanted = _plainly(rows, school, year)
            assert [date(1970, 1, 1) + timedelta(days=int(day)) for day in days[row]] == wanted
            assert list(calendar.school_days(school, year)) == wanted
        assert planned.any(axis=0).all()
        assert planned.size == 0 or year in calendar.academic_years()


@given(st.floats(0, 1), st.sampled_from(["{}", "{:.3f}", "{!r}", "{!s:>12}"]))
def test_no_confidential_ratio_is_ever_formatted(value: float, how: str) -> None:
    assert how.format(Confidential(value)).strip() == "<confidential>"


_LINES = st.lists(
    st.tuples(st.integers(1, 50), st.none() | st.floats(0, 1), st.none() | st.floats(0, 1)), max_size=20, unique_by=lambda line: line[0]
)


@settings(max_examples=60, deadline=None)
@given(_LINES)
def test_targets_are_read_as_they_were_written(lines: list[tuple[int, float | None, float | None]]) -> None:
    def cell(value: Any) -> str:
        return "" if value is None else repr(value)

    with TemporaryDirectory() as directory:
        path = Path(directory) / "targets.csv"
        path.write_text("\n".join([HEADERS[1], *(f"{urn},2026/27,{cell(a)},{cell(b)}" for urn, a, b in lines)]), encoding="utf-8")
        read = read_targets(path)
    assert [t.urn for t in read] == sorted(urn for urn, _, _ in lines)
    for target in read:
        _, start, aim = next(line for line in lines if line[0] == target.urn)
        assert (target.baseline_attendance is None) == (start is None)
        assert start is None or target.baseline_attendance == pytest.approx(start, abs=0)
        assert aim is None or target.target_attendance == pytest.approx(aim, abs=0)
