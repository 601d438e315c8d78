"""False alarms, delays and precision from trials, each with its standard error.

False alarms are first passages: -ln(1 - share of school-years that ever alarm) x 190 / days watched. Delays are those of
schools quiet before the onset, 1 on its first day; a mean delay is capped at 80. Standard errors are bootstraps over schools
(drifting ones, or hubs for what is said of hubs), seeded. (detection.md 1.8, section 2)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.simulator_laws import YEAR_DAYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.numbers import Bools, Floats, Ints

__all__ = ["BOOTSTRAPS", "Delays", "Figure", "delay_figures", "delays", "false_alarms", "matched_limit", "passages", "ratio_figure"]

BOOTSTRAPS = 200
CAP_DAYS = 80.0
NEVER = math.inf
Draws = np.ndarray[Any, np.dtype[np.int64]]


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


def _resample(n: int, rng: np.random.Generator) -> Draws:
    return rng.integers(0, n, (BOOTSTRAPS, n))


def _quantile(values: Floats, share: float) -> Floats:
    """The smallest value that at least `share` of the last axis does not exceed; inf stays inf."""
    ordered = np.sort(values, axis=-1)
    place = max(math.ceil(share * values.shape[-1]) - 1, 0)
    out: Floats = ordered[..., place]
    return out


def _figure(values: Floats, resampled: Floats) -> Figure:
    """The figure of all, its error the spread of the resampled; a quantile beyond the time watched has no error."""
    whole = float(values)
    held = resampled[np.isfinite(resampled)]
    error = float(held.std(ddof=1)) if math.isfinite(whole) and len(held) > BOOTSTRAPS // 2 else math.nan
    return Figure(whole, error)


def delay_figures(seen: Delays, rng: np.random.Generator) -> dict[str, Figure]:
    """median, p90 (school days), within_20, within_40 (shares) and mean (capped at 80 days) of schools quiet before."""
    days = seen.days[seen.quiet]
    if not len(days):
        return {name: Figure(math.nan, math.nan) for name in ("median", "p90", "within_20", "within_40", "mean")}
    again = days[_resample(len(days), rng)]
    rules: dict[str, Callable[[Floats], Floats]] = {
        "median": lambda x: (_quantile(x, 0.5) - _quantile(-x, 0.5)) / 2.0,
        "p90": lambda x: _quantile(x, 0.9),
        "within_20": lambda x: (x <= 20).mean(axis=-1),
        "within_40": lambda x: (x <= 40).mean(axis=-1),
        "mean": lambda x: np.minimum(x, CAP_DAYS).mean(axis=-1),
    }
    return {name: _figure(rule(days), rule(again)) for name, rule in rules.items()}


def ratio_figure(mine: Delays, other: Delays, rng: np.random.Generator) -> Figure:
    """Mean delay over another chart's on the same schools, each of those quiet before in its own chart; paired bootstrap."""
    if not mine.quiet.any() or not other.quiet.any():
        return Figure(math.nan, math.nan)
    draws = _resample(len(mine.days), rng)

    def mean(seen: Delays, rows: Ints | slice) -> Floats:
        value = np.where(seen.quiet, np.minimum(seen.days, CAP_DAYS), np.nan)[rows]
        with np.errstate(invalid="ignore"):
            out: Floats = np.nansum(value, axis=-1) / (~np.isnan(value)).sum(axis=-1)
        return out

    everyone = slice(None)
    return _figure(mean(mine, everyone) / mean(other, everyone), mean(mine, draws) / mean(other, draws))
