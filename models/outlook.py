"""What a close says beyond its charts: the innovation of each school's day, the sudden flags, and the chance of the target.

`foresee` runs before chart C takes the day in, `look_ahead` after it. What one day hands to the next is in `OutlookState`, which
the checkpoints of `models.close` hold. Published values are kept as millionths, for all days. (detection.md 1.6, 1.10)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from models import phase_law, predictor, sudden, target_chance
from models.phase_law import PhaseLaw
from models.predictor import PredictorState
from models.target_chance import SoFar

if TYPE_CHECKING:
    from models.charts import ChartState, Day
    from models.deployment import Deployment, Path
    from models.numbers import Bools, Floats, Ints
    from models.parameters import Parameters
    from models.sudden import Flag, Sessions

__all__ = ["EMPTY", "Outlook", "OutlookState", "Seen"]

EMPTY = np.iinfo(np.int32).min
"""Stands for an empty value among millionths."""


@dataclass(slots=True)
class OutlookState:
    """All that a day hands on to the next."""

    predictor: PredictorState
    phases: PhaseLaw
    so_far: SoFar

    @classmethod
    def start(cls, schools: int) -> Self:
        """Before the first day of the year."""
        return cls(PredictorState.start(schools), PhaseLaw.start(), SoFar.start(schools))

    def copy(self) -> OutlookState:
        """A state that the next day leaves alone."""
        return OutlookState(self.predictor.copy(), self.phases.copy(), self.so_far.copy())


class Seen(NamedTuple):
    """One day as it was observed, (schools,) each: sampling variance vb, the common effect of today, its variance v, and
    yesterday's effect; the day's counting sessions; whether it is a measurement."""

    sampling: Floats
    effect: Floats
    effect_variance: Floats
    effect_before: Floats
    sessions: Sessions
    measured: Bools


class Outlook:
    """Of one academic year: residual_z and p_target in millionths (days, schools), and the flags of each day."""

    def __init__(self, here: Deployment, parameters: Parameters, path: Path) -> None:
        days, schools = here.planned.shape
        self.residual_z, self.p_target = np.full((days, schools), EMPTY, np.int32), np.full((days, schools), EMPTY, np.int32)
        self.flags: list[tuple[Flag, ...]] = [()] * days
        self.today: sudden.Expected | None = None
        """The law of the day that was scored last, as it was before the day was seen."""
        self._here, self._path, self._ahead = here, path, target_chance.Ahead(here, path)
        row = {
            name: np.array(getattr(parameters, name))[here.phase] for name in ("phi", "ar_share", "a_long", "b_long", "a_short", "b_short")
        }
        self._memory = predictor.Constants(row["phi"], row["ar_share"])
        self._own_daily = row["a_short"], row["b_short"]
        self._chance = target_chance.Constants(here.target, row["a_long"], row["b_long"], row["a_short"], row["b_short"])

    def covered(self, reaches: tuple[int, ...]) -> tuple[Ints, Ints]:
        """How many innovations lie within each reach (in millionths of an sd), (reaches, 3 phases), and how many there are, (3,)."""
        phase, inside, scored = self._here.phase, np.zeros((len(reaches), 3), np.int64), np.zeros(3, np.int64)
        for z in self.residual_z:
            known = z != EMPTY
            scored += np.bincount(phase[known], minlength=3)
            for i, reach in enumerate(reaches):
                inside[i] += np.bincount(phase[known & (np.abs(z) <= reach)], minlength=3)
        return inside, scored

    def foresee(self, d: int, state: OutlookState, level: ChartState, day: Day, seen: Seen) -> None:
        """Hold the day against what was expected of it, flag its sessions, and learn from it, in place."""
        here, phase, laws = self._here, self._here.phase, state.phases
        a_short, b_short = self._own_daily
        own_daily = a_short + b_short * seen.sampling
        held = state.predictor
        memory = predictor.predicted(held.memory, held.variance, own_daily, self._memory)
        law = predictor.forecast(memory, level, day, seen.effect_variance, own_daily, laws.kappa[phase], self._memory)
        stay = laws.stay[phase]
        eta = self._path.eta[d] + seen.effect + law.mean
        rate = sudden.rates(eta)
        judged = np.broadcast_to(day.scored, (2, len(day.scored)))
        self.today = sudden.Expected(eta, law.variance, stay)
        self.flags[d] = sudden.flags(seen.sessions, self.today, judged, rate)
        z = predictor.learn(held, law, day, own_daily, here.planned[d], self._memory)
        self.residual_z[d] = np.where(day.scored, np.rint(z * 1e6), EMPTY)
        phase_law.learn_stay(laws, phase, sudden.change_of(seen.sessions, rate, day.scored))
        phase_law.learn_effect(laws, phase, day.scored, seen.effect, seen.effect_before)
        phase_law.learn_kappa(laws, phase, day.scored, z)

    def look_ahead(self, d: int, state: OutlookState, level: ChartState, scored_days: Floats, seen: Seen) -> None:
        """The chance of the target at the end of the day, from what chart C has learned up to it."""
        s = seen.sessions
        registers: Ints = s.counts.sum(axis=0, dtype=np.int32)
        possible, absences = s.pupils.sum(axis=0, dtype=np.int32), s.absences.sum(axis=0, dtype=np.int32)
        state.so_far.add(absences, possible, registers, seen.sampling, seen.measured)
        self._ahead.move_to(d)
        p = target_chance.chance(self._ahead, state.so_far, level.reference, scored_days, self._chance)
        known = ~np.isnan(p) & self._here.planned[d]
        self.p_target[d] = np.where(known, np.rint(np.where(known, p, 0.0) * 1e6), EMPTY)
