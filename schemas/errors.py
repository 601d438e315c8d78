"""Everything that can go wrong, as one tree.

::

    HeadwayError
    ├── WrongUsage          a missing or unreadable argument                     exit 2
    ├── BadContents         a file that says something impossible                exit 1
    ├── InvalidRegister     one register breaks a rule: becomes a Reject, a value
    └── BrokenPromise       a step was given what its caller must never give     stops the process

A bad record is a value (`schemas.reject.Reject`), never an exception that leaves its reader.
Messages name the thing, the value and the remedy; never a target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.reject import RejectReason

__all__ = ["BadContents", "BrokenPromise", "HeadwayError", "InvalidRegister", "WrongUsage"]


class HeadwayError(Exception):
    """The root of the tree."""


class WrongUsage(HeadwayError):
    """A missing or unreadable argument; exit 2."""


class BadContents(HeadwayError):
    """A file holds something impossible; names file, line, column and remedy; exit 1."""

    def __init__(self, problem: str, *, file: str, remedy: str, line: int | None = None, column: str | None = None) -> None:
        where = file + (f", line {line}" if line is not None else "") + (f", column {column}" if column else "")
        super().__init__(f"{where}: {problem}. {remedy}")


class InvalidRegister(HeadwayError):
    """A register breaks a rule of `contracts.md` section 1; `reason` names it."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class BrokenPromise(HeadwayError):
    """A step was given an impossible input: a fault in Headway, not in the data."""
