"""From the trials of a backtest to its tables: one row a scenario, chart, nominal rate, kind of limit and stratum.

Limits are *by stratum* (phase and roll, each matched on the null years of its own), *one for all* (matched over all schools at
once), or *shipped* (ours only: what Headway would use, not touched by these years).
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from models.backtest.measures import (
    BOOTSTRAPS,
    Delays,
    Figure,
    delay_figures,
    delays,
    false_alarms,
    matched_limit,
    passages,
    ratio_figure,
    share_of_years,
)
from models.backtest.methods import LABELS, OURS, budget_of, oracle_name, shipped_limit
from models.backtest.scenario import Kind, Scenario
from models.backtest.trial import HORIZON_DAYS
from models.thresholds import BANDS, Laws
from models.thresholds import SHIPPED as SHIPPED_TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.backtest.trial import Trial
    from models.numbers import Bools, Floats

__all__ = ["BY_STRATUM", "ONE", "SHIPPED", "Evidence", "Row", "found_by_day", "limits_of", "rows_of", "strata"]

BY_STRATUM, ONE, SHIPPED = "by stratum", "one for all", "shipped"
Row = dict[str, Any]
"""Words, numbers, and None for what cannot be said."""
_DECIMALS = 6
IN_TIME_DAYS = 40
"""A hub's drifter is found in time within so many school days."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All finished trials of a backtest by scenario, in order of years; `kinds` of limits that make sense for it."""

    seed: int
    trials: dict[Scenario, tuple[Trial, ...]]
    rates: tuple[float, ...]
    kinds: tuple[str, ...] = (BY_STRATUM, ONE, SHIPPED)
    laws: Laws = SHIPPED_TABLE.laws

    def joined(self, scenario: Scenario, key: str) -> np.ndarray[Any, Any]:
        """One array of all trials that have it; empty if none does."""
        parts = [t[key] for t in self.trials.get(scenario, ()) if key in t]
        return np.concatenate(parts) if parts else np.zeros(0)

    def beside(self, scenario: Scenario, key: str, method: str) -> np.ndarray[Any, Any]:
        """The same of the trials that `method` watched."""
        parts = [t[key] for t in self.trials.get(scenario, ()) if f"peak:{method}" in t]
        return np.concatenate(parts) if parts else np.zeros(0)

    def watched_bands(self, scenario: Scenario, method: str) -> np.ndarray[Any, Any]:
        """The band of each planted school that `method` watched."""
        parts = [t["band"][t["watched"]] for t in self.trials.get(scenario, ()) if f"peak:{method}" in t]
        return np.concatenate(parts) if parts else np.zeros(0, np.int32)

    def rng(self, *words: object) -> np.random.Generator:
        """A generator for the bootstraps of one row, by what the row is about."""
        return np.random.default_rng([self.seed, zlib.crc32("|".join(map(str, words)).encode())])

    def days(self, scenario: Scenario) -> int:
        """Days watched for alarms."""
        return int(self.trials[scenario][0]["days"][0])


def strata() -> dict[str, tuple[int, ...]]:
    """Rows of `BANDS` by the name of a stratum: all, each phase, each band."""
    names = BANDS
    out = {"all": tuple(range(len(names)))}
    for phase in ("primary", "secondary"):
        out[phase] = tuple(i for i, name in enumerate(names) if name.startswith(phase))
    return out | {name: (i,) for i, name in enumerate(names) if name != "all"}


def limits_of(evidence: Evidence, kind: str, method: str, rate: float) -> Floats | None:
    """The limit of each band (bands,), or None where there is none of this kind."""
    if kind == SHIPPED:
        return shipped_limit(evidence.laws, method, rate) if method in OURS else None
    null = Scenario(Kind.NULL)
    early, peaks = (evidence.joined(null, f"{key}:{method}") for key in ("early", "peak"))
    if not len(peaks):
        return None
    days = evidence.days(null)
    whole = matched_limit(early, peaks, days, rate)
    out = np.full(len(BANDS), whole)
    if kind == BY_STRATUM:
        band = evidence.beside(null, "band", method)
        for b in np.unique(band).tolist():
            out[b] = matched_limit(early[band == b], peaks[band == b], days, rate)
    return out


def _rounded(x: float) -> float | None:
    return round(x, _DECIMALS) if np.isfinite(x) else None


