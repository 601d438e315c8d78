"""A case as a value: the alerts of one school, who holds it, whether it sleeps, how it ended. Made by `case_rules` from events.

A school has at most one open case about attendance and one about its registers (`data`). A line of a case is one alert as it
was last published; its fingerprint is (URN, alert kind, year group).
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field

from schemas.acknowledgement import Verdict
from schemas.alert import AlertKind, AlertState
from schemas.errors import HeadwayError

__all__ = [
    "Case",
    "CaseKind",
    "CaseStatus",
    "Ending",
    "Fingerprint",
    "HumanReason",
    "Line",
    "NotPossible",
    "Place",
    "Size",
    "Snooze",
    "case_id",
    "fingerprint",
]

_NAMESPACE = UUID("0a5d6c1e-2f0b-5b6e-9c3f-7d4c0f1b8e21")

Fingerprint = NewType("Fingerprint", str)
"""`urn|kind|year group`; the last part is empty but for a year group's alert."""


class CaseKind(StrEnum):
    """What a case is about: the school's attendance, or registers that are no measurement."""

    ATTENDANCE = "attendance"
    DATA = "data"


class CaseStatus(StrEnum):
    """closed: by a person, or by itself when what it was about is over. withdrawn: there never was anything."""

    OPEN = "open"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


class HumanReason(StrEnum):
    """The one reason that a person gives; what marks cannot show, and no model guesses. (product.md 1.3, 11)"""

    ILLNESS_WAVE = "illness_wave"
    TRANSPORT = "transport"
    SEND_PROVISION = "send_provision"
    HOUSING = "housing"
    SAFEGUARDING = "safeguarding"
    SCHOOL_EVENT = "school_event"
    DATA = "data"
    NOT_KNOWN = "not_known"


class NotPossible(HeadwayError):
    """The case does not stand so that this can be done to it; the message says why, for the person who tried."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Place(_Value):
    """Where in the chain of closes something stands; a new log begins a new epoch."""

    epoch: int
    close_number: int

    def __lt__(self, other: Place) -> bool:
        return (self.epoch, self.close_number) < (other.epoch, other.close_number)


class Size(_Value):
    """How strong and how large: once in so many school-years (class T on a path's alert), pupils a day; None where none is said."""

    rank: float | None = Field(default=None, repr=False)
    pupils_a_day: float | None = Field(default=None, repr=False)


class Line(_Value):
    """One alert of a case. record_id: its newest record; size, leading_cell: as last published while it was open."""

    alert_id: UUID
    record_id: UUID
    fingerprint: Fingerprint
    kind: AlertKind
    chart: str | None
    state: AlertState
    opened_on: date
    as_of: date
    size: Size
    leading_cell: str | None
    reason: str

    @property
    def open(self) -> bool:
        """Whether the engine still holds to it."""
        return self.state in {AlertState.OPENED, AlertState.UPDATED}


class Snooze(_Value):
    """Asleep before the day `until`, or (None) for as long as it takes; `baseline`: what worse is measured from, None: only the
    date wakes it."""

    by: str
    event_id: UUID
    until: date | None
    baseline: dict[Fingerprint, Size] | None


class Ending(_Value):
    """How a case ended. outcome: what a person said of it; None: by itself. rank, leading_cell: as they stood then."""

    place: Place
    as_of: date
    reopens_until: date
    outcome: Verdict | None
    by: str | None
    reason: str
    rank: float | None = Field(default=None, repr=False)
    leading_cell: str | None = None


class Holding(_Value):
    """Who looked after the case, and whether it slept, before somebody took it."""

    holder: str | None
    held_since: datetime | None
    snooze: Snooze | None


class Case(_Value):
    """One case. version counts the events that touched it. referred_by: who asked for a referral; it stands once two have."""

    case_id: UUID
    urn: int
    kind: CaseKind
    status: CaseStatus
    opened_at: datetime
    opened_as_of: date
    changed_at: datetime
    version: int
    lines: tuple[Line, ...]
    holder: str | None = None
    held_since: datetime | None = None
    before_take: Holding | None = None
    snooze: Snooze | None = None
    ending: Ending | None = None
    last_reason: HumanReason | None = None
    reopened: int = 0
    taken_by: tuple[str, ...] = ()
    referred_by: tuple[str, ...] = ()

    @property
    def open_lines(self) -> tuple[Line, ...]:
        """The alerts that the engine still holds to."""
        return tuple(line for line in self.lines if line.open)

    @property
    def size(self) -> Size:
        """The strongest and the largest of the open alerts; of a case without one, of all."""
        lines = self.open_lines or self.lines
        ranks = [line.size.rank for line in lines if line.size.rank is not None]
        pupils = [line.size.pupils_a_day for line in lines if line.size.pupils_a_day is not None]
        return Size(rank=max(ranks, default=None), pupils_a_day=max(pupils, default=None))

    @property
    def leading(self) -> Line:
        """The strongest alert, open ones first."""
        return max(self.open_lines or self.lines, key=lambda line: (line.size.rank or 0.0, line.as_of, str(line.alert_id)))

    @property
    def referred(self) -> bool:
        """Whether two named people have said so."""
        return len(self.referred_by) > 1

    def asleep(self, today: date) -> bool:
        """Whether it waits for a day or for worse."""
        return self.snooze is not None and (self.snooze.until is None or today < self.snooze.until)


def case_id(kind: CaseKind, opening: UUID) -> UUID:
    """Of what the case means: its kind and the alert record that opened it. Both feeds give it the same."""
    return uuid5(_NAMESPACE, f"case|{kind}|{opening}")


def fingerprint(urn: int, kind: AlertKind, chart: str | None) -> Fingerprint:
    """(URN, alert kind, year group).

    >>> fingerprint(123456, AlertKind.YEAR_GROUP, "G:7")
    '123456|year_group|7'
    """
    group = chart[2:] if chart is not None and chart.startswith("G:") else ""
    return Fingerprint(f"{urn}|{kind}|{group}")
