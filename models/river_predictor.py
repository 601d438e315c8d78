"""One school's predictor with River's face: learn_one, predict_one over dicts of features, and the same kernel as the nation's.

What it foresees is a logit of absence, from what the day's features say of path and peers and what it has learned of the
school. It is a panel of one school over `models.predictor` and chart C's `models.charts`; tests hold them equal. (detection.md 1.13)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from river.base import Regressor

from models import charts, predictor
from models.charts import LEVEL_SHIFTS, ChartState, Day
from models.predictor import Constants, Forecast, PredictorState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.numbers import Floats

__all__ = ["Law", "SchoolPredictor"]


class Law(NamedTuple):
    """What a day's logit is expected to be, and its variance."""

    mean: float
    variance: float


class _Morning(NamedTuple):
    """A day before its registers: its features, and what they make of the state."""

    expected: float
    day: Day
    own_daily: Floats
    seen: Forecast


class SchoolPredictor(Regressor):  # type: ignore[misc]  # River's types are not followed
    """The logit of a school's absence today, from its path, its peers, its own level and a short memory.

    Of a day's features it reads four, all logits or their squares, and takes 0 for what is missing: ``expected``, path plus
    common effect; ``signal``, what the school shares with others now, whose loading is learned; ``sampling_variance`` vb, 1 /
    (1.05 n p (1 - p)) for n pupils (missing: the 0.07 of a primary of 280); ``effect_variance``, of the common effect. All other
    features are left alone. A target that is NaN is a school day without a measurement: the memory fades.

    Parameters
    ----------
    phi, ar_share
        The memory's daily factor, and the share of the daily variance that it holds.
    a_short, b_short, a_long, b_long
        Daily and long-run variance, each a + b times the sampling variance; the defaults are a primary's (`models.parameters`).
    kappa
        Factor on the variance; the close learns one for each phase.

    Examples
    --------
    >>> model = SchoolPredictor()
    >>> for _ in range(40):
    ...     model.learn_one({"expected": -2.9}, -2.6)
    >>> round(model.predict_one({"expected": -2.9}), 2), round(model.predict_one({"expected": -2.5}), 2)
    (-2.65, -2.25)
    """

    def __init__(
        self,
        phi: float = 0.49,
        ar_share: float = 0.92,
        a_short: float = 0.023,
        b_short: float = 0.99,
        a_long: float = 0.12,
        b_long: float = 2.05,
        kappa: float = 1.0,
    ) -> None:
        self.phi, self.ar_share = phi, ar_share
        self.a_short, self.b_short, self.a_long, self.b_long = a_short, b_short, a_long, b_long
        self.kappa = kappa
        self._days = 0
        self._memory = PredictorState.start(1)
        self._level = ChartState.start(1, len(LEVEL_SHIFTS))

    @property
    def _constants(self) -> Constants:
        return Constants(np.array([self.phi]), np.array([self.ar_share]))

    def _look(self, x: Mapping[Any, Any], y: float) -> _Morning:
        expected, signal, effect_variance = (float(x.get(name, 0.0)) for name in ("expected", "signal", "effect_variance"))
        sampling = float(x.get("sampling_variance", 0.07))
        own = self.a_short + self.b_short * sampling
        long_run = self.a_long + self.b_long * sampling + 3.0 * effect_variance
        scored = np.array([not np.isnan(y)])
        columns = [np.array([value]) for value in (y - expected if scored[0] else 0.0, signal, long_run, own + effect_variance)]
        day = Day(columns[0], columns[1], columns[2], columns[3], scored, np.array([float(self._days)]))
        own_daily = np.array([own])
        memory = predictor.predicted(self._memory.memory, self._memory.variance, own_daily, self._constants)
        v, kappa = np.array([effect_variance]), np.array([self.kappa])
        return _Morning(expected, day, own_daily, predictor.forecast(memory, self._level, day, v, own_daily, kappa, self._constants))

    def law_one(self, x: Mapping[Any, Any]) -> Law:
        """Mean and variance of today's logit, before it is seen."""
        morning = self._look(x, 0.0)
        return Law(morning.expected + float(morning.seen.mean[0]), float(morning.seen.variance[0]))

    def predict_one(self, x: Mapping[Any, Any]) -> float:
        """The mean of today's logit, before it is seen."""
        return self.law_one(x).mean

    def learn_one(self, x: Mapping[Any, Any], y: float) -> None:
        """Take in one school day; y is the logit that was seen, NaN without a measurement."""
        _, day, own_daily, seen = self._look(x, float(y))
        predictor.learn(self._memory, seen, day, own_daily, np.array([True]), self._constants)
        charts.update(self._level, day, np.zeros((len(LEVEL_SHIFTS), 1)), self._days, own_level=True)
        self._days += int(day.scored[0])