def _figures(figures: dict[str, Figure]) -> Row:
    out: Row = {}
    for name, figure in figures.items():
        out[name], out[f"{name}_error"] = _rounded(figure.value), _rounded(figure.error)
    return out


def _methods(evidence: Evidence, scenario: Scenario) -> list[str]:
    keys = [key.removeprefix("peak:") for t in evidence.trials[scenario] for key in t if key.startswith("peak:")]
    order = {name: i for i, name in enumerate(LABELS)}
    return sorted(dict.fromkeys(keys), key=lambda name: (order.get(name, len(order)), name))


def _label(method: str, scenario: Scenario) -> str:
    """A chart's name in tables; an oracle says whose it is where no school drifts."""
    if not method.startswith("oracle "):
        return LABELS[method]
    return "oracle" if scenario.drifts else method.replace("oracle", "oracle of")


def found_by_day(evidence: Evidence, kind: str, rate: float) -> list[Row]:
    """Share of quiet drifting schools found within 1, 2, ... days: a row a scenario and day, a column a chart."""
    out: list[Row] = []
    for scenario in evidence.trials:
        if not scenario.drifts or scenario.kind is Kind.HUB:
            continue
        found: dict[str, Floats] = {}
        for method in _methods(evidence, scenario):
            limits = limits_of(evidence, kind, method, rate)
            if limits is not None:
                seen = _delays(evidence, scenario, method, limits)
                found[_label(method, scenario)] = seen.days[seen.quiet]
        for day in range(1, HORIZON_DAYS + 1):
            shares = {name: _rounded(float((days <= day).mean())) if len(days) else None for name, days in found.items()}
            out.append({"scenario": scenario.name, "rate": rate, "limits": kind, "day": day} | shares)
    return out


def rows_of(evidence: Evidence) -> dict[str, list[Row]]:
    """Every table: limits, false_alarms, delays, shocks, areas, hubs."""
    out: dict[str, list[Row]] = {"limits": [], "false_alarms": [], "delays": [], "shocks": [], "areas": [], "hubs": []}
    for scenario in evidence.trials:
        for method in _methods(evidence, scenario):
            for rate in evidence.rates:
                for kind in evidence.kinds:
                    limits = limits_of(evidence, kind, method, rate)
                    if limits is None:
                        continue
                    about: Row = {
                        "scenario": scenario.name,
                        "chart": _label(method, scenario),
                        "method": method,
                        "rate": rate,
                        "limits": kind,
                    }
                    for table, row in _rows(evidence, scenario, method, limits, about):
                        out[table].append(about | row)
        if scenario.kind is Kind.HUB:
            out["hubs"] += _budget_rows(evidence, scenario)
        elif len(evidence.joined(scenario, "area_events")):
            out["areas"].append({"scenario": scenario.name} | _areas(evidence, scenario))
    return out


def _rows(evidence: Evidence, scenario: Scenario, method: str, limits: Floats, about: Row) -> Iterator[tuple[str, Row]]:
    if scenario.kind is Kind.NULL:
        yield "limits", {BANDS[b]: _rounded(float(limits[b])) for b in range(len(BANDS))}
    if scenario.kind is Kind.HUB:
        yield "hubs", _hubs(evidence, scenario, [(method, limits)], about)
    elif scenario.drifts:
        yield from (("delays", row) for row in _delay_rows(evidence, scenario, method, limits, about))
    elif scenario.kind in {Kind.SHOCK, Kind.HARD_SHOCK}:
        yield "shocks", _shock(evidence, scenario, method, limits)
    else:
        yield from (("false_alarms", row) for row in _false_alarm_rows(evidence, scenario, method, limits))


def _false_alarm_rows(evidence: Evidence, scenario: Scenario, method: str, limits: Floats) -> Iterator[Row]:
    band = evidence.beside(scenario, "band", method)
    early, peaks, year = (evidence.joined(scenario, f"{key}:{method}") for key in ("early", "peak", "year"))
    quiet = early < limits[band]
    all_days = int(evidence.trials[scenario][0]["days"][1])
    for name, rows in strata().items():
        mine = np.isin(band, rows)
        if not mine.any():
            continue
        seen = false_alarms(passages(peaks, limits[band])[mine & quiet], evidence.days(scenario))
        whole = false_alarms(passages(year, limits[band])[mine], all_days)
        figures = {"a_school_year": seen, "a_school_year_all_days": whole}
        yield {"stratum": name, "school_years": int(mine.sum())} | _figures(figures)


