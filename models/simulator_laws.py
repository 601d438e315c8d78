"""The laws of a simulated school year, each as detection.md section 2 has it: calendar, season, common effects, noise, pupils.

Days count from 1 as there; arrays over days hold day d at position d - 1. Everything but the pupils is on the logit scale of
absence. A year shorter than 190 days is the beginning of one, its windows for onsets and shocks shrunk in proportion.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from models.numbers import Floats, Ints, ratio

__all__ = [
    "AreaEvent",
    "Season",
    "Shock",
    "area_events",
    "autoregression",
    "calendar",
    "draw_season",
    "events_path",
    "pupils",
    "school_dates",
    "season_path",
    "weekday",
    "window",
]

YEAR_DAYS, WEEK_DAYS = 190, 5
HALF_TERM_ENDS, TERM_ENDS = (35, 70, 100, 130, 155, 190), (70, 130, 190)
WEEKDAY = (0.06, 0.0, -0.02, 0.0, 0.13)
LAST_DAY, DAY_BEFORE, TERM_END, DAY_AFTER = 0.22, 0.08, 0.15, 0.08
FIRST_ISO_WEEK = 37
"""The year starts on the Monday of this week: 7 September 2026. Half-terms take one week, Christmas and Easter two."""

PM_LOGIT = 0.015
STAY_AFTERNOON, STAY_OVERNIGHT, STAY_WEEKEND = 0.90, 0.45, 0.25
"""How far an absent pupil's absence carries over to the next session (any holiday counts as a weekend)."""
LEAST_NEW_ABSENCE = 0.0005
BLOCKS_A_YEAR, BLOCK_DAYS, BLOCK_LOGITS = 1.5, (2, 8), (0.25, 0.7)


@dataclass(frozen=True, slots=True)
class Season:
    """One year's season: weeks by which its winter peak comes early, that peak's amplitude, and that of the wave after it."""

    shift: float
    amplitude: float
    second: float


@dataclass(frozen=True, slots=True)
class Shock:
    """What hits area 0 once: `logits` for between `days_min` and `days_max` school days. The default is a bad week."""

    logits: float = 0.6
    days_min: int = 5
    days_max: int = 5


@dataclass(frozen=True, slots=True)
class AreaEvent:
    """A block or a shock as it was planted: school days from 1, both ends included; logits before the schools' loadings."""

    area: int
    first_day: int
    last_day: int
    logits: float


def weekday(days: int) -> Ints:
    """0 Monday ... 4 Friday for each school day."""
    return (np.arange(days) % WEEK_DAYS).astype(np.int32)


def ends(days: int) -> tuple[int, ...]:
    """The last days before each holiday; a shorter year ends as a term does."""
    return (*(e for e in HALF_TERM_ENDS if e < days), days)


def calendar(days: int) -> Floats:
    """Weekday and holidays, as logits, not centred -> (days,)."""
    effect = np.array(WEEKDAY)[weekday(days)]
    for end in ends(days):
        effect[end - 1] += LAST_DAY + (TERM_END if end in TERM_ENDS or end == days else 0.0)
        if end > 1:
            effect[end - 2] += DAY_BEFORE
        if end < days:
            effect[end] += DAY_AFTER
    return effect


def school_dates(days: int, start_year: int) -> Ints:
    """The dates of the school days in days since 1970; school day d is a Monday when (d - 1) % 5 = 0."""
    first = (date.fromisocalendar(start_year, FIRST_ISO_WEEK, 1) - date(1970, 1, 1)).days
    index = np.arange(days)
    weeks = index // WEEK_DAYS
    for end in HALF_TERM_ENDS:
        weeks = weeks + np.where(index >= end, 2 if end in TERM_ENDS else 1, 0)
    return (first + 7 * weeks + index % WEEK_DAYS).astype(np.int32)


def draw_season(rng: np.random.Generator, fixed: tuple[float, float] | None = None) -> Season:
    """A season's own draw; `fixed` = (shift, amplitude) replaces the first two, and the same numbers are drawn."""
    shift, amplitude, second = rng.normal(0.0, 0.8), float(np.exp(rng.normal(0.0, 0.2))), float(np.exp(rng.normal(0.0, 0.25)))
    return Season(*(fixed or (shift, amplitude)), second)


