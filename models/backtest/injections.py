"""Drifts, a shock and defects planted in a real year's panel; every draw follows from the generator that is given.

A drift of x points adds Bin(pupils, x) absentees to a day of a tenth of the schools, from a day among the 45th to 90th on, and
as many in the afternoon as in the morning (detection.md section 4). Only pupils who were present can become absent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from models.backtest.scenario import Kind, Scenario
from models.panel import Panel
from models.simulator import RAMP_DAYS
from models.simulator_laws import YEAR_DAYS, Shock
from schemas.errors import BrokenPromise

if TYPE_CHECKING:
    from models.numbers import Bools, Floats, Ints

__all__ = ["ONSET_DAYS", "SHARE", "WINDOW_DAYS", "Planted", "inject", "onset_window", "watch_window"]

SHARE = 0.1
ONSET_DAYS, WINDOW_DAYS = (45, 90), (45, 140)
"""School days from 1: a drift begins on one of the first; alarms count in the second (detection.md section 4)."""
MISSING_SHARE, OUTAGE_SHARE, OUTAGE_DAYS, ALL_PRESENT_SHARE, PROVISIONAL = 0.02, 0.05, 5, 0.01, 0.06
_HARD_LOGITS, _HARD_DAYS = 1.8, 2


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """What was done to a panel: school positions, the day index from which on each is changed, the days of a shock, and the
    number of each school's drifting year group (empty unless one drifts)."""

    schools: Ints
    onset: Ints
    days: int
    group: Ints = field(default_factory=lambda: np.zeros(0, np.uint8))


