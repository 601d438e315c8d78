"""The expected path: a shape over the year, set so that its mean over possible sessions is exactly what was agreed.

``eta_d = shape_d + off + gamma * min(1, d / 60)`` with d the school's own planned day, counted from 1: from the baseline on
the first day towards the target after 60 days. `off` makes the year's mean the baseline, `gamma` then makes it the target
(detection.md 1.2). Everything is on the logit scale of absence. Arrays are (days, schools).
"""

from __future__ import annotations

import numpy as np

from models.numbers import Bools, Floats, Ints, exact, log_odds, ratio

__all__ = ["RAMP_DAYS", "annual_mean", "holiday_effects", "path", "shape", "solve"]

RAMP_DAYS = 60
HOLIDAY_LAST_DAY, HOLIDAY_DAY_BEFORE, TERM_END, FIRST_DAY_BACK = 0.22, 0.08, 0.15, 0.08
HOLIDAY_GAP_DAYS, TERM_GAP_DAYS = 7, 14
"""Calendar days between two school days that make a holiday (a week off, or Wednesday to Wednesday) and a term's end."""
_CHUNK = 1024


def holiday_effects(days: Ints, planned: Bools) -> Floats:
    """Logits beside the holidays of one calendar: `days` (n,) since 1970, `planned` (n,) -> (n,)."""
    effect = np.zeros(len(days))
    open_days = np.flatnonzero(planned)
    for i, d in enumerate(open_days):
        after = days[open_days[i + 1]] - days[d] if i + 1 < len(open_days) else TERM_GAP_DAYS + 1
        if after <= HOLIDAY_GAP_DAYS:
            continue
        effect[d] += HOLIDAY_LAST_DAY + (TERM_END if after > TERM_GAP_DAYS else 0.0)
        if i:
            effect[open_days[i - 1]] += HOLIDAY_DAY_BEFORE
        if i + 1 < len(open_days):
            effect[open_days[i + 1]] += FIRST_DAY_BACK
    return effect


def shape(days: Ints, planned: Bools, season: Floats, weekday: Floats, *, holidays: bool) -> Floats:
    """The year's shape for one calendar and phase: season by ISO week (53,) + weekday (5,) + holidays -> (n,)."""
    dates = days.astype("datetime64[D]")
    weeks = np.array([d.isocalendar()[1] for d in dates.tolist()], int)
    names = (days + 3) % 7  # 1970-01-01 was a Thursday
    out = season[weeks - 1] + weekday[np.minimum(names, 4)]
    return exact(out + holiday_effects(days, planned) if holidays else out)


def _over_days(x: Floats) -> Floats:
    """The sum over the first axis, day by day, so that it is the same for one school as among many."""
    total = np.zeros(x.shape[1])
    for row in x:
        total += row
    return total


def annual_mean(eta: Floats, weight: Floats) -> Floats:
    """Expected absence ratio of the year: logits and possible sessions (days, schools) -> (schools,)."""
    return _over_days(weight * ratio(eta)) / _over_days(weight)


def solve(fixed: Floats, slope: Floats, weight: Floats, rate: Floats) -> Floats:
    """The x with annual_mean(fixed + x * slope) = rate, by Newton kept in [-12, 12] by bisection, to 1e-13.

    fixed, slope, weight (days, schools); slope >= 0; rate (schools,) in (0, 1). A rate out of reach gives the bound.
    """
    total = _over_days(weight)
    low, high = np.full(len(rate), -12.0), np.full(len(rate), 12.0)
    x = np.zeros(len(rate))
    for _ in range(80):
        p = ratio(fixed + x * slope)
        weighted = weight * p
        gap = _over_days(weighted) / total - rate
        if np.all(np.abs(gap) <= 1e-13):
            break
        gradient = _over_days(weighted * (1.0 - p) * slope) / total
        low, high = np.where(gap < 0, np.maximum(low, x), low), np.where(gap > 0, np.minimum(high, x), high)
        step = x - gap / np.maximum(gradient, 1e-300)
        inside = (step > low) & (step < high)
        moved = np.where(np.abs(gap) <= 1e-13, x, np.where(inside, step, (low + high) / 2))
        if np.array_equal(moved, x):
            break
        x = moved
    return x


def path(shapes: Floats, weight: Floats, planned: Bools, baseline: Floats, target: Floats, *, grid: bool = True) -> tuple[Floats, Floats]:
    """Expected logits and the shape about its own year mean, both (days, schools), both on the exact grid.

    Without `grid` the annual mean is the target to 1e-12; on it, to 1e-9, for the sake of equal bytes everywhere.

    shapes, weight (possible sessions, only proportions matter), planned: (days, schools). baseline (schools,): absence
    ratio; target (schools,): absence ratio or NaN for none. A school without planned days has zeros.
    """
    eta, about = np.zeros(shapes.shape), np.zeros(shapes.shape)
    for first in range(0, shapes.shape[1], _CHUNK):
        part = slice(first, first + _CHUNK)
        s, open_ = shapes[:, part], planned[:, part]
        w = np.where(open_, weight[:, part], 0.0)
        w[:, _over_days(w) == 0] = 1.0
        ramp = np.minimum(1.0, np.cumsum(open_, axis=0) / RAMP_DAYS)
        level = baseline[part]
        start = log_odds(level) - _over_days(w * s) / _over_days(w)
        off = solve(s + start, np.ones_like(s), w, level) + start
        aim = target[part]
        gamma = np.where(np.isnan(aim), 0.0, solve(s + off, ramp, w, np.where(np.isnan(aim), level, aim)))
        eta[:, part] = s + off + gamma * ramp
        count = np.maximum(_over_days(open_.astype(float)), 1.0)
        about[:, part] = s - _over_days(np.where(open_, s, 0.0)) / count
    return (exact(eta), exact(about)) if grid else (eta, about)
