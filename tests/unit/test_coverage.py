"""Coverage watched close by close: an honest law holds what it says, a too narrow one is seen, phases apart."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.coverage import COVERS, Coverage

PHASE = np.repeat([0, 1, 2], [400, 200, 9]).astype(np.int32)


def test_normal_innovations_are_held_as_often_as_the_intervals_say() -> None:
    """40 closes of 400: the weighted mean of 1/39 effective closes has an sd of sqrt(.25 / (400 * 39)) = .004; 4 of them."""
    rng = np.random.default_rng(1)
    watch = Coverage()
    for _ in range(120):
        watch.take(PHASE, rng.normal(size=len(PHASE)))
    primary, secondary, special = watch.held()
    assert primary.shares == pytest.approx(COVERS, abs=0.016)
    assert secondary.shares == pytest.approx(COVERS, abs=0.024)
    assert primary.deviation == pytest.approx(1.0, abs=0.04)
    assert primary.closes == 120
    assert (special.closes, math.isnan(special.shares[0]), math.isnan(special.deviation)) == (0, True, True)


def test_a_law_that_has_become_too_narrow_is_seen_within_some_closes() -> None:
    rng = np.random.default_rng(2)
    watch = Coverage()
    for close in range(120):
        watch.take(PHASE, rng.normal(scale=1.0 if close < 60 else 1.5, size=len(PHASE)))
    primary, *_ = watch.held()
    assert primary.shares[1] == pytest.approx(0.607, abs=0.03)  # Phi(1.2816 / 1.5) twice, less 1, and 5 % of the first half
    assert primary.deviation > 1.35


def test_schools_that_were_not_scored_count_for_nothing() -> None:
    watch, other = Coverage(), Coverage()
    z = np.random.default_rng(3).normal(size=len(PHASE))
    kept = np.arange(len(PHASE)) % 2 == 0
    watch.take(PHASE, np.where(kept, z, np.nan))
    other.take(PHASE[kept], z[kept])
    assert watch.held()[0] == other.held()[0]


def test_transforms_are_watched_like_innovations() -> None:
    rng = np.random.default_rng(4)
    watch = Coverage()
    for _ in range(120):
        watch.take_pits(PHASE, rng.random(len(PHASE)))
    primary, *_ = watch.held()
    assert primary.shares == pytest.approx(COVERS, abs=0.016)
    assert math.isnan(primary.deviation)
