"""What a year of history teaches: season, weekday, level, and the noise of real schools, per phase.

Estimated once, by the winning registers, with each school's path flat at its own mean. Sums over schools go through
`math.fsum`, so the order of the schools cannot show. The noise comes from the means of 15-day blocks: a likelihood fit of
an AR model lands anywhere, since real residuals have a long memory. (detection.md 1.1, 1.2)
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from models.close import YearModel
from models.deployment import AM, BOTH, PM, Deployment, Path
from models.guards import Verdict
from models.numbers import Bools, Floats, Ints, exact, half_logs, log_odds
from models.parameters import PHASES, Parameters
from models.season import national_season
from models.year_group_noise import year_group_residuals

if TYPE_CHECKING:
    from models.panel import Panel

__all__ = ["flat_path", "learn"]

_SCHOOLS_FOR_NOISE, _SCHOOLS_FOR_SEASON, _WEEKS_FOR_SEASON = 30, 10, 20
_BLOCK_DAYS, _BLOCK_DAYS_LEAST, _BLOCKS_SHARE_LEAST = 15, 9, 0.6
_SLOPE_LEAST, _INTERCEPT_LEAST = 0.3, 0.001
_LAGS, _AR_LEAST, _AR_MOST = 3, 0.05, 0.98
_WEEK_ORDER = [*range(36, 54), *range(1, 36)]


def flat_path(deployment: Deployment, panel: Panel, parameters: Parameters) -> tuple[Path, Floats]:
    """Each school's own mean as a flat path, and the mean absence ratio (NaN without a possible session), (schools,)."""
    study = panel.study_leave.sum(axis=(0, 1), dtype=np.int64)
    absences = panel.absences.sum(axis=(0, 1), dtype=np.int64) - study
    possible = panel.possible.sum(axis=(0, 1), dtype=np.int64) - study
    mean = np.where(possible > 0, absences / np.maximum(possible, 1), np.nan)
    level = np.clip(np.where(np.isnan(mean), np.array(parameters.level)[deployment.phase], mean), 1e-4, 0.95)
    eta = np.broadcast_to(exact(log_odds(level)), deployment.planned.shape).copy()
    return Path(np.full(eta.shape, BOTH, np.uint8), eta, np.zeros(eta.shape)), mean


def learn(deployment: Deployment, panel: Panel, parameters: Parameters) -> Parameters:
    """Parameters with what this history year teaches in place of the shipped rows; what it cannot teach stays shipped."""
    path, mean = flat_path(deployment, panel, parameters)
    model = YearModel(deployment, parameters, path)
    model.score(panel, 0, len(deployment.days) - 1, {})
    measured = model.verdict == Verdict.MEASURED
    k, y, n = (a.astype(np.int64) for a in (model.registers, model.absences, model.possible))
    logit = half_logs(np.maximum(2 * y + k, 1)) - half_logs(np.maximum(2 * (n - y) + k, 1))
    residual = logit - path.eta - model.effect
    p0 = np.clip(1 / (1 + np.exp(-path.eta)), 1e-4, 0.95)
    variance = 1.0 / (1.05 * np.maximum(n / np.maximum(k, 1), 0.5) * p0 * (1 - p0))
    season, weekday, level = [], [], list(parameters.level)
    shipped = national_season()
    learned = parameters
    holidays = []
    for f in range(len(PHASES)):
        schools = np.flatnonzero(deployment.phase == f)
        found = _season(deployment.days, logit[:, schools], measured[:, schools])
        holidays.append(parameters.holidays[f] and found is None)
        season.append(tuple((shipped[f] if found is None else found[0]).tolist()))
        weekday.append(parameters.weekday[f] if found is None else tuple(found[1].tolist()))
        known = mean[schools][~np.isnan(mean[schools])]
        if len(known) >= _SCHOOLS_FOR_SEASON:
            level[f] = round(float(np.median(known)), 6)
        noise = _noise(residual[:, schools], variance[:, schools], model.scored[:, schools])
        if noise is not None:
            learned = learned.with_row(f, **noise)
        learned = _with_year_groups(learned, f, year_group_residuals(model, f, 1 / (1 + np.exp(-path.eta[0]))))
    sent: Bools = np.logical_or.reduce(panel.sent, axis=0)
    bits = {int(u): int(b) for u, b in zip(deployment.urn, sent[0] * AM + sent[1] * PM, strict=True) if b}
    return replace(
        learned,
        season=tuple(season),
        weekday=tuple(weekday),
        level=tuple(level),
        holidays=tuple(holidays),
        sessions_sent=bits,
        source=f"history {deployment.academic_year}",
    )


def _with_year_groups(learned: Parameters, phase: int, seen: tuple[Floats, Floats, Bools] | None) -> Parameters:
    """With the constants of chart G: as for schools, each year group a series."""
    noise = None if seen is None else _noise(*seen)
    if noise is None:
        return learned
    return learned.with_row(phase, **{f"group_{name}": noise[name] for name in ("a_long", "b_long", "a_short", "b_short")})


