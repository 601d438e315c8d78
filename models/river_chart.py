"""One school's chart with River's face: a drift detector over standardised residuals, and the same kernel as the nation's.

A drop-in for ADWIN or PageHinkley on any residual whose noise wanders: what they take for a change, this one weighs with the
long-run variance. It is a panel of one school over `models.charts`; a test holds the two equal. (detection.md 1.13)
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from river.base import DriftDetector, Estimator

from models import charts
from models.charts import WARM_UP_DAYS, ChartState, Day
from models.numbers import exact

__all__ = ["ChartCondition", "ChartReading", "HeadwayChart"]


class ChartCondition(StrEnum):
    """What a chart says of itself after an update; before the first it is warming up."""

    WARMING_UP = "warming_up"
    IN_CONTROL = "in_control"
    OUT_OF_CONTROL = "out_of_control"


class ChartReading(NamedTuple):
    """What an update leaves behind. onset: the update (counted from 1) after the evidence was last all 0; None without any."""

    updates: int
    statistic: float
    decision_interval: float
    onset: int | None
    condition: ChartCondition


class HeadwayChart(DriftDetector, Estimator):  # type: ignore[misc]  # River's types are not followed
    """Upward shifts of a standardised residual, accumulated against its long-run variance (LR-CUSUM over a few shifts).

    As with River's detectors the flag stands for one update, and the update after an alarm starts the evidence again from 0;
    what was learned (own level, noise scale, loading) stays. `reading` keeps the last alarm's figures until the next update.

    It is an `Estimator` besides only so that `river.checks.check_estimator` takes it, which knows no detectors.

    The defaults cost .09 false alarms in 190 updates and find a rise by one standard deviation after a median of 22 updates, 47 %
    of them within 20: 4,000 series of unit variance, 43 % of it AR(.7), the rise after 100 (`tests/unit/test_river.py`). On
    independent residuals set `long_run_variance=1`. Schools have intervals of their own in `models.thresholds`.

    Parameters
    ----------
    shifts
        Rises of the residual's mean that it looks for, in standard deviations of one update.
    long_run_variance
        Variance that counts for slow sums, in units of one update's: 1 for independent residuals; a median primary's days have 3.
    decision_interval
        The alarm is raised when the statistic, log mean exp of the evidence over the shifts, is at least this.
    own_level
        Measure from the residual's own running mean (chart C) instead of from 0 (chart T); silent for the first 20 updates.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(4)
    >>> chart = HeadwayChart(long_run_variance=1.0, decision_interval=5.0)
    >>> for update, x in enumerate(np.concatenate([rng.normal(0, 1, 100), rng.normal(1.5, 1, 8)]), 1):
    ...     chart.update(x)
    ...     if chart.drift_detected:
    ...         print(f"alarm at {update}, about since {chart.onset}")
    alarm at 104, about since 95

    References
    ----------
    Page 1954, Continuous inspection schemes. Lai 1998, Information bounds and quick detection of parameter changes.
    """

    _drift_detected: bool

    def __init__(
        self,
        shifts: tuple[float, ...] = (0.5, 1.0, 1.5),
        long_run_variance: float = 3.0,
        decision_interval: float = 3.5,
        *,
        own_level: bool = True,
    ) -> None:
        super().__init__()
        if not shifts or min(shifts) <= 0 or not 0 < long_run_variance < math.inf or not decision_interval > 0:
            raise ValueError("shifts, long_run_variance and decision_interval must be greater than 0, and there must be a shift")
        self.shifts = shifts
        self.long_run_variance = long_run_variance
        self.decision_interval = decision_interval
        self.own_level = own_level
        self._state = ChartState.start(1, len(shifts))
        self._delta = exact(np.array(shifts)[:, None])
        self._updates = 0
        self._reading = ChartReading(0, 0.0, decision_interval, None, self._silent() or ChartCondition.IN_CONTROL)

    def _silent(self) -> ChartCondition | None:
        return ChartCondition.WARMING_UP if self.own_level and self._updates <= WARM_UP_DAYS else None

    def update(self, x: float, signal: float = 0.0, daily_variance: float = 1.0, long_run_variance: float | None = None) -> None:
        """Take in one residual.

        signal: what the series shares with others now, whose loading is learned; daily_variance: of this residual;
        long_run_variance: this update's, where it is not the chart's (in the residual's own units, as daily_variance). A value
        that is not finite, or a variance that is not above 0, is a missing update: nothing is taken in.
        """
        if self._drift_detected:
            charts.reset(self._state, np.array([0], np.int32), self._updates - 1)
            self._drift_detected = False
        slow = self.long_run_variance * daily_variance if long_run_variance is None else long_run_variance
        if not (math.isfinite(x) and math.isfinite(signal) and 0 < daily_variance < math.inf and 0 < slow < math.inf):
            return
        here = (np.array([float(value)]) for value in (x, signal, slow, daily_variance, self._updates))
        residual, common, long_run, daily, so_far = here
        day = Day(residual, common, long_run, daily, np.array([True]), so_far)
        statistic = float(charts.update(self._state, day, self._delta, self._updates, own_level=self.own_level)[0])
        self._updates += 1
        quiet = int(self._state.quiet[0])
        self._drift_detected = statistic >= self.decision_interval
        condition = ChartCondition.OUT_OF_CONTROL if self._drift_detected else ChartCondition.IN_CONTROL
        self._reading = ChartReading(
            self._updates,
            statistic,
            self.decision_interval,
            quiet + 2 if quiet + 1 < self._updates else None,
            self._silent() or condition,
        )

    @property
    def reading(self) -> ChartReading:
        """The figures of the last update; they do not change with the next."""
        return self._reading

    @property
    def statistic(self) -> float:
        """Log mean exp of the evidence over the shifts; 0 without evidence."""
        return self._reading.statistic

    @property
    def onset(self) -> int | None:
        """The update (counted from 1) about which the present evidence began; None without any."""
        return self._reading.onset
