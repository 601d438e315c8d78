"""The sudden flag: each of its lines from both sides, the same at the arrival of a register and at the close, and its alert."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models import provisional, sudden
from models.foresight import Footing, Outset, Outsets, PhaseConstants, ex_ante, expected, footings
from models.guards import Verdict
from models.parameters import Budget, Parameters
from models.policy import Close, decide
from models.provisional import SessionCounts, Standing
from models.said import Said
from models.sudden import Expected, Flag, Sessions
from schemas.alert import Alert, AlertKind, AlertState
from tests import deployments

if TYPE_CHECKING:
    from models.charts import ChartState, Day
    from models.close import YearModel
    from models.outlook import OutlookState, Seen
    from models.panel import Panel

DAYS, SCHOOLS = 60, 40
ETA, VARIANCE = -2.9, 0.08


def _flags(am: tuple[int, int] | None, pm: tuple[int, int] | None = None, *, peers: bool = True) -> tuple[Flag, ...]:
    """Of one school: (pupils, absent) of each session that counts."""
    counts = np.array([[am is not None], [pm is not None]])
    pupils = np.array([[am[0] if am else 0], [pm[0] if pm else 0]])
    absent = np.array([[am[1] if am else 0], [pm[1] if pm else 0]])
    law = Expected(np.array([ETA]), np.array([VARIANCE]), np.array([0.9]))
    return sudden.flags(Sessions(pupils, absent, counts), law, np.array([[peers], [peers or am is not None]]))


@pytest.mark.parametrize(
    ("am", "flagged"),
    [
        pytest.param((400, 21), False, id="what was to be expected"),
        pytest.param((400, 49), False, id="a tail just over 1e-5"),
        pytest.param((400, 50), True, id="a tail just under 1e-5"),
        pytest.param((400, 80), True, id="far out"),
        pytest.param((30, 14), True, id="thirty pupils"),
        pytest.param((29, 14), False, id="too few pupils"),
        pytest.param((30, 11), False, id="far out, and fewer than ten pupils too many"),
    ],
)
def test_a_morning(am: tuple[int, int], flagged: bool) -> None:
    found = _flags(am)
    assert bool(found) == flagged
    if flagged:
        (flag,) = found
        assert (flag.session, flag.pupils, flag.absences) == (0, *am)
        assert flag.log10_tail < -5
        assert flag.expected == pytest.approx(am[0] / (1 + np.exp(-ETA + 0.015)), abs=1e-5)


def test_five_per_cent_of_the_pupils_are_needed_in_a_large_school() -> None:
    """With next to no variance beyond chance 2,000 pupils are far out at 50 too many, and 100 are asked for."""
    tight = Expected(np.array([ETA]), np.array([1e-6]), np.array([0.9]))
    usual = 2000 / (1 + np.exp(-ETA + 0.015))
    for excess, flagged in ((99, False), (101, True)):
        sessions = Sessions(np.array([[2000], [0]]), np.array([[int(usual + excess)], [0]]), np.array([[True], [False]]))
        assert bool(sudden.flags(sessions, tight, np.full((2, 1), fill_value=True))) == flagged


def test_a_morning_waits_for_its_peers_and_an_afternoon_given_it_does_not() -> None:
    assert _flags((400, 80), peers=False) == ()
    assert [f.session for f in _flags((400, 20), (400, 60), peers=False)] == [1]
    assert _flags(None, (400, 80), peers=False) == ()
    assert [f.session for f in _flags(None, (400, 80))] == [1]


def test_an_afternoon_that_follows_its_bad_morning_is_no_second_event() -> None:
    assert [f.session for f in _flags((400, 80), (400, 78))] == [0]
    assert [f.session for f in _flags((400, 20), (400, 78))] == [1]


def test_the_strength_of_an_alert_asks_for_twenty_pupils_and_ten_per_cent() -> None:
    flag = Flag(0, 0, 150, 25, 5.0, -6.5)
    assert flag.may_alert
    assert not flag._replace(absences=24).may_alert
    assert not flag._replace(log10_tail=-6.0).may_alert
    assert flag._replace(pupils=200).may_alert
    assert not flag._replace(pupils=201).may_alert


@pytest.fixture(scope="module")
def closed() -> tuple[YearModel, Panel]:
    """Forty schools whose year has been scored up to the day before the last, on which some mornings are far out."""
    made = deployments.deployment(SCHOOLS, DAYS, np.random.default_rng(1), areas=2)
    held = deployments.panel(made, np.random.default_rng(2), missing=0.0)
    held.winner[-3:-1, :, 5] = -1  # its memory fades for two days
    held.possible[-3:-1, :, 5] = held.absences[-3:-1, :, 5] = 0
    for i in (3, 5, 7):
        held.absences[-1, 0, i] = held.possible[-1, 0, i] // 2
    model = deployments.scored(made, held)
    model.score(held, 0, DAYS - 2, {})
    return model, held


def _outsets(model: YearModel, day: int) -> list[Outset]:
    outsets = Outsets(model.deployment, model.path, model.parameters, model.through, footings(model))
    return [o for i in range(SCHOOLS) if (o := outsets.on(i, day)) is not None]


def test_the_law_before_the_close_is_the_closes_own(closed: tuple[YearModel, Panel], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same numbers to the last digits, given the same common effect and variance, also two school days on."""
    model, held = closed
    outsets = _outsets(model, DAYS - 1)
    seen: dict[int, Seen] = {}
    again = deployments.scored(model.deployment, held)
    of = again.outlook.foresee

    def noted(d: int, state: OutlookState, level: ChartState, day: Day, now: Seen) -> None:
        seen[d] = now
        of(d, state, level, day, now)

    monkeypatch.setattr(again.outlook, "foresee", noted)
    again.score(held, 0, DAYS - 1, {})
    now = seen[DAYS - 1]
    pupils = held.possible[-1].sum(axis=0) / 2.0
    law = expected(outsets, model.path.eta[-1], now.effect, now.effect_variance, pupils)
    closes = again.outlook.today
    assert closes is not None
    np.testing.assert_allclose(law.eta, closes.eta, atol=1e-12)
    np.testing.assert_allclose(law.variance, closes.variance, rtol=1e-12)
    np.testing.assert_array_equal(law.stay, closes.stay)
    ahead = ex_ante(outsets, model.path.eta[-1], model.effect[-2], pupils)
    alone = expected(outsets, model.path.eta[-1], 0.8 * model.effect[-2], np.zeros(SCHOOLS), pupils)
    new = np.array([o.footing.effect_new for o in outsets])
    np.testing.assert_allclose(ahead.variance, alone.variance + new, rtol=1e-12)
    np.testing.assert_array_equal(ahead.eta, alone.eta)
    assert set(new) == set(model.state.outlook.phases.effect_variance[model.deployment.phase])