def season_path(season: Season, days: int) -> Floats:
    """Logits by phase and day -> (3, days), each phase centred on its mean over these days."""
    w = np.arange(1, days + 1) / WEEK_DAYS
    trend = (w - 19.0) / 19.0
    f = 0.42 * season.amplitude * np.exp(-(((w - 13.0 + season.shift) / 2.3) ** 2))
    f += 0.18 * season.second * np.exp(-(((w - 21.0 + season.shift / 2.0) / 3.5) ** 2))
    f += 0.10 * trend + 0.10 * np.exp(-(((w - 36.0) / 2.0) ** 2))
    paths = np.stack([f, 0.75 * f + 0.08 * trend, 0.8 * f])
    return np.asarray(paths - paths.mean(axis=1, keepdims=True))


def autoregression(rng: np.random.Generator, days: int, width: int, phi: float | Floats, sd: Floats, *, from_zero: bool) -> Floats:
    """`width` paths of x = phi x + noise with stationary sd, from 0 or from the stationary law -> (days, width).

    phi and sd: scalar or (width,).
    """
    shocks = rng.standard_normal((days + 1, width)) * sd
    x = np.zeros(width) if from_zero else shocks[0]
    path = np.empty((days, width))
    for d in range(days):
        x = phi * x + np.sqrt(1.0 - phi * phi) * shocks[d + 1]
        path[d] = x
    return path


def window(first: int, last: int, days: int) -> tuple[int, int]:
    """The days first...last of a year of 190, in proportion, for a shorter one; both included and within the year."""
    low = max(1, first * days // YEAR_DAYS)
    return low, max(low, last * days // YEAR_DAYS)


def area_events(rng: np.random.Generator, days: int, areas: int) -> list[AreaEvent]:
    """The area blocks of a year: Poisson(1.5) an area and 190 days, start uniform on 5...179, 2-8 days, U(.25, .7) logits."""
    events = []
    for area, count in enumerate(rng.poisson(BLOCKS_A_YEAR * days / YEAR_DAYS, areas)):
        for _ in range(count):
            start = int(rng.integers(5, max(5, days - 11) + 1))
            length = int(rng.integers(BLOCK_DAYS[0], BLOCK_DAYS[1] + 1))
            logits = float(rng.uniform(*BLOCK_LOGITS))
            if start <= days:
                events.append(AreaEvent(area, start, min(start + length - 1, days), logits))
    return events


def events_path(events: list[AreaEvent], days: int, areas: int) -> Floats:
    """The events laid over each other -> (days, areas)."""
    path = np.zeros((days, areas))
    for event in events:
        path[event.first_day - 1 : event.last_day, event.area] += event.logits
    return path


def pupils(rng: np.random.Generator, enrolled: Ints, logits: Floats, extra: Floats) -> Ints:
    """Absences session by session, the absent of one session likelier to be absent in the next.

    enrolled (schools, groups); logits (days, schools) for the school; extra (days, schools, groups) on top of it.
    With ``b = clip(p - rho p_prev, .0005, 1)``: ``a = Bin(a_prev, min(1, b + rho)) + Bin(n - a_prev, b)``, which keeps the
    mean at n p. Returns (schools, days, 2, groups), AM before PM.
    """
    days = len(logits)
    absences = np.zeros((len(enrolled), days, 2, enrolled.shape[1]), np.int32)
    p_before, before = np.zeros(enrolled.shape), np.zeros(enrolled.shape, np.int64)
    for d in range(days):
        eta = logits[d][:, None] + extra[d]
        overnight = 0.0 if d == 0 else STAY_WEEKEND if d % WEEK_DAYS == 0 else STAY_OVERNIGHT
        for session, stay in enumerate((overnight, STAY_AFTERNOON)):
            p = ratio(eta + (PM_LOGIT if session else -PM_LOGIT))
            new = np.clip(p - stay * p_before, LEAST_NEW_ABSENCE, 1.0)
            again = rng.binomial(before, np.minimum(1.0, new + stay))
            before = again + rng.binomial(enrolled - before, new)
            p_before = p
            absences[:, d, session] = before
    return absences
