"""No figure outside a school gives a small count back: not by itself, not by subtracting any pair, not from all sums together."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.small_numbers import Count, CountTable, Shown

tables = st.integers(1, 6).flatmap(
    lambda width: st.lists(
        st.lists(st.sampled_from([0, 0, 3, 8, 9, 10, 12, 15, 40]), min_size=width, max_size=width), min_size=1, max_size=6
    )
)


def _grid(table: CountTable) -> list[list[Count]]:
    return [*([*cells, total] for cells, total in zip(table.cells, table.rows, strict=True)), [*table.columns, table.total]]


@given(tables)
def test_no_small_count_is_shown(values: list[list[int]]) -> None:
    for count in (c for row in _grid(CountTable.of(values)) for c in row):
        assert count.value is None or count.value == 0 or count.value > 9
        assert str(count._value) not in str(count) or count.value is not None or count._value == 1  # the 1 of "fewer than 10"


@given(tables)
def test_a_sum_less_what_is_shown_of_it_is_never_a_small_number(values: list[list[int]]) -> None:
    """Every line: the remainder after taking away every shown part is 0 or at least 10; with two figures that is their difference."""
    grid = _grid(CountTable.of(values))
    for line in (*grid, *map(list, zip(*grid, strict=True))):
        *parts, total = line
        if total.value is not None:
            rest = total.value - sum(c.value or 0 for c in parts)
            assert rest == 0 or rest > 9


@given(tables)
def test_subtracting_a_part_from_the_whole_gives_no_single_hidden_count(values: list[list[int]]) -> None:
    grid = _grid(CountTable.of(values))
    for line in (*grid, *map(list, zip(*grid, strict=True))):
        *parts, total = line
        hidden = [c._value for c in parts if c.value is None]
        if total.value is None or not hidden:
            continue
        shown = [c.value for c in parts if c.value]
        for size in range(len(shown) + 1):
            for some in combinations(shown, size):
                assert total.value - sum(some) not in {h for h in hidden if 0 < h <= 9}


@example([[8, 12, 12], [8, 10, 3], [0, 0, 8], [0, 8, 3], [0, 0, 10]])  # found: line by line alone is not enough
@example([[3, 12, 8], [0, 10, 0], [0, 8, 3], [40, 40, 40], [8, 0, 12]])  # found: a 0 must be hidden too
@given(tables)
def test_all_sums_together_determine_no_small_count(values: list[list[int]]) -> None:
    """Derivation: a hidden cell is determined exactly if its unit vector lies in the row space of the lines' equations."""
    grid = _grid(CountTable.of(values))
    hidden = [(i, j) for i, row in enumerate(grid) for j, c in enumerate(row) if c.value is None]
    if not hidden:
        return
    place = {at: k for k, at in enumerate(hidden)}
    height, width = len(grid), len(grid[0])
    equations = []
    for cells in (*([(i, j) for j in range(width)] for i in range(height)), *([(i, j) for i in range(height)] for j in range(width))):
        row = np.zeros(len(hidden))
        for n, at in enumerate(cells):
            if at in place:
                row[place[at]] = -1.0 if n == len(cells) - 1 else 1.0
        equations.append(row)
    matrix = np.array(equations)
    rank = np.linalg.matrix_rank(matrix)
    for at, k in place.items():
        unit = np.zeros((1, len(hidden)))
        unit[0, k] = 1.0
        if np.linalg.matrix_rank(np.vstack([matrix, unit])) == rank:
            value = grid[at[0]][at[1]]._value
            assert value == 0 or value > 9, f"{at} is {value} and follows from the sums"


@given(tables)
def test_the_school_sees_its_own_figures(values: list[list[int]]) -> None:
    table = CountTable.of(values, exact=True)
    assert all(c.shown is Shown.EXACT for row in _grid(table) for c in row)
    assert [[c.value for c in row] for row in table.cells] == values
