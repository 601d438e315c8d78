"""What is fixed for one academic year: its schools in order of URN, their calendar, roll, area, baseline and target.

And what follows from the registers sent so far: which sessions of a day are expected, and with them the path.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from models.parameters import PHASES, Parameters
from models.season import national_season
from models.thresholds import bands
from models.trajectory import path, shape

if TYPE_CHECKING:
    from models.numbers import Bools, Floats, Ints

__all__ = ["AM", "BOTH", "PM", "Deployment", "Path", "expected_sessions", "lay_path", "relay_path"]

AM, PM, BOTH = 1, 2, 3
_SESSION_WINDOW_DAYS = 10
_SESSIONS = np.array([0.0, 1.0, 1.0, 2.0])


@dataclass(frozen=True, slots=True, eq=False)
class Deployment:
    """One academic year. (schools,) unless said: urn ascending, phase 0..2, area (index into `areas`, sorted), roll (NaN
    unknown), baseline and target absence ratio (NaN none). days (days,) since 1970; planned (days, schools). hubs: how many
    schools each school's hub has; None, all of them are one hub."""

    academic_year: str
    urn: Ints
    phase: Ints
    area: Ints
    areas: tuple[str, ...]
    roll: Floats
    baseline: Floats
    target: Floats
    days: Ints
    planned: Bools
    hubs: Ints | None = None

    def equals(self, other: Deployment) -> bool:
        """Whether the two say the same."""
        mine, its = ([getattr(d, f.name) for f in fields(d)] for d in (self, other))
        return all(np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f") for a, b in zip(mine, its, strict=True))

    @property
    def hub_schools(self) -> Ints:
        """How many schools each school's hub has, itself among them (schools,)."""
        return np.full(len(self.urn), len(self.urn), np.int32) if self.hubs is None else self.hubs

    @property
    def band(self) -> Ints:
        """The row of thresholds of each school."""
        return bands(self.phase, self.roll)

    def level(self, parameters: Parameters) -> Floats:
        """The absence ratio that a path starts from: the baseline, or the phase's level without one."""
        return np.where(np.isnan(self.baseline), np.array(parameters.level)[self.phase], self.baseline)

    def aim(self, parameters: Parameters) -> Floats:
        """The absence ratio that the charts' shifts are sized at: target, baseline or the phase's level."""
        return np.where(np.isnan(self.target), self.level(parameters), self.target)


@dataclass(slots=True, eq=False)
class Path:
    """Expected logits eta and the shape about its year mean, (days, schools); and the sessions they were laid for.

    laid: how often it was laid again.
    """

    sessions: Ints
    eta: Floats
    about: Floats
    laid: int = 0


def expected_sessions(sent: Bools, history: Ints) -> Ints:
    """Bits (1 AM, 2 PM) expected on each day: AM and PM, less what the last 10 days with a register have not held.

    sent: (days, 2, schools); history (schools,): bits sent in the history, 0 unknown. Until a school has 10 such days, what
    it has sent this year up to that day or in the history counts; with neither, both are expected.
    """
    days, _, schools = sent.shape
    bits = sent[:, 0] * AM + sent[:, 1] * PM
    some = (bits > 0).sum(axis=0)
    without_am, without_pm = ((bits == PM).sum(axis=0), (bits == AM).sum(axis=0))
    first = bits[np.argmax(bits > 0, axis=0), np.arange(schools)]
    always_both = (without_am < _SESSION_WINDOW_DAYS) & (without_pm < _SESSION_WINDOW_DAYS)
    always_both &= (history == BOTH) | (history == 0) & ((first == BOTH) | (some == 0))
    out = np.full((days, schools), BOTH, np.uint8)
    rest = np.flatnonzero(~always_both)
    out[:, rest] = _expected_one_by_one(bits[:, rest], history[rest])
    return out


def _expected_one_by_one(bits: Ints, history: Ints) -> Ints:
    days, schools = bits.shape
    last = np.zeros((_SESSION_WINDOW_DAYS, schools), np.uint8)
    count, ever = np.zeros(schools, np.int64), history.astype(np.uint8)
    out = np.zeros((days, schools), np.uint8)
    for d in range(days):
        sent = np.flatnonzero(bits[d])
        last[count[sent] % _SESSION_WINDOW_DAYS, sent] = bits[d, sent]
        count[sent] += 1
        ever = ever | bits[d].astype(np.uint8)
        held = np.where(count >= _SESSION_WINDOW_DAYS, np.bitwise_or.reduce(last, axis=0), ever)
        out[d] = np.where(held == 0, BOTH, held)
    return out


def lay_path(deployment: Deployment, sessions: Ints, parameters: Parameters) -> Path:
    """The path of every school for these expected sessions, (days, schools)."""
    shapes = _shapes(deployment, parameters)
    eta, about = path(shapes, _SESSIONS[sessions], deployment.planned, deployment.level(parameters), deployment.target)
    return Path(sessions, eta, about)


def relay_path(deployment: Deployment, path_now: Path, schools: Ints, sessions: Ints, parameters: Parameters) -> int:
    """Lay the path of some schools again for changed expected sessions, in place; the first day to be scored again: day 0 if
    any day of a path differs, since the chance of the target looks ahead (the number of days if none does)."""
    changed = schools[(sessions != path_now.sessions[:, schools]).any(axis=0)]
    if not len(changed):
        return len(deployment.days)
    path_now.sessions[:, schools] = sessions
    part = replace(
        deployment,
        urn=deployment.urn[changed],
        phase=deployment.phase[changed],
        area=deployment.area[changed],
        roll=deployment.roll[changed],
        baseline=deployment.baseline[changed],
        target=deployment.target[changed],
        planned=deployment.planned[:, changed],
        hubs=deployment.hub_schools[changed],
    )
    eta = lay_path(part, path_now.sessions[:, changed], parameters).eta
    if np.array_equal(eta, path_now.eta[:, changed]):
        return len(deployment.days)
    path_now.eta[:, changed] = eta
    path_now.laid += 1
    return 0


def _shapes(deployment: Deployment, parameters: Parameters) -> Floats:
    """(days, schools), worked out once for each calendar and phase."""
    season = national_season() if parameters.season is None else np.array(parameters.season)
    weekday = np.array(parameters.weekday)
    packed = np.packbits(deployment.planned, axis=0).T.copy()
    calendars = packed.view(np.dtype((np.void, packed.shape[1]))).ravel() if packed.shape[1] else np.zeros(len(packed), "V1")
    _, first, which = np.unique(calendars, return_index=True, return_inverse=True)
    out = np.zeros(deployment.planned.shape)
    for number, example in enumerate(first):
        for f in range(len(PHASES)):
            schools = np.flatnonzero((which == number) & (deployment.phase == f))
            if len(schools):
                column = shape(deployment.days, deployment.planned[:, example], season[f], weekday[f], holidays=parameters.holidays[f])
                out[:, schools] = column[:, None]
    return out
