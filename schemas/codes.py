"""The statutory attendance codes, dated, and the year groups: what a count may be filed under.

The rules are data (`attendance_codes.toml`); this file only reads them.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

__all__ = ["ALL", "CODES", "CODE_IDS", "CODE_RULES_VERSION", "PUPILS_MAX", "YEAR_GROUPS", "YEAR_GROUP_IDS", "AttendanceCode", "CodeClass"]

YEAR_GROUPS = ("N1", "N2", "R", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "all")
"""Every year group a register may name, youngest first; the position is its number in a packed cell."""

ALL = "all"
"""The one group of a register without a breakdown; never beside another."""

PUPILS_MAX = 999_999
"""Pupils under one code of one year group; more is no school."""

YEAR_GROUP_IDS = {name: number for number, name in enumerate(YEAR_GROUPS)}


class CodeClass(StrEnum):
    """The DfE's classes. `not_counted` and `administrative` lie outside the possible sessions; `unmarked` is no mark yet."""

    PRESENT = "present"
    APPROVED = "approved_educational_activity"
    AUTHORISED = "authorised_absence"
    UNAUTHORISED = "unauthorised_absence"
    NOT_COUNTED = "not_counted"
    ADMINISTRATIVE = "administrative"
    UNMARKED = "unmarked"


@dataclass(frozen=True, slots=True)
class AttendanceCode:
    """One code: what it means, its class, whether it lies in the possible sessions, from when, and who says so."""

    code: str
    meaning: str
    kind: CodeClass
    possible: bool
    valid_from: date | None
    legacy: bool
    study_leave: bool
    source: str

    @property
    def absence(self) -> bool:
        """Authorised or unauthorised absence."""
        return self.kind in {CodeClass.AUTHORISED, CodeClass.UNAUTHORISED}

    def valid_on(self, day: date) -> bool:
        """Whether the code has a meaning on this date."""
        return self.valid_from is None or day >= self.valid_from


def _read() -> tuple[AttendanceCode, ...]:
    table = tomllib.loads(files("schemas").joinpath("attendance_codes.toml").read_text("utf-8"))
    return tuple(
        AttendanceCode(
            row["code"],
            row["meaning"],
            CodeClass(row["class"]),
            row["possible"],
            row.get("from"),
            row.get("legacy", False),
            row.get("study_leave", False),
            row["source"],
        )
        for row in table["code"]
    )


CODES = _read()
"""The table in its order; the position of a code is its number in a packed cell."""

CODE_IDS = {row.code: number for number, row in enumerate(CODES)}

CODE_RULES_VERSION = "2024-08-19"
"""Stands on every receipt; changes when the meaning of a code does."""
