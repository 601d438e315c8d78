"""The alert policy: opened, updated, closed, withdrawn, withheld, each on both sides of its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.guards import Verdict
from models.parameters import Budget
from models.policy import Close, decide
from models.said import Said
from models.thresholds import limit
from schemas.alert import AlertKind, AlertState
from tests import deployments

if TYPE_CHECKING:
    from models.close import YearModel

RATE = Budget.of_rate(0.5)
DAYS = 60


@pytest.fixture
def model() -> YearModel:
    """Ten quiet schools, every day scored, C warm; tests write the statistics they need."""
    made = deployments.deployment(10, DAYS, np.random.default_rng(1), areas=1)
    out = deployments.scored(made, deployments.panel(made, np.random.default_rng(2), missing=0.0))
    out.scored[:], out.verdict[:] = True, Verdict.MEASURED
    out.through = DAYS - 1
    return out


def h(model: YearModel, chart: str = "C") -> float:
    return float(limit(model.parameters.thresholds, 0.5, model.deployment.band, chart)[0])


def closes(
    model: YearModel, days: range, said: Said | None = None, acknowledged: dict[int, tuple[list[int], list[int], list[int]]] | None = None
) -> list[Close]:
    folded = Said() if said is None else said
    return [decide(model, d, folded, RATE, acknowledged or {}) for d in days]


def told(found: list[Close]) -> list[tuple[str, str]]:
    return [(str(a.state), str(a.opened_on)) for close in found for a in close.alerts]


def test_a_chart_above_its_limit_opens_one_alert_and_then_says_nothing_new(model: YearModel) -> None:
    model.level_statistic[30:40, 0] = h(model) + 0.1
    found = closes(model, range(28, 40))
    assert [a.state for c in found for a in c.alerts] == [AlertState.OPENED]
    alert = found[2].alerts[0]
    assert (alert.kind, alert.chart, alert.urn) == (AlertKind.LEVEL_DROP, "C", 100_000)
    assert alert.once_in_school_years is not None
    assert alert.once_in_school_years >= 2
    assert sum((c.withheld for c in found), start=found[0].withheld.__class__()) == {"C: already open": 9}


def test_just_below_the_limit_opens_nothing(model: YearModel) -> None:
    model.level_statistic[30:40, 0] = h(model) - 0.001
    assert told(closes(model, range(60))) == []


def test_the_target_chart_needs_a_path(model: YearModel) -> None:
    model.target_statistic[30, :2] = 20.0
    model.has_path[0] = False
    found = closes(model, range(30, 31))[0].alerts
    assert [(a.kind, a.urn) for a in found] == [(AlertKind.OFF_TRAJECTORY, 100_001)]


def test_a_day_that_is_not_scored_or_warming_up_opens_nothing_and_says_why(model: YearModel) -> None:
    model.level_statistic[30, :2] = 20.0
    model.scored[30, 0] = False
    model.warming_up[30, 1] = True
    close = closes(model, range(30, 31))[0]
    assert close.alerts == ()
    assert close.withheld == {"C: not scored": 1, "C: warming up": 1}


def test_the_last_ten_days_of_the_year_open_nothing(model: YearModel) -> None:
    model.level_statistic[49, 0] = model.level_statistic[50, 1] = 20.0
    assert [c.alerts[0].urn for c in closes(model, range(49, 51)) if c.alerts] == [100_000]


def test_an_update_comes_when_the_rank_has_doubled(model: YearModel) -> None:
    slope = 1.21  # B of C, primary 300+; the band of school 0 decides, so go well beyond
    model.level_statistic[30:, 0] = h(model) + 0.1
    model.level_statistic[32:, 0] = h(model) + 0.1 + 0.4 / slope
    model.level_statistic[35:, 0] = h(model) + 0.1 + 1.0
    states = [[a.state for a in c.alerts] for c in closes(model, range(30, 38))]
    assert states == [[AlertState.OPENED], [], [], [], [], [AlertState.UPDATED], [], []]


def test_it_closes_after_ten_days_below_a_third_of_the_limit_and_holds_off_ten_days(model: YearModel) -> None:
    model.level_statistic[20, 0] = h(model) + 0.1
    model.level_statistic[21:31, 0] = h(model) / 3 - 0.01
    model.level_statistic[31:, 0] = h(model) + 0.1
    assert told(closes(model, range(20, 33)))[:2] == [("opened", "2026-10-05"), ("closed", "2026-10-05")]
    states = [[a.state for a in c.alerts] for c in closes(model, range(20, 33))]
    assert states[10] == [AlertState.CLOSED]
    assert states[11] == [AlertState.OPENED]  # the opening is 11 school days back


def test_the_hold_off_counts_school_days_from_the_last_opening(model: YearModel) -> None:
    model.level_statistic[20:, 0] = h(model) + 0.1
    found = closes(model, range(20, 35), acknowledged={22: ([], [0], [])})
    states = [[str(a.state) for a in c.alerts] for c in found]
    assert states[0] == ["opened"]
    assert states[2] == ["closed"]
    assert [i for i, s in enumerate(states) if s == ["opened"]] == [0, 10]


def test_corrections_withdraw_an_alert_only_if_it_is_weak_ever_since(model: YearModel) -> None:
    said = Said()
    model.level_statistic[30:, 0] = h(model) + 0.1
    closes(model, range(30, 33), said)
    model.level_statistic[30:33, 0] = h(model) - 0.71
    assert told(closes(model, range(33, 34), said)) == []  # today is still strong
    model.level_statistic[33:, 0] = h(model) - 0.71
    found = closes(model, range(34, 35), said)[0].alerts
    assert [a.state for a in found] == [AlertState.WITHDRAWN]
    assert "corrected" in found[0].reason


def test_a_withdrawn_opening_holds_nothing_off_and_reopens_under_its_id(model: YearModel) -> None:
    said = Said()
    model.level_statistic[30, 0] = h(model) + 0.1
    first = closes(model, range(30, 31), said)[0].alerts[0]
    model.level_statistic[30, 0] = 0.0
    withdrawn = closes(model, range(30, 31), said)[0].alerts[0]
    model.level_statistic[30, 0] = h(model) + 0.1
    again = closes(model, range(30, 31), said)[0].alerts[0]
    assert (withdrawn.state, again.state, again.reason) == (AlertState.WITHDRAWN, AlertState.OPENED, "reopened")
    assert first.alert_id == withdrawn.alert_id == again.alert_id


def test_silence_is_told_at_the_close_of_the_fifth_day_and_withdrawn_when_the_registers_come(model: YearModel) -> None:
    said = Said()
    model.verdict[10:17, 3] = Verdict.MISSING
    found = closes(model, range(10, 16), said)
    assert [len(c.alerts) for c in found] == [0, 0, 0, 0, 1, 0]
    assert (found[4].alerts[0].kind, found[4].alerts[0].reason) == (AlertKind.DATA, "registers: silent")
    model.verdict[12, 3] = Verdict.MEASURED  # a late register
    assert [a.state for a in closes(model, range(16, 17), said)[0].alerts] == [AlertState.WITHDRAWN]


def test_a_data_alert_closes_with_the_first_usable_day(model: YearModel) -> None:
    model.verdict[10, 3] = Verdict.PARTIAL
    assert told(closes(model, range(10, 13))) == [("opened", "2026-09-21"), ("closed", "2026-09-21")]


def test_an_area_opens_once_and_closes_when_the_event_is_over(model: YearModel) -> None:
    model.area_limit[:] = 0.25
    model.area_effect[20:24, 0] = 0.4
    model.area_on[20:24, 0] = True
    found = [a for c in closes(model, range(18, 26)) for a in c.alerts]
    assert [(a.kind, a.area, a.urn, str(a.state)) for a in found] == [
        (AlertKind.AREA, "area 0", None, "opened"),
        (AlertKind.AREA, "area 0", None, "closed"),
    ]


def test_the_identity_of_an_alert_leaves_the_onset_out(model: YearModel) -> None:
    model.level_statistic[30, 0] = h(model) + 0.1
    one = closes(model, range(30, 31))[0].alerts[0]
    model.state.level.quiet[0] = 12
    other = closes(model, range(30, 31))[0].alerts[0]
    assert one.onset_about != other.onset_about
    assert one.alert_id == other.alert_id


def test_an_opening_day_that_is_no_measurement_any_more_withdraws_nothing_while_the_evidence_stands(model: YearModel) -> None:
    said = Said()
    model.level_statistic[30:, 0] = h(model) + 0.2
    closes(model, range(30, 31), said)
    model.scored[30, 0] = False
    assert closes(model, range(30, 31), said)[0].alerts == ()
