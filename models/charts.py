"""Charts T and C: the long-run LR-CUSUM of one number a day, over arrays of schools.

What goes in is the day's residual on the logit scale, path and peers removed; it is accumulated against a few shifts with
the *long-run* variance of the school's noise, learned as it goes. T (reference 0) runs against the path to the target; C
against the school's own running mean. After a signal a chart carries on; only an acknowledgement resets it (W to 0; what
it has learned stays). Cost of the defaults: see `models/thresholds.toml`. (Page 1954; Siegmund 1985; detection.md 1.4)
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple, Self

import numpy as np

from models.numbers import Bools, Floats, Ints, exact, log_odds

__all__ = ["LEVEL_SHIFTS", "TARGET_SHIFTS", "WARM_UP_DAYS", "ChartState", "Day", "shifts", "update"]

TARGET_SHIFTS = (0.01, 0.02)
LEVEL_SHIFTS = (0.01, 0.02, 0.03)
"""Rises in absence, as ratios, that the charts accumulate evidence for."""
WARM_UP_DAYS = 20
"""A school's first scored days, on which C learns and says nothing."""
_PRIOR_DAYS = 20
_WINSOR = 3.5


@dataclass(slots=True)
class ChartState:
    """One chart of S schools: loading and its variance, noise scale sums, reference mean, evidence (shifts, S).

    `quiet` is the last deployment day (index) after which all evidence was 0; the onset is the day after. A new chart has -1.
    """

    loading: Floats
    loading_variance: Floats
    squares: Floats
    reference: Floats
    evidence: Floats
    quiet: Ints

    @classmethod
    def start(cls, schools: int, shift_count: int) -> Self:
        """The state before the first day of the year."""
        return cls(
            np.zeros(schools),
            np.full(schools, 0.2**2),
            np.full(schools, 30.0),
            np.zeros(schools),
            np.zeros((shift_count, schools)),
            np.full(schools, -1, np.int32),
        )

    def copy(self) -> ChartState:
        """A state that the next update leaves alone."""
        return ChartState(*(getattr(self, f.name).copy() for f in fields(self)))


class Day(NamedTuple):
    """What a day gives to a chart, (schools,) each: residual, common signal, long-run and daily variance, scored, days so far."""

    residual: Floats
    signal: Floats
    long_run: Floats
    daily: Floats
    scored: Bools
    scored_days: Floats


def shifts(absence: Floats, points: tuple[float, ...]) -> Floats:
    """delta: what a rise of so many points is on the logit scale at this level of absence, (shifts, schools), exact grid."""
    p0 = np.clip(absence, 1e-4, 0.85)
    return exact(np.stack([log_odds(np.minimum(p0 + d, 0.9)) - log_odds(p0) for d in points]))


def update(state: ChartState, day: Day, delta: Floats, index: int, *, own_level: bool) -> Floats:
    """Take in one day, in place; the statistic after it, (schools,). A school that is not scored keeps its state.

    `own_level` makes it chart C: the reference is the running mean and evidence stays 0 while warming up.
    """
    scale = np.clip(state.squares / (30.0 + day.scored_days), 0.5, 4.0)
    e = day.residual - state.loading * day.signal
    if own_level:
        e -= state.reference
    spread = np.sqrt(day.daily * scale)
    z = np.clip(e / spread, -_WINSOR, _WINSOR)
    e = z * spread
    long_run = day.long_run * scale
    on = day.scored
    gathers = on & (day.scored_days >= WARM_UP_DAYS) if own_level else on
    evidence = np.maximum(0.0, state.evidence + (e * delta - delta * delta / 2.0) / long_run)
    np.copyto(state.evidence, evidence, where=gathers)
    if own_level:
        np.add(state.reference, e / (_PRIOR_DAYS + day.scored_days + 1.0), out=state.reference, where=on)
    pg = state.loading_variance * day.signal
    gain = pg / (long_run + day.signal * pg)
    np.add(state.loading, gain * e, out=state.loading, where=on)
    np.multiply(state.loading_variance, 1.0 - gain * day.signal, out=state.loading_variance, where=on)
    np.add(state.squares, np.minimum(z * z, 9.0), out=state.squares, where=on)
    state.quiet[~state.evidence.any(axis=0)] = index
    return statistic(state.evidence)


def statistic(evidence: Floats) -> Floats:
    """Log mean exp of the evidence over the shifts, evidence cut at 200: (shifts, schools) -> (schools,), 6 decimals."""
    total = np.exp(np.minimum(evidence, 200.0)).sum(axis=0)
    out: Floats = np.round(np.log(total / len(evidence)), 6) + 0.0
    return out


def reset(state: ChartState, schools: Ints, index: int) -> None:
    """An acknowledgement: the evidence of these schools returns to 0 after day `index`; what was learned stays."""
    state.evidence[:, schools] = 0.0
    state.quiet[schools] = index
