"""Thresholds from the peaks of null years: the law of first passages, its errors, and the file that holds it.

With first passages at rate A exp(-B h) a school-year, a school's peak M over d days has P(M < h) = exp(-A d/190 exp(-B h)): a
Gumbel law. A and B are its maximum-likelihood values from all peaks at or above the level that 0.5 school-years pass, the rest
counted as below it. Schools of one year share its common effects, so errors are taken over years. (detection.md 1.8)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.thresholds import BANDS, CHARTS
from schemas.errors import BrokenPromise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from models.null_years import Peaks
    from models.numbers import Bools, Floats, Ints

__all__ = ["CHECK_RATES", "FIT_RATE", "Calibrated", "FittedLaw", "calibrate", "first_passages", "fit", "table"]

FIT_RATE = 0.5
CHECK_RATES = (0.5, 0.25, 0.1, 0.05, 0.02)
"""First passages a school-year at which the fitted law is held against what was counted."""
ALL = len(BANDS) - 1
_PASSED_LEAST = 50
_NEWTON_STEPS = 50


@dataclass(frozen=True, slots=True)
class FittedLaw:
    """A and B of one band and chart, from so many school-years. covariance: of (log rate at `level`, B)."""

    a: float
    b: float
    level: float
    covariance: tuple[tuple[float, float], tuple[float, float]]
    school_years: int
    counted: tuple[float, ...]
    """First passages a school-year at the limits of `CHECK_RATES`."""

    def limit(self, rate: float) -> float:
        """The decision interval of a rate."""
        return math.log(self.a / rate) / self.b

    def error(self, rate: float) -> float:
        """Standard error of the true rate at that limit, as a share of it."""
        h = self.limit(rate) - self.level
        (vv, vb), (_, bb) = self.covariance
        return math.sqrt(max(vv - 2 * h * vb + h * h * bb, 0.0))

    def figures(self) -> dict[str, Any]:
        """As `--json` prints it."""
        rates = [
            {"nominal": rate, "limit": round(self.limit(rate), 4), "error": round(self.error(rate) * rate, 5), "counted": round(seen, 5)}
            for rate, seen in zip(CHECK_RATES, self.counted, strict=True)
        ]
        return {"A": self.a, "B": self.b, "school_years": self.school_years, "rates": rates}


Calibrated = dict[str, dict[str, FittedLaw]]
"""By band, then chart."""


def first_passages(peaks: Floats, limit: Floats | float, days: int) -> float:
    """First passages a school-year of 190 days, from peaks over `days` days; capped where every school passed."""
    share = min(float((peaks >= limit).mean()), 1.0 - 0.5 / len(peaks))
    return -math.log(1.0 - share) * 190.0 / days


def fit(peaks: Floats, year: Ints, days: int) -> FittedLaw:
    """The law of n peaks over years of `days` days; year (n,) says which belong together.

    Raises BrokenPromise where fewer than 50 school-years pass the level of 0.5 a school-year.
    """
    exposure = days / 190.0
    order = np.sort(peaks)
    level = float(order[int(math.exp(-FIT_RATE * exposure) * len(order))]) if len(order) else 0.0
    over = peaks >= level
    if over.sum() < _PASSED_LEAST or not math.isfinite(level) or order[-1] <= level:
        raise BrokenPromise(f"{int(over.sum())} school-years are too few to fit a threshold to: simulate more")
    x = np.where(over, peaks - level, 0.0)
    theta = np.array([math.log(FIT_RATE * exposure), 1.0 / max(float(x[over].mean()), 1e-6)])
    for _ in range(_NEWTON_STEPS):
        score, information = _score(theta, x, over)
        step = np.linalg.solve(information, score.sum(axis=0))
        step *= min(1.0, 0.5 * theta[1] / max(abs(float(step[1])), 1e-300))
        theta = theta + step
        if float(np.abs(step).max()) < 1e-10:
            break
    score, information = _score(theta, x, over)
    _, which = np.unique(year, return_inverse=True)
    clusters = np.stack([np.bincount(which, weights=score[:, i]) for i in range(2)], axis=1)
    inverse = np.linalg.inv(information)
    covariance = inverse @ (clusters.T @ clusters) @ inverse
    a, b = math.exp(theta[0] + theta[1] * level) / exposure, float(theta[1])
    # What the file holds is what everything else is worked out from.
    a, b = float(f"{a:.4g}"), float(f"{b:.4g}")
    counted = tuple(first_passages(peaks, math.log(a / rate) / b, days) for rate in CHECK_RATES)
    pairs = ((float(covariance[0, 0]), float(covariance[0, 1])), (float(covariance[1, 0]), float(covariance[1, 1])))
    return FittedLaw(a, b, level, pairs, len(peaks), counted)


def _score(theta: Floats, x: Floats, over: Bools) -> tuple[Floats, Floats]:
    """Each school-year's score (n, 2) and the observed information of (log rate, B), about the level."""
    rate = np.exp(theta[0] - theta[1] * x)
    score = np.stack([over.astype(np.float64) - rate, np.where(over, 1.0 / theta[1] - x, 0.0) + x * rate], axis=1)
    cross = float(-(x * rate).sum())
    information = np.array([[float(rate.sum()), cross], [cross, float(over.sum()) / theta[1] ** 2 + float((x * x * rate).sum())]])
    return score, information


def calibrate(years: Sequence[Peaks], days: int) -> Calibrated:
    """Every band's laws, and of "all", from null years of `days` days."""
    band = np.concatenate([y.band for y in years])
    number = np.repeat(np.arange(len(years), dtype=np.int32), [len(y) for y in years])
    out: Calibrated = {}
    for place, name in enumerate(BANDS):
        of = (band == place) | (place == ALL)
        out[name] = {chart: fit(np.concatenate([y.peaks[chart] for y in years])[of], number[of], days) for chart in years[0].peaks}
    return out


def table(laws: Calibrated, provenance: Mapping[str, str | int]) -> str:
    """The file of thresholds: TOML, as `models.thresholds` reads it."""
    lines = [
        "# The thresholds of the three charts, as data: how often each passes a limit on a school on track.",
        "#",
        "# description: first passages a school-year = A exp(-B h), by phase and size band and chart; so h = ln(A / rate) / B",
        "# unit:        A first passages a school-year of 190 days, B one over a unit of the chart's statistic; for rates up to .5",
        "# reference:   detection.md 1.8; made by `headway calibrate` from years in which nothing is wrong; do not edit",
        "# order:       a band's position is its number in `models.thresholds.bands`.",
        "",
        "[provenance]",
        *(f"{name} = {_toml(value)}" for name, value in provenance.items()),
    ]
    for band in BANDS:
        lines += ["", "[[band]]", f'name = "{band}"']
        lines += [f"{chart} = {{ A = {laws[band][chart].a!r}, B = {laws[band][chart].b!r} }}" for chart in CHARTS]
    return "\n".join(lines) + "\n"


def _toml(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
