"""A synthetic school year with its truth: what was planted, where and when (detection.md section 2).

One seed gives one year. Each law draws from a generator of its own, so a drift or a shock leaves every other draw of the
logits as it was. What is not simulated: slow wander of a school's level, study leave, staffing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from models import simulator_laws as laws
from models.numbers import Floats, Ints, log_odds, ratio
from models.simulator_laws import AreaEvent, Season, Shock
from schemas.errors import BrokenPromise

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "GROUPS",
    "PHASE_GROUPS",
    "AreaEvent",
    "Drift",
    "DriftKind",
    "NoiseLaw",
    "Schools",
    "Shock",
    "SimulatedYear",
    "Truth",
    "make",
    "previous_year",
]

DriftKind = Literal["step", "ramp", "year group"]


@dataclass(frozen=True, slots=True)
class Drift:
    """What a drifting school does: the percentage points of attendance that it (or one of its year groups) loses, and how."""

    kind: DriftKind
    size_points: float


GROUPS = 7
"""Year groups kept for every school; a school with fewer has no pupils in the last ones."""
PHASE_GROUPS = (("R", "1", "2", "3", "4", "5", "6"), ("7", "8", "9", "10", "11"), ("7", "8", "9", "10", "11"))
"""Names of the year groups of a primary, secondary, special school."""

PHASE_SHARE = (0.68, 0.26, 0.06)
ROLL_MEDIAN, ROLL_LOG_SD = np.array([280.0, 1000.0, 110.0]), np.array([0.45, 0.35, 0.45])
ROLL_MIN, ROLL_MAX, GROUP_MIN = np.array([60, 300, 50]), np.array([900, 2000, 300]), 5
ABSENCE, LEVEL_SD = np.array([0.052, 0.085, 0.130]), np.array([0.25, 0.30, 0.25])
NOISE_PHI, NOISE_SD = 0.7, np.array([0.14, 0.10, 0.15])
GROUP_PHI, GROUP_SD, GROUP_FIXED_SD = 0.8, np.array([0.12, 0.12, 0.15]), 0.15
NATIONAL_PHI, NATIONAL_SD, AREA_PHI, AREA_SD = 0.9, 0.05, 0.85, 0.07
GAIN_SD, LOADING_LOG_SD, KNOWN_CALENDAR_SD = 0.15, 0.25, 0.02
ONSET_DAYS, SHOCK_DAYS, RAMP_DAYS = (60, 110), (60, 119), 30


@dataclass(frozen=True, slots=True)
class Schools:
    """The schools and what stays with them from year to year; arrays (schools,), groups and group_logits (schools, 7).

    phase 0 primary, 1 secondary, 2 special; level is lg(target absence), gain multiplies the season, loading the area's part.
    """

    urn: Ints
    phase: Ints
    area: Ints
    groups: Ints
    level: Floats
    gain: Floats
    loading: Floats
    group_logits: Floats

    def __len__(self) -> int:
        return len(self.urn)

    @property
    def roll(self) -> Ints:
        """Pupils (schools,)."""
        return np.asarray(self.groups.sum(axis=1), np.int32)

    @property
    def target_absence(self) -> Floats:
        """The yearly target as an absence ratio, which is also the baseline: nobody is asked to improve (schools,)."""
        return ratio(self.level)

    def year_groups(self, school: int) -> tuple[str, ...]:
        """The names of a school's year groups, by position."""
        return PHASE_GROUPS[int(self.phase[school])]


class NoiseLaw(Protocol):
    """AR coefficient and stationary sd (logits) of the noise of drawn schools."""

    def schools(self, drawn: Schools) -> tuple[Floats, Floats]:
        """Of each school, (schools,) each."""

    def year_groups(self, drawn: Schools) -> tuple[Floats, Floats]:
        """Of each year group on top of its school's, (schools, 7) each."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What nobody outside a simulation knows. Logits; days from 1; a school without a drift has onset_day 0 and drift_group -1.

    season (3, days) centred, calendar (days,) centred; national (days,); area (days, areas) with blocks and shock, before the
    loadings; noise (days, schools), the school's own; drift (days, schools), of the school or of its drift_group only;
    off_level (schools,), by how far the level is off the target; drifts by school, None where nothing drifts.
    """

    season: Floats
    calendar: Floats
    national: Floats
    area: Floats
    noise: Floats
    drift: Floats
    off_level: Floats
    drifts: tuple[Drift | None, ...]
    onset_day: Ints
    drift_group: Ints
    blocks: tuple[AreaEvent, ...]
    shock: AreaEvent | None


