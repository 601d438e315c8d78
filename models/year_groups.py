"""Chart G: each year group against the rest of its school, over arrays of series (a school's year group).

What goes in is the contrast of two logits of the same day, so whatever hits the whole school cancels: no path, no peers, no
loading. The rest is chart C (`models.charts`), started with less: the reference is the year group's own running mean. A
school's statistic is the largest of its year groups', which is thereby named. The year group of an acknowledgement
restarts, the others go on. Cost of the defaults: see `models/thresholds.toml`. (detection.md 1.5)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from models import charts
from models.charts import WARM_UP_DAYS
from models.numbers import Bools, Floats, Ints, half_logs
from models.year_group_counts import Series, YearGroupCounts

if TYPE_CHECKING:
    from models.deployment import Deployment
    from models.parameters import Parameters

__all__ = [
    "NO_YEAR_GROUP",
    "PUPILS_LEAST",
    "SHIFTS",
    "GroupState",
    "SeriesDay",
    "Split",
    "YearGroups",
    "contrast",
    "reset",
    "split",
    "update",
]

SHIFTS = (0.025, 0.04)
"""Rises in a year group's absence, as ratios, that its chart accumulates evidence for."""
PUPILS_LEAST = 5
"""A year group with fewer pupils that day is not charted (it is still the rest of the others); nor is a lone one."""
NO_YEAR_GROUP = 255
"""In place of the number of a year group: none leads."""
_SCALE_DAYS, _REFERENCE_DAYS, _WINSOR = 20.0, 13.0, 3.5


@dataclass(slots=True)
class GroupState:
    """The charts of n series: squares, reference, seen (days) and quiet (n,), evidence (shifts, n); begun (schools,), whether
    a school ever had a year group to chart. `quiet` is as in `models.charts.ChartState`."""

    series: Series
    squares: Floats
    reference: Floats
    evidence: Floats
    seen: Ints
    quiet: Ints
    begun: Bools

    @classmethod
    def start(cls, schools: int) -> Self:
        """No series known."""
        none, few = np.zeros(0), np.zeros(0, np.int16)
        return cls(Series(np.zeros(0, np.int32)), none, none, np.zeros((len(SHIFTS), 0)), few, few, np.zeros(schools, bool))

    def copy(self) -> GroupState:
        """A state that the next update leaves alone."""
        floats = self.squares.copy(), self.reference.copy(), self.evidence.copy()
        return GroupState(self.series, *floats, self.seen.copy(), self.quiet.copy(), self.begun.copy())

    def lay(self, series: Series, quiet: int) -> None:
        """Make room for series that were not known; until deployment day `quiet` they have seen nothing."""
        if series is self.series:
            return
        at, n = series.place(self.series.key), len(series)

        def wider(old: Ints, start: float) -> Ints:
            new = np.full((*old.shape[:-1], n), start, old.dtype)
            new[..., at] = old
            return new

        self.squares, self.reference = wider(self.squares, _SCALE_DAYS), wider(self.reference, 0.0)
        self.evidence, self.seen, self.quiet = wider(self.evidence, 0.0), wider(self.seen, 0), wider(self.quiet, quiet)
        self.series = series


class Split(NamedTuple):
    """One day's counts over the sessions that count, (n,): possible sessions and absences of each year group and of the rest of
    its school, registers k, and whether it can be charted."""

    possible: Ints
    absences: Ints
    rest_possible: Ints
    rest_absences: Ints
    registers: Ints
    measured: Bools


class SeriesDay(NamedTuple):
    """What a day gives to the charts, (n,) each: contrast, long-run and daily variance, measured, and whether evidence gathers."""

    contrast: Floats
    long_run: Floats
    daily: Floats
    measured: Bools
    gathers: Bools


def split(series: Series, sheet: Ints, counted: Bools) -> Split:
    """From the counts of a day (`YearGroupCounts.on`) and the sessions that the guards left, bool (2, schools).

    A session without a breakdown is left out here. With fewer than two year groups of 5 pupils a school has nothing to chart.
    """
    starts, of = series.starts, series.of
    totals = np.add.reduceat(sheet, starts, axis=1, dtype=np.int32)
    used = counted[:, series.schools] & (totals[:2] > 0)
    am, pm = used[0][of], used[1][of]
    k = am + pm.astype(np.int32)
    n, y = sheet[0] * am + sheet[1] * pm.astype(np.int32), sheet[2] * am + sheet[3] * pm.astype(np.int32)
    rest_n = (totals[0] * used[0] + totals[1] * used[1])[of] - n
    rest_y = (totals[2] * used[0] + totals[3] * used[1])[of] - y
    large = (n >= PUPILS_LEAST * k) & (k > 0)
    measured = large & (np.add.reduceat(large, starts, dtype=np.int32) >= 2)[of]
    return Split(n, y, rest_n, rest_y, k, measured)


def contrast(day: Split) -> Floats:
    """Logit of each year group less that of the rest of its school, (n,); meaningless where not measured."""
    n, y, rest_n, rest_y, k, _ = day
    return _log(2 * y + k) - _log(2 * (n - y) + k) - (_log(2 * rest_y + k) - _log(2 * (rest_n - rest_y) + k))


def _log(j: Ints) -> Floats:
    return half_logs(np.maximum(j, 1))


