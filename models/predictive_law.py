"""The law of the absent of one session: the morning's beta-binomial, the afternoon's sum of two binomials given the morning.

A law is its probabilities over 0 to n absent, one row a law, (laws, largest n + 1), made in log space and normalised by their
own sum; so tails far out keep their relative precision, and no special function is needed. Memory is laws times pupils: give
many laws in parts. (detection.md 1.6)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.numbers import Floats, Ints

__all__ = [
    "afternoon",
    "afternoon_new",
    "afternoon_tail",
    "beta_binomial",
    "beta_binomial_shape",
    "binomial",
    "interval",
    "mean_of",
    "mid_pit",
    "pit",
    "quantile",
    "upper_tail",
]

CORRELATION_MIN, CORRELATION_MAX = 1e-5, 0.5
NEW_MIN, NEW_MAX = 0.0005, 0.1


def _normalised(log_ratio: Floats, pupils: Ints) -> Floats:
    """Rows of probabilities from log P(j + 1) - log P(j), j = 0, 1, ... (laws, largest n); nothing beyond n."""
    weight = np.zeros((len(pupils), log_ratio.shape[1] + 1))
    np.cumsum(log_ratio, axis=1, out=weight[:, 1:])
    weight[np.arange(weight.shape[1]) > pupils[:, None]] = -np.inf
    chance = np.exp(weight - weight.max(axis=1, keepdims=True))
    out: Floats = chance / chance.sum(axis=1, keepdims=True)
    return out


def _steps(pupils: Ints) -> tuple[Floats, Floats]:
    """The steps j = 0, 1, ... and n - j where it is positive, else 1, for all rows."""
    j = np.arange(int(pupils.max(initial=0)), dtype=float)
    return j, np.maximum(pupils[:, None] - j, 1.0)


def beta_binomial(pupils: Ints, p: Floats, variance: Floats) -> Floats:
    """Of n pupils with the mean absence ratio p in (0, 1), and the variance V of the logit: (laws,) each.

    The count's variance is (n p (1 - p))^2 V; its intra-class correlation is kept in [1e-5, .5].
    """
    alpha, beta = _shapes(pupils, p, variance)
    j, left = _steps(pupils)
    return _normalised(np.log(left * (alpha[:, None] + j) / ((j + 1.0) * (beta[:, None] + left - 1.0))), pupils)


def _shapes(pupils: Ints, p: Floats, variance: Floats) -> tuple[Floats, Floats]:
    n = pupils.astype(float)
    correlation = np.clip((n * p * (1.0 - p) * variance - 1.0) / np.maximum(n - 1.0, 1.0), CORRELATION_MIN, CORRELATION_MAX)
    return p * (1.0 - correlation) / correlation, (1.0 - p) * (1.0 - correlation) / correlation


def beta_binomial_shape(pupils: Ints, p: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Standard deviation and skewness of `beta_binomial`, (laws,) each, without making the law."""
    n = pupils.astype(float)
    a, b = _shapes(pupils, p, variance)
    m = a + b
    square = n * a * b * (m + n) / (m * m * (m + 1.0))
    return np.sqrt(square), (m + 2.0 * n) * (b - a) / (m + 2.0) * np.sqrt((1.0 + m) / (n * a * b * (n + m)))


def binomial(pupils: Ints, p: Floats) -> Floats:
    """Of n pupils, each absent with the chance p in [0, 1]: (laws,) each."""
    p = np.clip(p, 1e-12, 1.0 - 1e-12)
    j, left = _steps(pupils)
    return _normalised(np.log(left * (p / (1.0 - p))[:, None] / (j + 1.0)), pupils)


def afternoon_new(morning: Floats, later: Floats, stay: Floats) -> Floats:
    """b: the chance of an afternoon's new absence, so that absence `later` follows from `morning` and the share that stays."""
    return np.clip(later - stay * morning, NEW_MIN, np.minimum(NEW_MAX, 1.0 - stay))


def afternoon(pupils: Ints, absent: Ints, stay: Floats, new: Floats) -> Floats:
    """Bin(absent, stay + new) + Bin(pupils - absent, new), by the morning's absent among the afternoon's pupils: (laws,) each."""
    stayed = binomial(absent, stay + new)
    joined = binomial(pupils - absent, new)
    out = np.zeros((len(pupils), int(pupils.max(initial=0)) + 1))
    width = joined.shape[1]
    for k in range(stayed.shape[1]):
        reach = min(width, out.shape[1] - k)
        out[:, k : k + reach] += stayed[:, k, None] * joined[:, :reach]
    return out


def afternoon_tail(pupils: Ints, absent: Ints, stay: Floats, new: Floats, least: Ints) -> Floats:
    """P(X >= least) of `afternoon`, (laws,), without making the whole law."""
    stayed, joined = binomial(absent, stay + new), binomial(pupils - absent, new)
    tails = np.concatenate([np.cumsum(joined[:, ::-1], axis=1)[:, ::-1], np.zeros((len(pupils), 1))], axis=1)
    missing = np.clip(least[:, None] - np.arange(stayed.shape[1]), 0, joined.shape[1])
    out: Floats = (stayed * np.take_along_axis(tails, missing, axis=1)).sum(axis=1)
    return out


def mean_of(law: Floats) -> Floats:
    """Expected absent, (laws,)."""
    out: Floats = (law * np.arange(law.shape[1])).sum(axis=1)
    return out


def upper_tail(law: Floats, absent: Ints) -> Floats:
    """P(X >= absent), (laws,): small terms are summed first, so the relative error stays that of one term."""
    tails = np.cumsum(law[:, ::-1], axis=1)[:, ::-1]
    out: Floats = tails[np.arange(len(law)), np.minimum(absent, law.shape[1] - 1)]
    return np.where(absent < law.shape[1], out, 0.0)


def pit(law: Floats, absent: Ints, where: Floats) -> Floats:
    """Probability integral transform: P(X < absent) + where P(X = absent), (laws,); uniform if `where` is, in [0, 1]."""
    row = np.arange(len(law))
    below = np.cumsum(law, axis=1)[row, absent] - law[row, absent]
    out: Floats = np.clip(below + where * law[row, absent], 0.0, 1.0)
    return out


def mid_pit(law: Floats, absent: Ints) -> Floats:
    """The same halfway through the count's own probability: no randomness, a little too narrow for small counts."""
    return pit(law, absent, np.full(len(law), 0.5))


def quantile(law: Floats, share: float) -> Ints:
    """The least count k with P(X <= k) >= share, (laws,); share in (0, 1)."""
    out: Ints = np.argmax(np.cumsum(law, axis=1) >= share - 1e-12, axis=1).astype(np.int32)
    return out


def interval(law: Floats, cover: float) -> tuple[Ints, Ints]:
    """Both ends, included, of the central interval that holds at least `cover`, (laws,) each."""
    return quantile(law, (1.0 - cover) / 2.0), quantile(law, (1.0 + cover) / 2.0)
