"""Readings before the close: the close's own common effect from the peers in so far, and an overlay that is a join."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from models import common_effect
from models.common_effect import T1_START, T2_START
from models.provisional import ProvisionalReading
from streams.provisional import DAYS_HELD_MAX, Counted, LastClose, Overlay

SCHOOLS = {100_000 + i: (i % 3, i % 2) for i in range(24)}
SIGMA_U = (0.14, 0.12, 0.17)
ETA, SLOW, YESTERDAY = -2.9, 0.05, 0.4
DAY = "2026-10-05"


def _last(day: str = "2026-10-02") -> LastClose:
    return LastClose(
        day=day,
        schools=SCHOOLS,
        areas=2,
        eta_star=lambda _, date: None if date == "2026-10-10" else ETA,
        slow_level=lambda _: SLOW,
        last_effect=lambda _: YESTERDAY,
        sigma_u=SIGMA_U,
    )


def _register(
    urn: int, session: str = "AM", absent: int = 10, *, date: str = DAY, revision: int = 0, unmarked: int = 0, study: int = 0
) -> Counted:
    counts = {"/": 190 - unmarked, "I": absent} | ({"-": unmarked} if unmarked else {}) | ({"S": study} if study else {})
    body = {
        "attendance_date": date,
        "counts": {"all": counts},
        "recorded_at": "2026-10-05T09:00:00.000000Z",
        "revision": revision,
        "session": session,
        "source": "mis",
        "urn": urn,
    }
    return Counted.of(json.dumps(body, sort_keys=True, separators=(",", ":")).encode())


def _reading(overlay: Overlay, urn: int, date: str = DAY) -> ProvisionalReading:
    reading = overlay.reading(urn, date)
    assert isinstance(reading, ProvisionalReading)
    return reading


def test_with_the_peers_in_the_common_effect_is_the_closes_own() -> None:
    """Restated: r = log((y + .5) / (n - y + .5)) - eta, x = r - a, vb = 1 / (1.05 n p0 (1 - p0)), w = 1 / (sigma_u^2 + 2 vb)."""
    overlay = Overlay(_last())
    absent = {urn: 5 + 3 * (i % 7) for i, urn in enumerate(SCHOOLS)}
    overlay.fill(_register(urn, absent=y) for urn, y in absent.items())
    p0 = 1 / (1 + math.exp(-ETA))
    phase, area = np.array([f for f, _ in SCHOOLS.values()]), np.array([j for _, j in SCHOOLS.values()])
    n = np.array([190 + y for y in absent.values()])
    x = np.array([math.log((y + 0.5) / (190 + 0.5)) - ETA - SLOW for y in absent.values()])
    w = 1 / (np.array(SIGMA_U)[phase] ** 2 + 2 / (1.05 * n * p0 * (1 - p0)))
    xq, wq = common_effect.quantise(x[None], w[None])
    effects, _ = common_effect.pool(common_effect.summarise(xq, wq, wq > 0, phase, area, 2), T1_START, T2_START)
    expected, _ = common_effect.leave_one_out(effects[0], xq[0], wq[0], phase, area)
    for i, urn in enumerate(SCHOOLS):
        reading = _reading(overlay, urn)
        assert reading.peers == 23
        assert reading.common_effect_logit == pytest.approx(expected[i], abs=2e-6)
        assert reading.expected_ratio == pytest.approx(1 / (1 + math.exp(-ETA - expected[i])), abs=2e-6)


@pytest.mark.parametrize("peers", [0, 1, 4, 7, 8, 12])
def test_with_few_peers_yesterdays_effect_makes_up_for_the_missing_ones(peers: int) -> None:
    urn, *others = SCHOOLS
    overlay, certain = Overlay(_last()), Overlay(replace(_last(), last_effect=lambda _: 0.0))
    for one in (overlay, certain):
        one.fill(_register(other) for other in others[:peers])
        one.fill([_register(urn)])
    reading, of_peers = _reading(overlay, urn), _reading(certain, urn)
    assert reading.peers == peers
    assert reading.common_effect_logit == pytest.approx(of_peers.common_effect_logit + max(0, 8 - peers) / 8 * 0.85 * YESTERDAY, abs=2e-6)


def test_a_reading_shows_the_registers_that_are_in() -> None:
    overlay = Overlay(_last())
    urn = next(iter(SCHOOLS))
    first = overlay.take_in(_register(urn, "AM", 10))
    assert isinstance(first, ProvisionalReading)
    assert (first.sessions, first.possible_sessions, first.absences, first.absence_ratio) == (("AM",), 200, 10, 0.05)
    second = overlay.take_in(_register(urn, "PM", 30))
    assert isinstance(second, ProvisionalReading)
    assert (second.sessions, second.possible_sessions, second.absences) == (("AM", "PM"), 420, 40)
    assert "expected_ratio" not in repr(second)


def test_study_leave_is_an_absence_that_the_peers_do_not_feel() -> None:
    overlay, urn = Overlay(_last()), next(iter(SCHOOLS))
    plain = overlay.take_in(_register(urn, absent=10))
    assert isinstance(plain, ProvisionalReading)
    with_leave = overlay.take_in(_register(urn, absent=10, study=50, revision=1))
    assert isinstance(with_leave, ProvisionalReading)
    assert (with_leave.absences, with_leave.possible_sessions) == (60, 250)
    overlay.fill([_register(list(SCHOOLS)[1])])
    alone = Overlay(_last())
    alone.fill([_register(urn, absent=10), _register(list(SCHOOLS)[1])])
    assert _reading(overlay, list(SCHOOLS)[1]) == _reading(alone, list(SCHOOLS)[1])


def test_a_register_without_its_marks_is_partial_and_no_peer() -> None:
    overlay = Overlay(_last())
    urn, other, *_ = SCHOOLS
    reading = overlay.take_in(_register(urn, unmarked=11))
    assert isinstance(reading, ProvisionalReading)
    assert reading.condition == "partial"
    assert _reading_with(overlay, other).peers == 0
    assert isinstance(overlay.take_in(_register(urn, unmarked=10, revision=1)), ProvisionalReading)
    assert _reading(overlay, urn).condition == "provisional"
    assert _reading(overlay, other).peers == 1


def _reading_with(overlay: Overlay, urn: int) -> ProvisionalReading:
    overlay.fill([_register(urn)])
    return _reading(overlay, urn)


def test_a_closed_school_has_no_rate() -> None:
    body = {
        "attendance_date": DAY,
        "counts": {"all": {"#": 200}},
        "recorded_at": "2026-10-05T09:00:00.000000Z",
        "revision": 0,
        "session": "AM",
        "source": "mis",
        "urn": 100_000,
    }
    overlay = Overlay(_last())
    overlay.fill([Counted.of(json.dumps(body).encode())])
    reading = _reading(overlay, 100_000)
    assert (reading.condition, reading.absence_ratio, reading.possible_sessions) == ("no_sessions", None, 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_order_repeats_and_corrections_leave_the_same_readings(seed: int) -> None:
    chance = np.random.default_rng(seed)
    revisions = [
        _register(urn, session, int(chance.integers(60)), revision=r) for urn in SCHOOLS for session in ("AM", "PM") for r in range(3)
    ]
    clean, disturbed = Overlay(_last()), Overlay(_last())
    clean.fill(register for register in revisions if register.rank[0] == 2)
    twice = revisions + [revisions[i] for i in chance.integers(0, len(revisions), 40)]
    for i in chance.permutation(len(twice)):
        disturbed.take_in(twice[i])
    assert [_reading(disturbed, urn) for urn in SCHOOLS] == [_reading(clean, urn) for urn in SCHOOLS]


def test_what_the_reference_does_not_name_has_no_reading() -> None:
    overlay = Overlay(_last())
    assert overlay.take_in(_register(999_999)) == "unknown_school"
    assert overlay.take_in(_register(100_000, date="2026-10-10")) == "outside_calendar"
    assert overlay.take_in(_register(100_000, date="2026-10-01")) == "next_close"
    assert overlay.reading(100_000, DAY) == "no_register"


def test_junk_dates_push_out_each_other_and_never_today() -> None:
    overlay = Overlay(_last())
    overlay.fill(_register(100_000, date=f"2027-01-{n:02}") for n in range(1, 31))
    assert len(overlay._days) == DAYS_HELD_MAX
    assert isinstance(overlay.take_in(_register(100_000)), ProvisionalReading)
    assert len(overlay._days) == DAYS_HELD_MAX
    assert overlay.take_in(_register(100_001, date="2027-01-30")) == "next_close"


def test_before_the_first_close_a_backlog_does_not_push_out_today() -> None:
    overlay = Overlay(_last(""))
    overlay.fill([_register(100_000)])
    overlay.fill(_register(100_000, date=f"2026-09-{n:02}") for n in range(1, 31))
    assert len(overlay._days) == DAYS_HELD_MAX
    assert isinstance(overlay.reading(100_000, DAY), ProvisionalReading)
    assert overlay.reading(100_000, "2026-09-01") == "next_close"
    assert isinstance(overlay.reading(100_000, "2026-09-30"), ProvisionalReading)


def test_the_next_close_drops_the_days_before_it_and_keeps_its_own() -> None:
    overlay = Overlay(_last())
    overlay.fill([_register(100_000), _register(100_000, date="2026-10-06")])
    overlay.rebase(replace(_last("2026-10-06"), slow_level=lambda _: 0.3))
    assert overlay.reading(100_000, DAY) == "next_close"
    assert overlay.newest_date(100_000) == "2026-10-06"
    assert _reading(overlay, 100_000, "2026-10-06").absences == 10


def test_schools_that_are_forgotten_count_no_more_among_their_peers() -> None:
    overlay, never = Overlay(_last()), Overlay(_last())
    stay, go = list(SCHOOLS)[:10], list(SCHOOLS)[10:]
    overlay.fill(_register(urn, absent=40) for urn in go[:5])
    overlay.reading(go[0], DAY)
    overlay.fill(_register(urn, absent=60) for urn in go)
    for one in (overlay, never):
        one.fill(_register(urn) for urn in stay)
    overlay.forget(go)
    assert overlay.reading(go[0], DAY) == "no_register"
    for urn in stay:
        assert _reading(overlay, urn) == _reading(never, urn)
    overlay.forget(stay)
    assert not overlay.holds(DAY)


def test_rows_worked_out_beforehand_change_no_reading() -> None:
    slow, quick = Overlay(_last()), Overlay(_last())
    for one in (slow, quick):
        one.fill(_register(urn, absent=5 + i) for i, urn in enumerate(SCHOOLS))
    slices = 0
    while quick.settle(7):
        slices += 1
    assert slices == 4
    assert all(_reading(slow, urn) == _reading(quick, urn) for urn in SCHOOLS)
