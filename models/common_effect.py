"""What the area and the nation did the same day: winsorised, leave-one-out, three levels, from exact integers.

summarise: schools -> integer sums by day, cell (phase x area) and bin; addition is the merge, so batches, partitions and
order cannot show. pool: sums -> the winsorised sums of each cell and the day's shrinkage. leave_one_out: the same with a
school's own row removed, in closed form. (detection.md 1.3)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.numbers import Bools, Floats, Ints

__all__ = ["BINS", "Effect", "Sums", "effect_variance", "full", "leave_one_out", "pool", "quantise", "summarise", "winsorised"]

BINS = 64
_X_GRID, _W_GRID, _BIN_SHIFT = 2.0**20, 2.0**8, 2.0**17
_HALF_WIDTH = np.array([8, 5, 8])
_T0 = 0.15**2
T1_START, T2_START = 0.10**2, 0.05**2
_CELLS_FOR_SHRINKAGE = 4


@dataclass(frozen=True, slots=True)
class Sums:
    """Integers in float64 (exact below 2**53), shape (days, phases, areas, bins): schools, weight, weight times residual."""

    count: Floats
    weight: Floats
    weighted: Floats

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.count + other.count, self.weight + other.weight, self.weighted + other.weighted)


@dataclass(frozen=True, slots=True)
class Effect:
    """One day's pooled peers: winsorised sums and limits by (phase, area), shrinkage as the day before left it."""

    weight: Floats
    weighted: Floats
    low: Floats
    high: Floats
    schools: int
    schools_by_area: Ints
    t1: float
    t2: float


