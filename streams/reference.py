"""The reference files, read and checked: every error names file, line, column and remedy, and never shows a target."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from typing import TYPE_CHECKING

from schemas.calendar import Calendar, CalendarKind, CalendarRow
from schemas.errors import BadContents, WrongUsage
from schemas.register import iso_date
from schemas.school import Confidential, Phase, School, Target, Urn
from streams.replay import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path

__all__ = ["read_calendar", "read_reference", "read_schools", "read_targets"]

_SCHOOL_COLUMNS = ("urn", "name", "phase", "region", "local_authority", "hub", "roll")
_TARGET_COLUMNS = ("urn", "academic_year", "baseline_attendance", "target_attendance")
_CALENDAR_COLUMNS = ("scope", "kind", "first_date", "last_date")
_URN_MAX, _ROLL_MAX = 2**31 - 1, 1_000_000
_FIRST_YEAR, _LAST_YEAR = 1990, 2199
_NAMED_SCOPES = ("region", "local_authority")
_DIGITS_MAX = 18
_RATIO = re.compile(r"\+?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?")
_ACADEMIC_YEAR = re.compile(r"([0-9]{4})/([0-9]{2})")


class _Row:
    """One line of a file, by column, and where it begins. `secret`: its file holds targets, so no cell of it is ever quoted
    (a cell in the wrong column may be one)."""

    def __init__(self, file: str, line: int, cells: dict[str, str], *, secret: bool) -> None:
        self.file, self.line, self.cells, self._secret = file, line, cells, secret

    def bad(self, column: str, problem: str, remedy: str) -> BadContents:
        return BadContents(problem, file=self.file, line=self.line, column=column, remedy=remedy)

    def shown(self, column: str) -> str:
        """What stands there, for a message; short, and control characters escaped."""
        return "this" if self._secret else repr(self.cells[column][:40])

    def text(self, column: str) -> str:
        value = self.cells[column]
        if not value:
            raise self.bad(column, "empty", "Write a value")
        return value

    def whole(self, column: str, least: int, most: int) -> int:
        value = self.text(column)
        if not (value.isascii() and value.isdigit()) or not least <= int(value[:_DIGITS_MAX]) <= most:
            raise self.bad(column, f"{self.shown(column)} is no whole number from {least} to {most}", "Write digits only")
        return int(value)

    def ratio(self, column: str) -> Confidential | None:
        """A ratio in 0 to 1; an empty cell is None. The value itself is never shown."""
        value = self.cells[column]
        if not value:
            return None
        if not _RATIO.fullmatch(value):
            raise self.bad(column, "not a number", "Write a ratio in 0 to 1, such as 0.95 for 95 %, or nothing")
        number = float(value)
        if number > 1:
            raise self.bad(column, "not a ratio in 0 to 1; it looks like per cent", "Write a ratio, such as 0.95 for 95 %")
        return Confidential(number)

    def year(self, column: str) -> str:
        """An academic year, such as 2026/27."""
        value = self.text(column)
        form = _ACADEMIC_YEAR.fullmatch(value)
        if not form or int(form[2]) != (int(form[1]) + 1) % 100 or not _FIRST_YEAR <= int(form[1]) <= _LAST_YEAR:
            raise self.bad(column, f"{self.shown(column)} is no academic year", "Write it as 2026/27")
        return value

    def day(self, column: str) -> date:
        day = iso_date(self.text(column))
        if day is None or not _FIRST_YEAR <= day.year <= _LAST_YEAR:
            raise self.bad(column, f"{self.shown(column)} is no date", f"Write it as 2026-10-05; {_FIRST_YEAR} to {_LAST_YEAR} is read")
        return day

    def scope(self, column: str) -> str:
        """`all`, or what it names without blanks around it and, for a URN, without leading zeros."""
        value = self.text(column)
        kind, _, name = (part.strip() for part in value.partition(":"))
        if value == "all" or (kind in _NAMED_SCOPES and name):
            return f"{kind}:{name}" if name else kind
        if kind == "urn" and name.isascii() and name.isdigit() and 1 <= int(name[:_DIGITS_MAX]) <= _URN_MAX:
            return f"urn:{int(name)}"
        raise self.bad(column, f"{self.shown(column)} is no scope", "Write all, region:NAME, local_authority:NAME or urn:NUMBER")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise WrongUsage(f"{path}: {reason}. Name a readable CSV file") from error


def _text(name: str, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BadContents(f"byte {error.start} is not UTF-8", file=name, line=line, remedy="Save it as CSV in UTF-8") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise BadContents("holds a NUL character", file=name, line=line, remedy="Save it as CSV in UTF-8")
    return text


def _rows(name: str, content: bytes, columns: tuple[str, ...], *, secret: bool = False) -> Iterator[_Row]:
    """The lines of a CSV file with a header; blank lines are skipped, further columns ignored, blanks around a cell too."""
    reader = csv.reader(io.StringIO(_text(name, content), newline=""), strict=True)
    header: list[str] = []
    places: list[tuple[str, int]] = []
    line = 1
    try:
        for cells in reader:
            begins, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = [cell.strip() for cell in cells]
                places = _places(name, begins, header, columns)
                continue
            _check_width(name, begins, cells, header, places)
            yield _Row(name, begins, {column: cells[place].strip() for column, place in places}, secret=secret)
    except csv.Error as error:
        remedy = "Close every quotation mark and save it as CSV"
        raise BadContents(f"not CSV ({error})", file=name, line=line, remedy=remedy) from error
    if not header:
        raise BadContents("empty", file=name, line=1, remedy=f"Write the header {','.join(columns)} and a line for each row")


def _places(name: str, line: int, header: list[str], columns: tuple[str, ...]) -> list[tuple[str, int]]:
    """Where each column stands."""
    for column in columns:
        if header.count(column) != 1:
            problem = "column is missing" if column not in header else "column stands twice"
            remedy = f"The header must hold {', '.join(columns)}, each once, with commas between"
            raise BadContents(problem, file=name, line=line, column=column, remedy=remedy)
    return [(column, header.index(column)) for column in columns]


def _check_width(name: str, line: int, cells: list[str], header: list[str], places: list[tuple[str, int]]) -> None:
    """A line that is too short lacks a column; one that is too long has a comma too many, so its cells are not where they seem."""
    lacking = next((column for column, place in places if place >= len(cells)), None)
    if lacking is not None:
        raise BadContents("the line ends before this column", file=name, line=line, column=lacking, remedy="Write every column")
    if any(cell.strip() for cell in cells[len(header) :]):
        problem = f"{len(cells)} cells under {len(header)} columns"
        raise BadContents(problem, file=name, line=line, remedy="Put a cell that holds a comma in quotation marks")


def read_schools(path: Path) -> tuple[School, ...]:
    """schools.csv, in order of URN; a roll of 0 is unknown, as an empty one."""
    return _schools(str(path), _content(path))


def read_targets(path: Path) -> tuple[Target, ...]:
    """targets.csv, in order of URN and academic year; a row for a school that schools.csv does not name is kept and used by nobody."""
    return _targets(str(path), _content(path))


def read_calendar(path: Path) -> Calendar:
    """calendar.csv; a scope that fits no school is kept and speaks of nobody."""
    return _calendar(str(path), _content(path))


def read_reference(schools: Path, targets: Path, calendar: Path) -> Reference:
    """All three files, each read once."""
    contents = [_content(path) for path in (schools, targets, calendar)]
    version = hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in contents))
    return Reference(
        _schools(str(schools), contents[0]),
        _targets(str(targets), contents[1]),
        _calendar(str(calendar), contents[2]),
        version.hexdigest(),
        str(calendar),
    )


def _schools(name: str, content: bytes) -> tuple[School, ...]:
    found: dict[int, School] = {}
    lines: dict[int, int] = {}
    phases = {str(p): p for p in Phase}
    for row in _rows(name, content, _SCHOOL_COLUMNS):
        urn = row.whole("urn", 1, _URN_MAX)
        if urn in found:
            raise row.bad("urn", f"URN {urn} stands on line {lines[urn]} already", "Keep one line for each school")
        phase = phases.get(row.text("phase"))
        if phase is None:
            raise row.bad("phase", f"{row.shown('phase')} is no phase", f"Write one of {', '.join(phases)}")
        roll = row.whole("roll", 0, _ROLL_MAX) if row.cells["roll"] else 0
        lines[urn] = row.line
        # Every field is checked above or free text: pydantic would check it again, at ten times the cost.
        found[urn] = School.model_construct(
            urn=Urn(urn),
            name=row.cells["name"],
            phase=phase,
            region=row.text("region"),
            local_authority=row.cells["local_authority"],
            hub=row.cells["hub"],
            roll=roll or None,
        )
    if not found:
        raise BadContents("no school", file=name, remedy="Write a line for each school")
    return tuple(found[urn] for urn in sorted(found))


def _targets(name: str, content: bytes) -> tuple[Target, ...]:
    found: dict[tuple[int, str], Target] = {}
    for row in _rows(name, content, _TARGET_COLUMNS, secret=True):
        urn, year = row.whole("urn", 1, _URN_MAX), row.year("academic_year")
        if (urn, year) in found:
            raise row.bad("urn", f"URN {urn} stands twice for {year}", "Keep one line for each school and academic year")
        found[urn, year] = Target.model_construct(
            urn=Urn(urn),
            academic_year=year,
            baseline_attendance=row.ratio("baseline_attendance"),
            target_attendance=row.ratio("target_attendance"),
        )
    return tuple(found[key] for key in sorted(found))


def _calendar(name: str, content: bytes) -> Calendar:
    out = []
    kinds = {str(k): k for k in CalendarKind}
    for row in _rows(name, content, _CALENDAR_COLUMNS):
        scope, kind = row.scope("scope"), kinds.get(row.text("kind"))
        if kind is None:
            raise row.bad("kind", f"{row.shown('kind')} is no kind", f"Write one of {', '.join(kinds)}")
        first, last = row.day("first_date"), row.day("last_date")
        if first > last:
            raise row.bad("last_date", f"{last} lies before the first date {first}", "Put the earlier date first")
        out.append(CalendarRow(scope, kind, first, last))
    calendar = Calendar(tuple(out))
    if not calendar.academic_years():
        raise BadContents("no term", file=name, remedy="Write a `term` row for each term")
    return calendar
