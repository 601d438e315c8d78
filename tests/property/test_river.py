"""A chart with River's face says of one series what the kernel says of it among many."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models import charts
from models.charts import ChartState, Day
from models.numbers import exact
from models.river_chart import HeadwayChart


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