def test_a_memory_fades_over_school_days_without_a_close() -> None:
    """Restated: u <- phi u and P <- phi^2 P + s B (1 - phi^2), B of the last scored day, and of today on the last step."""
    constants = PhaseConstants.of(Parameters(), 0)
    footing = Footing.first(0)._replace(memory=0.4, variance=0.01, own_daily=0.05, scored_days=50.0, squares=80.0)
    none = np.zeros(1)
    for days_on in (1, 2, 5):
        law = expected([Outset(footing, constants, days_on, 0.1)], np.array([ETA]), none, none, np.array([300.0]))
        assert law.eta[0] == pytest.approx(ETA + 0.4 * constants.phi**days_on)
        p0 = 1 / (1 + np.exp(-ETA))
        vb = 1 / (1.05 * 300 * p0 * (1 - p0))
        variance, phi2 = 0.01, constants.phi**2
        for b in [0.05] * (days_on - 1) + [constants.a_short + constants.b_short * vb]:
            variance = phi2 * variance + constants.ar_share * b * (1 - phi2)
        rest = (1 - constants.ar_share) * (constants.a_short + constants.b_short * vb)
        assert law.variance[0] == pytest.approx(variance + rest + (constants.a_long + constants.b_long * vb) / 70, rel=1e-6)


def test_before_the_first_close_the_law_stands_on_the_constants_alone(closed: tuple[YearModel, Panel]) -> None:
    model, _ = closed
    outset = Outsets(model.deployment, model.path, model.parameters, -1, ()).on(0, 0)
    assert outset is not None
    assert outset.footing == Footing.first(int(model.deployment.phase[0]))
    assert Outsets(model.deployment, model.path, model.parameters, 4, [None] * SCHOOLS).on(0, 5) is None
    assert Outsets(model.deployment, model.path, model.parameters, 4, footings(model)).on(0, 4) is None