def quantise(residual: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """X and w8: the residual in 2**-20 logit, cut at 3.999, and the weight in 2**-8, as integers held in float64."""
    return np.rint(_X_GRID * np.clip(residual, -3.999, 3.999)), np.rint(_W_GRID * weight)


def summarise(x: Floats, w: Floats, reporting: Bools, phase: Ints, area: Ints, areas: int) -> Sums:
    """Sums of any batch of schools: x, w of `quantise` and the mask, all (days, schools); phase and area (schools,)."""
    days = x.shape[0]
    day, school = np.nonzero(reporting)
    xs, ws = x[day, school], w[day, school]
    cell = (day * 3 + phase[school]) * areas + area[school]
    index = cell * BINS + (xs // _BIN_SHIFT).astype(np.int64) + BINS // 2
    size, shape = days * 3 * areas * BINS, (days, 3, areas, BINS)
    return Sums(
        np.bincount(index, minlength=size).astype(float).reshape(shape),
        np.bincount(index, ws, size).reshape(shape),
        np.bincount(index, ws * xs, size).reshape(shape),
    )


def pool(sums: Sums, t1: float, t2: float) -> tuple[list[Effect], list[tuple[float, float]]]:
    """The effects of consecutive days and the shrinkage (t1, t2) that each day leaves to the next."""
    days, phases, areas, _ = sums.count.shape
    running = np.cumsum(sums.count, axis=-1)
    median = np.argmax(2 * running >= running[..., -1:], axis=-1)
    half = _HALF_WIDTH[None, :, None]
    low = np.broadcast_to((median - BINS // 2 - half) * _BIN_SHIFT, (days, phases, areas)).astype(float)
    high = np.broadcast_to((median - BINS // 2 + half + 1) * _BIN_SHIFT, (days, phases, areas)).astype(float)
    edge = (np.arange(BINS) - BINS // 2) * _BIN_SHIFT
    below, above = edge < low[..., None], edge >= high[..., None]
    clipped = np.where(below, low[..., None] * sums.weight, np.where(above, high[..., None] * sums.weight, sums.weighted))
    k, kx = sums.weight.sum(-1) / _W_GRID, clipped.sum(-1) / (_W_GRID * _X_GRID)
    effects, left = [], []
    by_area = sums.count.sum(axis=(1, 3)).astype(np.int32)
    for d in range(days):
        effects.append(Effect(k[d], kx[d], low[d], high[d], int(by_area[d].sum()), by_area[d], t1, t2))
        t1, t2 = _shrinkage(effects[-1])
        left.append((t1, t2))
    return effects, left


def full(effect: Effect) -> tuple[Floats, Floats, Floats]:
    """With nobody left out: area effect R (areas,), mean over all phases by area (areas,), cell moments x2**2 - 1/K."""
    n = _phase_means(effect)
    weight = effect.weight.sum(0)
    s1 = (effect.weighted - n[:, None] * effect.weight).sum(0)
    x1 = np.divide(s1, weight, out=np.zeros_like(s1), where=weight > 0)
    tau1 = np.maximum(effect.t1, np.minimum(x1 * x1 - np.divide(1, weight, out=np.full_like(s1, np.inf), where=weight > 0), 1.0))
    area_effect = s1 / (weight + 1.0 / tau1)
    mean = np.divide(effect.weighted.sum(0), weight, out=np.zeros_like(s1), where=weight > 0)
    s2 = effect.weighted - (n[:, None] + area_effect) * effect.weight
    filled = effect.weight > 0
    x2 = s2[filled] / effect.weight[filled]
    return area_effect, mean, x2 * x2 - 1.0 / effect.weight[filled]


def _phase_means(effect: Effect) -> Floats:
    p, px = effect.weight.sum(1), effect.weighted.sum(1)
    total = p.sum()
    overall = px.sum() / total if total else 0.0
    out: Floats = (px + overall / _T0) / (p + 1.0 / _T0)
    return out


def _shrinkage(effect: Effect) -> tuple[float, float]:
    """t1 and t2 after this day; only a day with more than 4 cells that are not empty teaches anything."""
    if np.count_nonzero(effect.weight) <= _CELLS_FOR_SHRINKAGE:
        return effect.t1, effect.t2
    n = _phase_means(effect)
    weight = effect.weight.sum(0)
    filled = weight > 0
    x1 = (effect.weighted - n[:, None] * effect.weight).sum(0)[filled] / weight[filled]
    moved = float(np.median(np.maximum(x1 * x1 - 1.0 / weight[filled], 0.0)))
    cells = full(effect)[2]
    spread = max(0.0, math.fsum(cells) / len(cells))
    return min(max(0.97 * effect.t1 + 0.06 * moved, 0.03**2), 0.3**2), min(max(0.97 * effect.t2 + 0.03 * spread, 0.02**2), 0.2**2)


def winsorised(x: Floats, phase: Ints, area: Ints, effect: Effect) -> Floats:
    """A school's own X cut at the limits of its cell, (schools,)."""
    return np.minimum(np.maximum(x, effect.low[phase, area]), effect.high[phase, area])


def leave_one_out(effect: Effect, x: Floats, w: Floats, phase: Ints, area: Ints) -> tuple[Floats, Floats]:
    """Common effect c and its variance v_c for each school, without its own row; w = 0 where it has none. (schools,) each."""
    own = w / _W_GRID
    own_x = own * winsorised(x, phase, area, effect) / _X_GRID
    p, px = effect.weight.sum(1), effect.weighted.sum(1)
    others = p.sum() - own
    overall = np.divide(px.sum() - own_x, others, out=np.zeros_like(own), where=others > 0) / _T0
    area_weight, area_weighted = effect.weight.sum(0)[area] - own, effect.weighted.sum(0)[area] - own_x
    phase_mean = np.zeros_like(own)
    s1 = area_weighted
    for f in range(len(p)):
        mine = phase == f
        out, out_x = np.where(mine, own, 0.0), np.where(mine, own_x, 0.0)
        n = (px[f] - out_x + overall) / (p[f] - out + 1.0 / _T0)
        phase_mean = np.where(mine, n, phase_mean)
        s1 = s1 - n * (effect.weight[f, area] - out)
    r, inverse1 = _shrunk(s1, area_weight, effect.t1, 1.0)
    cell = effect.weight[phase, area] - own
    s2 = effect.weighted[phase, area] - own_x - (phase_mean + r) * cell
    q, inverse2 = _shrunk(s2, cell, effect.t2, 1.5)
    inner = 1.0 / (cell + inverse2)
    pull = inverse2 * inner
    return phase_mean + r + q, inner + pull * pull / (area_weight + inverse1)


def effect_variance(pooled: Floats, effect: Floats) -> Floats:
    """v: the pooled variance v_c, and more for a large common move, which schools follow more or less strongly; (schools,)."""
    excess = np.maximum(0.0, np.abs(effect) - 0.15)
    out: Floats = pooled + (0.2 * excess) ** 2
    return out


def _shrunk(total: Floats, weight: Floats, least: float, noise: float) -> tuple[Floats, Floats]:
    """Shrunk mean and 1/tau; the escape rule lets what clearly moved today leave the shrinkage at once."""
    weight = np.maximum(weight, 0.0)
    some = weight > 0
    inverse = np.divide(1.0, weight, out=np.zeros_like(weight), where=some)
    mean = total * inverse
    tau = np.maximum(least, np.minimum(mean * mean - noise * inverse, 1.0))
    tau = np.where(some, tau, least)
    return np.where(some, total / (weight + 1.0 / tau), 0.0), 1.0 / tau
