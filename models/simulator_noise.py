"""Noise with the daily and the long-run variance of a history's constants, for null years of its own thresholds.

The simulator's noise is an AR(1). The constants of `models.parameters` say what variance a school's days have, and the means
of its 15-day blocks, over and above chance; where a history's differ from the shipped ones (which are the simulator's), the
difference is put into the AR law of each school and of each year group. (detection.md 1.1, section 2)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.parameters import Parameters
from models.simulator import GROUP_PHI, GROUP_SD, NOISE_PHI, NOISE_SD

if TYPE_CHECKING:
    from models.numbers import Floats, Ints
    from models.simulator import Schools

__all__ = ["MatchedNoise", "block_factor"]

BLOCK_DAYS = 15
VARIANCE_LEAST = 1e-4
_PHI_GRID = np.linspace(0.0, 0.98, 491)
_SHIPPED = Parameters()


def block_factor(phi: Floats | float) -> Floats:
    """15 times the variance of a 15-day mean of an AR(1) over its variance: 1 without memory.

    >>> float(block_factor(0.0)), round(float(block_factor(0.7)), 3)
    (1.0, 4.635)
    """
    x = np.asarray(phi, np.float64)
    return (1.0 + x) / (1.0 - x) - 2.0 * x * (1.0 - x**BLOCK_DAYS) / (BLOCK_DAYS * (1.0 - x) ** 2)


@dataclass(frozen=True, slots=True)
class MatchedNoise:
    """The noise of schools as a history has it; a phase that it taught nothing of keeps the simulator's. Memory is kept
    within 0 and .98, the variance at 1e-4 or more."""

    parameters: Parameters

    def schools(self, drawn: Schools) -> tuple[Floats, Floats]:
        """As `models.simulator.NoiseLaw`."""
        p = drawn.target_absence
        sampling = 1.0 / (1.05 * drawn.roll * p * (1.0 - p))
        further = [self._further(f"a_{name}", f"b_{name}", drawn.phase, sampling) for name in ("short", "long")]
        return _law(NOISE_PHI, NOISE_SD[drawn.phase], *further)

    def year_groups(self, drawn: Schools) -> tuple[Floats, Floats]:
        """As `models.simulator.NoiseLaw`. A contrast holds the noise of a year group and the mean of its school's others."""
        p, n = drawn.target_absence[:, None], np.maximum(drawn.groups, 1)
        rest = np.maximum(drawn.roll[:, None] - drawn.groups, 1)
        sampling = (1.0 / n + 1.0 / rest) / (1.05 * p * (1.0 - p))
        count = np.count_nonzero(drawn.groups, axis=1)[:, None]
        doubled = 1.0 + 1.0 / np.maximum(count - 1, 1)
        phase = np.broadcast_to(drawn.phase[:, None], drawn.groups.shape)
        further = [self._further(f"group_a_{name}", f"group_b_{name}", phase, sampling) / doubled for name in ("short", "long")]
        return _law(GROUP_PHI, GROUP_SD[phase], *further)

    def _further(self, a: str, b: str, phase: Ints, sampling: Floats) -> Floats:
        """The variance that the history has beyond the shipped constants'."""

        def by_phase(of: Parameters, name: str) -> Floats:
            return np.array(getattr(of, name))[phase]

        out: Floats = by_phase(self.parameters, a) - by_phase(_SHIPPED, a)
        return out + (by_phase(self.parameters, b) - by_phase(_SHIPPED, b)) * sampling


def _law(phi: float, sd: Floats, further_daily: Floats, further_long: Floats) -> tuple[Floats, Floats]:
    """The AR(1) whose variance, and whose block means' variance, are the simulator's and so much more."""
    own = sd**2
    daily, long_run = np.maximum(own + further_daily, VARIANCE_LEAST), own * block_factor(phi) + further_long
    fitted = np.interp(long_run / daily, block_factor(_PHI_GRID), _PHI_GRID)
    as_shipped = (further_daily == 0.0) & (further_long == 0.0)
    return np.where(as_shipped, phi, fitted), np.where(as_shipped, sd, np.sqrt(daily))
