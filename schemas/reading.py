"""What a close says of one school on one school day."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["READING_COLUMNS", "Condition", "Reading"]


class Condition(StrEnum):
    """The state of a school's day; the first that holds, in this order (contracts.md section 5)."""

    NO_SESSIONS = "no_sessions"
    MISSING = "missing"
    PARTIAL = "partial"
    IMPLAUSIBLE = "implausible"
    ALL_PRESENT = "all_present"
    NO_PEERS = "no_peers"
    WARMING_UP = "warming_up"
    OUT_OF_CONTROL = "out_of_control"
    IN_CONTROL = "in_control"


class Reading(BaseModel):
    """One row of readings.csv; ratios in 0 to 1, None where there is none (no possible session, no path, a later model).

    possible_sessions, absences: the DfE's arithmetic; charted_…: without study leave. What follows from a target is not printed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    urn: int
    attendance_date: date
    possible_sessions: int
    absences: int
    absence_ratio: float | None
    charted_possible_sessions: int
    charted_absences: int
    expected_ratio: float | None = Field(repr=False)
    common_effect_logit: float | None
    residual_z: float | None = Field(repr=False)
    statistic_target: float | None = Field(repr=False)
    statistic_level: float | None
    statistic_year_group: float | None
    once_in_school_years_target: float | None = Field(repr=False)
    once_in_school_years_level: float | None
    once_in_school_years_year_group: float | None
    p_target: float | None = Field(repr=False)
    condition: Condition


READING_COLUMNS = tuple(Reading.model_fields)
"""The header of readings.csv."""