@dataclass(frozen=True, slots=True)
class SimulatedYear:
    """One year of registers as counts, what the monitor may know, and the truth.

    absences: int32 (schools, days, 2, 7). dates: days since 1970 (days,). known_shape: (3, days), last year's season and a
    noisy calendar, by phase, to be shifted so that the year's mean is the school's target.
    """

    seed: int
    start_year: int
    areas: int
    schools: Schools
    dates: Ints
    absences: Ints
    known_shape: Floats
    last_season: Season
    truth: Truth

    @property
    def possible(self) -> Ints:
        """Possible sessions in the shape of `absences`: every pupil on roll, every session; read only."""
        return np.broadcast_to(self.schools.groups[:, None, None, :], self.absences.shape)

    @property
    def common_effect(self) -> Floats:
        """What the nation and the area did to each school, with its loading, as logits (days, schools)."""
        s = self.schools
        return self.truth.national[:, None] + self.truth.area[:, s.area] * s.loading

    @property
    def drifting(self) -> Ints:
        """Positions of the schools that drift."""
        return np.flatnonzero(self.truth.onset_day).astype(np.int32)


def _draw_schools(rng: np.random.Generator, count: int, areas: int, first_urn: int) -> Schools:
    """Phases in exact proportion (largest remainder from the left) and random order, the rest by the laws."""
    cuts = np.round(np.cumsum(PHASE_SHARE) * count).astype(int)
    phase = rng.permutation(np.searchsorted(cuts, np.arange(count), side="right")).astype(np.int32)
    roll = ROLL_MEDIAN[phase] * np.exp(ROLL_LOG_SD[phase] * rng.standard_normal(count))
    roll = np.clip(np.round(roll), ROLL_MIN[phase], ROLL_MAX[phase]).astype(int)
    groups = np.zeros((count, GROUPS), np.int32)
    for p, names in enumerate(PHASE_GROUPS):
        rows = np.flatnonzero(phase == p)
        drawn = rng.multinomial(roll[rows], np.full(len(names), 1.0 / len(names)))
        groups[rows, : len(names)] = np.maximum(drawn, GROUP_MIN)
    level = log_odds(ABSENCE)[phase] + LEVEL_SD[phase] * rng.standard_normal(count)
    gain = 1.0 + GAIN_SD * rng.standard_normal(count)
    loading = np.exp(LOADING_LOG_SD * rng.standard_normal(count))
    fixed = GROUP_FIXED_SD * rng.standard_normal((count, GROUPS))
    fixed -= (fixed * groups).sum(axis=1, keepdims=True) / groups.sum(axis=1, keepdims=True)
    urn = np.arange(first_urn, first_urn + count, dtype=np.int32)
    area = (np.arange(count) % areas).astype(np.int32)
    return Schools(urn, phase, area, groups, level, gain, loading, np.where(groups > 0, fixed, 0.0))


def _draw_drift(
    rng: np.random.Generator, schools: Schools, days: int, mix: Sequence[Drift], share: float
) -> tuple[tuple[Drift | None, ...], Ints, Ints, Floats]:
    """Drifts, onset days (0: none), year groups (-1: the school) and logits (days, schools) of the schools that drift.

    The chosen schools take what is in the mix in turn. A ramp grows in points of attendance, by a thirtieth of its size a
    day, the first of it on the onset day.
    """
    count = len(schools)
    chosen = rng.permutation(count)[: round(share * count)].tolist()
    low, high = laws.window(*ONSET_DAYS, days)
    onsets = rng.integers(low, high + 1, count)
    number = rng.integers(0, np.count_nonzero(schools.groups, axis=1))
    onset, group = np.zeros(count, np.int32), np.full(count, -1, np.int32)
    drifts: list[Drift | None] = [None] * count
    logits = np.zeros((days, count))
    for i, drift in zip(chosen, cycle(mix), strict=False):
        drifts[i], onset[i] = drift, onsets[i]
        if drift.kind == "year group":
            group[i] = number[i]
        age = np.arange(1, days + 1) - onset[i] + 1
        reached = np.clip(age / RAMP_DAYS, 0.0, 1.0) if drift.kind == "ramp" else (age > 0).astype(float)
        p = schools.target_absence[i]
        logits[:, i] = log_odds(np.clip(p + reached * drift.size_points / 100.0, 1e-6, 0.9)) - log_odds(p)
    return tuple(drifts), onset, group, logits


def _draw_area(rng: np.random.Generator, days: int, areas: int, shock: Shock | None) -> tuple[Floats, list[AreaEvent], AreaEvent | None]:
    """The area part before the loadings, (days, areas), with its blocks and its shock."""
    path = laws.autoregression(rng, days, areas, AREA_PHI, np.array(AREA_SD), from_zero=True)
    blocks = laws.area_events(rng, days, areas)
    planted = None
    if shock is not None:
        low, high = laws.window(*SHOCK_DAYS, days)
        start, length = int(rng.integers(low, high + 1)), int(rng.integers(shock.days_min, shock.days_max + 1))
        planted = AreaEvent(0, start, min(start + length - 1, days), shock.logits)
    return path + laws.events_path(blocks + ([planted] if planted else []), days, areas), blocks, planted


