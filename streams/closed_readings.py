"""Closed readings as they are published: one for each school and close, canonical JSON.

Beside the columns of readings.csv stand what a provisional reading starts from (slow level, common effect, shrinkage, and the
footing of its predictive law, in the order of `models.foresight.Footing`) and the digest of all readings of the school's year,
so that a reader sees whether an earlier day has changed.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from models.foresight import footings
from models.readings import CONDITIONS, NOTHING, rows
from schemas.reading import READING_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.panels import Closed
    from models.parameters import Budget

__all__ = ["closed_readings"]

_EPOCH = date(1970, 1, 1)
_ENCODER = msgspec.json.Encoder(order="sorted")
_MILLIONTHS = (
    "expected_ratio",
    "common_effect_logit",
    "residual_z",
    "statistic_target",
    "statistic_level",
    "statistic_year_group",
    "once_in_school_years_target",
    "once_in_school_years_level",
    "once_in_school_years_year_group",
    "p_target",
)
_COUNTS = ("possible_sessions", "absences", "charted_possible_sessions", "charted_absences")


def closed_readings(closed: Closed, budget: Budget) -> Iterator[tuple[int, bytes]]:
    """(URN, canonical bytes) of the day that was closed, by URN; a school without school that day reads `no_sessions`."""
    model, here = closed.course.model, closed.course.deployment
    table = rows(model, closed.course.panel, budget, slice(0, len(here.urn)), first=closed.day)[:, 0]
    day = (_EPOCH + timedelta(days=int(here.days[closed.day]))).isoformat()
    columns: dict[str, list[Any]] = {name: _numbers(table[name]) for name in _MILLIONTHS}
    columns |= {name: table[name].tolist() for name in _COUNTS}
    columns["condition"] = [str(CONDITIONS[c]) for c in table["condition"].tolist()]
    columns["slow_level_logit"] = np.round(model.slow_before(model.through + 1), 6).tolist()
    columns["footing"] = footings(model)
    columns["effect_logit"] = columns["common_effect_logit"]
    shared = dict.fromkeys(READING_COLUMNS) | {"attendance_date": day, "shrinkage": model.shrinkage_before(model.through + 1)}
    for i, (urn, digests) in enumerate(zip(here.urn.tolist(), closed.schools, strict=True)):
        said = shared | {name: values[i] for name, values in columns.items()}
        possible = said["possible_sessions"]
        said |= {"urn": urn, "readings_digest": digests.readings.hex()}
        said["absence_ratio"] = round(said["absences"] / possible, 6) if possible else None
        yield urn, _ENCODER.encode(said)


def _numbers(column: np.ndarray[Any, np.dtype[np.int64]]) -> list[float | None]:
    return [None if x == NOTHING else x / 1e6 for x in column.tolist()]
