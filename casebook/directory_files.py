"""people.csv and memberships.csv, read and written; an error names file, line, column and remedy. (casework.md section 3)"""

from __future__ import annotations

import csv
import io
import re
from datetime import date
from typing import TYPE_CHECKING

from casebook.directory import SUPPORT, Membership, Person
from casebook.events import ENGINE
from casebook.scope import Role
from schemas.errors import BadContents, WrongUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

__all__ = ["MEMBERSHIPS", "PEOPLE", "iso_day", "memberships_csv", "people_csv", "read_memberships", "read_people"]

PEOPLE = ("person", "name", "email", "role", "scope", "valid_from", "valid_to")
MEMBERSHIPS = ("urn", "hub", "support", "consent_from", "consent_to")
_PERSON = re.compile(r"[A-Za-z0-9._-]{1,100}")
_URN_MAX = 2**31 - 1
_OF_A_HUB = {Role.COORDINATOR, Role.HUB_LEAD}


class _Row:
    """One line of a file, whose columns are read by name."""

    def __init__(self, file: str, line: int, values: dict[str, str]) -> None:
        self.file, self.line, self._values = file, line, values

    def text(self, column: str, *, empty: bool = False) -> str:
        """Without the blanks around it."""
        value = self._values[column].strip()
        if not value and not empty:
            raise self.wrong(column, "it is empty", "Fill it in")
        return value

    def day(self, column: str) -> date | None:
        """None where it is empty."""
        value = self.text(column, empty=True)
        day = iso_day(value) if value else None
        if value and day is None:
            raise self.wrong(column, f"{value!r} is no date", "Write one such as 2026-09-01")
        return day

    def first_day(self, column: str) -> date:
        """Never empty."""
        day = self.day(column)
        if day is None:
            raise self.wrong(column, "it is empty", "Write a date such as 2026-09-01")
        return day

    def wrong(self, column: str, problem: str, remedy: str) -> BadContents:
        """The error that says so."""
        return BadContents(problem, file=self.file, line=self.line, column=column, remedy=remedy)


def read_people(path: Path) -> list[Person]:
    """Every row of people.csv; a person may have several roles, each in a row."""
    return [_person(row) for row in _rows(path, PEOPLE)]


def read_memberships(path: Path) -> list[Membership]:
    """Every row of memberships.csv; a school is a member of one hub once."""
    out, seen = [], set[tuple[int, str]]()
    for row in _rows(path, MEMBERSHIPS):
        one = _membership(row)
        if (one.urn, one.hub) in seen:
            raise row.wrong("urn", f"{one.urn} stands twice for {one.hub}", "Remove one of the rows")
        seen.add((one.urn, one.hub))
        out.append(one)
    return out


def people_csv(people: Sequence[Person]) -> str:
    """As `read_people` reads it."""
    return _csv(PEOPLE, [[_text(getattr(one, name)) for name in PEOPLE] for one in people])


def memberships_csv(memberships: Sequence[Membership]) -> str:
    """As `read_memberships` reads it."""
    return _csv(MEMBERSHIPS, [[_text(getattr(one, name)) for name in MEMBERSHIPS] for one in memberships])


def iso_day(text: str) -> date | None:
    """A date in the one form that is taken, or None."""
    try:
        return date.fromisoformat(text) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
    except ValueError:
        return None


def _person(row: _Row) -> Person:
    person, role = row.text("person"), row.text("role")
    if not _PERSON.fullmatch(person) or person == ENGINE:
        raise row.wrong("person", f"{person!r} is no opaque id", "Write letters, digits, dots and dashes, and no name")
    if role not in set(Role):
        raise row.wrong("role", f"{role!r} is no role", f"Write one of {', '.join(Role)}")
    scope = row.text("scope", empty=Role(role) in {Role.ANALYST, Role.OPS})
    if Role(role) is Role.SCHOOL and not _is_urn(scope):
        raise row.wrong("scope", f"{scope!r} is no URN", "Write the school's URN")
    first, last = row.first_day("valid_from"), row.day("valid_to")
    if last is not None and last < first:
        raise row.wrong("valid_to", "it lies before valid_from", "Write a later day, or leave it empty")
    return Person(person, row.text("name"), row.text("email", empty=True), Role(role), scope, first, last)


def _membership(row: _Row) -> Membership:
    urn, support = row.text("urn"), row.text("support")
    if not _is_urn(urn):
        raise row.wrong("urn", f"{urn!r} is no URN", "Write a whole number")
    if support not in SUPPORT:
        raise row.wrong("support", f"{support!r} is neither {' nor '.join(SUPPORT)}", f"Write one of {', '.join(SUPPORT)}")
    first, last = row.first_day("consent_from"), row.day("consent_to")
    if last is not None and last < first:
        raise row.wrong("consent_to", "it lies before consent_from", "Write a later day, or leave it empty")
    return Membership(int(urn), row.text("hub"), support, first, last)


def _is_urn(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 0 < int(text) <= _URN_MAX


def _rows(path: Path, columns: Sequence[str]) -> Iterator[_Row]:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise WrongUsage(f"{path}: {error.strerror}. Name a readable file") from error
    except UnicodeDecodeError as error:
        raise BadContents("it is not UTF-8", file=str(path), remedy="Save it as UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines = _numbered(reader, path)
    _, header = next(lines, (1, []))
    if missing := [name for name in columns if name not in header]:
        raise BadContents(f"there is no column {missing[0]}", file=str(path), line=1, remedy=f"The header is {','.join(columns)}")
    for line, values in lines:
        if len(values) != len(header):
            raise BadContents(f"{len(values)} fields where the header has {len(header)}", file=str(path), line=line, remedy="Mend the row")
        yield _Row(str(path), line, dict(zip(header, values, strict=True)))


def _numbered(reader: Iterator[list[str]], path: Path) -> Iterator[tuple[int, list[str]]]:
    line_of: Callable[[], int] = lambda: getattr(reader, "line_num", 0)  # noqa: E731 (a name for what csv counts)
    try:
        for values in reader:
            if values:
                yield line_of(), values
    except csv.Error as error:
        raise BadContents(str(error), file=str(path), line=line_of(), remedy="Save it as CSV again") from error


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _csv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([header, *rows])
    return out.getvalue()
