"""The area rule: one event for one move, with several areas and with one."""

from __future__ import annotations

import numpy as np

from models.area import AreaState, area_day
from models.common_effect import Effect


def day(state: AreaState, means: list[float], schools: int = 50) -> bool:
    """One day on which each area's schools moved by so much; whether the first area's event is on after it."""
    size = len(means)
    weight = np.zeros((3, size))
    weight[0] = 40.0 * schools
    effect = Effect(weight, weight * np.array(means), weight, weight, schools * size, np.full(size, schools, np.int32), 0.01, 0.0025)
    area_day(state, effect)
    return bool(state.on[0])


def test_a_lasting_move_of_a_lone_area_is_one_event_that_ends_after_fifteen_days() -> None:
    state = AreaState.start(1)
    on = [day(state, [0.0 if d < 10 else 0.6]) for d in range(100)]
    assert [d for d in range(1, 100) if on[d] and not on[d - 1]] == [10]
    assert sum(on) == 15


def test_a_second_event_begins_once_the_first_has_fallen() -> None:
    state = AreaState.start(1)
    on = [day(state, [0.6 if 10 <= d < 40 or d >= 60 else 0.0]) for d in range(63)]
    assert [d for d in range(1, 63) if on[d] and not on[d - 1]] == [10, 60]


def test_with_several_areas_the_nation_is_taken_out() -> None:
    state = AreaState.start(5)
    assert not day(state, [0.6] * 5)
    assert day(state, [0.6, 0.0, 0.0, 0.0, 0.0])


def test_four_schools_are_no_area() -> None:
    state = AreaState.start(5)
    assert not day(state, [0.6, 0.0, 0.0, 0.0, 0.0], schools=4)
