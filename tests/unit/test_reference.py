"""The reference files: what is read, and for what is not, one message that names file, line, column and remedy. (contracts.md section 2)"""

from __future__ import annotations

import time
from datetime import date
from typing import TYPE_CHECKING

import pytest

from schemas.calendar import CalendarKind, CalendarRow
from schemas.errors import BadContents, WrongUsage
from schemas.school import Phase
from streams.reference import read_calendar, read_reference, read_schools, read_targets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCHOOLS = "urn,name,phase,region,local_authority,hub,roll\n"
TARGETS = "urn,academic_year,baseline_attendance,target_attendance\n"
CALENDAR = "scope,kind,first_date,last_date\n"
SCHOOL = "1,A,primary,north,leeds,hub,200\n"
TERM = "all,term,2026-09-01,2026-12-18\n"
READERS: dict[str, Callable[[Path], object]] = {"schools": read_schools, "targets": read_targets, "calendar": read_calendar}


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def made(content: str | bytes) -> Path:
        path = tmp_path / "reference.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return made


def test_schools_come_in_order_of_urn_with_or_without_a_roll(file: Callable[[str | bytes], Path]) -> None:
    found = read_schools(file(SCHOOLS + "20,B,alternative,south,,,\n3,A,primary,north,leeds,hub,200\n7,C,special,x,,,0\n"))
    assert [(s.urn, s.phase, s.roll) for s in found] == [(3, Phase.PRIMARY, 200), (7, Phase.SPECIAL, None), (20, Phase.ALTERNATIVE, None)]
    assert (found[0].name, found[0].region, found[0].local_authority, found[0].hub) == ("A", "north", "leeds", "hub")


@pytest.mark.parametrize(
    ("content", "name", "region"),
    [
        ("\ufeff" + SCHOOLS + SCHOOL, "A", "north"),
        (SCHOOLS + SCHOOL.rstrip("\n"), "A", "north"),
        ((SCHOOLS + SCHOOL).replace("\n", "\r\n"), "A", "north"),
        ((SCHOOLS + SCHOOL).replace("\n", "\r"), "A", "north"),
        ("\n\n" + SCHOOLS + "\n  \n,,,,,,\n" + SCHOOL + "\n", "A", "north"),
        (SCHOOLS + "1, A , primary ,  north\t,leeds,hub, 200 \n", "A", "north"),
        (SCHOOLS + '1,"A, of\nthe ""North""",primary,"north",leeds,hub,200\n', 'A, of\nthe "North"', "north"),
        (SCHOOLS + "1,A\u2028B\x85C\x0bD\x1cE,primary,north,leeds,hub,200\n", "A\u2028B\x85C\x0bD\x1cE", "north"),
        (SCHOOLS + "1,Ysgol Pêl-droed 日,primary,north,leeds,hub,200,\n", "Ysgol Pêl-droed 日", "north"),
        ("fsm,roll,hub,local_authority,region,phase,name,urn,sen\n0.2,200,hub,leeds,north,primary,A,1,\n", "A", "north"),
    ],
    ids=[
        "byte order mark",
        "no newline at the end",
        "Windows lines",
        "old Mac lines",
        "blank lines",
        "blanks around cells",
        "quoted",
        "what Python but not CSV calls a line end",
        "UTF-8 and a trailing comma",
        "other order and further columns",
    ],
)
def test_what_spreadsheets_write_is_read(file: Callable[[str | bytes], Path], content: str, name: str, region: str) -> None:
    (school,) = read_schools(file(content))
    assert (school.urn, school.name, school.region, school.roll) == (1, name, region, 200)


def test_targets_are_ratios_and_either_may_be_empty(file: Callable[[str | bytes], Path]) -> None:
    found = read_targets(file(TARGETS + "1,2026/27,0.93,0.935\n1,2025/26,,.9\n2,2026/27,1,\n3,2026/27,,\n"))
    ratios = [
        (t.urn, t.academic_year, t.baseline_attendance and float(t.baseline_attendance), t.target_attendance and float(t.target_attendance))
        for t in found
    ]
    assert ratios == [(1, "2025/26", None, 0.9), (1, "2026/27", 0.93, 0.935), (2, "2026/27", 1.0, None), (3, "2026/27", None, None)]


def test_no_target_at_all_is_a_file_of_a_header(file: Callable[[str | bytes], Path]) -> None:
    assert read_targets(file(TARGETS)) == ()


def test_scopes_are_read_without_blanks_and_leading_zeros(file: Callable[[str | bytes], Path]) -> None:
    rows = "region: Yorkshire,term,2026-09-01,2026-12-18\nurn:0012,closed,2026-10-01,2026-10-02\nregion:a:b,closed,2026-10-01,2026-10-01\n"
    assert read_calendar(file(CALENDAR + rows)).rows == (
        CalendarRow("region:Yorkshire", CalendarKind.TERM, date(2026, 9, 1), date(2026, 12, 18)),
        CalendarRow("urn:12", CalendarKind.CLOSED, date(2026, 10, 1), date(2026, 10, 2)),
        CalendarRow("region:a:b", CalendarKind.CLOSED, date(2026, 10, 1), date(2026, 10, 1)),
    )


