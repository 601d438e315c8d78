"""What all schools of a phase teach the predictive law from day to day: kappa, how absence stays, how the common effect moves.

Everything is learned from integer sums over schools, so neither their order nor a partition can show; a phase with fewer
than 10 schools on a day learns nothing from it. (detection.md 1.6, 1.12)
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from models.numbers import exact

if TYPE_CHECKING:
    from models.numbers import Bools, Floats, Ints

__all__ = ["EFFECT_CARRIED", "SCHOOLS_LEAST", "SESSION_LOGIT", "Change", "PhaseLaw", "learn_effect", "learn_kappa", "learn_stay"]

SCHOOLS_LEAST = 10
"""Schools of a phase on a day, from which on it teaches."""
EIGHTY_PERCENT = 1.2816
"""Standard deviations on each side that hold 80 % of a normal law."""
SESSION_LOGIT = 0.015
"""A morning's absence is this much below the day's path, an afternoon's as much above (detection.md 1.2)."""
EFFECT_CARRIED = 0.8
"""How much of yesterday's common effect is expected today, before any peer is in."""
_KAPPA_STEP, _RATE = 0.5, 0.03
_STAY, _STAY_MIN, _STAY_MAX = 0.9, 0.5, 0.99
_EFFECT_GRID, _PUPIL_GRID = 2.0**24, 2.0**6
_SQUARES_MAX = 2.0**36


@dataclass(slots=True)
class PhaseLaw:
    """By phase, (3,) each: log kappa; variance of what is new in the common effect; and how afternoons differ from mornings.

    changes, chance: running means of the squared change from morning to afternoon beyond the expected one, and of n p (1 - p),
    what chance alone would make of a morning, in pupils^2; 0 at first.
    """

    log_kappa: Floats
    effect_variance: Floats
    changes: Floats
    chance: Floats

    @classmethod
    def start(cls) -> Self:
        """Before the first day of the year."""
        return cls(np.zeros(3), np.array([0.08, 0.08, 0.15]) ** 2, np.zeros(3), np.zeros(3))

    def copy(self) -> PhaseLaw:
        """A value that learning leaves alone."""
        return PhaseLaw(*(getattr(self, f.name).copy() for f in fields(self)))

    @property
    def kappa(self) -> Floats:
        """What the variance of the law is multiplied by, so that its 80 % interval holds 80 %."""
        return exact(np.exp(self.log_kappa))

    @property
    def stay(self) -> Floats:
        """How likely a pupil absent in the morning is to stay so, beyond what anybody's chance of absence is; .9 to begin with.

        A shift of the whole school's level moves both sessions alike and cancels in their difference, of which chance makes
        2 (1 - stay) n p (1 - p).
        """
        some = self.chance > 0.0
        stay = np.where(some, 1.0 - self.changes / np.where(some, 2.0 * self.chance, 1.0), _STAY)
        return np.clip(stay, _STAY_MIN, _STAY_MAX)


class Change(NamedTuple):
    """From morning to afternoon: the change of absences beyond the expected one, in pupils; n p (1 - p) of the morning, in
    pupils^2; whether both sessions count; (schools,) each."""

    pupils: Floats
    chance: Floats
    both: Bools


def _counts(phase: Ints, of: Bools) -> Ints:
    return np.bincount(phase[of], minlength=3)


def _means(total: Floats, schools: Ints) -> tuple[Bools, Floats]:
    return schools >= SCHOOLS_LEAST, total / np.maximum(schools, 1)


def learn_kappa(law: PhaseLaw, phase: Ints, scored: Bools, z: Floats) -> None:
    """Move log kappa by half of (share of schools outside their 80 % interval - .20), in place."""
    schools = _counts(phase, scored)
    enough, outside = _means(_counts(phase, scored & (np.abs(z) > EIGHTY_PERCENT)).astype(float), schools)
    law.log_kappa += np.where(enough, _KAPPA_STEP * (outside - 0.2), 0.0)


def learn_effect(law: PhaseLaw, phase: Ints, scored: Bools, effect: Floats, yesterday: Floats) -> None:
    """Take in what was new in the common effect: c - .8 of yesterday's, (schools,) each; in place."""
    new = effect[scored] - EFFECT_CARRIED * yesterday[scored]
    squares = np.rint(_EFFECT_GRID * np.minimum(new * new, 16.0))
    enough, mean = _means(np.bincount(phase[scored], squares, 3) / _EFFECT_GRID, _counts(phase, scored))
    law.effect_variance += np.where(enough, _RATE * (mean - law.effect_variance), 0.0)


def learn_stay(law: PhaseLaw, phase: Ints, change: Change) -> None:
    """Take in how the afternoons followed their mornings; the first day only gives the scale. In place."""
    both = change.both
    of, schools = phase[both], _counts(phase, both)
    moved = np.rint(_PUPIL_GRID * change.pupils[both])
    squares = np.bincount(of, np.minimum(moved * moved, _SQUARES_MAX), 3) / _PUPIL_GRID**2
    enough, squares = _means(squares, schools)
    _, chance = _means(np.bincount(of, np.rint(_PUPIL_GRID * change.chance[both]), 3) / _PUPIL_GRID, schools)
    first = enough & (law.chance == 0.0)
    law.chance += np.where(first, chance, np.where(enough, _RATE * (chance - law.chance), 0.0))
    law.changes += np.where(first, 2.0 * (1.0 - _STAY) * chance, np.where(enough, _RATE * (squares - law.changes), 0.0))