def _play(rng: np.random.Generator, schools: Schools, truth: Truth, group_noise: tuple[Floats, Floats] | None = None) -> Ints:
    """The registers of a year of these laws: absences (schools, days, 2, 7)."""
    days = len(truth.calendar)
    common = truth.national[:, None] + truth.area[:, schools.area] * schools.loading
    eta = schools.level + truth.off_level + schools.gain * truth.season[schools.phase].T + truth.calendar[:, None] + common + truth.noise
    sd = np.repeat(GROUP_SD[schools.phase], GROUPS)
    phi: Floats | float = GROUP_PHI
    if group_noise is not None:
        phi, sd = (x.ravel() for x in group_noise)
    extra = laws.autoregression(rng, days, len(sd), phi, sd, from_zero=False).reshape(days, len(schools), GROUPS)
    extra += schools.group_logits
    whole = truth.drift_group < 0
    eta += np.where(whole, truth.drift, 0.0)
    rows = np.flatnonzero(~whole)
    extra[:, rows, truth.drift_group[rows]] += truth.drift[:, rows]
    return laws.pupils(rng, schools.groups, eta, extra)


def make(
    seed: int,
    schools: int = 400,
    *,
    days: int = laws.YEAR_DAYS,
    areas: int = 10,
    drift: DriftKind | None = None,
    size_points: float = 2.0,
    mix: Sequence[Drift] = (),
    share: float = 0.10,
    shock: Shock | None = None,
    season: tuple[float, float] | None = None,
    off_level: float = 0.0,
    start_year: int = 2026,
    first_urn: int = 100_001,
    noise: NoiseLaw | None = None,
) -> SimulatedYear:
    """One simulated year; every draw follows from `seed`.

    size_points: percentage points of attendance lost by the drifting `share` (of a year group for ``"year group"``).
    mix: what the drifting schools do, in turn, in place of one `drift` of one size.
    season: (shift in weeks, amplitude) of this year's season instead of a draw; the monitor still knows last year's.
    off_level: sd in logits of the schools' true level about their target. areas=1 makes a lone hub.
    noise: of the drawn schools and their year groups, in place of the shipped law.

    Raises BrokenPromise if there is no school, no area or no day, or more than 190 days.
    """
    if schools < 1 or areas < 1 or not 1 <= days <= laws.YEAR_DAYS:
        raise BrokenPromise(f"a simulated year needs schools, areas and 1 to {laws.YEAR_DAYS} days, not {schools}, {areas}, {days}")
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(7)]
    for_schools, for_seasons, for_known, for_common, for_noise, for_drift, for_pupils = streams
    s = _draw_schools(for_schools, schools, areas, first_urn)
    theta = off_level * for_schools.standard_normal(schools)
    last, this = laws.draw_season(for_seasons), laws.draw_season(for_seasons, season)
    holidays = laws.calendar(days)
    known = laws.season_path(last, days) + holidays + np.where(holidays != 0.0, for_known.normal(0.0, KNOWN_CALENDAR_SD, days), 0.0)
    national = laws.autoregression(for_common, days, 1, NATIONAL_PHI, np.array(NATIONAL_SD), from_zero=True)[:, 0]
    area, blocks, planted = _draw_area(for_common, days, areas, shock)
    phi, sd = (np.full(schools, NOISE_PHI), NOISE_SD[s.phase]) if noise is None else noise.schools(s)
    own = laws.autoregression(for_noise, days, schools, phi, sd, from_zero=False)
    mix = mix or ([Drift(drift, size_points)] if drift else [])
    drifts, onset, group, logits = _draw_drift(for_drift, s, days, mix, share)
    truth = Truth(
        laws.season_path(this, days),
        holidays - holidays.mean(),
        national,
        area,
        own,
        logits,
        theta,
        drifts,
        onset,
        group,
        tuple(blocks),
        planted,
    )
    absences = _play(for_pupils, s, truth, None if noise is None else noise.year_groups(s))
    return SimulatedYear(seed, start_year, areas, s, laws.school_dates(days, start_year), absences, known, last, truth)


def previous_year(year: SimulatedYear) -> SimulatedYear:
    """The year before, of the same schools: the season that the monitor knows, every school at its target, nothing planted.

    What it knew in turn (`known_shape`) is another season; the area blocks are its own.
    """
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(year.seed, spawn_key=(1_000,)).spawn(4)]
    for_seasons, for_common, for_noise, for_pupils = streams
    s, days = year.schools, len(year.dates)
    holidays = laws.calendar(days)
    before = laws.draw_season(for_seasons)
    national = laws.autoregression(for_common, days, 1, NATIONAL_PHI, np.array(NATIONAL_SD), from_zero=True)[:, 0]
    area, blocks, _ = _draw_area(for_common, days, year.areas, None)
    noise = laws.autoregression(for_noise, days, len(s), NOISE_PHI, NOISE_SD[s.phase], from_zero=False)
    truth = Truth(
        laws.season_path(year.last_season, days),
        holidays - holidays.mean(),
        national,
        area,
        noise,
        np.zeros((days, len(s))),
        np.zeros(len(s)),
        (None,) * len(s),
        np.zeros(len(s), np.int32),
        np.full(len(s), -1, np.int32),
        tuple(blocks),
        None,
    )
    dates = laws.school_dates(days, year.start_year - 1)
    known = laws.season_path(before, days) + holidays
    return SimulatedYear(year.seed, year.start_year - 1, year.areas, s, dates, _play(for_pupils, s, truth), known, before, truth)
