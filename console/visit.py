"""What a page is given, and what it gives back: values, so that a page can be tried without a server."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Answered", "Download", "NotHere", "SeeOther", "Shown", "Who"]


class NotHere(Exception):
    """There is no such thing, or it is not this person's: the answer is the same."""


class Who(StrEnum):
    """Who may open a page. ANYONE: without signing in; SIGNED_IN: with any role."""

    ANYONE = "anyone"
    SIGNED_IN = "signed in"
    COORDINATOR = "coordinator"
    HUB_LEAD = "hub_lead"
    SCHOOL = "school"
    ANALYST = "analyst"
    OPS = "ops"


@dataclass(frozen=True, slots=True)
class Shown:
    """A page by the name of its template; `given` holds plain values, drawn by then."""

    template: str
    given: Mapping[str, object]
    status: int = 200


@dataclass(frozen=True, slots=True)
class SeeOther:
    """After something was done: to a page of ours, by GET. notice: a short word that the next page says once."""

    address: str


@dataclass(frozen=True, slots=True)
class Download:
    """A file of rows; CSV made safe for spreadsheets (`console.csv_files`)."""

    name: str
    rows: Sequence[Sequence[object]]


Answered = Shown | SeeOther | Download