def _provisional(model: YearModel, held: Panel, urns: range, *, peers: int = SCHOOLS) -> dict[int, tuple[str, ...]]:
    """The flagged sessions of the last day's readings by school, from the registers of the first `peers` schools."""
    here = model.deployment
    slow, effect, shrinkage = model.slow_before(DAYS - 1), model.effect[DAYS - 2], model.shrinkage_before(DAYS - 1)
    at = [
        Standing(int(here.phase[i]), int(here.area[i]), float(model.path.eta[-1, i]), float(slow[i]), float(effect[i]), 0.14)
        for i in range(SCHOOLS)
    ]
    at = [a._replace(sigma_u=model.parameters.sigma_u[a.phase]) for a in at]
    sessions = [
        {n: SessionCounts(int(held.possible[-1, s, i]), int(held.absences[-1, s, i]), 0, 0) for s, n in enumerate(("AM", "PM"))}
        for i in range(SCHOOLS)
    ]
    rows = provisional.observe_many([list(s.values()) for s in sessions], at)
    sums = provisional.contribution([(rows[i], at[i].phase, at[i].area) for i in range(peers)], len(here.areas))
    seen = [provisional.Seen(i, sessions[i], rows[i], at[i], outset) for i, outset in zip(urns, _outsets(model, DAYS - 1), strict=False)]
    return {r.urn: tuple(s.session for s in r.sudden) for r in provisional.read_many("2026-11-27", seen, sums, shrinkage) if r.sudden}


def test_a_flag_at_the_arrival_is_the_flag_of_the_close(closed: tuple[YearModel, Panel]) -> None:
    model, held = closed
    early = _provisional(model, held, range(SCHOOLS))
    whole = deployments.scored(model.deployment, held)
    whole.score(held, 0, DAYS - 1, {})
    late: dict[int, tuple[str, ...]] = {}
    for flag in whole.outlook.flags[-1]:
        late[flag.school] = (*late.get(flag.school, ()), sudden.SESSIONS[flag.session])
    assert early == late
    assert {3, 5, 7} <= late.keys()


def test_with_seven_peers_a_morning_is_not_flagged_yet(closed: tuple[YearModel, Panel]) -> None:
    model, held = closed
    assert "AM" not in _provisional(model, held, range(8), peers=8).get(3, ())
    assert "AM" in _provisional(model, held, range(9), peers=9)[3]


@pytest.fixture
def quiet() -> YearModel:
    """Ten quiet schools in one area, every day scored; tests write the flags they need."""
    made = deployments.deployment(10, DAYS, np.random.default_rng(1), areas=2)
    out = deployments.scored(made, deployments.panel(made, np.random.default_rng(2), missing=0.0))
    out.scored[:], out.verdict[:] = True, Verdict.MEASURED
    out.through = DAYS - 1
    return out


STRONG = Flag(0, 0, 300, 90, 15.0, -9.0)


def _closes(model: YearModel, days: range, said: Said) -> list[Close]:
    return [decide(model, d, said, Budget.of_rate(0.1), {}) for d in days]


def _alerts(closes: list[Close]) -> list[Alert]:
    return [a for close in closes for a in close.alerts]


def test_a_strong_flag_opens_an_alert_that_closes_by_itself(quiet: YearModel) -> None:
    quiet.outlook.flags[20] = (STRONG,)
    found = _alerts(_closes(quiet, range(18, 30), Said()))
    assert [(a.state, str(a.as_of)) for a in found] == [(AlertState.OPENED, "2026-10-05"), (AlertState.CLOSED, "2026-10-09")]
    opened = found[0]
    assert (opened.kind, opened.chart, opened.urn, opened.once_in_school_years) == (AlertKind.SUDDEN, None, 100_000, None)
    assert opened.evidence["log10_tail"] == -9.0
    assert (opened.evidence["possible_sessions"], opened.evidence["absences"], opened.evidence["expected_absences"]) == (300, 90, 15.0)
    assert found[0].alert_id == found[1].alert_id