def _season(days: Ints, logit: Floats, measured: Bools) -> tuple[Floats, Floats] | None:
    """Season by ISO week (53,) and weekday (5,) of one phase's logits (days, schools); None when too little is known."""
    enough = measured.sum(axis=0) >= 2
    if enough.sum() < _SCHOOLS_FOR_SEASON:
        return None
    logit, measured = logit[:, enough], measured[:, enough]
    own = np.where(measured, logit, 0.0).sum(axis=0) / measured.sum(axis=0)
    typical = np.array(
        [np.median((logit[d] - own)[measured[d]]) if measured[d].sum() >= _SCHOOLS_FOR_SEASON else np.nan for d in range(len(days))]
    )
    weeks = np.array([d.isocalendar()[1] for d in days.astype("datetime64[D]").tolist()])
    mean = {w: math.fsum(v) / len(v) for w in _WEEK_ORDER if len(v := typical[(weeks == w) & ~np.isnan(typical)].tolist())}
    if len(mean) < _WEEKS_FOR_SEASON:
        return None
    place = np.array([_WEEK_ORDER.index(w) for w in mean])
    line = np.interp(np.arange(53), place, np.array(list(mean.values())))
    padded = np.concatenate([line[:1], line, line[-1:]])
    smooth = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    by_week = np.zeros(53)
    by_week[np.array(_WEEK_ORDER) - 1] = smooth
    rest = typical - by_week[weeks - 1]
    names = (days + 3) % 7
    weekday = [math.fsum(v) / len(v) if len(v := rest[(names == w) & ~np.isnan(rest)].tolist()) else 0.0 for w in range(5)]
    return np.round(by_week, 6), np.round(np.array(weekday), 6)


def _noise(residual: Floats, variance: Floats, scored: Bools) -> dict[str, float] | None:
    """a_long, b_long, a_short, b_short, phi, ar_share of one phase, from its residuals and sampling variances (days, schools)."""
    daily, block, sampling, products, pairs = [], [], [], [], []
    blocks = range(0, residual.shape[0], _BLOCK_DAYS)
    for i in range(residual.shape[1]):
        on = scored[:, i]
        if on.sum() < _BLOCK_DAYS_LEAST:
            continue
        e = np.where(on, residual[:, i] - residual[on, i].mean(), 0.0)
        cut = 3.5 * 1.4826 * float(np.median(np.abs(e[on])))
        e = np.clip(e, -cut, cut)
        held = [b for b in blocks if on[b : b + _BLOCK_DAYS].sum() >= _BLOCK_DAYS_LEAST]
        if len(held) < max(2, _BLOCKS_SHARE_LEAST * len(blocks)):
            continue
        means = [e[b : b + _BLOCK_DAYS][on[b : b + _BLOCK_DAYS]].mean() for b in held]
        daily.append(float(e[on].var(ddof=1)))
        block.append(float(_BLOCK_DAYS * np.var(means, ddof=1)))
        sampling.append(float(variance[on, i].mean()))
        products.append([float((e[lag:] * e[: len(e) - lag]).sum()) for lag in range(_LAGS + 1)])
        pairs.append([int((on[lag:] & on[: len(on) - lag]).sum()) for lag in range(_LAGS + 1)])
    if len(daily) < _SCHOOLS_FOR_NOISE:
        return None
    a_long, b_long = _fit(block, sampling)
    a_short, b_short = _fit(daily, sampling)
    phi, ar_share = _memory(products, pairs)
    return {"a_long": a_long, "b_long": b_long, "a_short": a_short, "b_short": b_short, "phi": phi, "ar_share": ar_share}


def _memory(products: list[list[float]], pairs: list[list[int]]) -> tuple[float, float]:
    """The predictor's phi = (g2 + g3) / (g1 + g2) and s = g1 / (phi g0), from autocovariances g pooled over schools, in [.05, .98].

    products, pairs: by school, at lags 0 to 3 school days, the sum of products of residuals and the number of pairs.
    """
    g = [math.fsum(p) / max(sum(n), 1) for p, n in zip(zip(*products, strict=True), zip(*pairs, strict=True), strict=True)]
    phi = min(max((g[2] + g[3]) / max(g[1] + g[2], 1e-300), _AR_LEAST), _AR_MOST)
    return round(phi, 6), round(min(max(g[1] / max(phi * g[0], 1e-300), _AR_LEAST), _AR_MOST), 6)


def _fit(value: list[float], sampling: list[float]) -> tuple[float, float]:
    """Intercept and slope of the weighted least squares of value on (1, sampling)."""
    v, y = np.array(sampling), np.array(value)
    w = 1.0 / (np.median(y) / 2 + 1.5 * v) ** 2
    total, sv, sy = (math.fsum((w * x).tolist()) for x in (np.ones_like(v), v, y))
    svv, svy = math.fsum((w * v * v).tolist()), math.fsum((w * v * y).tolist())
    slope = max((total * svy - sv * sy) / max(total * svv - sv * sv, 1e-300), _SLOPE_LEAST)
    return round(max((sy - slope * sv) / total, _INTERCEPT_LEAST), 6), round(slope, 6)
