"""Is the predictive law honest? How often a forecast's 50, 80 and 95 % intervals held what came, by phase, watched as it goes.

River's exponentially weighted statistics, one close at a time: what comes in is a close's innovations z (`residual_z`, normal
if the law is right) or the probability integral transforms of sessions (uniform if it is). It is for watching: nothing that is
published or scored rests on it, so its averages need not be exact. (detection.md 1.6, 3.8)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from river import stats

from models.parameters import PHASES

if TYPE_CHECKING:
    from models.numbers import Floats, Ints

__all__ = ["COVERS", "Coverage", "Held", "held_by_normal", "held_by_pit"]

COVERS = (0.5, 0.8, 0.95)
_NORMAL = (0.674490, 1.281552, 1.959964)
"""Standard deviations on each side that hold these shares of a normal law."""


class Held(NamedTuple):
    """Of one phase: the share of sessions or days that each interval of `COVERS` held, the sd of z, and the closes behind it.

    NaN before the first close of the phase; deviation NaN where only transforms came in.
    """

    phase: str
    shares: tuple[float, ...]
    deviation: float
    closes: int


def held_by_normal(z: Floats) -> tuple[float, ...]:
    """The share of innovations inside each interval of `COVERS`; z (n,) with n >= 1."""
    return tuple(float(np.mean(np.abs(z) <= reach)) for reach in _NORMAL)


def held_by_pit(pit: Floats) -> tuple[float, ...]:
    """The share of transforms, in [0, 1], inside each central interval of `COVERS`; pit (n,) with n >= 1."""
    return tuple(float(np.mean(np.abs(pit - 0.5) <= cover / 2.0)) for cover in COVERS)


class _Watched:
    """The running statistics of one phase."""

    def __init__(self, fading_factor: float) -> None:
        self.shares = [stats.EWMean(fading_factor) for _ in COVERS]
        self.variance = stats.EWMean(fading_factor)
        self.closes, self.closes_with_z = 0, 0


class Coverage:
    """Coverage by phase over about the last 1 / `fading_factor` closes; a phase with fewer than `schools_least` adds nothing."""

    def __init__(self, fading_factor: float = 0.05, schools_least: int = 10) -> None:
        self._schools_least = schools_least
        self._phases = [_Watched(fading_factor) for _ in PHASES]

    def take(self, phase: Ints, z: Floats) -> None:
        """One close: residual_z of every school (schools,), NaN where the day was not scored."""
        for f, watched in enumerate(self._phases):
            mine = z[(phase == f) & ~np.isnan(z)]
            if len(mine) >= self._schools_least:
                self._add(watched, held_by_normal(mine))
                watched.variance.update(float(np.mean(mine * mine)))
                watched.closes_with_z += 1

    def take_pits(self, phase: Ints, pit: Floats) -> None:
        """One close: a transform of every school's session (schools,), NaN where there is none."""
        for f, watched in enumerate(self._phases):
            mine = pit[(phase == f) & ~np.isnan(pit)]
            if len(mine) >= self._schools_least:
                self._add(watched, held_by_pit(mine))

    @staticmethod
    def _add(watched: _Watched, shares: tuple[float, ...]) -> None:
        for mean, share in zip(watched.shares, shares, strict=True):
            mean.update(share)
        watched.closes += 1

    def held(self) -> tuple[Held, ...]:
        """What is held now, by phase."""
        return tuple(
            Held(
                name,
                tuple(float(mean.get()) if watched.closes else np.nan for mean in watched.shares),
                float(np.sqrt(watched.variance.get())) if watched.closes_with_z else np.nan,
                watched.closes,
            )
            for name, watched in zip(PHASES, self._phases, strict=True)
        )
