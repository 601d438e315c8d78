"""What a school is expected to do today, before its registers are read: the path, its peers, and a short memory of its own.

Chart C's running mean m and loading beta carry the slow part; what is left is noise of which a share s comes back the next
day by the factor phi. The forecast and its variance are made before learning, so that today's innovation is an honest
error. An unscored school day lets the memory fade, with the daily variance of the last scored day. (detection.md 1.6)
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

if TYPE_CHECKING:
    from models.charts import ChartState, Day
    from models.numbers import Bools, Floats

__all__ = ["Constants", "Forecast", "Memory", "PredictorState", "forecast", "learn", "predicted", "scale_of"]

INNOVATION_SPREADS_MAX = 4.0


@dataclass(slots=True)
class PredictorState:
    """(schools,) each: the memory u, its variance P_u, and B of the last scored day, 0 before the first."""

    memory: Floats
    variance: Floats
    own_daily: Floats

    @classmethod
    def start(cls, schools: int) -> Self:
        """The state before the first day of the year."""
        return cls(np.zeros(schools), np.zeros(schools), np.zeros(schools))

    def copy(self) -> PredictorState:
        """A state that the next update leaves alone."""
        return PredictorState(*(getattr(self, f.name).copy() for f in fields(self)))


class Constants(NamedTuple):
    """By school (schools,): the memory's daily factor phi, and the share s of the daily variance that it holds."""

    phi: Floats
    ar_share: Floats


class Memory(NamedTuple):
    """u and P_u carried to a day, before its registers (schools,)."""

    mean: Floats
    variance: Floats


class Forecast(NamedTuple):
    """The law of a day's residual r - c before it is seen, (schools,): its mean, V, and what the memory's update needs."""

    mean: Floats
    variance: Floats
    memory: Memory
    rest: Floats
    """Variance of a day that the memory does not hold: (1 - s) B + v."""


def scale_of(squares: Floats, scored_days: Floats) -> Floats:
    """A school's own noise against its phase's, as chart C has learned it, in [.5, 4]."""
    return np.clip(squares / (30.0 + scored_days), 0.5, 4.0)


def predicted(memory: Floats, variance: Floats, own_daily: Floats, constants: Constants) -> Memory:
    """One day on: u <- phi u, P_u <- phi^2 P_u + s B (1 - phi^2); a memory that has not begun (variance 0) begins at s B.

    own_daily: B = a_S + b_S vb of the day.
    """
    phi2 = constants.phi * constants.phi
    held = constants.ar_share * own_daily
    return Memory(constants.phi * memory, np.where(variance > 0.0, phi2 * variance + held * (1.0 - phi2), held))


def forecast(
    memory: Memory, level: ChartState, day: Day, effect_variance: Floats, own_daily: Floats, kappa: Floats, constants: Constants
) -> Forecast:
    """Today's law from chart C as it stood this morning. effect_variance: v of the common effect; kappa by school."""
    scale = scale_of(level.squares, day.scored_days)
    rest = (1.0 - constants.ar_share) * own_daily
    mean = level.reference + level.loading * day.signal + memory.mean
    level_variance = day.long_run * scale / (20.0 + day.scored_days)
    variance = kappa * ((memory.variance + rest) * scale + effect_variance + level_variance)
    return Forecast(mean, variance, memory, rest + effect_variance)


def learn(state: PredictorState, seen: Forecast, day: Day, own_daily: Floats, planned: Bools, constants: Constants) -> Floats:
    """Take in one day, in place; z = innovation over sqrt(V), in [-4, 4], meaningful where the day is scored, (schools,)."""
    spread = np.sqrt(seen.variance)
    reach = INNOVATION_SPREADS_MAX * spread
    innovation = np.clip(day.residual - seen.mean, -reach, reach)
    gain = seen.memory.variance / (seen.memory.variance + seen.rest)
    faded = predicted(state.memory, state.variance, state.own_daily, constants)
    idle = planned & ~day.scored & (state.own_daily > 0.0)
    np.copyto(state.memory, faded.mean, where=idle)
    np.copyto(state.variance, faded.variance, where=idle)
    np.copyto(state.memory, seen.memory.mean + gain * innovation, where=day.scored)
    np.copyto(state.variance, seen.memory.variance * (1.0 - gain), where=day.scored)
    np.copyto(state.own_daily, own_daily, where=day.scored)
    z: Floats = innovation / spread
    return z
