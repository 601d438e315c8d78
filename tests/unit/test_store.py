"""Growing columns: what was added is there, whatever the sizes, and what was given out before stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import store


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 300), st.booleans()), max_size=30))
def test_a_column_holds_what_was_added_and_leaves_earlier_arrays_alone(steps: list[tuple[int, bool]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_PIECE_BYTES", 400)
        column, whole, given_out = store._Column(np.dtype(np.int32)), list[int](), list[tuple[np.ndarray, int]]()
        for count, asks in steps:
            column.extend(np.arange(len(whole), len(whole) + count, dtype=np.int32))
            whole += range(len(whole), len(whole) + count)
            if asks:
                given_out.append((column.values(), len(whole)))
        assert column.values().tolist() == whole
        assert column.length == len(whole)
        assert all(array.tolist() == whole[:length] for array, length in given_out)


def test_a_small_column_keeps_no_room_and_a_large_one_a_quarter() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_PIECE_BYTES", 400)
        column = store._Column(np.dtype(np.int32))
        column.extend(np.zeros(60, np.int32))
        small = column.values().base
        assert small is not None
        assert len(small) == 60
        column.extend(np.zeros(100, np.int32))
        first = column.values()
        assert first.base is not None
        assert len(first.base) == 200
        column.extend(np.ones(40, np.int32))
        assert column.values().base is first.base, "nothing was copied"
