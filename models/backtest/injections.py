"""Drifts, a shock and defects planted in a real year's panel; every draw follows from the generator that is given.

A drift of x points adds Bin(pupils, x) absentees to a day of a tenth of the schools, from a day among the 45th to 90th on, and
the same ones in the afternoon as in the morning (detection.md section 4). Only pupils who were present can become absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.backtest.scenario import Kind, Scenario
from models.panel import Panel
from models.simulator import RAMP_DAYS
from models.simulator_laws import YEAR_DAYS, Shock
from schemas.errors import BrokenPromise

if TYPE_CHECKING:
    from models.numbers import Bools, Ints

__all__ = ["ONSET_DAYS", "SHARE", "WINDOW_DAYS", "Planted", "inject", "onset_window", "watch_window"]

SHARE = 0.1
ONSET_DAYS, WINDOW_DAYS = (45, 90), (45, 140)
"""School days from 1: a drift begins on one of the first; alarms count in the second (detection.md section 4)."""
MISSING_SHARE, OUTAGE_SHARE, OUTAGE_DAYS, ALL_PRESENT_SHARE, PROVISIONAL = 0.02, 0.05, 5, 0.01, 0.06
_HARD_LOGITS, _HARD_DAYS = 1.8, 2


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """What was done to a panel: school positions, the day index from which on each is changed, and the days of a shock."""

    schools: Ints
    onset: Ints
    days: int


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

    Raises BrokenPromise for what a panel without year groups cannot hold.
    """
    out = _copy(panel)
    days, _, schools = panel.winner.shape
    if scenario.kind in {Kind.STEP, Kind.RAMP}:
        low, high = onset_window(days)
        chosen = np.sort(rng.permutation(schools)[: max(1, round(SHARE * schools))]).astype(np.int32)
        onset = rng.integers(low, high + 1, len(chosen)).astype(np.int32)
        age = np.arange(days)[:, None] - onset + 1
        reached = np.clip(age / RAMP_DAYS, 0.0, 1.0) if scenario.kind is Kind.RAMP else (age > 0).astype(float)
        _absent(out, chosen, reached * scenario.points / 100.0, rng)
        return out, Planted(chosen, onset, 0)
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
    return out


def _absent(out: Panel, chosen: Ints, chance: np.ndarray[tuple[int, ...], np.dtype[np.float64]], rng: np.random.Generator) -> None:
    """Add Bin(pupils, chance) absentees a day, (days, chosen), as far as there are pupils present."""
    possible, absences = out.possible[:, :, chosen], out.absences[:, :, chosen]
    extra = rng.binomial(possible.max(axis=1), chance)
    out.absences[:, :, chosen] = absences + np.minimum(extra[:, None, :], possible - absences)


def _shock(out: Panel, area: Ints, scenario: Scenario, rng: np.random.Generator) -> Planted:
    """Raise one area's absence by so many logits for some days; the area is drawn among those with 10 schools if there are."""
    shock = Shock()
    logits, length = (shock.logits, shock.days_max) if scenario.kind is Kind.SHOCK else (_HARD_LOGITS, _HARD_DAYS)
    sizes = np.bincount(area)
    large = np.flatnonzero(sizes >= min(10, int(sizes.max())))
    chosen = np.flatnonzero(area == rng.choice(large)).astype(np.int32)
    low, high = onset_window(len(out.winner))
    start = int(rng.integers(low, high + 1))
    stop = min(start + length, len(out.winner))
    possible, absences = out.possible[start:stop][:, :, chosen], out.absences[start:stop][:, :, chosen]
    before = np.clip(absences.sum(axis=1) / np.maximum(possible.sum(axis=1), 1), 1e-6, 1.0 - 1e-6)
    after = 1.0 / (1.0 + np.exp(-(np.log(before / (1.0 - before)) + logits)))
    chance = np.zeros((len(out.winner), len(chosen)))
    chance[start:stop] = after - before
    _absent(out, chosen, chance, rng)
    return Planted(chosen, np.full(len(chosen), start, np.int32), stop - start)


def _defects(out: Panel, kind: Kind, rng: np.random.Generator) -> None:
    """Missing registers and outages, registers without an absence, or provisional ones with too many, at section 2's rates."""
    days, _, schools = out.winner.shape
    if kind is Kind.MISSING:
        lost: Bools = rng.random(out.winner.shape) < MISSING_SHARE
        silent = rng.permutation(schools)[: round(OUTAGE_SHARE * schools)]
        for school, first in zip(silent, rng.integers(0, max(1, days - OUTAGE_DAYS + 1), len(silent)), strict=True):
            lost[first : first + OUTAGE_DAYS, :, school] = True
        out.winner[lost] = -1
        for counts in (out.possible, out.absences, out.study_leave, out.unmarked):
            counts[lost] = 0
    elif kind is Kind.ALL_PRESENT:
        out.absences[rng.random(out.winner.shape) < ALL_PRESENT_SHARE] = 0
    else:
        out.absences[:] = np.minimum(out.absences + rng.binomial(out.absences, PROVISIONAL), out.possible)
