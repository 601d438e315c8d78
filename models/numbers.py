"""Arithmetic that gives the same bytes on every machine.

`log`, `exp` and what is made of them differ in the last bit between machines, so their results are rounded to multiples
of 2**-30 before they enter a recursion; inside, only + - * / and square roots are used, which IEEE 754 makes exact.
Published values are rounded to 6 decimals. (detection.md 1.12)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Bools", "Floats", "Ints", "exact", "half_logs", "log_odds", "normal_cdf", "published", "ratio"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[Any]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]

_GRID = 2.0**30


def exact(x: Floats) -> Floats:
    """Rounded to a multiple of 2**-30, so that differences of such values are exact."""
    out: Floats = np.asarray(x * _GRID)
    np.rint(out, out=out)
    out *= 1.0 / _GRID  # A power of two: as exact as dividing, and quicker.
    return out


def published(x: Floats) -> Floats:
    """Rounded to 6 decimals, as every published value is."""
    return np.round(x, 6) + 0.0


def ratio(logit: Floats) -> Floats:
    """The logistic function: a logit as a ratio in (0, 1)."""
    return 1.0 / (1.0 + np.exp(-logit))


def log_odds(p: Floats) -> Floats:
    """The inverse of `ratio`."""
    return np.log(p / (1.0 - p))


_HART_TOP = (0.0352624965998911, 0.700383064443688, 6.37396220353165, 33.912866078383, 112.079291497871, 221.213596169931, 220.206867912376)
_HART_BOTTOM = (
    *(0.0883883476483184, 1.75566716318264, 16.064177579207, 86.7807322029461),
    *(296.564248779674, 637.333633378831, 793.826512519948, 440.413735824752),
)


def normal_cdf(z: Floats) -> Floats:
    """Phi: the standard normal distribution function, to 1e-14 (Hart 1968, algorithm 5666, as in West 2005)."""
    x = np.minimum(np.abs(z), 37.0)
    top, bottom = np.zeros_like(x), np.zeros_like(x)
    for a in _HART_TOP:
        top = top * x + a
    for b in _HART_BOTTOM:
        bottom = bottom * x + b
    fraction = x + 0.65
    for k in (4.0, 3.0, 2.0, 1.0):
        fraction = x + k / fraction
    tail = np.exp(-x * x / 2.0) * np.where(x < 7.07106781186547, top / bottom, 1.0 / (fraction * 2.506628274631))
    return np.where(z > 0.0, 1.0 - tail, tail)


_TABLE = exact(np.log(np.maximum(np.arange(1 << 15), 1) / 2.0))


def half_logs(j: NDArray[np.int64]) -> Floats:
    """log(j / 2) on the grid of `exact`, for integers j >= 1; every reader takes it from the same table."""
    if j.size and int(j.max()) >= len(_TABLE):
        return exact(np.log(j / 2.0))
    return _TABLE[j]
