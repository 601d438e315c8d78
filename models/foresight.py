"""The law of a school's day before its close: what the last close knows of the school, carried to the day.

`expected` is the law with today's common effect from the peers in so far, `ex_ante` the one before any peer is in. Both are
the close's own forecast (`models.predictor`), so a flag raised at the arrival of a register rests on what the close will use.
(detection.md 1.6)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from models import predictor
from models.charts import ChartState, Day
from models.numbers import exact, ratio
from models.phase_law import EFFECT_CARRIED, PhaseLaw
from models.sudden import Expected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.close import YearModel
    from models.deployment import Deployment, Path
    from models.numbers import Floats
    from models.parameters import Parameters

__all__ = ["Footing", "Outset", "Outsets", "PhaseConstants", "ex_ante", "expected", "footings"]


class Footing(NamedTuple):
    """What the last close knows of a school beyond its slow level.

    kappa, stay, effect_new: of its phase (`models.phase_law`). memory, variance, own_daily: of the predictor. level, loading,
    squares, scored_days: m, beta, ss and scored days of chart C.
    """

    kappa: float
    stay: float
    effect_new: float
    memory: float
    variance: float
    own_daily: float
    level: float
    loading: float
    squares: float
    scored_days: float

    @classmethod
    def first(cls, phase: int) -> Self:
        """Before the first close of the year."""
        laws, level = PhaseLaw.start(), ChartState.start(1, 1)
        new = float(laws.effect_variance[phase])
        return cls(float(laws.kappa[phase]), float(laws.stay[phase]), new, 0.0, 0.0, 0.0, 0.0, 0.0, float(level.squares[0]), 0.0)


class PhaseConstants(NamedTuple):
    """The constants of a school's phase (`models.parameters`)."""

    phi: float
    ar_share: float
    a_short: float
    b_short: float
    a_long: float
    b_long: float

    @classmethod
    def of(cls, parameters: Parameters, phase: int) -> Self:
        """The row of phase 0..2."""
        return cls(*(float(getattr(parameters, name)[phase]) for name in cls._fields))


class Outset(NamedTuple):
    """A school on a day to come: days_on, its planned school days since the last close, the day itself included, 1 or more;
    about: the path's shape that day about its year mean (logit)."""

    footing: Footing
    constants: PhaseConstants
    days_on: int
    about: float


class Outsets:
    """The outsets of one academic year of which the days to `closed` (-1: none) are closed; footings by school index, of the
    last close, None where it left none."""

    def __init__(self, here: Deployment, path: Path, parameters: Parameters, closed: int, footings: Sequence[Footing | None]) -> None:
        self._here, self._path, self._closed, self._footings = here, path, closed, footings
        self._constants = [PhaseConstants.of(parameters, f) for f in range(len(parameters.phi))]
        self._first = [Footing.first(f) for f in range(len(parameters.phi))]

    def on(self, school: int, day: int) -> Outset | None:
        """Of a school on deployment day `day`; None on a closed day, and where the last close left no footing."""
        phase = int(self._here.phase[school])
        footing = self._first[phase] if self._closed < 0 else self._footings[school]
        if day <= self._closed or footing is None:
            return None
        days_on = max(int(self._here.planned[self._closed + 1 : day + 1, school].sum()), 1)
        return Outset(footing, self._constants[phase], days_on, float(self._path.about[day, school]))


def footings(model: YearModel) -> list[Footing]:
    """Of every school, as the model stands after its last scored day."""
    state, phase = model.state, model.deployment.phase
    laws, held, level = state.outlook.phases, state.outlook.predictor, state.level
    columns = (
        *(laws.kappa[phase], laws.stay[phase], laws.effect_variance[phase]),
        *(held.memory, held.variance, held.own_daily),
        *(level.reference, level.loading, level.squares, state.scored_days),
    )
    return [Footing(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]


def expected(outset: Sequence[Outset], eta_star: Floats, effect: Floats, effect_variance: Floats, pupils: Floats) -> Expected:
    """The law of each school's day given its common effect and that effect's variance, for so many pupils; (schools,) each."""
    footing, constants, days_on, about = _columns(outset)
    kappa, stay, _, memory, variance, own_daily, reference, loading, squares, scored_days = footing
    phi, ar_share, a_short, b_short, a_long, b_long = constants
    p0 = np.clip(exact(ratio(eta_star)), 1e-4, 0.95)
    sampling = exact(1.0 / (1.05 * np.maximum(pupils, 0.5) * p0 * (1.0 - p0)))
    today = a_short + b_short * sampling
    memory_of = predictor.Constants(phi, ar_share)
    for step in range(2, int(days_on.max(initial=1)) + 1):
        idle = (days_on >= step) & (own_daily > 0.0)
        faded = predictor.predicted(memory, variance, own_daily, memory_of)
        memory, variance = np.where(idle, faded.mean, memory), np.where(idle, faded.variance, variance)
    carried = predictor.predicted(memory, variance, today, memory_of)
    none = np.zeros_like(eta_star)
    level = ChartState(loading, none, squares, reference, none[None], none)
    long_run = a_long + b_long * sampling + 3.0 * effect_variance
    day = Day(none, about + effect, long_run, today + effect_variance, none > 0, scored_days)
    law = predictor.forecast(carried, level, day, effect_variance, today, kappa, memory_of)
    return Expected(eta_star + effect + law.mean, law.variance, stay)


def ex_ante(outset: Sequence[Outset], eta_star: Floats, effect_before: Floats, pupils: Floats) -> Expected:
    """The law before any peer is in: .8 of yesterday's common effect, and the variance of what is new in it."""
    footing, *_ = _columns(outset)
    none = np.zeros_like(eta_star)
    known = expected(outset, eta_star, EFFECT_CARRIED * effect_before, none, pupils)
    return known._replace(variance=known.variance + footing[2])


def _columns(outset: Sequence[Outset]) -> tuple[Floats, Floats, Floats, Floats]:
    """Footings (10, schools), constants (6, schools), days on and shape (schools,)."""
    rows = np.array([(*o.footing, *o.constants, o.days_on, o.about) for o in outset], float).reshape(len(outset), -1).T
    return rows[:10], rows[10:16], rows[16], rows[17]
