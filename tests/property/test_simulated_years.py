"""Any small simulated year, any defects: its registers hold together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models import simulator_defects as defects
from models.batch import CODE_BITS, PUPILS_BITS
from models.simulator import DriftKind, Shock, SimulatedYear, make
from models.simulator_codes import split_codes
from models.simulator_registers import Sent, clean_registers, to_batch

if TYPE_CHECKING:
    from collections.abc import Callable

_KINDS: tuple[DriftKind | None, ...] = (None, "step", "ramp", "year group")
_WRITING: tuple[Callable[[SimulatedYear, Sent, int], Sent], ...] = (defects.all_present_registers, defects.provisional_codes)
_TAKING: tuple[Callable[[SimulatedYear, Sent, int], Sent], ...] = (
    defects.late_registers,
    defects.silent_schools,
    defects.missing_registers,
)


@st.composite
def years(draw: st.DrawFn) -> SimulatedYear:
    """Up to 12 schools and 20 days."""
    return make(
        draw(st.integers(0, 2**64)),
        draw(st.integers(1, 12)),
        days=draw(st.integers(1, 20)),
        areas=draw(st.integers(1, 4)),
        drift=draw(st.sampled_from(_KINDS)),
        share=draw(st.floats(0, 1)),
        shock=draw(st.sampled_from([None, Shock(), Shock(1.8, 1, 2)])),
        off_level=draw(st.floats(0, 0.3)),
    )


@given(years())
@settings(max_examples=40, deadline=None)
def test_absences_lie_between_none_and_all(year: SimulatedYear) -> None:
    assert year.absences.min() >= 0
    assert np.all(year.absences <= year.possible)
    assert np.all(np.isfinite(year.known_shape))


@given(years(), st.permutations(_WRITING), st.permutations(_TAKING), st.integers(0, 1_000))
@settings(max_examples=40, deadline=None)
def test_every_register_holds_the_roll_and_one_revision_of_each_number(
    year: SimulatedYear,
    writing: list[Callable[[SimulatedYear, Sent, int], Sent]],
    taking: list[Callable[[SimulatedYear, Sent, int], Sent]],
    seed: int,
) -> None:
    sent = clean_registers(year)
    for defect in [*writing, *taking]:
        sent = defect(year, sent, seed)
    batch = to_batch(year, split_codes(year), sent)
    identity = np.stack([batch.urn, batch.day, batch.session, batch.revision])
    assert np.unique(identity, axis=1).shape[1] == len(batch)
    assert np.all(np.diff(batch.recorded_at) >= 0)
    assert np.all(batch.recorded_at >= batch.day.astype(np.int64) * 86_400_000_000)
    pupils = (batch.cells & np.uint32((1 << PUPILS_BITS) - 1)).astype(np.int64)
    total = np.concatenate([[0], np.cumsum(pupils)])
    assert np.array_equal(np.diff(total[batch.start]), year.schools.roll[batch.urn - year.schools.urn[0]])
    inside = np.ones(len(batch.cells), bool)
    inside[batch.start[:-1]] = False
    keys = (batch.cells >> np.uint32(PUPILS_BITS)).astype(np.int64)
    assert np.all(np.diff(keys, prepend=-1)[inside] > 0)
    assert keys.max(initial=0) < 17 << CODE_BITS