def test_a_flag_under_the_strength_of_an_alert_opens_none(quiet: YearModel) -> None:
    quiet.outlook.flags[20] = (STRONG._replace(log10_tail=-5.9),)
    assert _alerts(_closes(quiet, range(18, 30), Said())) == []


@pytest.mark.parametrize(("others", "opens"), [([2], True), ([2, 4], False), ([1, 3], True)])
def test_three_flagged_schools_of_an_area_are_nobodys_own_event(quiet: YearModel, others: list[int], opens: bool) -> None:
    """Schools are in area i mod 2; two sessions of one school are one."""
    weak = STRONG._replace(log10_tail=-5.5)
    quiet.outlook.flags[20] = (STRONG, STRONG._replace(session=1, log10_tail=-5.1), *(weak._replace(school=i) for i in others))
    close = _closes(quiet, range(20, 21), Said())[0]
    assert [a.urn for a in close.alerts] == ([100_000] if opens else [])
    assert close.withheld == ({} if opens else {"sudden: area flagged": 1})


@pytest.mark.parametrize(("before", "opens"), [(9, True), (10, False), (19, False)])
def test_ten_quiet_school_days_are_needed(quiet: YearModel, before: int, opens: bool) -> None:
    quiet.outlook.flags[before] = (STRONG._replace(log10_tail=-5.5),)
    quiet.outlook.flags[20] = (STRONG,)
    close = _closes(quiet, range(20, 21), Said())[0]
    assert bool(close.alerts) == opens
    assert close.withheld == ({} if opens else {"sudden: flagged lately": 1})


def test_a_second_flag_within_three_school_days_updates_the_alert(quiet: YearModel) -> None:
    quiet.outlook.flags[20], quiet.outlook.flags[23] = (STRONG,), (STRONG._replace(log10_tail=-5.5),)
    found = _alerts(_closes(quiet, range(20, 30), Said()))
    assert [(a.state, a.reason) for a in found[1:]] == [
        (AlertState.UPDATED, "flagged again"),
        (AlertState.CLOSED, "3 school days have passed"),
    ]
    assert found[1].evidence["log10_tail"] == -5.5


def test_corrected_away_it_is_withdrawn_and_holds_nothing_off(quiet: YearModel) -> None:
    said = Said()
    quiet.outlook.flags[20] = (STRONG,)
    first = _alerts(_closes(quiet, range(20, 21), said))[0]
    quiet.outlook.flags[20] = (STRONG._replace(log10_tail=-5.5),)
    withdrawn = _alerts(_closes(quiet, range(21, 22), said))[0]
    quiet.outlook.flags[20] = (STRONG,)
    again = _alerts(_closes(quiet, range(20, 21), said))[0]
    assert (withdrawn.state, again.state, again.reason) == (AlertState.WITHDRAWN, AlertState.OPENED, "reopened")
    assert first.alert_id == withdrawn.alert_id == again.alert_id


def test_the_fold_of_what_was_published_knows_the_alert_again(quiet: YearModel) -> None:
    said, folded = Said(), Said()
    quiet.outlook.flags[20] = (STRONG,)
    for alert in _alerts(_closes(quiet, range(20, 21), said)):
        folded.add(Alert.model_validate_json(alert.to_line()))
    quiet.outlook.flags[20] = ()
    assert [a.state for a in _alerts(_closes(quiet, range(21, 22), folded))] == [AlertState.WITHDRAWN]


def test_a_real_session_goes_all_the_way_to_an_alert() -> None:
    made = deployments.deployment(SCHOOLS, DAYS, np.random.default_rng(1), areas=2)
    made = replace(made, roll=np.full(SCHOOLS, 400.0))
    held = deployments.panel(made, np.random.default_rng(4), missing=0.0)
    held.absences[45, 1, 3] = 200
    model = deployments.scored(made, held)
    said = Said()
    found = []
    for d in range(DAYS):
        model.score(held, d, d, {})
        found += [a for a in decide(model, d, said, Budget.of_rate(0.1), {}).alerts if a.kind is AlertKind.SUDDEN and a.urn == 100_003]
    assert [(str(a.state), a.evidence["session"]) for a in found] == [("opened", "PM"), ("closed", "PM")]
