"""How soon a drift could be found at best: Lorden's bound for a school of this size, exact for Brownian noise.

With the long-run variance L of the school's noise and a drift of delta logits, a day brings I = delta^2 / 2L of evidence. The
best detector with this run length has limit h with exp(h) - h - 1 = run length x I, and finds the drift after
(h - 1 + exp(-h)) / I days in the mean, when it begins at the worst moment. (Lorden 1971; Moustakides 1986; detection.md 3.3)
"""

from __future__ import annotations

import math

__all__ = ["best_delay", "long_run_variance"]

_SCHOOL_YEAR_DAYS = 190


def long_run_variance(a_long: float, b_long: float, roll: float, absence: float) -> float:
    """L of a school, as the charts have it with its peers' effect known: a_L + b_L vb."""
    return a_long + b_long / (1.05 * roll * absence * (1.0 - absence))


def best_delay(long_run: float, absence: float, points: float, school_years_between_false_alarms: float) -> float:
    """School days until a drop of so many points of attendance can be known, from this level of absence.

    The median school of detection.md 3.3, a primary of 280 pupils:

    >>> L = long_run_variance(0.12, 2.05, 280, 0.052)
    >>> [round(best_delay(L, 0.052, points, 2)) for points in (0.5, 1, 2)]
    [79, 36, 15]
    """

    def logit(p: float) -> float:
        return math.log(p / (1.0 - p))

    delta = logit(absence + points / 100.0) - logit(absence)
    information = delta * delta / (2.0 * long_run)
    run = school_years_between_false_alarms * _SCHOOL_YEAR_DAYS * information
    low, high = 0.0, 60.0
    for _ in range(100):
        h = (low + high) / 2.0
        low, high = (h, high) if math.expm1(h) - h < run else (low, h)
    return (low - 1.0 + math.exp(-low)) / information
