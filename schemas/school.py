"""Schools and their targets, as the reference files name them. A target prints itself hidden."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NewType

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

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
    """A ratio in 0 to 1 that must not be shown by accident: text of it is hidden. `float(value)` shows it, where that is meant."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<confidential>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "<confidential>"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """A number in 0 to 1, kept hidden from then on."""
        return core_schema.no_info_after_validator_function(cls, core_schema.float_schema(ge=0, le=1, allow_inf_nan=False))


class School(BaseModel):
    """One school; roll in pupils, None when unknown (a roll of 0 is an unknown one). Region, authority and hub are plain names."""

    model_config = ConfigDict(frozen=True)

    urn: Annotated[Urn, Field(ge=1, le=2**31 - 1)]
    name: str
    phase: Phase
    region: Annotated[str, Field(min_length=1)]
    local_authority: str
    hub: str
    roll: Annotated[int, Field(ge=1)] | None


class Target(BaseModel):
    """A school's baseline and target attendance of one academic year (`2026/27`), ratios in 0 to 1, either may be None.

    Neither is in its text, nor in the message of a failed validation.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    urn: Annotated[Urn, Field(ge=1, le=2**31 - 1)]
    academic_year: Annotated[str, StringConstraints(pattern=r"^[0-9]{4}/[0-9]{2}$")]
    baseline_attendance: Confidential | None
    target_attendance: Confidential | None
