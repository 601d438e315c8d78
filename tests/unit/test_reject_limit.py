"""Too many rejects: by share of an interval, or by run in a partition."""

from __future__ import annotations

import pytest

from streams.reject_limit import too_many


@pytest.mark.parametrize(
    ("rejected", "records", "stops", "sentence"),
    [
        ({}, 10_000, False, "nothing was rejected"),
        ({"t/0": range(0, 1_000, 20)}, 1_000, False, "one in twenty is not over 5 %"),
        ({"t/0": range(0, 1_020, 20)}, 1_000, True, "51 of 1,000 are"),
        ({"t/0": range(0, 998, 2)}, 999, False, "of fewer than 1,000 records a share says little"),
        ({"t/0": range(100, 599)}, 1_000_000, False, "499 in a row"),
        ({"t/0": range(100, 600)}, 1_000_000, True, "500 in a row"),
        ({"t/0": [*range(100, 400), *range(401, 700)]}, 1_000_000, False, "a good one between breaks the run"),
        ({"t/0": range(250), "t/1": range(250)}, 1_000_000, False, "a run is of one partition"),
        ({"t/0": range(500)}, 500, True, "a run needs no least number of records"),
    ],
)
def test_the_limit(rejected: dict[str, range], records: int, stops: bool, sentence: str) -> None:
    reason = too_many({place: list(offsets) for place, offsets in rejected.items()}, records)
    assert (reason is not None) == stops, sentence
    assert reason is None or "headway rejects accept" in reason
