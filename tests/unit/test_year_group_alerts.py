"""Alerts of chart G: one open per school, named for life by the year group that led, each rule on both sides of its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.course import Course
from models.parameters import Budget, Parameters
from models.policy import Close, decide
from models.said import Said
from models.thresholds import SHIPPED, limit
from models.year_group_counts import series_key
from models.year_groups import NO_YEAR_GROUP
from schemas.alert import AlertKind, AlertState
from schemas.codes import YEAR_GROUP_IDS
from tests import deployments
from tests.year_group_worlds import revisions, year

if TYPE_CHECKING:
    from models.close import Acknowledged, YearModel
    from schemas.alert import Alert

RATE = Budget.of_rate(0.5)
DAYS = 60
SCHOOL = 2


@pytest.fixture
def model() -> YearModel:
    """Ten schools whose registers are real and whose statistics are 0; tests write those they need, in school 2."""
    made = deployments.deployment(10, DAYS, np.random.default_rng(1), areas=1)
    course = Course(made, Parameters(), RATE)
    registers, cells = revisions(made, year(made, np.random.default_rng(2)))
    course.close(DAYS - 1, registers, registers=cells)
    out = course.model
    out.scored[:] = True
    out.target_statistic[:], out.level_statistic[:] = 0.0, 0.0
    out.year_groups.statistic[:], out.year_groups.leading[:], out.year_groups.scored[:] = 0.0, NO_YEAR_GROUP, True
    return out


def lead(model: YearModel, days: slice, above: float, group: str = "8") -> None:
    """School 2's statistic over some days, so far above its limit (below: negative), with the year group that leads."""
    model.year_groups.statistic[days, SCHOOL] = max(h(model) + above, 0.0)
    model.year_groups.leading[days, SCHOOL] = YEAR_GROUP_IDS[group] if h(model) + above > 0 else NO_YEAR_GROUP


def h(model: YearModel) -> float:
    return float(limit(SHIPPED.laws, 0.5, model.deployment.band, "G")[SCHOOL])


def closes(model: YearModel, days: range, said: Said | None = None, acknowledged: Acknowledged | None = None) -> list[Close]:
    folded = Said() if said is None else said
    return [decide(model, d, folded, RATE, acknowledged or {}) for d in days]


def alerts(found: list[Close]) -> list[Alert]:
    return [a for close in found for a in close.alerts if a.kind is AlertKind.YEAR_GROUP]


def told(found: list[Close]) -> list[tuple[str, str | None, str]]:
    return [(str(a.state), a.chart, str(a.as_of)) for a in alerts(found)]


def test_a_year_group_above_the_limit_opens_one_alert_that_names_it(model: YearModel) -> None:
    lead(model, slice(30, 34), 0.1)
    lead(model, slice(34, 36), -0.01)
    found = closes(model, range(28, 36))
    (alert,) = alerts(found)
    assert (alert.state, alert.chart, alert.urn) == (AlertState.OPENED, "G:8", 100_000 + SCHOOL)
    assert alert.evidence["year_group"] == "8"
    assert alert.attribution is not None
    assert alert.attribution["year_group:8"] == alert.attribution["own"] == alert.evidence["excess_absences"]
    assert alert.once_in_school_years == pytest.approx(2 * np.exp(0.1 * 1.2), rel=0.02)
    assert sum((c.withheld for c in found), start=found[0].withheld.__class__()) == {"G: already open": 3}


def test_just_below_the_limit_opens_nothing(model: YearModel) -> None:
    lead(model, slice(30, 40), -0.001)
    assert told(closes(model, range(DAYS))) == []


def test_another_year_group_that_leads_above_the_limit_updates_the_alert_and_opens_none(model: YearModel) -> None:
    lead(model, slice(30, 33), 0.1)
    lead(model, slice(33, 34), -0.1, "9")
    lead(model, slice(34, 37), 0.1, "9")
    lead(model, slice(37, 39), -0.1, "8")
    found = closes(model, range(30, 39))
    assert [(a.state, a.chart, a.evidence["year_group"]) for a in alerts(found)] == [
        (AlertState.OPENED, "G:8", "8"),
        (AlertState.UPDATED, "G:8", "9"),
    ]
    assert alerts(found)[1].as_of == alerts(closes(model, range(34, 35)))[0].as_of
    assert len({a.alert_id for a in alerts(found)}) == 1


