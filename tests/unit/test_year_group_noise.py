"""What a history teaches chart G: the contrasts are those of the page, and the constants replace the shipped ones where enough is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.course import Course
from models.history import learn
from models.parameters import BUDGET, Parameters
from models.year_group_counts import series_key
from models.year_group_noise import year_group_residuals
from schemas.codes import YEAR_GROUP_IDS
from tests import deployments, restated
from tests.year_group_worlds import revisions, year

GROUP_CONSTANTS = ("group_a_long", "group_b_long", "group_a_short", "group_b_short")
DAYS = 90


@pytest.fixture(scope="module")
def course() -> Course:
    """24 schools, most of them primary; three or more year groups each."""
    made = deployments.deployment(24, DAYS, np.random.default_rng(3), areas=2)
    out = Course(made, Parameters(), BUDGET)
    everything, cells = revisions(made, year(made, np.random.default_rng(4)))
    out.close(DAYS - 1, everything, registers=cells)
    return out


def test_a_phase_s_residuals_are_its_year_groups_contrasts(course: Course) -> None:
    model, series = course.model, course.panel.groups.series
    here = model.deployment
    absence = np.full(24, 0.07)
    for phase in range(3):
        seen = year_group_residuals(model, phase, absence)
        mine = np.flatnonzero(here.phase[series.school] == phase)
        if seen is None:
            assert not len(mine)
            continue
        residual, variance, measured = seen
        assert residual.shape == (DAYS, len(mine))
        for place in range(0, len(mine), 5):
            school = int(series.school[mine[place]])
            for d in np.flatnonzero(measured[:, place])[::17].tolist():
                sheet = course.panel.groups.on(d)
                assert sheet is not None
                assert model.scored[d, school]
                e0, vb = _contrast(
                    sheet, np.flatnonzero(series.school == school), int(mine[place]), int(model.year_groups.counted[d, school])
                )
                assert residual[d, place] == pytest.approx(e0, abs=1e-8)
                assert variance[d, place] == pytest.approx(vb / (1.05 * 0.07 * 0.93), rel=1e-12)


def _contrast(sheet: np.ndarray, together: np.ndarray, own: int, bits: int) -> tuple[float, float]:
    """Difference of the two logits, and 1/pupils + 1/pupils of the rest, over the sessions that count and are broken down."""
    used = [s for s in range(2) if bits >> s & 1 and int(sheet[s, together].sum())]
    k = len(used)
    n, y = (sum(int(sheet[s + 2 * of, own]) for s in used) for of in range(2))
    rest_n, rest_y = (sum(int(sheet[s + 2 * of, i]) for s in used for i in together.tolist() if i != own) for of in range(2))
    e0 = restated.on_grid(math.log((y + k / 2) / (n - y + k / 2))) - restated.on_grid(
        math.log((rest_y + k / 2) / (rest_n - rest_y + k / 2))
    )
    return e0, k / n + k / rest_n


def test_a_phase_with_thirty_year_groups_has_its_own_constants_and_another_keeps_the_shipped(course: Course) -> None:
    shipped, learned = Parameters(), learn(course.deployment, course.panel, Parameters())
    phase, series = course.deployment.phase, course.panel.groups.series
    for f in range(3):
        enough = int((phase[series.school] == f).sum()) > 40
        for name in GROUP_CONSTANTS:
            assert (getattr(learned, name)[f] != getattr(shipped, name)[f]) == enough, (f, name)
    assert {bool((phase[series.school] == f).sum() > 40) for f in range(3)} == {True, False}
    assert learned.a_long == shipped.a_long, "too few schools for the charts of schools"


@pytest.mark.slow
def test_a_history_without_year_groups_keeps_the_shipped_constants(course: Course) -> None:
    held = Course(course.deployment, Parameters(), BUDGET)
    everything, _ = revisions(course.deployment, year(course.deployment, np.random.default_rng(4)))
    held.close(DAYS - 1, everything)
    learned = learn(course.deployment, held.panel, Parameters())
    assert [getattr(learned, n) for n in GROUP_CONSTANTS] == [getattr(Parameters(), n) for n in GROUP_CONSTANTS]


def test_the_series_are_those_of_the_code_table(course: Course) -> None:
    keys = course.panel.groups.series.key.tolist()
    assert keys[:3] == [series_key(0, YEAR_GROUP_IDS[g]) for g in ("7", "8", "9")]