def _delays(evidence: Evidence, scenario: Scenario, method: str, limits: Floats) -> Delays:
    band = evidence.watched_bands(scenario, method)
    before, after = (evidence.joined(scenario, f"{key}:{method}") for key in ("before", "after"))
    return delays(before, after, limits[band])


def _delay_rows(evidence: Evidence, scenario: Scenario, method: str, limits: Floats, about: Row) -> Iterator[Row]:
    seen = _delays(evidence, scenario, method, limits)
    band = evidence.watched_bands(scenario, method)
    best = _oracle_delays(evidence, scenario, method, about)
    for name, rows in strata().items():
        mine = np.isin(band, rows)
        if not mine.any():
            continue
        rng = evidence.rng(*about.values(), name)
        part = Delays(seen.days[mine], seen.quiet[mine])
        figures = delay_figures(part, rng)
        if best is not None:
            figures["to_oracle"] = ratio_figure(part, Delays(best.days[mine], best.quiet[mine]))
        if method == "G" and scenario.kind is Kind.GROUP:
            figures["named_right"] = _named_right(evidence, scenario, part, mine)
        yield {"stratum": name, "schools": int(mine.sum()), "quiet": int(part.quiet.sum())} | _figures(figures)


def _named_right(evidence: Evidence, scenario: Scenario, seen: Delays, mine: Bools) -> Figure:
    """Share of the found schools whose leading year group, on the day of the alarm, is the one that drifts."""
    leading, group = (evidence.beside(scenario, key, "G") for key in ("leading", "group"))
    found = np.flatnonzero(seen.quiet & np.isfinite(seen.days))
    if not len(found):
        return Figure(math.nan, math.nan)
    right = leading[mine][found, seen.days[found].astype(int) - 1] == group[mine][found]
    share = float(right.mean())
    return Figure(share, math.sqrt(share * (1.0 - share) / len(found)))


def _oracle_delays(evidence: Evidence, scenario: Scenario, method: str, about: Row) -> Delays | None:
    """The oracle's delays on the years that `method` watched, at limits of the same kind (by stratum beside shipped ones)."""
    name = oracle_name(scenario)
    kind = BY_STRATUM if about["limits"] == SHIPPED else str(about["limits"])
    limits = limits_of(evidence, kind, name, float(about["rate"] or 0.0))
    if limits is None:
        return None
    years = tuple(t for t in evidence.trials[scenario] if f"peak:{method}" in t and f"peak:{name}" in t)
    if len(years) < sum(f"peak:{method}" in t for t in evidence.trials[scenario]):
        return None
    return _delays(replace(evidence, trials={scenario: years}), scenario, name, limits)


def _shock(evidence: Evidence, scenario: Scenario, method: str, limits: Floats) -> Row:
    """Share of schools, quiet before, whose first passage falls into the shock or the 5 days after it; in its area and outside.

    Schools share the year's shock, so errors are over years.
    """
    seen = _delays(evidence, scenario, method, limits)
    inside = evidence.beside(scenario, "inside", method).astype(bool)
    watched = [len(t["watched"]) for t in evidence.trials[scenario] if f"peak:{method}" in t]
    year = np.repeat(np.arange(len(watched)), watched)
    out: Row = {}
    for name, mine in (("inside", seen.quiet & inside), ("outside", seen.quiet & ~inside)):
        schools, hit = (np.bincount(year[of], minlength=len(watched)).astype(float) for of in (mine, mine & np.isfinite(seen.days)))
        out |= {f"{name}_schools": int(mine.sum())} | _figures({name: share_of_years(hit, schools)})
    return out