def _in_proportion(first: int, last: int, days: int) -> tuple[int, int]:
    """Day indices of school days first...last (from 1), within a year shorter than that in proportion to 190."""
    if days < last:
        first, last = max(1, first * days // YEAR_DAYS), max(1, last * days // YEAR_DAYS)
    return first - 1, max(first, last) - 1


def onset_window(days: int) -> tuple[int, int]:
    """First and last day index on which a drift may begin.

    >>> onset_window(155)
    (44, 89)
    """
    return _in_proportion(*ONSET_DAYS, days)


def watch_window(days: int) -> tuple[int, int]:
    """First and last day index whose alarms count for the matched rate."""
    return _in_proportion(*WINDOW_DAYS, days)


def inject(panel: Panel, area: Ints, scenario: Scenario, rng: np.random.Generator) -> tuple[Panel, Planted]:
    """A copy of the panel with the scenario planted, and what was planted; area (schools,).

    Raises BrokenPromise for what cannot be planted in a panel, or not in one without year groups.
    """
    out = _copy(panel)
    if scenario.kind in {Kind.STEP, Kind.RAMP, Kind.GROUP}:
        return out, _drift(out, scenario, rng)
    if scenario.kind in {Kind.SHOCK, Kind.HARD_SHOCK}:
        return out, _shock(out, area, scenario, rng)
    nobody = np.zeros(0, np.int32)
    if scenario.kind in {Kind.MISSING, Kind.ALL_PRESENT, Kind.PROVISIONAL}:
        _defects(out, scenario.kind, rng)
    elif scenario.kind not in {Kind.NULL, Kind.CHECK}:
        raise BrokenPromise(f"{scenario.name} cannot be planted in a panel")
    return out, Planted(nobody, nobody, 0)


def _copy(panel: Panel) -> Panel:
    days, _, schools = panel.winner.shape
    out = Panel(days, schools)
    for name in ("winner", "possible", "absences", "study_leave", "unmarked"):
        getattr(out, name)[:] = getattr(panel, name)
    series = panel.groups.series
    for day in range(days if len(series) else 0):
        sheet = panel.groups.on(day)
        if sheet is not None:
            out.groups.put(day, series, sheet.copy())
    return out


def _drift(out: Panel, scenario: Scenario, rng: np.random.Generator) -> Planted:
    """A tenth of the schools (of those with two year groups, when one year group drifts) loses attendance from its onset on."""
    days, _, schools = out.winner.shape
    low, high = onset_window(days)
    able, count = np.arange(schools), max(1, round(SHARE * schools))
    series = out.groups.series
    if scenario.kind is Kind.GROUP:
        able = np.flatnonzero(np.bincount(series.school, minlength=schools) > 1) if len(series) else np.zeros(0, int)
        if not len(able):
            raise BrokenPromise(f"{scenario.name} cannot be planted in a panel without year groups")
    chosen = np.sort(rng.permutation(able)[:count]).astype(np.int32)
    onset = rng.integers(low, high + 1, len(chosen)).astype(np.int32)
    age = np.arange(days)[:, None] - onset + 1
    reached = np.clip(age / RAMP_DAYS, 0.0, 1.0) if scenario.kind is Kind.RAMP else (age > 0).astype(float)
    chance = np.zeros((days, schools))
    chance[:, chosen] = reached * scenario.points / 100.0
    if scenario.kind is not Kind.GROUP:
        for day in range(low, days):
            _absent(out, day, chance[day], rng)
        return Planted(chosen, onset, 0)
    places = np.array([rng.choice(np.flatnonzero(series.school == school)) for school in chosen])
    only = np.zeros(len(series), bool)
    only[places] = True
    for day in range(low, days):
        _absent(out, day, chance[day], rng, only)
    return Planted(chosen, onset, 0, series.group[places])


def _absent(out: Panel, day: int, chance: Floats, rng: np.random.Generator, only: Bools | None = None) -> None:
    """Add Bin(pupils, chance) absentees to a day, chance (schools,), year group by year group where they are known, the rest
    of the school then; `only` some year groups (series,)."""
    possible, absences = out.possible[day], out.absences[day]
    present = possible - absences
    rest, rest_present = possible.copy(), present.copy()
    series, sheet = out.groups.series, out.groups.on(day)
    if sheet is not None:
        pupils, seated = sheet[:2].astype(np.int32), sheet[:2].astype(np.int32) - sheet[2:]
        draw = rng.binomial(pupils.max(axis=0), chance[series.school] if only is None else np.where(only, chance[series.school], 0.0))
        more = np.minimum(draw, seated)
        sheet[2:] += more.astype(np.uint16)
        for session in range(2):
            absences[session] += np.bincount(series.school, more[session], len(chance)).astype(np.int32)
            rest[session] -= np.bincount(series.school, pupils[session], len(chance)).astype(np.int32)
            rest_present[session] -= np.bincount(series.school, seated[session], len(chance)).astype(np.int32)
    if only is None:
        absences += np.minimum(rng.binomial(np.maximum(rest, 0).max(axis=0), chance), np.maximum(rest_present, 0))


def _shock(out: Panel, area: Ints, scenario: Scenario, rng: np.random.Generator) -> Planted:
    """Raise one area's absence by so many logits for some days; the area is drawn among those with 10 schools if there are."""
    shock = Shock()
    logits, length = (shock.logits, shock.days_max) if scenario.kind is Kind.SHOCK else (_HARD_LOGITS, _HARD_DAYS)
    sizes = np.bincount(area)
    large = np.flatnonzero(sizes >= min(10, int(sizes.max())))
    inside = area == rng.choice(large)
    low, high = onset_window(len(out.winner))
    start = int(rng.integers(low, high + 1))
    stop = min(start + length, len(out.winner))
    for day in range(start, stop):
        ratio = out.absences[day].sum(axis=0) / np.maximum(out.possible[day].sum(axis=0), 1)
        before = np.clip(ratio, 1e-6, 1.0 - 1e-6)
        after = 1.0 / (1.0 + np.exp(-(np.log(before / (1.0 - before)) + logits)))
        _absent(out, day, np.where(inside, after - before, 0.0), rng)
    chosen = np.flatnonzero(inside).astype(np.int32)
    return Planted(chosen, np.full(len(chosen), start, np.int32), stop - start)


def _defects(out: Panel, kind: Kind, rng: np.random.Generator) -> None:
    """Missing registers and outages, registers without an absence, or provisional ones with too many, at section 2's rates."""
    days, _, schools = out.winner.shape
    series = out.groups.series
    if kind is Kind.PROVISIONAL:
        for day in range(days):
            ratio = out.absences[day].sum(axis=0) / np.maximum(out.possible[day].sum(axis=0), 1)
            _absent(out, day, PROVISIONAL * ratio, rng)
        return
    hit: Bools = rng.random(out.winner.shape) < (MISSING_SHARE if kind is Kind.MISSING else ALL_PRESENT_SHARE)
    if kind is Kind.MISSING:
        silent = rng.permutation(schools)[: round(OUTAGE_SHARE * schools)]
        for school, first in zip(silent, rng.integers(0, max(1, days - OUTAGE_DAYS + 1), len(silent)), strict=True):
            hit[first : first + OUTAGE_DAYS, :, school] = True
        out.winner[hit] = -1
    for counts in (out.possible, out.absences, out.study_leave, out.unmarked) if kind is Kind.MISSING else (out.absences,):
        counts[hit] = 0
    for day in range(days):
        sheet = out.groups.on(day)
        if sheet is not None:
            gone = hit[day][:, series.school]
            sheet[2:][gone] = 0
            if kind is Kind.MISSING:
                sheet[:2][gone] = 0