def test_an_alert_opens_only_on_a_day_on_which_its_year_group_was_measured(model: YearModel) -> None:
    lead(model, slice(30, 32), 0.1)
    model.year_groups.scored[30, SCHOOL] = False
    found = closes(model, range(30, 32))
    assert found[0].withheld == {"G: not scored": 1}
    assert [a.opened_on for a in alerts(found)] == [alerts(found)[0].as_of]
    assert len(alerts(found[:1])) == 0


def test_nothing_opens_while_the_school_is_warming_up_or_in_the_last_ten_days(model: YearModel) -> None:
    lead(model, slice(5, 6), 0.1)
    lead(model, slice(50, 51), 0.1)
    found = closes(model, range(DAYS))
    assert told(found) == []
    assert found[5].withheld == {"G: warming up": 1}
    assert found[50].withheld == {"G: end of year": 1}
    lead(model, slice(49, 50), 0.1)
    assert len(told(closes(model, range(49, 50)))) == 1


def test_an_acknowledgement_closes_the_alert_it_names_and_no_other_year_group_s(model: YearModel) -> None:
    lead(model, slice(30, 50), 0.1)

    def said(group: str) -> Acknowledged:
        return {33: ([], [], [series_key(SCHOOL, YEAR_GROUP_IDS[group])])}

    assert [state for state, *_ in told(closes(model, range(30, 36), acknowledged=said("9")))] == ["opened"]
    found = closes(model, range(30, 45), acknowledged=said("8"))
    assert [(a.state, a.reason) for a in alerts(found)[:2]][1] == (AlertState.CLOSED, "acknowledged")
    opened = [a.opened_on for a in alerts(found) if a.state is AlertState.OPENED]
    days = model.deployment.days.astype("datetime64[D]").tolist()
    assert [days.index(d) for d in opened] == [30, 40], "ten school days of hold-off from the last opening"


def test_a_correction_withdraws_it_and_a_withdrawn_opening_holds_nothing_off(model: YearModel) -> None:
    said = Said()
    lead(model, slice(30, 33), 0.1)
    closes(model, range(30, 33), said)
    lead(model, slice(30, 33), -0.69)
    assert told(closes(model, range(33, 34), said)) == []
    lead(model, slice(30, 34), -0.71)
    assert [state for state, *_ in told(closes(model, range(33, 34), said))] == ["withdrawn"]
    lead(model, slice(34, 36), 0.1, "9")
    assert [(state, chart) for state, chart, _ in told(closes(model, range(34, 35), said))] == [("opened", "G:9")]


def test_it_closes_after_ten_days_below_a_third_of_the_limit(model: YearModel) -> None:
    lead(model, slice(30, 31), 0.1)
    lead(model, slice(31, DAYS), -h(model))
    found = alerts(closes(model, range(30, 45)))
    assert [a.state for a in found] == [AlertState.OPENED, AlertState.CLOSED]
    assert found[1].as_of == model.deployment.days.astype("datetime64[D]").tolist()[40]
    assert found[1].evidence["year_group"] == "8", "nobody leads now: the alert's own"


def test_a_year_group_that_no_register_names_any_more_withdraws_its_alert_even_in_a_course_made_from_nothing(model: YearModel) -> None:
    """The other course has never seen a year group: after a restart, all registers have been replaced by ones without any."""
    said, again = Said(), Said()
    lead(model, slice(30, 31), 0.1)
    for folded in (said, again):
        closes(model, range(30, 31), folded)
    lead(model, slice(30, DAYS), -h(model))
    for day in range(DAYS):
        sheet = model.year_groups.counts.on(day)
        assert sheet is not None
        sheet[:] = 0
    fresh = Course(model.deployment, Parameters(), RATE).model
    fresh.through, fresh.scored[:] = model.through, True
    assert not fresh.year_groups.used
    one, other = (closes(which, range(31, 32), folded) for which, folded in ((model, said), (fresh, again)))
    assert [a.state for a in alerts(one)] == [AlertState.WITHDRAWN]
    assert [a.to_line() for a in alerts(one)] == [a.to_line() for a in alerts(other)]