def _areas(evidence: Evidence, scenario: Scenario) -> Row:
    """The area alert: planted events found, the same day, and openings without one, per area and 190 days."""
    planted = found = same_day = 0
    area_years, false = [], []
    shocks = shocks_once = shocks_same_day = 0
    for trial in evidence.trials[scenario]:
        events, on = trial["area_events"].tolist(), trial["area_on"].tolist()
        area_years.append(int(trial["areas"][0]) * int(trial["days"][1]) / 190.0)
        for area, first, last in events:
            mine = [day for a, day in on if a == area and first <= day <= last]
            planted, found, same_day = planted + 1, found + bool(mine), same_day + (first in mine)
        false.append(float(sum(not any(a == area and first <= day <= last for a, first, last in events) for area, day in on)))
        if scenario.kind in {Kind.SHOCK, Kind.HARD_SHOCK}:
            area, first, last = events[-1]
            alerts = [day for a, day in on if a == area and first <= day <= last]
            shocks, shocks_once, shocks_same_day = shocks + 1, shocks_once + (len(alerts) == 1), shocks_same_day + (first in alerts)
    out: Row = {"events": planted, "found": found, "same_day": same_day, "area_years": round(sum(area_years), 2)}
    told = {"shocks": shocks, "shocks_with_exactly_one": shocks_once, "shocks_same_day": shocks_same_day}
    return out | _figures({"false_an_area_year": share_of_years(np.array(false), np.array(area_years))}) | told


def _hubs(evidence: Evidence, scenario: Scenario, charts: list[tuple[str, Floats]], about: Row) -> Row:
    """Per lone hub: schools alarming in a year on any of these charts (method, limits by band), how many of them drift and
    alarm after their onset, drifters found in 40 days."""
    alarmed, true, drifters, in_time, found = _hub_counts(evidence, scenario, charts)
    hubs = len(alarmed)
    draws = evidence.rng(*about.values()).integers(0, hubs, (BOOTSTRAPS, hubs))

    def figure(top: Floats, bottom: Floats) -> Figure:
        with np.errstate(invalid="ignore", divide="ignore"):
            again = top[draws].sum(axis=1) / bottom[draws].sum(axis=1)
        whole = float(top.sum() / bottom.sum()) if bottom.sum() else math.nan
        return Figure(whole, float(again.std(ddof=1)) if math.isfinite(whole) else math.nan)

    ones = np.ones(hubs)
    figures = {
        "alerts_a_hub_year": figure(alarmed, ones),
        "false_a_hub_term": figure(alarmed - true, 3.0 * ones),
        "precision": figure(true, alarmed),
        "found_within_40": figure(in_time, drifters),
    }
    middle = float(np.median(found)) if len(found) else math.nan
    return {"hubs": hubs, "median": _rounded(middle)} | _figures(figures)


def _hub_counts(evidence: Evidence, scenario: Scenario, charts: list[tuple[str, Floats]]) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """By hub: schools alarming, drifters found after a quiet autumn, drifters, drifters found in 40 days; and the delays."""
    counts: list[list[float]] = []
    found: list[float] = []
    for trial in evidence.trials[scenario]:
        if any(f"peak:{method}" not in trial for method, _ in charts):
            continue
        band, hub, watched = trial["band"], trial["hub"], trial["watched"]
        alarm = np.any([passages(trial[f"peak:{m}"], limits[band]) for m, limits in charts], axis=0)
        each = [delays(trial[f"before:{m}"], trial[f"after:{m}"], limits[band[watched]]) for m, limits in charts]
        days = np.min([seen.days for seen in each], axis=0)
        quiet = np.all([seen.quiet for seen in each], axis=0)
        hit = quiet & np.isfinite(days)
        found += days[quiet].tolist()
        for h in range(int(hub.max()) + 1):
            mine = hub[watched] == h
            late = hit & mine & (days <= IN_TIME_DAYS)
            counts.append([float(alarm[hub == h].sum()), float((hit & mine).sum()), float(mine.sum()), float(late.sum())])
    table = np.array(counts, float).reshape(-1, 4).T
    return table[0], table[1], table[2], table[3], np.array(found)


def _budget_rows(evidence: Evidence, scenario: Scenario) -> Iterator[Row]:
    """Our charts together at the default budget, shipped limits: what a coordinator gets."""
    ours = [name for name in OURS if f"peak:{name}" in evidence.trials[scenario][0]]
    charts = [(name, limits) for name in ours if (limits := limits_of(evidence, SHIPPED, name, budget_of(name))) is not None]
    if charts:
        about: Row = {"scenario": scenario.name, "chart": " and ".join(ours), "method": "budget", "rate": None, "limits": SHIPPED}
        yield about | _hubs(evidence, scenario, charts, about)