@pytest.mark.parametrize(
    ("which", "content", "named"),
    [
        ("schools", "", ["line 1", "empty", "urn,name,phase"]),
        ("schools", "\ufeff\n\n", ["line 1", "empty"]),
        ("schools", SCHOOLS, ["no school", "a line for each school"]),
        ("schools", "urn,name,phase,region,hub,roll\n", ["line 1", "column local_authority", "missing", "header"]),
        ("schools", SCHOOLS.replace(",", ";"), ["line 1", "column urn", "commas"]),
        ("schools", "urn," + SCHOOLS, ["line 1", "column urn", "twice"]),
        ("schools", SCHOOLS + SCHOOL + "\n" + SCHOOL, ["line 4", "column urn", "URN 1", "line 2", "one line for each school"]),
        ("schools", SCHOOLS + "1,A,Primary,n,l,h,2\n", ["line 2", "column phase", "'Primary'", "primary, secondary, special, alternative"]),
        ("schools", SCHOOLS + "1,A,,n,l,h,2\n", ["line 2", "column phase", "empty"]),
        ("schools", SCHOOLS + "1,A,primary, ,l,h,2\n", ["line 2", "column region", "empty"]),
        ("schools", SCHOOLS + "1,A,primary,n,l,h,-2\n", ["line 2", "column roll", "'-2'", "digits"]),
        ("schools", SCHOOLS + "1,A,primary,n,l,h,2.0\n", ["line 2", "column roll", "'2.0'"]),
        ("schools", SCHOOLS + "1,A,primary,n,l,h," + "9" * 9_000 + "\n", ["line 2", "column roll"]),
        ("schools", SCHOOLS + "0,A,primary,n,l,h,2\n", ["line 2", "column urn", "'0'"]),
        ("schools", SCHOOLS + "2147483648,A,primary,n,l,h,2\n", ["line 2", "column urn"]),
        ("schools", SCHOOLS + "١,A,primary,n,l,h,2\n", ["line 2", "column urn", "digits"]),
        ("schools", SCHOOLS + "1,A,primary,n,l\n", ["line 2", "column hub", "ends before", "every column"]),
        ("schools", SCHOOLS + "1,A,primary,Yorkshire, Humber,l,h,2\n", ["line 2", "8 cells under 7 columns", "quotation marks"]),
        ("schools", SCHOOLS + '1,"A\nB",primary,n,l,h,2\n2,C,x,n,l,h,2\n', ["line 4", "column phase"]),
        ("schools", SCHOOLS + SCHOOL + '2,"A,primary,n,l,h,2\n', ["line 3", "not CSV", "quotation mark"]),
        ("schools", SCHOOLS + '1,"A"B,primary,n,l,h,2\n', ["line 2", "not CSV"]),
        ("schools", SCHOOLS + "1," + "A" * 140_000 + ",primary,n,l,h,2\n", ["line 2", "not CSV", "limit"]),
        ("schools", (SCHOOLS + SCHOOL).encode() + b"2,\xe9cole,primary,n,l,h,2\n", ["line 3", "not UTF-8", "Save it as"]),
        ("schools", (SCHOOLS + SCHOOL).encode("utf-16"), ["line 1", "not UTF-8"]),
        ("schools", SCHOOLS + SCHOOL + "2,A\0,primary,n,l,h,2\n", ["line 3", "NUL"]),
        ("targets", TARGETS + "1,2026/27,95,\n", ["line 2", "column baseline_attendance", "per cent", "0.95"]),
        ("targets", TARGETS + "1,2026/27,0.9,1.0001\n", ["line 2", "column target_attendance", "ratio"]),
        ("targets", TARGETS + "1,2026/27,0.9,-0.1\n", ["line 2", "column target_attendance", "0.95"]),
        ("targets", TARGETS + "1,2026/27,nan,\n", ["line 2", "column baseline_attendance", "not a number"]),
        ("targets", TARGETS + "1,2026/27,0.9_3,\n", ["line 2", "column baseline_attendance", "not a number"]),
        ("targets", TARGETS + "1,2026/27,1e999,\n", ["line 2", "column baseline_attendance"]),
        ("targets", TARGETS + "1,2026/28,0.9,\n", ["line 2", "column academic_year", "2026/27"]),
        ("targets", TARGETS + "1,2026-27,0.9,\n", ["line 2", "column academic_year", "2026/27"]),
        ("targets", TARGETS + "1,0000/01,0.9,\n", ["line 2", "column academic_year"]),
        ("targets", TARGETS + "1,,0.9,\n", ["line 2", "column academic_year", "empty"]),
        ("targets", TARGETS + "1,2026/27,,\n2,2026/27,,\n1,2026/27,,\n", ["line 4", "column urn", "URN 1", "2026/27", "one line"]),
        ("calendar", CALENDAR, ["no term"]),
        ("calendar", CALENDAR + "all,closed,2026-09-01,2026-09-01\n", ["no term"]),
        ("calendar", CALENDAR + "all,holiday,2026-09-01,2026-09-01\n", ["line 2", "column kind", "'holiday'", "term, closed"]),
        ("calendar", CALENDAR + "All,term,2026-09-01,2026-09-01\n", ["line 2", "column scope", "'All'", "region:NAME"]),
        ("calendar", CALENDAR + "all:x,term,2026-09-01,2026-09-01\n", ["line 2", "column scope"]),
        ("calendar", CALENDAR + "hub:x,term,2026-09-01,2026-09-01\n", ["line 2", "column scope"]),
        ("calendar", CALENDAR + "region: ,term,2026-09-01,2026-09-01\n", ["line 2", "column scope"]),
        ("calendar", CALENDAR + "urn:A1,term,2026-09-01,2026-09-01\n", ["line 2", "column scope", "urn:NUMBER"]),
        ("calendar", CALENDAR + "all,term,2026-09-02,2026-09-01\n", ["line 2", "column last_date", "2026-09-01", "earlier date first"]),
        ("calendar", CALENDAR + "all,term,2026-02-30,2026-09-01\n", ["line 2", "column first_date", "'2026-02-30'", "2026-10-05"]),
        ("calendar", CALENDAR + "all,term,01/09/2026,2026-09-01\n", ["line 2", "column first_date", "'01/09/2026'"]),
        ("calendar", CALENDAR + "all,term,2026-W36-2,2026-09-01\n", ["line 2", "column first_date"]),
        ("calendar", CALENDAR + "all,term,0001-01-01,9999-12-31\n", ["line 2", "column first_date", "1990"]),
    ],
)
def test_a_bad_file_is_named_with_line_column_and_remedy(
    file: Callable[[str | bytes], Path], which: str, content: str | bytes, named: list[str]
) -> None:
    path = file(content)
    with pytest.raises(BadContents) as caught:
        READERS[which](path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    for part in named:
        assert part in message


@pytest.mark.parametrize(
    "line",
    [
        "1,2026/27,91.8273,0.918273",
        "1,2026/27,0.918273x,",
        "1,2026/27,0.918273,918273",
        "1,2026/27,-0.918273,",
        "1,0.918273,0.9,",
        "0.918273,2026/27,,",
        "0.918273,1,2026/27,",
        "1,2026/27,0.918273,0.918273,0.918273",
        "1,2026/27,0.918273",
        '1,2026/27,"0.918273',
        "1,2026/27,0.918273,\n1,2026/27,0.918273,",
    ],
)
def test_no_message_about_targets_quotes_one(file: Callable[[str | bytes], Path], line: str) -> None:
    with pytest.raises(BadContents) as caught:
        read_targets(file(TARGETS + line))
    told: BaseException | None = caught.value
    while told is not None:
        assert "8273" not in str(told)
        told = told.__cause__


def test_bytes_that_are_not_utf8_are_not_carried_along_with_the_targets(file: Callable[[str | bytes], Path]) -> None:
    with pytest.raises(BadContents) as caught:
        read_targets(file(TARGETS.encode() + b"1,2026/27,0.918273,\xff"))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("which", READERS)
def test_a_file_that_is_missing_or_a_directory_is_wrong_usage(tmp_path: Path, which: str) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(WrongUsage, match="Name a readable CSV file") as caught:
            READERS[which](path)
        assert str(path) in str(caught.value)


def test_a_reference_has_a_version_that_follows_from_the_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.csv" for name in READERS]
    for path, content in zip(paths, (SCHOOLS + SCHOOL, TARGETS + "9,2026/27,,0.95\n", CALENDAR + TERM), strict=True):
        path.write_text(content, encoding="utf-8")
    first = read_reference(*paths)
    assert len(first.schools) == 1
    assert len(first.targets) == 1, "a target of a school that is not named is kept"
    assert read_reference(*paths).version == first.version
    paths[1].write_text(TARGETS + "9,2026/27,,0.96\n", encoding="utf-8")
    assert read_reference(*paths).version != first.version


def test_england_is_read_in_about_a_second_at_most(file: Callable[[str | bytes], Path]) -> None:
    urns = range(100_000, 124_000)
    begun = time.process_time()
    schools = read_schools(
        file(SCHOOLS + "".join(f'{urn},"School, {urn}",primary,R{urn % 9},LA{urn % 150},,{urn % 900}\n' for urn in urns))
    )
    targets = read_targets(file(TARGETS + "".join(f"{urn},2026/27,0.94{urn % 10},0.95\n" for urn in urns)))
    assert (len(schools), len(targets)) == (24_000, 24_000)
    assert time.process_time() - begun < 2.0
