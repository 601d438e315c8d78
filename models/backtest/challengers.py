"""The charts that others use, over arrays of schools: p-chart, EWMA, binomial and beta-binomial CUSUM, PageHinkley.

Each gives its statistic after every day, (days, schools); whoever matches false alarms chooses the limit. A day that does not
count for a school leaves its chart as it was. *Raw* charts watch the day's own rate against the target, *peers* charts watch
what the same day's peers leave of it. (Page 1954; Roberts 1959; Steiner et al. 2000; detection.md 3.1, 4)
"""

from __future__ import annotations

import numpy as np

from models.numbers import Bools, Floats, log_odds, ratio

__all__ = [
    "CUSUM_POINTS",
    "beta_binomial_cusum",
    "binomial_cusum",
    "ewma",
    "log_gamma",
    "p_chart",
    "page_hinkley",
    "shifted",
]

CUSUM_POINTS = 0.02
"""The rise in absence that the CUSUMs are tuned to."""
SESSIONS_WORTH = 1.05
"""Two registers of a day carry so many registers' worth of information (detection.md 1.1)."""
PAGE_HINKLEY_LEAST, PAGE_HINKLEY_FADING = 30, 1.0 - 0.0001
_STIRLING = (1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0)
_STIRLING_FROM = 10.0


def p_chart(rate: Floats, pupils: Floats, aim: Floats) -> Floats:
    """Binomial standard deviations by which the day's absence is above the target: a Shewhart chart of proportions."""
    out: Floats = (rate - aim) / np.sqrt(aim * (1.0 - aim) / (SESSIONS_WORTH * np.maximum(pupils, 0.5)))
    return out


def ewma(x: Floats, on: Bools, smoothing: float) -> Floats:
    """The exponentially weighted mean of x from 0, lambda = `smoothing`."""
    mean = np.zeros(x.shape[1])
    out = np.empty(x.shape)
    for d in range(len(x)):
        mean = np.where(on[d], mean + smoothing * (x[d] - mean), mean)
        out[d] = mean
    return out


def shifted(p0: Floats, aim: Floats) -> Floats:
    """p0 moved up by what the CUSUMs' points of attendance are on the logit scale at the target."""
    delta = log_odds(np.minimum(aim + CUSUM_POINTS, 0.9)) - log_odds(aim)
    return ratio(log_odds(p0) + delta)


def _cusum(gain: Floats, on: Bools) -> Floats:
    w = np.zeros(gain.shape[1])
    out = np.empty(gain.shape)
    for d in range(len(gain)):
        w = np.where(on[d], np.maximum(0.0, w + gain[d]), w)
        out[d] = w
    return out


def binomial_cusum(rate: Floats, pupils: Floats, p0: Floats, p1: Floats, on: Bools) -> Floats:
    """Page's CUSUM of the log likelihood ratio of p1 against p0; risk-adjusted when p0 differs by day (Steiner et al.)."""
    n = SESSIONS_WORTH * pupils
    return _cusum(n * (rate * np.log(p1 / p0) + (1.0 - rate) * np.log((1.0 - p1) / (1.0 - p0))), on)


def beta_binomial_cusum(rate: Floats, pupils: Floats, p0: Floats, p1: Floats, correlation: Floats, on: Bools) -> Floats:
    """The same of beta-binomials with this intra-class correlation of pupils, (schools,) or (days, schools)."""
    y, size = rate * pupils, (1.0 - correlation) / correlation

    def half(p: Floats) -> Floats:
        a, b = p * size, (1.0 - p) * size
        return log_gamma(y + a) - log_gamma(a) + log_gamma(pupils - y + b) - log_gamma(b)

    return _cusum(half(p1) - half(p0), on)


def log_gamma(x: Floats) -> Floats:
    """Log Gamma(x) for x > 0, to 1e-9: the recurrence up to 10 or more, then Stirling's series."""
    product, big = np.ones_like(x), x
    for _ in range(int(_STIRLING_FROM)):
        small = big < _STIRLING_FROM
        if not small.any():
            break
        product = np.where(small, product * big, product)
        big = np.where(small, big + 1.0, big)
    inverse = 1.0 / big
    square, tail = inverse * inverse, np.zeros_like(x)
    for coefficient in reversed(_STIRLING):
        tail = tail * square + coefficient
    out: Floats = (big - 0.5) * np.log(big) - big + 0.5 * np.log(2.0 * np.pi) + tail * inverse - np.log(product)
    return out


def page_hinkley(x: Floats, on: Bools, delta: float) -> Floats:
    """River's `drift.PageHinkley(mode="up", delta=delta)`, one a school: it alarms first where this first exceeds its threshold.

    The same operations in the same order as river 0.26.1, so equal to the last bit until that alarm (a test holds them
    equal); with fewer than 30 days seen it says nothing, which is 0 here.
    """
    count, mean, total = (np.zeros(x.shape[1]) for _ in range(3))
    least = np.full(x.shape[1], np.inf)
    out = np.empty(x.shape)
    value = np.zeros(x.shape[1])
    for d in range(len(x)):
        here = on[d]
        count = count + here
        mean = np.where(here, mean + (x[d] - mean) / np.maximum(count, 1.0), mean)
        total = np.where(here, PAGE_HINKLEY_FADING * total + (x[d] - mean) - delta, total)
        least = np.where(here, np.minimum(least, total), least)
        value = np.where(here & (count >= PAGE_HINKLEY_LEAST), total - np.minimum(least, total), value)
        out[d] = value
    return out