def update(state: GroupState, day: SeriesDay, delta: Floats, index: int) -> None:
    """Take in one day, in place; delta (shifts, n). A series that is not measured keeps its state."""
    scale = np.clip(state.squares / (_SCALE_DAYS + state.seen), 0.5, 4.0)
    spread = np.sqrt(day.daily * scale)
    z = np.clip((day.contrast - state.reference) / spread, -_WINSOR, _WINSOR)
    e = z * spread
    long_run = day.long_run * scale
    for evidence, d in zip(state.evidence, delta, strict=True):
        np.copyto(evidence, np.maximum(0.0, evidence + (e * d - d * d / 2.0) / long_run), where=day.gathers)
    np.add(state.reference, e / (_REFERENCE_DAYS + state.seen + 1.0), out=state.reference, where=day.measured)
    np.add(state.squares, np.minimum(z * z, 9.0), out=state.squares, where=day.measured)
    state.seen += day.measured
    state.quiet[~state.evidence.any(axis=0)] = index


class _Laid(NamedTuple):
    """What is fixed for the series known now: shifts, 1/(1.05 p0 (1 - p0)), and the constants of the variances, (n,) each."""

    series: Series
    delta: Floats
    sampling: Floats
    a_long: Floats
    b_long: Floats
    a_short: Floats
    b_short: Floats


class YearGroups:
    """Chart G of one academic year. Arrays are (days, schools), made when the first year group is seen.

    statistic: the largest over the year groups, 0 while nothing is charted; leading: the number of that year group (the
    youngest of equals), `NO_YEAR_GROUP` at 0; runs: whether any year group of the school was charted so far; scored: whether
    the school's day is scored and its leading year group was measured.
    """

    def __init__(self, deployment: Deployment, parameters: Parameters) -> None:
        """Nothing is charted yet."""
        self._deployment, self._parameters = deployment, parameters
        self._laid: _Laid | None = None
        self.used = False
        self.statistic: Floats = np.zeros((0, 0))
        self.leading: Ints = np.zeros((0, 0), np.uint8)
        self.runs: Bools = np.zeros((0, 0), bool)
        self.scored: Bools = np.zeros((0, 0), bool)
        self.counted: Ints = np.zeros((0, 0), np.uint8)
        """Sessions that the guards left, bits 1 AM and 2 PM."""
        self.counts = YearGroupCounts(len(deployment.days))
        """The counts that were scored last."""

    def make(self) -> None:
        """Make room for the year, if there is none yet; nothing is charted by that."""
        if self.used:
            return
        shape = self._deployment.planned.shape
        self.statistic, self.leading = np.zeros(shape), np.full(shape, NO_YEAR_GROUP, np.uint8)
        self.runs, self.scored = np.zeros(shape, bool), np.zeros(shape, bool)
        self.counted = np.zeros(shape, np.uint8)
        self.used = True

    def _lay(self, series: Series) -> _Laid:
        if self._laid is None or self._laid.series is not series:
            school, row = series.school, self._parameters
            p0 = np.clip(self._deployment.aim(row), 1e-4, 0.95)
            phase = self._deployment.phase[school]
            a_long, b_long, a_short, b_short = (
                np.array(c)[phase] for c in (row.group_a_long, row.group_b_long, row.group_a_short, row.group_b_short)
            )
            delta = charts.shifts(p0, SHIFTS)[:, school]
            self._laid = _Laid(series, delta, (1.0 / (1.05 * p0 * (1.0 - p0)))[school], a_long, b_long, a_short, b_short)
        return self._laid

    def score_day(self, state: GroupState, counts: YearGroupCounts, day: int, counted: Bools, scored: Bools, scored_days: Floats) -> None:
        """Score deployment day `day` for all schools. counted: (2, schools), sessions that the guards left; scored: (schools,),
        days that the school's charts take; scored_days: how many they took before."""
        series = counts.series
        if not len(series):
            return
        self.make()
        self.counts = counts
        state.lay(series, day - 1)
        sheet = counts.on(day)
        measured = np.zeros(len(series), bool)
        if sheet is not None:
            measured = self._take(state, day, split(series, sheet, counted), scored, scored_days)
            state.begun[series.school[measured]] = True
        else:
            state.quiet[~state.evidence.any(axis=0)] = day
        self._say(state, day, measured, scored)
        self.counted[day] = counted[0] + 2 * counted[1]

    def _take(self, state: GroupState, day: int, seen: Split, scored: Bools, scored_days: Floats) -> Bools:
        laid = self._lay(state.series)
        school = state.series.school
        measured = seen.measured & scored[school]
        vb = laid.sampling * (seen.registers * (1.0 / np.maximum(seen.possible, 1) + 1.0 / np.maximum(seen.rest_possible, 1)))
        gathers = measured & (scored_days >= WARM_UP_DAYS)[school]
        today = SeriesDay(contrast(seen), laid.a_long + laid.b_long * vb, laid.a_short + laid.b_short * vb, measured, gathers)
        update(state, today, laid.delta, day)
        return measured

    def _say(self, state: GroupState, day: int, measured: Bools, scored: Bools) -> None:
        """The school's statistic and who leads it."""
        series = state.series
        each = charts.statistic(state.evidence)
        most = np.maximum.reduceat(each, series.starts)
        first = np.flatnonzero(each == most[series.of])
        first = first[np.flatnonzero(np.diff(series.of[first], prepend=-1))]
        self.statistic[day], self.leading[day], self.scored[day] = 0.0, NO_YEAR_GROUP, scored
        self.statistic[day, series.schools] = most
        self.leading[day, series.schools] = np.where(most > 0, series.group[first], NO_YEAR_GROUP)
        self.scored[day, series.schools] &= measured[first] | (most == 0)
        self.runs[day] = state.begun


def reset(state: GroupState, keys: Ints, index: int) -> None:
    """An acknowledgement: the evidence of these series (`series_key`) returns to 0 after day `index`; what was learned stays."""
    at = state.series.place(keys)
    at = at[at >= 0]
    state.evidence[:, at] = 0.0
    state.quiet[at] = index
