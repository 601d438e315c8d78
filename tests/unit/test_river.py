"""River for real: our chart and River's checks, and River's detectors as second opinions."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from river.drift import ADWIN, PageHinkley

from models import charts, predictor
from models.charts import ChartState, Day
from models.numbers import exact
from models.parameters import Budget
from models.policy import decide
from models.river_chart import ChartCondition, HeadwayChart
from models.river_predictor import SchoolPredictor
from models.said import Said
from models.second_opinion import adwin_alarms, page_hinkley_alarms, second_opinions, standardised
from tests import deployments

if TYPE_CHECKING:
    from models.close import YearModel
    from models.numbers import Floats

EPOCH = date(1970, 1, 1)


def test_the_chart_passes_rivers_checks() -> None:
    pytest.importorskip("sklearn", reason="river.checks needs scikit-learn: make setup-dev")
    from river.checks import check_estimator

    check_estimator(HeadwayChart())
    check_estimator(HeadwayChart(shifts=(1.0,), own_level=False))


@pytest.mark.slow
def test_the_predictor_passes_rivers_checks() -> None:
    pytest.importorskip("sklearn", reason="river.checks needs scikit-learn: make setup-dev")
    from river.checks import check_estimator

    check_estimator(SchoolPredictor())


def test_what_a_day_brings_beside_its_four_features_changes_nothing() -> None:
    plain, busy = SchoolPredictor(), SchoolPredictor()
    for day in range(30):
        x = {"expected": -2.8, "signal": 0.1 * (day % 3)}
        plain.learn_one(x, -2.5)
        busy.learn_one({**x, "pupils": 280, 7: "seven", "weather": None}, -2.5)
    assert plain.law_one({"expected": -2.8}) == busy.law_one({"expected": -2.8, "weather": "rain"})


def test_the_predictor_says_of_each_school_what_the_close_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer than 10 schools of a phase, so that kappa stays 1; the variance of the common effect is taken from the close."""
    made = deployments.deployment(20, 45, np.random.default_rng(4), areas=1)
    made = replace(made, phase=(np.arange(20) % 3).astype(np.int32))
    held = deployments.panel(made, np.random.default_rng(5), missing=0.2)
    close = deployments.scored(made, held)
    seen: list[tuple[Floats, Floats]] = []
    forecast = predictor.forecast

    def kept(memory: Any, level: Any, day: Day, effect_variance: Floats, own_daily: Floats, *rest: Any) -> Any:
        seen.append((day.residual.copy(), effect_variance.copy()))
        return forecast(memory, level, day, effect_variance, own_daily, *rest)

    monkeypatch.setattr(predictor, "forecast", kept)
    close.score(held, 0, 44, {})
    monkeypatch.undo()
    row, compared = close.parameters, 0
    names = ("phi", "ar_share", "a_short", "b_short", "a_long", "b_long")
    for i in range(20):
        alone = SchoolPredictor(**{name: getattr(row, name)[int(made.phase[i])] for name in names})
        for d, (residual, v) in enumerate(seen):
            eta, c = float(close.path.eta[d, i]), float(close.effect[d, i])
            p0, pupils = 1 / (1 + math.exp(-eta)), float(close.possible[d, i]) / max(int(close.registers[d, i]), 1)
            x = {"expected": eta + c, "signal": float(close.path.about[d, i]) + c, "effect_variance": float(v[i])}
            x["sampling_variance"] = 1 / (1.05 * max(pupils, 0.5) * p0 * (1 - p0))
            y, law = float(residual[i]) + eta + c, alone.law_one(x)
            if close.scored[d, i]:
                z = min(max((y - law.mean) / math.sqrt(law.variance), -4.0), 4.0)
                assert close.outlook.residual_z[d, i] / 1e6 == pytest.approx(z, abs=2e-6)
                compared += 1
            alone.learn_one(x, y if close.scored[d, i] else math.nan)
    assert compared > 700


def fed(chart: HeadwayChart, values: Floats | list[float]) -> list[int]:
    """Updates, counted from 1, that raised an alarm."""
    out = []
    for place, x in enumerate(values, 1):
        chart.update(float(x))
        if chart.drift_detected:
            out.append(place)
    return out


def test_the_flag_stands_for_one_update_and_the_evidence_starts_again_after_it() -> None:
    chart = HeadwayChart(own_level=False, long_run_variance=1.0)
    first = fed(chart, [2.0] * 10)[0]
    fresh = HeadwayChart(own_level=False, long_run_variance=1.0)
    fed(fresh, [2.0] * first)
    assert fresh.drift_detected
    before = fresh.reading
    fresh.update(-3.0)
    assert not fresh.drift_detected
    assert fresh.statistic == 0.0
    assert fresh.onset is None
    assert (before.condition, before.statistic >= before.decision_interval) == (ChartCondition.OUT_OF_CONTROL, True)


def test_the_onset_is_the_update_after_the_evidence_was_last_all_zero() -> None:
    chart = HeadwayChart(own_level=False, long_run_variance=1.0)
    assert chart.onset is None
    fed(chart, [-1.0] * 7)
    assert chart.onset is None
    fed(chart, [0.9, 0.9])
    assert chart.onset == 8


