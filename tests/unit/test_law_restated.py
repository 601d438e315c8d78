"""The law of a day and of its sessions, the flags and the chance of the target equal the page restated in plain Python."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.course import Course, Revisions
from models.guards import Verdict
from models.outlook import EMPTY
from models.panel import Panel, Tally
from models.parameters import Budget, Parameters
from models.readings import NOTHING, rows
from tests import deployments, restated
from tests.restated_law import Law

if TYPE_CHECKING:
    from models.close import YearModel

DAYS = 90
Session = tuple[int, int] | None


def _sessions(model: YearModel, held: Panel) -> list[list[tuple[Session, Session]]]:
    """What counts of each school's day: of the deployments of these tests, every register that was sent."""
    out = []
    for d in range(DAYS):
        usable = model.verdict[d] == Verdict.MEASURED
        row = []
        for i in range(len(usable)):
            am, pm = ((int(held.possible[d, s, i]), int(held.absences[d, s, i])) if held.winner[d, s, i] >= 0 else None for s in (0, 1))
            row.append((am, pm) if usable[i] else (None, None))
        out.append(row)
    return out


def _restated(model: YearModel, held: Panel) -> Law:
    made, constants = model.deployment, Parameters()
    schools = [
        restated.School(
            int(f), int(j), float(aim), tuple(getattr(constants, n)[f] for n in ("sigma_u", "a_long", "b_long", "a_short", "b_short"))
        )
        for f, j, aim in zip(made.phase, made.area, made.aim(constants), strict=True)
    ]
    counts = [
        [(int(k), int(y), int(n)) if v == Verdict.MEASURED else None for v, k, y, n in zip(*day, strict=True)]
        for day in zip(model.verdict, model.registers, model.absences, model.possible, strict=True)
    ]
    eta = model.path.eta.tolist()
    law = Law(schools, eta, _sessions(model, held), constants.phi, constants.ar_share, made.target.tolist())
    restated.run(schools, eta, model.path.about.tolist(), counts, law)
    return law


@pytest.fixture(scope="module", params=range(2))
def both(request: pytest.FixtureRequest) -> tuple[YearModel, Law]:
    """Forty schools, a tenth of the registers missing, one school-wide event a week, so that there is something to flag."""
    rng = np.random.default_rng(request.param)
    made = deployments.deployment(40, DAYS, rng)
    held = deployments.panel(made, rng, missing=0.1)
    for d in range(10, DAYS, 5):
        session, school = int(rng.integers(2)), int(rng.integers(40))
        held.absences[d, session, school] = int(0.45 * held.possible[d, session, school])
    model = deployments.scored(made, held)
    model.score(held, 0, DAYS - 1, {})
    return model, _restated(model, held)


def test_innovations_equal_the_plain_restatement(both: tuple[YearModel, Law]) -> None:
    """2e-6: both are rounded to 6 decimals, and a rounded kappa passes on at most one step of its grid of 1e-9."""
    model, law = both
    z = model.outlook.residual_z
    for d in range(DAYS):
        for i, expected in enumerate(law.z[d]):
            if expected is None:
                assert z[d, i] == EMPTY
            else:
                assert z[d, i] / 1e6 == pytest.approx(expected, abs=2e-6)
    assert (np.abs(z[z != EMPTY]) > 3_000_000).any()


@pytest.mark.slow
def test_what_phases_teach_equals_the_plain_restatement(both: tuple[YearModel, Law]) -> None:
    model, law = both
    phases = model.state.outlook.phases
    np.testing.assert_allclose(phases.log_kappa, law.log_kappa, atol=1e-12)
    np.testing.assert_allclose(phases.effect_variance, law.new, rtol=1e-9)
    np.testing.assert_allclose(phases.stay, [law.stay(f) for f in range(3)], rtol=1e-9)
    assert phases.log_kappa[0] != 0
    assert phases.stay[0] != 0.9


def test_flags_equal_the_plain_restatement(both: tuple[YearModel, Law]) -> None:
    """Every session of the year is judged by whole sums there, so the screen at 4 standard deviations loses nothing either."""
    model, law = both
    found = [(d, f.school, f.session) for d, flags in enumerate(model.outlook.flags) for f in flags]
    assert found == sorted((d, i, s) for d, i, s, _ in law.flagged)
    tails = {(d, i, s): tail for d, i, s, tail in law.flagged}
    for d, flags in enumerate(model.outlook.flags):
        for f in flags:
            assert f.log10_tail == pytest.approx(tails[d, f.school, f.session], abs=1e-5, rel=1e-3 if f.log10_tail < -200 else 0)
    assert {s for _, _, s, _ in law.flagged} == {0, 1}


