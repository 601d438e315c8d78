"""Year groups: whatever the order of arrival, repeats, blocks and deleted checkpoints, the same bytes as from nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.course import Course
from models.panels import Panels
from models.parameters import Budget, Parameters
from models.readings import NOTHING, rows
from models.said import Said
from models.year_group_counts import series_key
from schemas.codes import YEAR_GROUP_IDS
from tests import deployments
from tests.year_group_worlds import Register, batch, revisions, year

if TYPE_CHECKING:
    from models.deployment import Deployment
    from models.panels import Closed

BUDGET = Budget.of_rate(0.5)
DAYS, SCHOOLS = 34, 11
pytestmark = pytest.mark.timeout(120)


def world(seed: int) -> tuple[Deployment, list[Register]]:
    """A small year with corrections: other counts, a year group gone or new, no breakdown any more or one at last."""
    rng = np.random.default_rng(seed)
    made = deployments.deployment(SCHOOLS, DAYS, np.random.default_rng(seed + 1), areas=2)
    registers = year(made, rng, drift=(4, "9", 21, 3.0))
    again = []
    for i in rng.choice(len(registers), len(registers) // 12, replace=False):
        r = registers[int(i)]
        counts = dict(r.counts)
        kind = int(rng.integers(4))
        if kind == 0 or "all" in counts:
            counts = {"7": {"/": 80, "I": 6}, "9": {"/": 80, "O": int(rng.integers(30))}}
        elif kind == 1:
            counts.pop("8")
        elif kind == 2:
            counts = {"all": {"/": 300, "I": 12}}
        else:
            counts["12"] = {"/": 40, "I": 3}
        again.append(replace(r, revision=1, counts=counts))
    return made, registers + again


def of_course(course: Course) -> list[bytes]:
    """Everything that chart G says."""
    groups = course.model.year_groups
    said = rows(course.model, course.panel, BUDGET, slice(0, SCHOOLS))
    assert (said["statistic_year_group"] != NOTHING).any()
    return [said.tobytes(), *(a.tobytes() for a in (groups.statistic, groups.leading, groups.runs, groups.scored))]


def from_nothing(made: Deployment, registers: list[Register], block_days: int = 15) -> Course:
    course = Course(made, Parameters(), BUDGET, block_days)
    everything, cells = revisions(made, registers)
    course.close(DAYS - 1, everything, registers=cells)
    return course


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10_000), st.integers(1, 8))
def test_any_order_of_arrival_with_repeats_and_deleted_checkpoints_ends_where_one_close_from_nothing_does(seed: int, pieces: int) -> None:
    rng = np.random.default_rng(seed)
    made, registers = world(seed % 5)
    order = np.concatenate([rng.permutation(len(registers)), rng.integers(0, len(registers), 40)])
    panels = Panels(Parameters(), BUDGET)
    panels.refer(made.urn, {made.academic_year: made})
    days = sorted(rng.integers(0, DAYS, pieces).tolist())
    for part, day in zip(np.array_split(order, pieces), days, strict=True):
        panels.add(batch(made, [registers[int(i)] for i in part]))
        closed = _close(panels, made, day)
        for kept in list(closed.course.model.checkpoints):
            if rng.random() < 0.4:
                del closed.course.model.checkpoints[kept]
    last = _close(panels, made, DAYS - 1)
    assert of_course(last.course) == of_course(from_nothing(made, registers))


def _close(panels: Panels, made: Deployment, day: int) -> Closed:
    return panels.close(made.academic_year, int(made.days[day]), {}, Said)


@pytest.mark.slow
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10_000), st.sampled_from([1, 7]))
def test_blocks_change_no_byte_and_neither_does_a_day_by_day_course(seed: int, block_days: int) -> None:
    made, registers = world(seed % 5)
    whole = of_course(from_nothing(made, registers))
    assert of_course(from_nothing(made, registers, block_days)) == whole
    everything, cells = revisions(made, registers)
    course = Course(made, Parameters(), BUDGET, block_days)
    arrives = np.minimum(everything.day + np.random.default_rng(seed).geometric(0.5, len(everything)) - 1, DAYS - 1)
    for day in range(DAYS):
        course.close(day, everything.only(np.flatnonzero(arrives == day)), registers=cells)
    assert of_course(course) == whole


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_the_panel_by_year_group_holds_what_the_winning_registers_say(seed: int) -> None:
    """Against a dict: the last revision of each (school, day, session), its year groups without study leave."""
    rng = np.random.default_rng(seed)
    made, registers = world(seed % 5)
    course = Course(made, Parameters(), BUDGET)
    everything, cells = revisions(made, registers)
    for part in np.array_split(rng.permutation(len(everything)), 3):
        course.close(DAYS - 1, everything.only(np.sort(part)), registers=cells)
    winning: dict[tuple[int, int, int], Register] = {}
    for r in sorted(registers, key=lambda r: r.revision):
        winning[r.school, r.day, r.session] = r
    counts = course.panel.groups
    for day in range(DAYS):
        sheet = counts.on(day)
        assert sheet is not None
        held = {}
        for place in np.flatnonzero(sheet[:2].any(axis=0)).tolist():
            for session in range(2):
                if sheet[session, place]:
                    key = int(counts.series.key[place]), session
                    held[key] = int(sheet[session, place]), int(sheet[session + 2, place])
        assert held == _expected(day, winning)


def _expected(day: int, winning: dict[tuple[int, int, int], Register]) -> dict[tuple[int, int], tuple[int, int]]:
    out = {}
    for (school, d, session), r in winning.items():
        for group, row in r.counts.items() if d == day else ():
            absent = row.get("I", 0) + row.get("O", 0)
            if group != "all":
                out[series_key(school, YEAR_GROUP_IDS[group]), session] = row["/"] + absent, absent
    return {key: pair for key, pair in out.items() if pair[0]}
