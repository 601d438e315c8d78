"""The area rule: what hits a whole area is one `area` alert. (detection.md 1.8)

With several areas an area's effect R (nobody left out) is held against max(.25, 3 sd), sd learned while nothing is open.
With one area there is no nation to compare with: the mean over all phases is held against its own slow level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models import common_effect
from models.numbers import published

if TYPE_CHECKING:
    from models.common_effect import Effect
    from models.numbers import Bools, Floats, Ints

__all__ = ["AREA_SCHOOLS_LEAST", "AreaState", "area_day"]

AREA_LIMIT, AREA_SIGMAS, AREA_SPREAD_START = 0.25, 3.0, 0.07**2
AREA_SCHOOLS_LEAST = 5
"""Fewer schools reporting are not an area (a rule, not measured)."""
_LONE_DAYS_MAX = 15


@dataclass(slots=True)
class AreaState:
    """(areas,) each: learned variance of the effect, slow level (one area only), whether an event is on, for how many days, and
    whether one may begin: one area's event that was ended at its longest begins no other until the effect has fallen."""

    variance: Floats
    level: Floats
    on: Bools
    days_on: Ints
    armed: Bools

    @classmethod
    def start(cls, areas: int) -> AreaState:
        """Before the first day."""
        spread, none = np.full(areas, AREA_SPREAD_START), np.zeros(areas, bool)
        return cls(spread, np.zeros(areas), none, np.zeros(areas, np.int32), ~none)

    def copy(self) -> AreaState:
        """A state that the next day leaves alone."""
        return AreaState(self.variance.copy(), self.level.copy(), self.on.copy(), self.days_on.copy(), self.armed.copy())


def area_day(state: AreaState, effect: Effect) -> tuple[Floats, Floats]:
    """Take in one day, in place: each area's effect and its limit that day (infinite where too few schools report)."""
    effects, means, _ = common_effect.full(effect)
    lone = len(effects) == 1
    seen = effect.schools_by_area >= AREA_SCHOOLS_LEAST
    value = means - state.level if lone else effects
    value = np.where(seen, value, 0.0)
    limit = np.maximum(AREA_LIMIT, AREA_SIGMAS * np.sqrt(state.variance))
    fallen = seen & (value < limit / 2)
    begins = seen & ~state.on & state.armed & (value > limit)
    too_long = state.on & lone & (state.days_on >= _LONE_DAYS_MAX)
    ends = state.on & (fallen | too_long)
    state.armed = (state.armed & ~too_long) | fallen
    state.on = (state.on | begins) & ~ends
    state.days_on = np.where(state.on, state.days_on + 1, 0).astype(np.int32)
    learns = seen & ~state.on
    square = np.minimum(value * value, 9.0 * state.variance)
    state.variance = np.where(learns, 0.98 * state.variance + 0.02 * square, state.variance)
    if lone:
        state.level = np.where(learns, state.level + 0.1 * np.clip(value, -0.2, 0.2), state.level)
    bound = published(np.where(seen, limit, np.inf))
    return published(value), bound