def test_the_chance_of_the_target_equals_the_plain_restatement(both: tuple[YearModel, Law]) -> None:
    """Day after day over all days ahead, against the 6 kept sums: 2e-5 for the polynomial, far from 0 and 1 as well."""
    model, law = both
    p = model.outlook.p_target
    worst, middle = 0.0, 0
    for d in range(DAYS):
        for i in range(40):
            if math.isnan(model.deployment.target[i]) or math.isnan(law.p_target[d][i]):
                assert p[d, i] == EMPTY
            else:
                worst = max(worst, abs(p[d, i] / 1e6 - law.p_target[d][i]))
                middle += 0.05 < law.p_target[d][i] < 0.95
    assert worst < 2e-5
    assert middle > 100


@pytest.mark.parametrize("block_days", [1, 7])
def test_neither_blocks_nor_checkpoints_nor_days_closed_one_by_one_change_a_byte(block_days: int) -> None:
    rng = np.random.default_rng(9)
    made = deployments.deployment(40, 60, rng)
    held = deployments.panel(made, rng, missing=0.1)
    held.absences[20, 0, :3] = held.possible[20, 0, :3] // 2
    whole, other = (deployments.scored(made, held, block_days=size) for size in (15, block_days))
    whole.score(held, 0, 59, {})
    for d in range(60):
        other.score(held, d, d, {})
        for day in [day for day in other.checkpoints if rng.random() < 0.4]:
            del other.checkpoints[day]
    other.score(held, 33, 59, {})
    assert other.outlook.residual_z.tobytes() == whole.outlook.residual_z.tobytes()
    assert other.outlook.p_target.tobytes() == whole.outlook.p_target.tobytes()
    assert other.outlook.flags == whole.outlook.flags
    assert any(whole.outlook.flags)


def test_the_order_of_the_schools_changes_no_byte() -> None:
    rng = np.random.default_rng(3)
    made = deployments.deployment(50, 60, rng)
    held = deployments.panel(made, rng, missing=0.1)
    order = rng.permutation(50)
    shuffled = deployments.permuted(made, order)
    turned = deployments.permuted_panel(held, order)
    one, other = deployments.scored(made, held), deployments.scored(shuffled, turned)
    for model, panel in ((one, held), (other, turned)):
        model.score(panel, 0, 59, {})
    for name in ("residual_z", "p_target"):
        assert getattr(one.outlook, name)[:, order].tobytes() == getattr(other.outlook, name).tobytes(), name


def test_the_published_columns_are_the_outlooks_and_empty_where_it_is(both: tuple[YearModel, Law]) -> None:
    model, law = both
    made = model.deployment
    table = rows(model, Panel(DAYS, len(made.urn)), Budget.of_rate(0.1), slice(0, len(made.urn))).T
    for name, held in (("residual_z", model.outlook.residual_z), ("p_target", model.outlook.p_target)):
        column = table[name]
        assert (column[held == EMPTY] == NOTHING).all()
        assert (column[held != EMPTY] == held[held != EMPTY]).all()
        assert (held == EMPTY).any()
    assert (table["residual_z"] == NOTHING).sum() == sum(z is None for day in law.z for z in day)


def test_a_school_that_changes_its_sessions_has_the_chances_of_a_fresh_year() -> None:
    """Its path is laid again, which moves days ahead of rows long published: they are worked out again, whatever the closes."""
    days, schools = 40, 12
    made = deployments.deployment(schools, days, np.random.default_rng(6))
    made = replace(made, target=made.baseline * 0.97)
    held = deployments.panel(made, np.random.default_rng(7), missing=0.0)
    everything = []
    for d in range(days):
        sent = [(s, i) for s in (0, 1) for i in range(schools) if not (i < 3 and s == 1 and d >= 8)]
        session, school = (np.array(x, np.int32) for x in zip(*sent, strict=True))
        possible, absent = held.possible[d, session, school], held.absences[d, session, school]
        none = np.zeros(len(sent), np.int32)
        rank = np.arange(len(sent), dtype=np.int32) + d * 2 * schools
        sums = Tally(possible, absent, none, none, none.astype(bool))
        everything.append(Revisions(rank, np.full(len(sent), d, np.int32), session, school, sums))
    daily = Course(made, Parameters(), Budget.of_rate(0.1))
    for d, new in enumerate(everything):
        daily.close(d, new)
    fresh = deployments.scored(made, daily.panel)
    fresh.score(daily.panel, 0, days - 1, {})
    assert daily.model.path.laid > 0
    np.testing.assert_array_equal(daily.model.path.eta, fresh.path.eta)
    assert daily.model.outlook.p_target.tobytes() == fresh.outlook.p_target.tobytes()
    assert daily.model.outlook.residual_z.tobytes() == fresh.outlook.residual_z.tobytes()
