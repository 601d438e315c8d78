"""Everything that can go wrong, as one tree.

::

    HeadwayError
    ├── WrongUsage          a missing or unreadable argument                     exit 2
    ├── BadContents         a file that says something impossible                exit 1
    ├── InvalidRegister     one register breaks a rule: becomes a Reject, a value
    ├── BrokenPromise       a step was given what its caller must never give     stops the process
    ├── (casebook)          what people do:
    │   ├── NotThere        no such school or case, or not this person's     404, the same for both
    │   ├── NotPossible     the case does not stand so that this can be done     said to the person
    │   ├── Changed         somebody else was quicker                        shown again
    │   └── CasebookUnavailable the database does not answer now             tried again; 503
    └── (streams)           the outside world, each defined where it is met:
        ├── LogUnavailable  the SQLite log cannot be written now                 503, or 507 when the disk is full
        ├── QueueFull       too many registers wait to be written                429, come back
        ├── Stopped         the service is stopping                              503
        ├── UnreadableBody  a request's body is not what its media type says     400
        ├── TooManyEvents   a batch is larger than may be taken at once          413
        ├── BrokerUnavailable   Kafka does not answer now                        tried again; exit 1
        ├── AccessRefused, NotAllowed, AccessDiffers    who may do what          exit 1, /ready
        ├── TopicMissing, TopicsDiffer  topics are not as the topology says      exit 1, /ready
        ├── RecordTooLarge  a record is larger than its topic takes              exit 1
        ├── PositionLost    a position lies outside the log                      never a shorter panel: /ready
        ├── ReferenceMissing, ReferenceDamaged  no whole reference data          /ready
        ├── TooManyRejects  what is sent is broken as a whole                    stops workers and closes
        ├── OtherRules      a close of another engine is open                    left alone, /ready
        └── NotClosed       a close that was asked for did not come              exit 1

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

    temporary = False
    """Nothing here is wrong: the outside world does not answer now, and the same may be tried again."""


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
