"""As known then: an old close computed again from the logs and compared with what was completed. Writes nothing."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from models import ENGINE_VERSION
from schemas.errors import HeadwayError
from streams.chain import Chain
from streams.closed_readings import closed_readings
from streams.closer import Closer, rules_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    from models.parameters import Budget, Parameters
    from schemas.control import Requested
    from streams.close_logs import CloseLogs
    from streams.replay import Reference

__all__ = ["AsKnown", "Verdict", "as_known"]


class Verdict(StrEnum):
    """What came of computing an old close again."""

    EQUAL = "equal"
    DIFFERENT = "different"
    CANNOT = "cannot be computed"


class AsKnown(NamedTuple):
    """The close (None: that day was never closed), the verdict, the schools that differ, and why in words."""

    close_number: int | None
    verdict: Verdict
    urns: tuple[int, ...] = ()
    why: str = ""


def as_known(
    logs: CloseLogs,
    reference_of: Callable[[str], Reference],
    parameters: Parameters,
    budget: Budget,
    day: date,
    now: Callable[[], datetime],
) -> AsKnown:
    """The last completed close of a day, computed again. reference_of: the reference data of a version, or a HeadwayError."""
    records = tuple(logs.control())
    found = [(request, done) for request, done in Chain.of(records).completed if request.day == day]
    if not found:
        return AsKnown(None, Verdict.CANNOT, why=f"{day} was never closed")
    request, done = found[-1]
    if (why := _other_rules(request, parameters, budget)) is not None:
        return AsKnown(request.number, Verdict.CANNOT, why=why)
    try:
        closer = Closer(logs, reference_of(request.reference_version), parameters, budget, now)
        for record in records:
            closer.chain.add(record)
        closed = closer.compute(request)
    except HeadwayError as error:
        return AsKnown(request.number, Verdict.CANNOT, why=str(error))
    if closed.state_digest == done.state_digest:
        return AsKnown(request.number, Verdict.EQUAL)
    said = logs.readings(request.number)
    if not said:
        return AsKnown(request.number, Verdict.DIFFERENT, why="which schools cannot be told: the readings of that close are not kept")
    urns = tuple(urn for urn, line in closed_readings(closed, budget) if _digest(said.get(urn)) != _digest(line))
    return AsKnown(request.number, Verdict.DIFFERENT, urns)


def _digest(line: bytes | None) -> str | None:
    return None if line is None else str(json.loads(line)["readings_digest"])


def _other_rules(request: Requested, parameters: Parameters, budget: Budget) -> str | None:
    if request.engine_version != ENGINE_VERSION:
        return f"it was computed by engine {request.engine_version}, this is {ENGINE_VERSION}: ask that version"
    if request.parameters_digest != rules_of(parameters, budget):
        return "it was computed with other parameters: name the parameters file of that time"
    return None
