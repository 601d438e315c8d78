"""The reference files, read and checked: every error names file, line, column and remedy, and never shows a target."""

from __future__ import annotations

import csv
import hashlib
from datetime import date
from typing import TYPE_CHECKING

from schemas.calendar import Calendar, CalendarKind, CalendarRow
from schemas.errors import BadContents, WrongUsage
from schemas.school import Confidential, Phase, School, Target, Urn
from streams.replay import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["read_calendar", "read_reference", "read_schools", "read_targets"]

_SCHOOL_COLUMNS = ("urn", "name", "phase", "region", "local_authority", "hub", "roll")
_TARGET_COLUMNS = ("urn", "academic_year", "baseline_attendance", "target_attendance")
_CALENDAR_COLUMNS = ("scope", "kind", "first_date", "last_date")
_URN_MAX, _ROLL_MAX = 2**31 - 1, 1_000_000
_SCOPES = ("region:", "local_authority:", "urn:")


class _Row:
    """One line of a file, by column, and where it stands."""

    def __init__(self, file: str, line: int, cells: dict[str, str]) -> None:
        self.file, self.line, self.cells = file, line, cells

    def bad(self, column: str | None, problem: str, remedy: str) -> BadContents:
        return BadContents(problem, file=self.file, line=self.line, column=column, remedy=remedy)

    def text(self, column: str) -> str:
        value = self.cells[column]
        if not value:
            raise self.bad(column, "empty", "Write a value")
        return value

    def number(self, column: str, most: int, *, least: int) -> int:
        value = self.text(column)
        if not (value.isascii() and value.isdigit()) or not least <= int(value[:20]) <= most:
            raise self.bad(column, f"{value[:40]!r} is no whole number from {least} to {most}", "Write digits only")
        return int(value)

    def ratio(self, column: str) -> Confidential | None:
        """A ratio in 0 to 1; an empty cell is None. The value itself is never shown."""
        if not self.cells[column]:
            return None
        try:
            value = float(self.cells[column])
        except ValueError:
            raise self.bad(column, "not a number", "Write a ratio in 0 to 1, such as 0.95, or nothing") from None
        if not 0 <= value <= 1:
            hint = "This looks like per cent: write a ratio, such as 0.95 for 95 %" if 1 < value <= 100 else "Write a ratio in 0 to 1"
            raise self.bad(column, "not a ratio", hint)
        return Confidential(value)

    def day(self, column: str) -> date:
        value = self.text(column)
        try:
            if len(value) == len("2026-10-05"):
                return date.fromisoformat(value)
        except ValueError:
            pass
        raise self.bad(column, f"{value[:40]!r} is no date", "Write it as 2026-10-05")


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[_Row]:
    """The lines of a CSV file with a header; blank lines are skipped, further columns ignored."""
    name = str(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadContents("not UTF-8", file=name, remedy=f"Save it as UTF-8; byte {error.start} is none") from error
    except OSError as error:
        raise WrongUsage(f"{path}: {error.strerror}. Name a readable CSV file") from error
    if "\0" in text:
        raise BadContents("holds a NUL character", file=name, line=text[: text.index("\0")].count("\n") + 1, remedy="Save it as plain CSV")
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    header: list[str] | None = None
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = [cell.strip() for cell in cells]
                _check_header(name, header, columns)
                continue
            if len(cells) < len(header) and any(c not in header[: len(cells)] for c in columns):
                missing = next(c for c in columns if c not in header[: len(cells)])
                raise BadContents(
                    "the line ends before this column", file=name, line=reader.line_num, column=missing, remedy="Write every column"
                )
            yield _Row(name, reader.line_num, {c: cells[header.index(c)].strip() for c in columns})
    except csv.Error as error:
        raise BadContents(
            f"not CSV ({error})", file=name, line=reader.line_num, remedy="Close every quotation mark and save it as CSV"
        ) from error
    if header is None:
        raise BadContents("empty", file=name, remedy=f"Write the header {','.join(columns)} and a line for each row")


def _check_header(name: str, header: list[str], columns: tuple[str, ...]) -> None:
    for column in columns:
        if header.count(column) != 1:
            problem = "column is missing" if column not in header else "column stands twice"
            raise BadContents(problem, file=name, line=1, column=column, remedy=f"The header must hold {', '.join(columns)}, each once")


def read_schools(path: Path) -> tuple[School, ...]:
    """schools.csv, in order of URN."""
    found: dict[int, School] = {}
    lines: dict[int, int] = {}
    phases = {str(p): p for p in Phase}
    for row in _rows(path, _SCHOOL_COLUMNS):
        urn = row.number("urn", _URN_MAX, least=1)
        if urn in found:
            raise row.bad("urn", f"URN {urn} stands on line {lines[urn]} already", "Keep one line for each school")
        phase = phases.get(row.text("phase"))
        if phase is None:
            raise row.bad("phase", f"{row.cells['phase'][:40]!r} is no phase", f"Write one of {', '.join(phases)}")
        roll = row.number("roll", _ROLL_MAX, least=0) if row.cells["roll"] else None
        cells = row.cells
        found[urn] = School.model_construct(
            urn=Urn(urn),
            name=cells["name"],
            phase=phase,
            region=row.text("region"),
            local_authority=cells["local_authority"],
            hub=cells["hub"],
            roll=roll or None,
        )
        lines[urn] = row.line
    if not found:
        raise BadContents("no school", file=str(path), remedy="Write a line for each school")
    return tuple(found[urn] for urn in sorted(found))


def read_targets(path: Path) -> tuple[Target, ...]:
    """targets.csv; a row for a school that schools.csv does not name is kept and used by nobody."""
    found: dict[tuple[int, str], Target] = {}
    for row in _rows(path, _TARGET_COLUMNS):
        urn, year = row.number("urn", _URN_MAX, least=1), row.text("academic_year")
        if (
            len(year) != len("2026/27")
            or not (year[:4] + year[5:]).isdigit()
            or not year.isascii()
            or year[4] != "/"
            or int(year[5:]) != (int(year[:4]) + 1) % 100
        ):
            raise row.bad("academic_year", f"{year[:40]!r} is no academic year", "Write it as 2026/27")
        if (urn, year) in found:
            raise row.bad("urn", f"URN {urn} stands twice for {year}", "Keep one line for each school and academic year")
        found[urn, year] = Target.model_construct(
            urn=Urn(urn),
            academic_year=year,
            baseline_attendance=row.ratio("baseline_attendance"),
            target_attendance=row.ratio("target_attendance"),
        )
    return tuple(found.values())


def read_calendar(path: Path) -> Calendar:
    """calendar.csv."""
    out = []
    kinds = {str(k): k for k in CalendarKind}
    for row in _rows(path, _CALENDAR_COLUMNS):
        scope, kind = row.text("scope"), kinds.get(row.text("kind"))
        if scope != "all" and not any(scope.startswith(p) and len(scope) > len(p) for p in _SCOPES):
            raise row.bad("scope", f"{scope[:40]!r} is no scope", "Write all, region:NAME, local_authority:NAME or urn:NUMBER")
        if kind is None:
            raise row.bad("kind", f"{row.cells['kind'][:40]!r} is no kind", f"Write one of {', '.join(kinds)}")
        first, last = row.day("first_date"), row.day("last_date")
        if first > last:
            raise row.bad("last_date", f"{last} lies before the first date {first}", "Put the earlier date first")
        out.append(CalendarRow(scope, kind, first, last))
    calendar = Calendar(tuple(out))
    if not calendar.academic_years():
        raise BadContents("no term", file=str(path), remedy="Write a `term` row for each term")
    return calendar


def read_reference(schools: Path, targets: Path, calendar: Path) -> Reference:
    """All three files."""
    read = read_schools(schools), read_targets(targets), read_calendar(calendar)
    version = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in (schools, targets, calendar)))
    return Reference(*read, version.hexdigest(), str(calendar))
