"""What happens to a case: the engine says something of an alert, or a person does something. Values, written once.

The history of a school is the sequence of these in the order of closes, what people did after the close that they saw. The words
that people write are no part of an event: they lie beside it and can be redacted.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from casebook.case_state import HumanReason, Place
from schemas.acknowledgement import Verdict
from schemas.alert import AlertKind, AlertState

__all__ = [
    "ENGINE",
    "AlertSaid",
    "Assign",
    "Close",
    "Done",
    "Effect",
    "Event",
    "GiveBack",
    "Note",
    "Reason",
    "Refer",
    "Reopen",
    "Said",
    "Snooze",
    "Take",
    "TakeBackReferral",
    "Wake",
    "human_event_id",
    "said_from_json",
    "said_to_json",
]

ENGINE = "engine"
"""The actor of what nobody did."""


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AlertSaid(_Said):
    """An alert record of the close; reopens_until: the 20th school day of this school after the close's day."""

    what: Literal["alert"] = "alert"
    alert_id: UUID
    kind: AlertKind
    chart: str | None
    state: AlertState
    opened_on: date
    as_of: date
    rank: float | None = Field(repr=False)
    pupils_a_day: float | None = Field(repr=False)
    leading_cell: str | None
    reason: str = Field(repr=False)
    reopens_until: date


class Take(_Said):
    """I look after it."""

    what: Literal["take"] = "take"


class GiveBack(_Said):
    """As it was before I took it."""

    what: Literal["give_back"] = "give_back"


class Assign(_Said):
    """Somebody looks after it."""

    what: Literal["assign"] = "assign"
    to: str


class Note(_Said):
    """Words, beside the event."""

    what: Literal["note"] = "note"


class Reason(_Said):
    """The one human reason, from the short list."""

    what: Literal["reason"] = "reason"
    reason: HumanReason


class Snooze(_Said):
    """Out of sight before `until`, or until it worsens, or whichever comes first."""

    what: Literal["snooze"] = "snooze"
    until: date | None = None
    until_worse: bool = False


class Wake(_Said):
    """Back in sight: its day has come, or a person wants it so."""

    what: Literal["wake"] = "wake"


class Close(_Said):
    """Done with, and what it was; seen: the day of the close that the person saw; reopens_until: as in AlertSaid, from today."""

    what: Literal["close"] = "close"
    outcome: Verdict
    seen: date
    reopens_until: date


class Reopen(_Said):
    """Not done with after all."""

    what: Literal["reopen"] = "reopen"


class Refer(_Said):
    """I say that this school should be referred; it stands once a second person says so."""

    what: Literal["refer"] = "refer"


class TakeBackReferral(_Said):
    """Nobody says so any more."""

    what: Literal["take_back_referral"] = "take_back_referral"


Done = Take | GiveBack | Assign | Note | Reason | Snooze | Wake | Close | Reopen | Refer | TakeBackReferral
"""What a person does (Wake also happens by itself)."""

Said = AlertSaid | Done
_ADAPTER: TypeAdapter[Said] = TypeAdapter(Annotated[Said, Field(discriminator="what")])


class Effect(StrEnum):
    """What an event did to the school's cases; what people are told follows from these."""

    OPENED = "opened"
    JOINED = "joined"
    UPDATED = "updated"
    REOPENED = "reopened"
    NOT_REOPENED = "not_reopened"
    WOKE = "woke"
    ENDED = "ended"
    RECOVERED = "recovered"
    WITHDRAWN = "withdrawn"
    SUDDEN = "sudden"
    DONE = "done"


class Event(BaseModel):
    """One event of a school's history. event_id: of an alert its record id; case_id None: no case came of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: UUID
    urn: int
    place: Place
    at: datetime
    actor: str
    said: Annotated[Said, Field(discriminator="what")]
    case_id: UUID | None = None


def human_event_id(case: UUID, version: int, said: Done, actor: str) -> UUID:
    """Of what was done to which state of a case, by whom: a form that is sent twice is one event."""
    return uuid5(case, f"{version}|{said.what}|{actor}")


def said_to_json(said: Said) -> dict[str, Any]:
    """As it is kept."""
    return said.model_dump(mode="json")


def said_from_json(kept: dict[str, Any]) -> Said:
    """As it was said."""
    return _ADAPTER.validate_python(kept, strict=False)
