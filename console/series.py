"""A school's days as series for charts: from closed readings in the order of their days to arrays with NaN where nothing is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from casebook.looks import PathDay
from schemas.reading import Condition

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from casebook.figures_read import ClosedReading
    from models.numbers import Floats

__all__ = ["MEAN_DAYS", "Series", "by_week", "path_series", "running_mean", "series"]

MEAN_DAYS = 5
_NOT_MEASURED = {Condition.NO_SESSIONS, Condition.MISSING, Condition.PARTIAL, Condition.IMPLAUSIBLE, Condition.ALL_PRESENT}


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """days of school in order; absence in per cent, possible sessions, and whether the day could be measured. The rest follows
    from the target (class T): expected in per cent, and the statistics of T, C and G."""

    days: tuple[date, ...]
    absent: Floats
    possible: tuple[int, ...]
    absences: tuple[int, ...]
    conditions: tuple[Condition, ...]
    expected: Floats
    statistic_target: Floats
    statistic_level: Floats
    statistic_year_group: Floats

    @property
    def mean(self) -> Floats:
        """Of each measured day and the four measured ones before it."""
        return running_mean(self.absent, self.absences, self.possible)

    def place(self, day: date) -> int | None:
        """Position of a day, or of the next one after it; None after the last."""
        return next((i for i, d in enumerate(self.days) if d >= day), None)


def series(readings: Sequence[ClosedReading]) -> Series:
    """Days without possible sessions are left out; what follows from the target is not known."""
    nothing = (None,) * 3
    return path_series([PathDay(reading, *nothing, None) for reading in readings])


def path_series(days: Sequence[PathDay]) -> Series:
    """The same with what follows from the target."""
    held = [day for day in days if day.reading.condition != Condition.NO_SESSIONS]
    conditions = tuple(Condition(day.reading.condition) for day in held)
    measured = np.array([c not in _NOT_MEASURED for c in conditions], bool)
    return Series(
        tuple(day.reading.attendance_date for day in held),
        np.where(measured, 100.0 * _floats([day.reading.absence_ratio for day in held]), np.nan),
        tuple(day.reading.possible_sessions for day in held),
        tuple(day.reading.absences for day in held),
        conditions,
        100.0 * _floats([day.expected_ratio for day in held]),
        _floats([day.statistic_target for day in held]),
        _floats([day.reading.statistic_level for day in held]),
        _floats([day.reading.statistic_year_group for day in held]),
    )


def running_mean(absent: Floats, absences: Sequence[int], possible: Sequence[int]) -> Floats:
    """Absences over possible sessions of five measured days, in per cent; NaN before there are five and on other days."""
    out = np.full(len(absent), np.nan)
    on = np.flatnonzero(~np.isnan(absent))
    if len(on) < MEAN_DAYS:
        return out
    y, n = (np.concatenate([[0], np.cumsum(np.array(a, np.int64)[on])]) for a in (absences, possible))
    total = np.maximum(n[MEAN_DAYS:] - n[:-MEAN_DAYS], 1)
    out[on[MEAN_DAYS - 1 :]] = 100.0 * (y[MEAN_DAYS:] - y[:-MEAN_DAYS]) / total
    return out


def by_week(here: Series) -> dict[date, tuple[int, int]]:
    """Absences and possible sessions of measured days by the Monday of their week."""
    out: dict[date, tuple[int, int]] = {}
    for day, absences, possible, rate in zip(here.days, here.absences, here.possible, here.absent.tolist(), strict=True):
        if rate == rate:  # noqa: PLR0124 - not NaN
            monday = day.fromordinal(day.toordinal() - day.weekday())
            y, n = out.get(monday, (0, 0))
            out[monday] = (y + absences, n + possible)
    return out


def _floats(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if v is None else v for v in values], float)
