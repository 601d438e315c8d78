"""What the simulated schools send: codes that add up, registers at their time, each defect as it says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from models import simulator_defects as defects
from models.batch import CODE_BITS, PUPILS_BITS, Batch
from models.simulator import PHASE_GROUPS, SimulatedYear, make
from models.simulator_codes import CODE_COLUMNS, LATE, LATE_SHARE, NO_REASON, PRESENT, split_codes
from models.simulator_registers import Sent, clean_registers, to_batch
from schemas.codes import CODES, PUPILS_MAX, YEAR_GROUP_IDS

if TYPE_CHECKING:
    from models.numbers import Ints

_ABSENCE = np.array([row.absence for row in CODES])


@pytest.fixture(scope="module")
def year() -> SimulatedYear:
    """80 schools, 60 days."""
    return make(21, 80, days=60)


def sums(batch: Batch) -> tuple[Ints, Ints]:
    """Absences and pupils of each register, from its cells."""
    code = (batch.cells >> np.uint32(PUPILS_BITS)) & np.uint32((1 << CODE_BITS) - 1)
    pupils = (batch.cells & np.uint32((1 << PUPILS_BITS) - 1)).astype(np.int64)
    assert pupils.max() <= PUPILS_MAX
    absent = np.add.reduceat(np.where(_ABSENCE[code], pupils, 0), batch.start[:-1])
    return absent.astype(np.int32), np.add.reduceat(pupils, batch.start[:-1]).astype(np.int32)


def test_the_codes_of_a_register_add_up_to_its_absences_and_its_pupils(year: SimulatedYear) -> None:
    counts = split_codes(year)
    assert counts.min() >= 0
    assert np.array_equal(counts[..., 2:].sum(axis=-1), year.absences)
    assert np.array_equal(counts.sum(axis=-1), year.possible)
    assert np.array_equal(counts, split_codes(year))
    assert not np.array_equal(counts, split_codes(year, seed=1))


def test_the_codes_have_the_sizes_of_the_first_week_of_2024_25(year: SimulatedYear) -> None:
    """Each absent pupil draws apart from the others: n absences give a share q an sd of sqrt(q (1-q) / n); 4 of these."""
    counts = split_codes(year)
    illness = (1.66 / 3.70, 2.13 / 5.42, 3.17 / 8.62)
    for phase, share in enumerate(illness):
        mine = counts[year.schools.phase == phase].reshape(-1, len(CODE_COLUMNS)).astype(np.int64).sum(axis=0)
        absent = int(mine[2:].sum())
        assert abs(mine[CODE_COLUMNS.index("I")] / absent - share) < 4 * np.sqrt(share * (1 - share) / absent)
        present, late = int(mine[PRESENT] + mine[LATE]), LATE_SHARE[phase]
        assert abs(mine[LATE] / present - late) < 4 * np.sqrt(late / present)


def test_the_batch_says_what_was_counted(year: SimulatedYear) -> None:
    batch = to_batch(year, split_codes(year), clean_registers(year))
    school = batch.urn - year.schools.urn[0]
    day = np.searchsorted(year.dates, batch.day)
    absent, pupils = sums(batch)
    assert len(batch) == 80 * 60 * 2
    assert np.array_equal(absent, year.absences.sum(axis=3)[school, day, batch.session])
    assert np.array_equal(pupils, year.schools.roll[school])
    assert np.all(np.diff(batch.recorded_at) >= 0)


def test_cells_ascend_within_a_register_and_hold_its_phases_year_groups(year: SimulatedYear) -> None:
    batch = to_batch(year, split_codes(year), clean_registers(year))
    inside = np.ones(len(batch.cells), bool)
    inside[batch.start[:-1]] = False
    steps = np.diff(batch.cells.astype(np.int64), prepend=-1)
    assert np.all(steps[inside] > 0)
    register = np.repeat(np.arange(len(batch)), np.diff(batch.start))
    phase = year.schools.phase[batch.urn[register] - year.schools.urn[0]]
    group = batch.cells >> np.uint32(PUPILS_BITS + CODE_BITS)
    for p, names in enumerate(PHASE_GROUPS):
        assert set(group[phase == p].tolist()) <= {YEAR_GROUP_IDS[g] for g in names}
    code = (batch.cells >> np.uint32(PUPILS_BITS)) & np.uint32((1 << CODE_BITS) - 1)
    assert not np.any((code == 1) & (batch.session[register] == 0))
    assert not np.any((code == 0) & (batch.session[register] == 1))


def test_registers_come_at_twenty_to_ten_and_twenty_to_two_in_london_summer_and_winter() -> None:
    year = make(1, 5)
    sent = clean_registers(year)
    zone = ZoneInfo("Europe/London")
    for at, day, session in zip(sent.recorded_at.tolist(), sent.day.tolist(), sent.session.tolist(), strict=True):
        moment = datetime.fromtimestamp(at / 1e6, UTC).astimezone(zone)
        assert (moment.date() - datetime(1970, 1, 1, tzinfo=UTC).date()).days == year.dates[day]
        assert (moment.hour, 30 <= moment.minute < 50) == ((13 if session else 9), True)


def identities(sent: Sent) -> list[tuple[int, int, int]]:
    """School, day and session of each revision."""
    return list(zip(sent.school.tolist(), sent.day.tolist(), sent.session.tolist(), strict=True))


def keys(sent: Sent) -> set[tuple[int, int, int]]:
    """Which registers there are."""
    return set(identities(sent))


def test_missing_registers_are_two_in_a_hundred_and_the_outages(year: SimulatedYear) -> None:
    """9,600 registers at .02, sd 14; 4 of these. Four schools of 80 are out for five days, 40 registers, 39 of them otherwise there."""
    clean = clean_registers(year)
    sent = defects.missing_registers(year, clean)
    gone = keys(clean) - keys(sent)
    assert abs(len(gone) - 192 - 39) < 4 * 14
    outages = [n for n in sent.notes if n.kind == "outage"]
    assert len(outages) == 4
    for n in outages:
        assert {(n.school, d, s) for d in range(n.first_day - 1, n.last_day) for s in (0, 1)} <= gone


def test_an_all_present_register_says_that_nobody_was_absent(year: SimulatedYear) -> None:
    """9,600 registers at .01, sd 9.7; 4 of these."""
    sent = defects.all_present_registers(year, clean_registers(year))
    assert abs(int(sent.all_present.sum()) - 96) < 39
    absent, pupils = sums(to_batch(year, split_codes(year), sent.rows(sent.all_present)))
    assert not absent.any()
    assert set(pupils.tolist()) <= set(year.schools.roll.tolist())


def test_a_school_can_say_all_present_for_some_days(year: SimulatedYear) -> None:
    sent = defects.all_present_stretches(year, clean_registers(year), share=0.05, length_days=4)
    assert len(sent.notes) == round(0.05 * len(year.schools))
    for note in sent.notes:
        inside = (sent.school == note.school) & (sent.day >= note.first_day - 1) & (sent.day < note.last_day)
        assert inside.sum() == 8
        assert np.all(sent.all_present[inside])
    assert sent.all_present.sum() == 8 * len(sent.notes)


def test_provisional_codes_stand_too_high_until_they_are_corrected(year: SimulatedYear) -> None:
    """Excess .06, sd .03 over 64 good schools: .004, for schools of unequal weight 1.5 of it; 4 of these. 16 bad ones: threefold."""
    sent = defects.provisional_codes(year, clean_registers(year))
    first, again = sent.rows(sent.revision == 0), sent.rows(sent.revision == 1)
    assert len(first) == 9_600
    assert not again.provisional.any()
    assert keys(again) == keys(first.rows(first.provisional.sum(axis=1) > 0))
    bad = {n.school for n in sent.notes}
    assert len(bad) == 16
    for schools, excess, tolerance in ((set(range(80)) - bad, 0.06, 0.024), (bad, 0.18, 0.135)):
        mine = np.isin(first.school, list(schools))
        true = year.absences[list(schools)].sum()
        assert first.provisional[mine].sum() / true == pytest.approx(excess, abs=tolerance)
    codes = split_codes(year)
    before, after = to_batch(year, codes, first), to_batch(year, codes, clean_registers(year))
    assert (sums(before)[0].sum() - sums(after)[0].sum()) == first.provisional.sum()
    assert np.array_equal(sums(before)[1], sums(after)[1])


def test_half_of_the_corrections_come_within_ten_school_days() -> None:
    """Rounded up, an exponential of half-life 10 is at most 10 with chance 1/2; 400 delays, one a school-day: sd .025; 4 of these."""
    year = make(2, 40, days=10)
    sent = defects.provisional_codes(year, clean_registers(year), excess=1.0)
    again = sent.rows((sent.revision == 1) & (sent.session == 1))
    calendar = 14 * 86_400e6 + 12 * 3_600e6
    midnight = year.dates[again.day].astype(np.int64) * 86_400_000_000
    assert np.mean(again.recorded_at - midnight <= calendar + 6 * 3_600e6) == pytest.approx(0.5, abs=0.1)
    assert np.all(again.recorded_at > midnight + 86_400_000_000)


def test_provisional_codes_can_stay_for_ever(year: SimulatedYear) -> None:
    sent = defects.provisional_codes(year, clean_registers(year), corrected=False)
    assert not sent.revision.any()
    assert sent.provisional.any()
    counts = to_batch(year, split_codes(year), sent)
    code = (counts.cells >> np.uint32(PUPILS_BITS)) & np.uint32((1 << CODE_BITS) - 1)
    n = [row.code for row in CODES].index("N")
    pupils = (counts.cells & np.uint32((1 << PUPILS_BITS) - 1)).astype(np.int64)
    plain = split_codes(year)[..., NO_REASON].astype(np.int64).sum()
    assert pupils[code == n].sum() == plain + sent.provisional.sum()


def test_late_registers_come_on_a_later_day_and_before_their_corrections(year: SimulatedYear) -> None:
    """9,600 registers at .05, sd 21; 4 of these."""
    sent = defects.late_registers(year, defects.provisional_codes(year, clean_registers(year)))
    first, again = sent.rows(sent.revision == 0), sent.rows(sent.revision == 1)
    late = first.recorded_at > (year.dates[first.day].astype(np.int64) + 1) * 86_400_000_000
    assert abs(int(late.sum()) - 480) < 4 * 21
    came = dict(zip(identities(first), first.recorded_at.tolist(), strict=True))
    assert all(at > came[key] for key, at in zip(identities(again), again.recorded_at.tolist(), strict=True))


def test_silent_schools_send_nothing_for_25_days_and_then_everything_or_never(year: SimulatedYear) -> None:
    clean = clean_registers(year)
    sent, lost = (defects.silent_schools(year, clean, sent_after=after) for after in (True, False))
    assert sent.notes == lost.notes
    assert len(sent.notes) == 4
    assert len(clean) - len(lost) == 4 * 25 * 2
    assert keys(sent) == keys(clean)
    for n in sent.notes:
        begin = int(year.dates[n.first_day - 1]) * 86_400_000_000
        end = int(year.dates[n.last_day - 1] + 1) * 86_400_000_000
        mine = sent.recorded_at[sent.school == n.school]
        assert not np.any((mine >= begin) & (mine < end))


def test_all_defects_together_are_the_same_every_time(year: SimulatedYear) -> None:
    def everything() -> Batch:
        sent = defects.provisional_codes(year, defects.all_present_registers(year, clean_registers(year)))
        sent = defects.silent_schools(year, defects.late_registers(year, sent))
        return to_batch(year, split_codes(year), defects.missing_registers(year, sent))

    a, b = everything(), everything()
    assert np.array_equal(a.cells, b.cells)
    assert np.array_equal(a.recorded_at, b.recorded_at)
    assert set(a.revision.tolist()) == {0, 1}


def test_nothing_sent_is_an_empty_batch(year: SimulatedYear) -> None:
    nothing = clean_registers(year).rows(np.zeros(9_600, bool))
    batch = to_batch(year, split_codes(year), replace(nothing))
    assert len(batch) == 0
    assert batch.start.tolist() == [0]
