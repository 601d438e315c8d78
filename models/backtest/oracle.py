"""The oracle: what a chart could do that knew everything but whether and when a school drifts.

It knows the true season, common effects and loadings, the law of the noise (an AR(1) whose variance and first
autocovariance are lines in the sampling variance, fitted on null years), and the drift's shape and size. Its statistic is
the generalised likelihood ratio over the last 60 days on which the drift may have begun. (Lai 1998; detection.md section 2)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.backtest.scenario import Kind, Scenario
from models.numbers import Bools, Floats, Ints, log_odds
from models.simulator import RAMP_DAYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.backtest.seen import Seen
    from models.simulator import SimulatedYear

__all__ = ["CHANGE_DAYS", "NoiseLaw", "drift_shape", "fit_noise", "oracle", "true_residual"]

CHANGE_DAYS = 60
_PHASES = 3


@dataclass(frozen=True, slots=True)
class NoiseLaw:
    """By phase: the residual's mean; its variance and first autocovariance as (constant, slope in the sampling variance)."""

    mean: tuple[float, ...]
    variance: tuple[tuple[float, float], ...]
    covariance: tuple[tuple[float, float], ...]


def true_residual(year: SimulatedYear, seen: Seen) -> Floats:
    """The empirical logit less all that the simulation knows but noise and drift, (days, schools)."""
    s, truth = year.schools, year.truth
    known = s.level + truth.off_level + s.gain * truth.season[s.phase].T + truth.calendar[:, None] + year.common_effect
    return seen.raw_residual + seen.eta - known


def fit_noise(residuals: Sequence[Floats], samplings: Sequence[Floats], phases: Sequence[Ints]) -> NoiseLaw:
    """The law from null years: residuals and sampling variances (days, schools) of each, phases (schools,)."""
    mean, variance, covariance = [], [], []
    for f in range(_PHASES):
        e = np.concatenate([r[:, p == f] for r, p in zip(residuals, phases, strict=True)], axis=1)
        v = np.concatenate([s[:, p == f] for s, p in zip(samplings, phases, strict=True)], axis=1).mean(axis=0)
        centre = float(e.mean()) if e.size else 0.0
        e = e - centre
        mean.append(centre)
        variance.append(_line(v, (e * e).mean(axis=0)))
        covariance.append(_line(v, (e[1:] * e[:-1]).mean(axis=0)))
    return NoiseLaw(tuple(mean), tuple(variance), tuple(covariance))


def _line(v: Floats, y: Floats) -> tuple[float, float]:
    """Least squares of y on (1, v), weighted by the square of how small v is."""
    if len(v) < 2:
        return (0.05, 1.0) if not len(y) else (float(y[0]), 0.0)
    w = 1.0 / (np.median(y) + v) ** 2
    mv, my = (w * v).sum() / w.sum(), (w * y).sum() / w.sum()
    slope = float((w * (v - mv) * (y - my)).sum() / max((w * (v - mv) ** 2).sum(), 1e-300))
    return float(my - slope * mv), slope


def drift_shape(scenario: Scenario, aim: Floats) -> Floats:
    """Logits of the drift by its age in days from 0, at this target absence: (CHANGE_DAYS, schools)."""
    age = np.arange(1, CHANGE_DAYS + 1)[:, None]
    reached = np.minimum(1.0, age / RAMP_DAYS) if scenario.kind is Kind.RAMP else np.ones_like(age, float)
    return log_odds(np.clip(aim + reached * scenario.points / 100.0, 1e-6, 0.9)) - log_odds(aim)


def oracle(residual: Floats, sampling: Floats, on: Bools, phase: Ints, shape: Floats, law: NoiseLaw) -> Floats:
    """The statistic after each day, (days, schools): max over change days of the log likelihood ratio, at least 0.

    residual and sampling variance (days, schools), phase (schools,), shape (CHANGE_DAYS, schools). Days that are not `on` add
    nothing, and the next is judged without its predecessor.
    """
    v = sampling.mean(axis=0)
    (a, b), (a1, b1) = (np.array(rows)[phase].T for rows in (law.variance, law.covariance))
    total = np.maximum(a + b * v, 1e-6)
    phi = np.clip((a1 + b1 * v) / total, 0.0, 0.95)
    centred = residual - np.array(law.mean)[phase]
    ratio = np.zeros(shape.shape)
    out = np.empty(residual.shape)
    before, known = np.zeros(len(v)), np.zeros(len(v), bool)
    for d in range(len(residual)):
        memory = np.where(known, phi, 0.0)
        variance = total * (1.0 - memory * memory)
        innovation = centred[d] - memory * before
        signal = shape.copy()
        signal[1:] -= memory * shape[:-1]
        gain = (innovation * signal - signal * signal / 2.0) / variance
        moved = np.zeros_like(ratio)
        moved[1:] = ratio[:-1]
        ratio = moved + np.where(on[d], gain, 0.0)
        out[d] = np.maximum(ratio[: d + 1].max(axis=0), 0.0)  # no change is older than the year
        before, known = np.where(on[d], centred[d], before), on[d]
    return out
