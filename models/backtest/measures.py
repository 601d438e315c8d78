"""False alarms, delays and precision from trials, each with its standard error.

False alarms are first passages: -ln(1 - share of school-years that ever alarm) x 190 / days watched. Delays are those of
schools quiet before the onset, 1 on its first day; a mean delay is capped at 80. Standard errors are those of a bootstrap
over schools (hubs for what is said of hubs), in closed form where it has one, else drawn and seeded. (detection.md 1.8, section 2)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.simulator_laws import YEAR_DAYS

if TYPE_CHECKING:
    from models.numbers import Bools, Floats

__all__ = [
    "BOOTSTRAPS",
    "Delays",
    "Figure",
    "delay_figures",
    "delays",
    "false_alarms",
    "matched_limit",
    "passages",
    "ratio_figure",
    "share_of_years",
]

BOOTSTRAPS = 200
CAP_DAYS = 80.0
NEVER = math.inf
MEDIAN = 0.5


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured figure and its standard error; both NaN where nothing was measured."""

    value: float
    error: float


@dataclass(frozen=True, slots=True, eq=False)
class Delays:
    """Of n planted schools: the delay in school days (inf: not found in the time watched) and whether each was quiet before."""

    days: Floats
    quiet: Bools


def matched_limit(early: Floats, peaks: Floats, days: int, rate: float) -> float:
    """The lowest limit with at most `rate` first passages a school-year of 190 days among at least a tenth of the schools.

    early (schools,): largest statistic before the days watched (-inf where these begin with the year), peaks: in them. A
    school counts while it was quiet before; an alarm is a statistic at or above the limit. inf where no limit gives so few.
    """
    limits = np.unique(peaks[np.isfinite(peaks)])
    quiet = np.searchsorted(np.sort(early), limits)
    silent = np.searchsorted(np.sort(np.maximum(early, peaks)), limits)
    most = 1.0 - math.exp(-rate * days / YEAR_DAYS)
    # Ties stand or fall together, and fewer alarms are the honest side. Where hardly a school was quiet, nothing is matched.
    kept = np.flatnonzero((quiet - silent <= most * quiet + 1e-9) & (10 * quiet >= len(peaks)))
    return float(limits[kept[0]]) if len(kept) else NEVER


def false_alarms(alarmed: Bools, days: int) -> Figure:
    """First passages a school-year, from whether each school-year ever alarmed (n,); the error is the binomial's."""
    n = len(alarmed)
    if not n:
        return Figure(math.nan, math.nan)
    share = min(float(alarmed.mean()), 1.0 - 0.5 / n)
    return Figure(-math.log(1.0 - share) * YEAR_DAYS / days, math.sqrt(share / (1.0 - share) / n) * YEAR_DAYS / days)


def passages(peaks: Floats, limits: Floats) -> Bools:
    """Whether each school-year ever alarms, (schools,) each."""
    out: Bools = peaks >= limits
    return out


def delays(before: Floats, after: Floats, limits: Floats) -> Delays:
    """Delays of n planted schools: before (n,) and after (n, horizon) running maxima, limits (n,)."""
    reached = after >= limits[:, None]
    found = reached.any(axis=1)
    first = np.argmax(reached, axis=1) + 1.0
    return Delays(np.where(found, first, NEVER), before < limits)


def _quantile(days: Floats, share: float, rng: np.random.Generator) -> tuple[float, Floats]:
    """The smallest of the days that at least `share` of them do not exceed, and that of BOOTSTRAPS resamples.

    The k-th of n drawn with replacement is the ceil(n U)-th of the n, where U is the k-th of n uniforms: Beta(k, n - k + 1).
    """
    n = len(days)
    ordered, k = np.sort(days), max(math.ceil(share * n), 1)
    place = np.ceil(n * rng.beta(k, n - k + 1, BOOTSTRAPS)).astype(int) - 1
    return float(ordered[k - 1]), ordered[np.clip(place, 0, n - 1)]


def _of_quantile(days: Floats, share: float, rng: np.random.Generator) -> Figure:
    """A quantile; one beyond the time watched has no error."""
    value, again = _quantile(days, share, rng)
    if share == MEDIAN and len(days) % 2 == 0:
        value = (value + float(np.sort(days)[len(days) // 2])) / 2.0
    held = again[np.isfinite(again)]
    return Figure(value, float(held.std(ddof=1)) if math.isfinite(value) and len(held) > BOOTSTRAPS // 2 else math.nan)


def _of_mean(values: Floats) -> Figure:
    """A mean; the bootstrap's error in closed form."""
    return Figure(float(values.mean()), float(values.std()) / math.sqrt(len(values)))


def delay_figures(seen: Delays, rng: np.random.Generator) -> dict[str, Figure]:
    """median, p90 (school days), within_20, within_40 (shares) and mean (capped at 80 days) of schools quiet before."""
    days = seen.days[seen.quiet]
    if not len(days):
        return {name: Figure(math.nan, math.nan) for name in ("median", "p90", "within_20", "within_40", "mean")}
    return {
        "median": _of_quantile(days, MEDIAN, rng),
        "p90": _of_quantile(days, 0.9, rng),
        "within_20": _of_mean((days <= 20).astype(float)),
        "within_40": _of_mean((days <= 40).astype(float)),
        "mean": _of_mean(np.minimum(days, CAP_DAYS)),
    }


def share_of_years(part: Floats, whole: Floats) -> Figure:
    """Sum over sum, (years,) each, of years that are independent while what happens within one hangs together.

    The error is the ratio estimator's; NaN for a single year, and both where the whole is nothing.
    """
    total = float(whole.sum())
    if not total:
        return Figure(math.nan, math.nan)
    share, n = float(part.sum()) / total, len(part)
    scatter = float(((part - share * whole) ** 2).sum()) * n / max(n - 1, 1)
    return Figure(share, math.sqrt(scatter) / total if n > 1 else math.nan)


def ratio_figure(mine: Delays, other: Delays) -> Figure:
    """Mean delay over another chart's on the same schools, each of those quiet before in its own chart.

    The error is the paired bootstrap's to first order: that of the mean of each school's influence on the ratio.
    """
    if not mine.quiet.any() or not other.quiet.any():
        return Figure(math.nan, math.nan)
    (top, top_influence), (bottom, bottom_influence) = (_mean_and_influence(seen) for seen in (mine, other))
    ratio = top / bottom
    influence = (top_influence - ratio * bottom_influence) / bottom
    return Figure(ratio, float(np.sqrt((influence * influence).sum())) / len(influence))


def _mean_and_influence(seen: Delays) -> tuple[float, Floats]:
    days = np.minimum(seen.days, CAP_DAYS)
    mean = float(days[seen.quiet].mean())
    return mean, np.where(seen.quiet, days - mean, 0.0) / seen.quiet.mean()
