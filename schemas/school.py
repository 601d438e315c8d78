"""Schools and their targets, as the reference files name them. A target prints itself hidden."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, NewType

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Confidential", "Phase", "School", "Target", "Urn"]

Urn = NewType("Urn", int)
"""A school's unique reference number in England (GIAS); changes when a school becomes an academy."""


class Phase(StrEnum):
    """The DfE's phases; alternative provision uses special's constants."""

    PRIMARY = "primary"
    SECONDARY = "secondary"
    SPECIAL = "special"
    ALTERNATIVE = "alternative"


class Confidential(float):
    """A ratio that must not be shown by accident: text of it is always hidden. Convert with `float` where it is meant."""

    def __repr__(self) -> str:
        return "<confidential>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "<confidential>"


class School(BaseModel):
    """One school; roll in pupils, None when unknown."""

    model_config = ConfigDict(frozen=True)

    urn: Urn
    name: str
    phase: Phase
    region: str
    local_authority: str
    hub: str
    roll: Annotated[int, Field(ge=0)] | None


class Target(BaseModel):
    """A school's baseline and target attendance of one academic year (`2026/27`), ratios in 0 to 1, either may be None."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    urn: Urn
    academic_year: str
    baseline_attendance: Confidential | None
    target_attendance: Confidential | None
