"""Chart G: equal to the page restated in plain Python, named right, and the same whatever the block, order and past."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.course import Course
from models.parameters import Budget, Parameters
from models.readings import NOTHING, rows
from models.year_group_counts import series_key
from schemas.codes import YEAR_GROUP_IDS, YEAR_GROUPS
from tests import deployments, restated
from tests.year_group_worlds import Register, revisions, year

if TYPE_CHECKING:
    from models.close import YearModel
    from models.deployment import Deployment
    from schemas.alert import Alert

SENSITIVE = Budget.of_rate(0.5)
DAYS = 45


def deployed(seed: int, schools: int = 14, days: int = DAYS) -> Deployment:
    return deployments.deployment(schools, days, np.random.default_rng(seed), areas=2)


def closed(made: Deployment, registers: list[Register], *, day: int = DAYS - 1, block_days: int = 15) -> Course:
    course = Course(made, Parameters(), SENSITIVE, block_days)
    everything, cells = revisions(made, registers)
    course.close(day, everything, registers=cells)
    return course


def said(course: Course) -> bytes:
    """The readings of every school, all of their columns."""
    return rows(course.model, course.panel, SENSITIVE, slice(0, len(course.deployment.urn))).tobytes()


@pytest.mark.parametrize("seed", range(4))
def test_chart_g_equals_the_plain_restatement(seed: int) -> None:
    """Which sessions count and which days are scored is taken from the model: the guards have tests of their own."""
    made = deployed(seed)
    registers = year(made, np.random.default_rng(seed + 100), drift=(2, "8", 25, 2.5))
    course = closed(made, registers)
    model, row = course.model, Parameters()
    sent = {(r.school, r.day, r.session): r.counts for r in registers}
    led = 0
    for s in range(len(made.urn)):
        f = int(made.phase[s])
        school = restated.School(f, 0, float(made.aim(row)[s]), (0.0,) * 5)
        constants = (row.group_a_long[f], row.group_b_long[f], row.group_a_short[f], row.group_b_short[f])
        days = [(bool(model.scored[d, s]), [_plain(sent[s, d, x]) for x in range(2) if _counts(model, sent, s, d, x)]) for d in range(DAYS)]
        expected = restated.run_groups(school, constants, days)
        np.testing.assert_allclose(model.year_groups.statistic[:, s], [x for x, _ in expected], atol=2e-6, rtol=0)
        named = [None if g == 255 else YEAR_GROUPS[g] for g in model.year_groups.leading[:, s]]
        assert named == [g for _, g in expected], f"school {s}"
        led += sum(g is not None for g in named)
    assert led > 50, "nothing to compare"


def _counts(model: YearModel, sent: dict[tuple[int, int, int], dict[str, dict[str, int]]], s: int, d: int, x: int) -> bool:
    return (s, d, x) in sent and bool(model.year_groups.counted[d, s] >> x & 1)


def _plain(counts: dict[str, dict[str, int]]) -> restated.GroupDay:
    """(y, N) by year group, nothing for a register without a breakdown."""
    if "all" in counts:
        return {}
    return {g: (row["I"] + row["O"], row["/"] + row["I"] + row["O"]) for g, row in counts.items()}


def test_a_year_group_that_drifts_is_named_with_its_own_counts_and_those_of_the_rest() -> None:
    made = deployed(5, days=80)
    registers = year(made, np.random.default_rng(6), drift=(4, "9", 40, 3.0))
    course, alerts = _day_by_day(made, registers, 80)
    mine = [a for a in alerts if a.kind == "year_group" and a.urn == made.urn[4] and a.state == "opened"]
    assert [a.chart for a in mine] == ["G:9"]
    found, opened = mine[0].evidence, _index(made, mine[0].opened_on)
    assert mine[0].onset_about is not None
    assert 40 <= opened <= 55
    onset = _index(made, mine[0].onset_about)
    taken = [r for r in registers if r.school == 4 and onset <= r.day <= opened and course.model.scored[r.day, 4] and "9" in r.counts]
    own = [_plain(r.counts)["9"] for r in taken]
    rest = [pair for r in taken for g, pair in _plain(r.counts).items() if g != "9"]
    assert (found["absences"], found["possible_sessions"]) == (sum(y for y, _ in own), sum(n for _, n in own))
    assert (found["rest_absences"], found["rest_possible_sessions"]) == (sum(y for y, _ in rest), sum(n for _, n in rest))
    assert found["sessions"] == len(taken)
    assert found["year_group"] == "9"
    excess = found["excess_absences"]
    assert isinstance(excess, float)
    assert excess == pytest.approx(sum(y for y, _ in own) - float(found["expected_absences"] or 0), abs=2e-6)
    assert excess > sum(y for y, _ in own) / 4


def _day_by_day(made: Deployment, registers: list[Register], days: int) -> tuple[Course, list[Alert]]:
    course = Course(made, Parameters(), SENSITIVE)
    everything, cells = revisions(made, registers)
    alerts: list[Alert] = []
    for day in range(days):
        alerts += course.close(day, everything.only(np.flatnonzero(everything.day == day)), registers=cells).alerts
    return course, alerts


def _index(made: Deployment, when: date) -> int:
    return int(np.searchsorted(made.days, (when - date(1970, 1, 1)).days))


@pytest.mark.parametrize("block_days", [1, 7])
def test_the_size_of_a_block_changes_no_byte_of_chart_g(block_days: int) -> None:
    made = deployed(8)
    registers = year(made, np.random.default_rng(9))
    one, other = closed(made, registers), closed(made, registers, block_days=block_days)
    assert said(one) == said(other)
    for name in ("statistic", "leading", "runs", "scored", "counted"):
        assert getattr(one.model.year_groups, name).tobytes() == getattr(other.model.year_groups, name).tobytes(), name


def test_a_correction_of_one_year_group_in_september_moves_june_as_a_replay_from_nothing_does() -> None:
    made = deployed(10, days=120)
    registers = year(made, np.random.default_rng(11))
    first = next(r for r in registers if r.day == 8 and r.school == 3 and "8" in r.counts)
    row = first.counts["8"]
    late = replace(first, revision=1, counts=first.counts | {"8": {"/": 1, "I": row["/"] + row["I"], "O": row["O"]}})
    course = closed(made, registers, day=119)
    before, wrong = course.model.year_groups.statistic[119].copy(), said(course)
    everything, cells = revisions(made, [*registers, late])
    mine = np.flatnonzero((everything.day == 8) & (everything.school == 3) & (everything.session == first.session))
    course.close(119, everything.only(mine[-1:]), registers=cells)
    fresh = Course(made, Parameters(), SENSITIVE)
    fresh.close(119, everything, registers=cells)
    assert said(course) == said(fresh) != wrong
    assert course.model.year_groups.statistic.tobytes() == fresh.model.year_groups.statistic.tobytes()
    assert np.flatnonzero(course.model.year_groups.statistic[119] != before).tolist() == [3], "one school's chart, no other's"


def test_registers_without_a_breakdown_have_no_chart_and_cost_nothing() -> None:
    made = deployed(12)
    registers = [replace(r, counts={"all": {"/": 300, "I": 10 + r.day % 7}}) for r in year(made, np.random.default_rng(13))]
    course = closed(made, registers)
    assert not course.model.year_groups.used
    table = rows(course.model, course.panel, SENSITIVE, slice(0, 14))
    assert (table["statistic_year_group"] == NOTHING).all()
    assert (table["once_in_school_years_year_group"] == NOTHING).all()
    assert (table["statistic_level"] != NOTHING).all()


def test_a_school_has_no_statistic_before_two_of_its_year_groups_were_measured() -> None:
    """School 0 sends no breakdown for 10 days, school 1 one year group only, school 3 two of which one has 4 pupils."""
    made = deployed(14)
    registers = []
    for r in year(made, np.random.default_rng(15)):
        counts = {g: row for g, row in r.counts.items() if g != "all"}
        if r.school == 0 and r.day < 10:
            counts = {"all": {"/": int(made.roll[0]) - 20, "I": 20}}
        elif r.school == 1:
            counts = {"7": {"/": int(made.roll[1]) - 20, "I": 20}}
        elif r.school == 3:
            counts = {"7": {"/": int(made.roll[3]) - 20, "I": 16}, "8": {"/": 3, "O": 1}}
        registers.append(replace(r, counts=counts or {"7": {"/": 50, "I": 1}, "8": {"/": 50, "I": 1}}))
    course = closed(made, registers)
    table = rows(course.model, course.panel, SENSITIVE, slice(0, 14))["statistic_year_group"]
    runs = course.model.year_groups.runs
    assert np.flatnonzero(table[0] != NOTHING).tolist() == list(range(int(np.flatnonzero(runs[:, 0])[0]), DAYS))
    assert not runs[:10, 0].any()
    assert runs[12, 0]
    assert (table[[1, 3]] == NOTHING).all()
    assert runs[-1, 2]


def test_a_school_whose_registers_lose_their_breakdown_has_no_chart_any_more_whatever_checkpoints_say() -> None:
    made = deployed(26)
    registers = year(made, np.random.default_rng(27))
    without = [replace(r, revision=1, counts={"all": {"/": int(made.roll[5]) - 9, "I": 9}}) for r in registers if r.school == 5]
    everything, cells = revisions(made, [*registers, *without])
    late = (everything.school == 5) & np.isin(np.asarray(cells.rows), np.arange(len(registers), len(registers) + len(without)))
    course = Course(made, Parameters(), SENSITIVE)
    for day in range(DAYS):
        course.close(day, everything.only(np.flatnonzero((everything.day == day) & ~late)), registers=cells)
    assert course.model.year_groups.runs[-1, 5]
    for day in (20, 5, 0):  # from a checkpoint after day 19, from one before day 5, from nothing
        course.close(DAYS - 1, everything.only(np.flatnonzero(late & (everything.day >= day))), registers=cells)
    fresh = Course(made, Parameters(), SENSITIVE)
    fresh.close(DAYS - 1, everything, registers=cells)
    assert said(course) == said(fresh)
    assert not course.model.year_groups.runs[:, 5].any()
    assert course.model.year_groups.runs[-1, np.delete(np.arange(14), 5)].all()


def test_a_day_on_which_the_leading_year_group_is_away_is_not_its_day() -> None:
    made = deployed(28)
    registers = year(made, np.random.default_rng(29), drift=(4, "9", 22, 3.0))
    registers = [replace(r, counts={g: c for g, c in r.counts.items() if g != "9" or r.day < 40}) for r in registers]
    model = closed(made, registers).model
    assert (model.year_groups.leading[30:, 4] == YEAR_GROUP_IDS["9"]).all()
    assert model.scored[30:, 4].sum() > 10
    np.testing.assert_array_equal(model.year_groups.scored[30:40, 4], model.scored[30:40, 4])
    assert not model.year_groups.scored[40:, 4].any()
    assert len(np.unique(model.year_groups.statistic[40:, 4])) == 1, "what was gathered stands"


def test_a_session_that_the_guards_drop_counts_for_no_year_group() -> None:
    """On day 30 a tenth of the afternoon's pupils have no mark yet: one session is left, and k is 1."""
    made = deployed(16)
    registers = []
    for r in year(made, np.random.default_rng(17)):
        counts = r.counts
        if (r.school, r.day, r.session) == (2, 30, 1):
            here = counts["7"]["/"]
            counts = counts | {"7": counts["7"] | {"/": here - here // 2, "-": here // 2}}
        registers.append(replace(r, counts=counts))
    model = closed(made, registers).model
    assert model.year_groups.counted[30, 2] == 1
    assert model.year_groups.counted[29, 2] == 3


def test_a_year_group_that_no_school_could_have_is_left_out() -> None:
    made = deployed(18)
    registers = [
        replace(r, counts=r.counts | {"12": {"/": 70_000}}) for r in year(made, np.random.default_rng(19)) if "all" not in r.counts
    ]
    assert YEAR_GROUP_IDS["12"] not in closed(made, registers).panel.groups.series.group


def test_the_first_twenty_scored_days_of_a_school_gather_nothing() -> None:
    made = deployed(20)
    registers = year(made, np.random.default_rng(21), drift=(4, "9", 5, 4.0))
    groups = closed(made, registers).model.year_groups
    scored = closed(made, registers).model.scored
    warm = np.cumsum(scored, axis=0) > 20
    assert (groups.statistic[~warm] == 0).all()
    assert (groups.statistic[warm] > 0).any()


def test_an_acknowledgement_restarts_its_year_group_and_no_other() -> None:
    made = deployed(22)
    registers = year(made, np.random.default_rng(23), drift=(4, "9", 22, 3.0))
    group = YEAR_GROUP_IDS["9"]
    plain = closed(made, registers).model
    assert plain.year_groups.leading[30, 4] == group
    course = Course(made, Parameters(), SENSITIVE)
    everything, cells = revisions(made, registers)
    course.close(DAYS - 1, everything, {30: ([], [], [series_key(4, group)])}, cells)
    after = course.model
    np.testing.assert_array_equal(after.year_groups.statistic[:31], plain.year_groups.statistic[:31])
    assert after.year_groups.statistic[31, 4] < plain.year_groups.statistic[31, 4]
    others = np.delete(np.arange(14), 4)
    np.testing.assert_array_equal(after.year_groups.statistic[:, others], plain.year_groups.statistic[:, others])
    mine = after.state.groups.series.place(np.array([series_key(4, group)]))
    assert after.state.groups.reference[mine] == plain.state.groups.reference[mine], "what was learned stays"
    assert after.state.groups.quiet[mine] >= 30
    again = Course(made, Parameters(), SENSITIVE)
    again.close(DAYS - 1, everything, registers=cells)
    again.close(DAYS - 1, everything.only(np.zeros(0, np.int64)), {30: ([], [], [series_key(4, group)])}, cells)
    assert said(again) == said(course), "an acknowledgement that comes late says the same"
