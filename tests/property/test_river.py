"""A chart or predictor with River's face says of one series what the kernel says of it among many."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models import charts, predictor
from models.charts import LEVEL_SHIFTS, ChartState, Day
from models.numbers import exact
from models.predictor import Constants, PredictorState
from models.river_chart import HeadwayChart
from models.river_predictor import SchoolPredictor


@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 60), st.booleans())
@settings(max_examples=60, deadline=None)
def test_one_series_alone_is_the_same_as_among_many(seed: int, schools: int, days: int, own_level: bool) -> None:
    rng = np.random.default_rng(seed)
    shifts = tuple(np.sort(rng.uniform(0.1, 2.0, int(rng.integers(1, 4)))).tolist())
    x, signal = rng.normal(0.2, 1.5, (days, schools)), rng.normal(0, 0.5, (days, schools))
    daily = rng.uniform(0.3, 2.0, (days, schools))
    long_run = daily * rng.uniform(0.5, 6.0, (days, schools))
    panel = ChartState.start(schools, len(shifts))
    alone = [HeadwayChart(shifts, decision_interval=np.inf, own_level=own_level) for _ in range(schools)]
    for d in range(days):
        so_far = np.full(schools, float(d))
        day = Day(x[d], signal[d], long_run[d], daily[d], np.ones(schools, bool), so_far)
        said = charts.update(panel, day, np.repeat(exact(np.array(shifts)[:, None]), schools, axis=1), d, own_level=own_level)
        for i, chart in enumerate(alone):
            chart.update(float(x[d, i]), float(signal[d, i]), float(daily[d, i]), float(long_run[d, i]))
            assert chart.statistic == said[i]
            assert chart.onset == (None if panel.quiet[i] == d else panel.quiet[i] + 2)


@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_one_school_foreseen_alone_is_the_same_as_among_many(seed: int, schools: int, days: int) -> None:
    """Days without a measurement among them; every school has constants of its own."""
    rng = np.random.default_rng(seed)
    ranges = {"phi": (0.3, 0.9), "ar_share": (0.2, 0.95), "a_short": (0.01, 0.05), "b_short": (0.3, 2), "a_long": (0.05, 0.2)}
    ranges |= {"b_long": (1, 6), "kappa": (0.5, 2)}
    drawn = {name: rng.uniform(*between, schools) for name, between in ranges.items()}
    alone = [SchoolPredictor(**{name: float(values[i]) for name, values in drawn.items()}) for i in range(schools)]
    constants = Constants(drawn["phi"], drawn["ar_share"])
    memory, level, so_far = PredictorState.start(schools), ChartState.start(schools, len(LEVEL_SHIFTS)), np.zeros(schools)
    for d in range(days):
        eta, y, signal = rng.normal(-2.8, 0.3, schools), rng.normal(-2.6, 0.5, schools), rng.normal(0, 0.4, schools)
        vb, v, scored = rng.uniform(0.01, 0.2, schools), rng.uniform(0, 0.05, schools), rng.random(schools) > 0.1
        own = drawn["a_short"] + drawn["b_short"] * vb
        long_run = drawn["a_long"] + drawn["b_long"] * vb + 3.0 * v
        day = Day(np.where(scored, y - eta, 0.0), signal, long_run, own + v, scored, so_far)
        seen = predictor.forecast(
            predictor.predicted(memory.memory, memory.variance, own, constants), level, day, v, own, drawn["kappa"], constants
        )
        for i, one in enumerate(alone):
            x = {"expected": eta[i], "signal": signal[i], "sampling_variance": vb[i], "effect_variance": v[i], "weather": "snow"}
            assert one.predict_one(x) == one.law_one(x).mean == eta[i] + seen.mean[i]
            assert one.law_one(x).variance == seen.variance[i]
            one.learn_one(x, y[i] if scored[i] else float("nan"))
        predictor.learn(memory, seen, day, own, np.ones(schools, bool), constants)
        charts.update(level, day, np.zeros((len(LEVEL_SHIFTS), schools)), d, own_level=True)
        so_far = so_far + scored
