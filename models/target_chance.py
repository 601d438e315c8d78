"""The probability that a school reaches its target: what is behind it, and every planned day ahead, in closed form.

What lies ahead is a sum over the future days of functions of eta* + x, where x = m + b0 moves a little every day. The sums
are kept for 6 fixed values of x in [-.6, .6] and read in between by their polynomial (expected absences to 3e-6 of
themselves), so a day costs the same in September as in June. An x beyond, a school at 1.8 times its path, counts as .6.
The sampling variance of a future day is taken at the absence expected of that day. (detection.md 1.10)
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from models.numbers import normal_cdf

if TYPE_CHECKING:
    from models.deployment import Deployment, Path
    from models.numbers import Bools, Floats, Ints

__all__ = ["Ahead", "Constants", "SoFar", "chance"]

_REACH = 0.6
_NODES = _REACH * np.cos(np.pi * (2 * np.arange(6) + 1) / 12)
_FACTORS = np.exp(_NODES)
_WEIGHTS = np.array([1.0 / np.prod([a - b for b in _NODES if b != a]) for a in _NODES])
_POWERS, _CHUNK = 4, 2048
_SURE = 6.0
"""Standard deviations beyond which a chance is 0 or 1 to 9 decimals."""


@dataclass(slots=True)
class SoFar:
    """The year's usable registers so far, (schools,) each: absences, possible sessions, registers, school days, sum of vb."""

    absences: Ints
    possible: Ints
    registers: Ints
    days: Ints
    sampling: Floats

    @classmethod
    def start(cls, schools: int) -> Self:
        """Before the first day of the year."""
        absences, possible, registers, days = (np.zeros(schools, np.int32) for _ in range(4))
        return cls(absences, possible, registers, days, np.zeros(schools))

    def copy(self) -> SoFar:
        """A value that `add` on the other leaves alone."""
        return SoFar(*(getattr(self, f.name).copy() for f in fields(self)))

    def add(self, absences: Ints, possible: Ints, registers: Ints, sampling: Floats, measured: Bools) -> None:
        """Take in one day, in place."""
        for total, of in ((self.absences, absences), (self.possible, possible), (self.registers, registers), (self.sampling, sampling)):
            np.add(total, of, out=total, where=measured)
        self.days += measured


class Constants(NamedTuple):
    """By school (schools,): the target absence ratio (NaN none) and the phase's a_L, b_L, a_S, b_S."""

    target: Floats
    a_long: Floats
    b_long: Floats
    a_short: Floats
    b_short: Floats


class Ahead:
    """The sums over a year's planned days after a day, of one path: of p, p^2, p^3 and p^4, p the absence ratio of a day.

    A cache: it follows from the path and the day alone, and is made again when either has moved back or changed. It is always
    the whole year's sums less one day after the other, so a fresh one has the same bytes.
    """

    def __init__(self, here: Deployment, path: Path) -> None:
        self._planned, self._path = here.planned, path
        self._laid, self._after = -1, -1
        self._sums = np.zeros((0, len(_NODES), _POWERS, 0))
        self.planned_days: Ints = here.planned.sum(axis=0, dtype=np.int32)
        self.days = self.planned_days
        """Planned school days still to come, (schools,)."""

    def move_to(self, day: int) -> None:
        """Stand after deployment day `day`."""
        days, schools = self._planned.shape
        if day < self._after or self._laid != self._path.laid:
            self._sums = np.zeros((-(-schools // _CHUNK), len(_NODES), _POWERS, _CHUNK))
            self._take(np.add, 0, days)
            self._laid, self._after, self.days = self._path.laid, -1, self.planned_days
        self._take(np.subtract, self._after + 1, day + 1)
        self.days = self.days - self._planned[self._after + 1 : day + 1].sum(axis=0, dtype=np.int32)
        self._after = day

    def _take(self, take: np.ufunc, first: int, end: int) -> None:
        for i, sums in enumerate(self._sums):
            part = slice(i * _CHUNK, (i + 1) * _CHUNK)
            for d in range(first, end):
                p = np.where(self._planned[d, part], np.exp(self._path.eta[d, part]), 0.0) * _FACTORS[:, None]
                np.divide(p, 1.0 + p, out=p)
                power, size = p, p.shape[1]
                for n in range(_POWERS):
                    power = p if n == 0 else power * p
                    total = sums[:, n, :size]
                    take(total, power, out=total)

    def sums(self, x: Floats) -> Floats:
        """The four sums with every future day moved by x logits, kept in [-.6, .6]; (4, schools)."""
        out = np.zeros((_POWERS, len(x)))
        for i, sums in enumerate(self._sums):
            part = slice(i * _CHUNK, (i + 1) * _CHUNK)
            weight = _weights(x[part])
            here, size = out[:, part], weight.shape[1]
            scratch = np.empty_like(here)
            for k, of in enumerate(weight):
                here += np.multiply(sums[k, :, :size], of, out=scratch)
        return out


def _weights(x: Floats) -> Floats:
    """What each fixed value counts for in the polynomial at x, (values, schools)."""
    gap = np.clip(x, -_REACH, _REACH) - _NODES[:, None]
    below, above = np.ones_like(gap), np.ones_like(gap)
    for k in range(1, len(_NODES)):
        np.multiply(below[k - 1], gap[k - 1], out=below[k])
        np.multiply(above[-k], gap[-k], out=above[-1 - k])
    below *= above
    below *= _WEIGHTS[:, None]
    return below


def chance(ahead: Ahead, so_far: SoFar, level: Floats, scored_days: Floats, constants: Constants) -> Floats:
    """P(target) at the end of the day on which `ahead` stands, (schools,); NaN without a target or a usable register.

    level: m of chart C. A future day has the possible sessions of the average usable day so far. With no day ahead it is 1
    or 0.
    """
    left = ahead.days
    gone = ahead.planned_days - left
    some = so_far.days > 0
    a_day = so_far.possible / np.maximum(so_far.days, 1)
    pupils = np.maximum(so_far.possible, 1) / np.maximum(so_far.registers, 1)
    drift = 0.03 * np.minimum(1.0, left / 70.0)
    p, p2, p3, p4 = ahead.sums(level + drift)
    q, bend, q2 = p - p2, 0.5 * p - 1.5 * p2 + p3, p2 - 2.0 * p3 + p4  # p (1 - p), half of p (1 - p) (1 - 2p), (p (1 - p))^2
    sampling = 1.0 / (1.05 * pupils)  # vb p (1 - p)
    expected = a_day * (p + constants.a_short * bend + (constants.b_short - 0.8) * sampling * (0.5 * left - p))
    spare = constants.target * (so_far.possible + a_day * left) - so_far.absences - expected
    long_run = constants.a_long + constants.b_long * so_far.sampling / np.maximum(so_far.days, 1)
    common = 0.035 + 0.025 * np.maximum(0.0, gone - 80.0) / 80.0
    of_level = q * q * (long_run / (20.0 + scored_days) + common * common)
    variance = a_day * a_day * (of_level + constants.a_long * q2 + constants.b_long * sampling * q)
    over = (left == 0) | (variance <= 0.0)
    z = np.where(over, np.where(spare >= 0.0, 40.0, -40.0), spare / np.sqrt(np.where(over, 1.0, variance)))
    out = np.where(z > 0.0, 1.0, 0.0)
    open_ = np.flatnonzero(np.abs(z) < _SURE)
    out[open_] = normal_cdf(z[open_])
    out[~some | np.isnan(constants.target)] = np.nan
    return out
