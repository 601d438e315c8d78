"""What is said about a school or an area: an alert, opened, updated, closed or withdrawn, never edited."""

from __future__ import annotations

import json
from datetime import date
from enum import StrEnum
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Alert", "AlertKind", "AlertState", "alert_id", "record_id"]

_NAMESPACE = UUID("6c1c2f0e-7a1d-5f0b-9d7e-5b0d3f4a2c11")


class AlertKind(StrEnum):
    """What an alert is about (contracts.md section 5); each belongs to one chart, or to none."""

    AREA = "area"
    DATA = "data"
    LEVEL_DROP = "level_drop"
    OFF_TRAJECTORY = "off_trajectory"
    SUDDEN = "sudden"
    YEAR_GROUP = "year_group"


class AlertState(StrEnum):
    """A published alert is never edited: it is updated, closed by itself or by people, or withdrawn with the reason."""

    CLOSED = "closed"
    OPENED = "opened"
    UPDATED = "updated"
    WITHDRAWN = "withdrawn"


class Alert(BaseModel):
    """One published alert record; one line of alerts.jsonl.

    urn is None for an area and area is None for a school. once_in_school_years: how rare a signal this strong is on a school
    on track; None where no chart speaks. evidence holds the numerators and denominators it rests on. What may follow from a
    target is not printed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    alert_id: UUID
    urn: int | None
    area: str | None
    kind: AlertKind
    chart: str | None
    state: AlertState
    opened_on: date
    as_of: date
    onset_about: date | None
    once_in_school_years: float | None = Field(repr=False)
    evidence: dict[str, float | int | str | None] = Field(repr=False)
    attribution: dict[str, float] | None = Field(repr=False)
    reason: str = Field(repr=False)

    def to_line(self) -> bytes:
        """Canonical JSON: keys sorted, no blanks, UTF-8. Raises ValueError on a number that is not finite: JSON has none."""
        said = self.model_dump(mode="json")
        return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def alert_id(kind: AlertKind, chart: str | None, subject: int | str | None, academic_year: str, opened_on: date) -> UUID:
    """UUIDv5 of what the alert means; the onset is never part of it. subject: a URN, or the name of an area."""
    return uuid5(_NAMESPACE, "|".join([kind, chart or "", str(subject), academic_year, opened_on.isoformat()]))


def record_id(alert: UUID, close_number: int, state: AlertState) -> UUID:
    """The id of one published record: a repeat of a close publishes the same ids."""
    return uuid5(alert, f"{close_number}|{state}")