@pytest.mark.parametrize("missing", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_a_missing_update_and_deafens_nothing(missing: float) -> None:
    chart, other = HeadwayChart(own_level=False), HeadwayChart(own_level=False)
    for x in [0.1, missing, *[3.0] * 10]:
        chart.update(x)
        if math.isfinite(x):
            other.update(x)
    assert chart.reading == other.reading
    assert chart.reading.statistic > 0


@pytest.mark.parametrize("wrong", [{"shifts": ()}, {"shifts": (0.0,)}, {"long_run_variance": 0.0}, {"decision_interval": math.nan}])
def test_parameters_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        HeadwayChart(**wrong)


def test_it_is_silent_while_it_learns_its_own_level() -> None:
    chart = HeadwayChart()
    assert fed(chart, [9.0] * 20) == []
    assert chart.reading.condition == "warming_up"
    chart.update(0.0)
    assert chart.reading.condition == "in_control"


def first_alarms(x: Floats) -> Floats:
    """The kernel's first update, counted from 0, at or above the interval of a chart as it comes, by series; x (updates, series)."""
    chart = HeadwayChart()
    count = x.shape[1]
    state, delta = ChartState.start(count, len(chart.shifts)), exact(np.array(chart.shifts)[:, None])
    one, first = np.ones(count), np.full(count, np.inf)
    for t, row in enumerate(x):
        day = Day(row, 0 * one, chart.long_run_variance * one, one, one.astype(bool), t * one)
        above = charts.update(state, day, delta, t, own_level=True) >= chart.decision_interval
        first = np.where(above & np.isinf(first), float(t), first)
    return first


def test_the_defaults_cost_what_the_docstring_says() -> None:
    """4,000 series: the rate's standard error is .005, the share's .008, and the median moves by at most a day."""
    rng = np.random.default_rng(7)
    slow, rows = rng.normal(size=4000), []
    for _ in range(190):
        slow = 0.7 * slow + math.sqrt(1 - 0.49) * rng.normal(size=4000)
        rows.append(math.sqrt(0.43) * slow + math.sqrt(0.57) * rng.normal(size=4000))
    x = np.array(rows)
    assert -math.log(1 - float(np.isfinite(first_alarms(x)).mean())) == pytest.approx(0.09, abs=0.015)
    x[100:] += 1.0
    first = first_alarms(x)
    delay = first[first >= 100] - 99
    assert float(np.median(delay)) == pytest.approx(22, abs=1)
    assert float((delay <= 20).mean()) == pytest.approx(0.47, abs=0.025)


@pytest.fixture
def model() -> YearModel:
    """Twelve schools, 60 days, scored."""
    made = deployments.deployment(12, 60, np.random.default_rng(1), areas=1)
    held = deployments.panel(made, np.random.default_rng(2), missing=0.03)
    held.absences[35:, :, 4] = (held.absences[35:, :, 4] * 2.2).astype(int)
    out = deployments.scored(made, held)
    out.score(held, 0, 59, {})
    return out


def test_residuals_are_standardised_as_a_chart_standardises_a_day(model: YearModel) -> None:
    school, phase = 4, int(model.deployment.phase[4])
    days, z = standardised(model, school, 40)
    assert days == [d for d in range(41) if model.scored[d, school]]
    for d, value in zip(days, z, strict=True):
        k, n, y = (int(a[d, school]) for a in (model.registers, model.possible, model.absences))
        eta = float(model.path.eta[d, school])
        p0 = 1 / (1 + math.exp(-eta))
        scale = min(max(model.state.level.squares[school] / (30 + model.state.scored_days[school]), 0.5), 4)
        spread = math.sqrt((model.parameters.a_short[phase] + model.parameters.b_short[phase] / (1.05 * n / k * p0 * (1 - p0))) * scale)
        plain = (math.log((y + k / 2) / (n - y + k / 2)) - eta - model.effect[d, school]) / spread
        assert value == pytest.approx(min(max(plain, -3.5), 3.5), abs=2e-6)


def detections(detector: Any, z: list[float]) -> list[int]:
    """As anybody would use River."""
    out = []
    for place, x in enumerate(z):
        detector.update(x)
        if detector.drift_detected:
            out.append(place)
    return out


def test_second_opinions_are_those_of_rivers_detectors() -> None:
    rng = np.random.default_rng(3)
    up = [*rng.normal(0, 1, 80), *rng.normal(3.0, 1, 60)]
    down = [-x for x in up]
    page_hinkley = PageHinkley(mode="up", delta=0.3, min_instances=30, threshold=20.0)
    assert page_hinkley_alarms(up) == detections(page_hinkley, up)
    assert adwin_alarms(up) == detections(ADWIN(delta=1e-3, clock=1), up)
    assert page_hinkley_alarms(up)
    assert adwin_alarms(up)
    assert page_hinkley_alarms(down) == adwin_alarms(down) == []
    assert detections(ADWIN(delta=1e-3, clock=1), down)


def test_the_newest_alarm_is_given_by_its_date_and_none_by_none(model: YearModel) -> None:
    days, z = standardised(model, 4, 59)
    alarms = page_hinkley_alarms(z)
    assert alarms
    newest = EPOCH + timedelta(days=int(model.deployment.days[days[alarms[-1]]]))
    assert second_opinions(model, 4, 59)["second_opinion_page_hinkley"] == newest.isoformat()
    assert second_opinions(model, 4, 30) == {"second_opinion_page_hinkley": None, "second_opinion_adwin": None}


def test_an_opening_has_second_opinions_and_no_other_record_and_they_decide_nothing(
    model: YearModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def alerts() -> list[Any]:
        said = Said()
        return [a for d in range(60) for a in decide(model, d, said, Budget.of_rate(0.5), {}).alerts if a.chart]

    found = alerts()
    assert {a.state for a in found} > {"opened"}
    for alert in found:
        assert ("second_opinion_adwin" in alert.evidence) == ("second_opinion_page_hinkley" in alert.evidence) == (alert.state == "opened")
    monkeypatch.setattr("models.policy.second_opinions", lambda *_: {})
    assert [(a.alert_id, a.state, a.reason) for a in alerts()] == [(a.alert_id, a.state, a.reason) for a in found]
