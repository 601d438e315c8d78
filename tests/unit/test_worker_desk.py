"""A worker's desk: what is taken in is answered once it is touched, what is refused is a dead letter, and a close is stood on."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from streams import topology
from streams.provisional import LastClose
from streams.worker import READINGS_MAX, Desk, Ground, Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.kafka_publish import Outgoing

SCHOOLS = range(100_000, 102_500)
DAY = "2026-10-05"
NAME = topology.REGISTERS.name


def last(day: str = "2026-10-02", slow: float = 0.05) -> LastClose:
    return LastClose(
        day=day,
        schools={urn: (urn % 3, urn % 2) for urn in SCHOOLS},
        areas=2,
        eta_star=lambda _, date: -2.9 if date.startswith("2026-1") else None,
        slow_level=lambda _: slow,
        last_effect=lambda _: 0.0,
        sigma_u=(0.14, 0.12, 0.17),
    )


def desk(since: dict[int, int] | None = None, begin: dict[int, int] | None = None) -> Desk:
    return Desk(Ground(last(), since or {}, begin or {}))


def value(urn: int, absent: int = 10, *, day: str = DAY, session: str = "AM", revision: int = 0) -> bytes:
    counts = {"all": {"/" if session == "AM" else "\\": 190, "I": absent}}
    said = {"urn": urn, "attendance_date": day, "session": session, "revision": revision, "source": "mis", "counts": counts}
    return json.dumps(said | {"recorded_at": f"{day}T09:00:00Z"}).encode()


def records(*values: bytes, first: int = 0, at: float = 0.0) -> list[Record]:
    return [Record(first + i, v, at) for i, v in enumerate(values)]


def heard(desk: Desk) -> dict[int, dict[str, Any]]:
    """Readings by URN."""
    return {reading["urn"]: reading for answer in desk.answers() for out in answer.records for reading in json.loads(out.value)}


def origins(letters: list[Outgoing]) -> list[str]:
    return [dict(letter.headers)["origin"].decode() for letter in letters]


def test_what_was_touched_is_answered_once_with_its_latest_reading() -> None:
    one = desk()
    assert one.take({3: records(value(100_000, 10), value(100_001), value(100_000, 30, revision=1), at=5.0)}) == []
    (answer,) = one.answers()
    (out,) = answer.records
    assert (out.log, out.key) == (topology.PROVISIONAL, b"3")
    assert dict(out.headers) == {"partition": b"3", "offset": b"2"}
    assert {r["urn"]: r["absences"] for r in json.loads(out.value)} == {100_000: 30, 100_001: 10}
    assert answer.appended == [5.0, 5.0, 5.0]
    assert list(one.answers()) == []


def test_a_register_that_is_held_already_is_still_answered() -> None:
    one = desk()
    one.take({0: records(value(100_000))})
    before = heard(one)
    one.take({0: records(value(100_000), first=1)})
    assert heard(one) == before
    assert before


def test_a_dead_letter_has_its_origin_and_the_others_of_its_batch_are_taken_in() -> None:
    one = desk()
    letters = one.take({0: records(value(100_000), b"junk", value(100_001), first=7), 5: records(b"", value(100_002), first=90)})
    assert origins(letters) == [f"{NAME}/0/8", f"{NAME}/5/90"]
    assert {letter.key for letter in letters} == {NAME.encode()}
    assert set(heard(one)) == {100_000, 100_001, 100_002}
    assert (one.next(0), one.next(5)) == (10, 92)


def test_what_is_rejected_again_or_belongs_to_the_last_close_is_no_second_letter() -> None:
    one = desk(since={0: 5}, begin={0: 2})
    assert one.next(0) == 2
    assert origins(one.take({0: records(*[b"junk"] * 4, first=2)})) == [f"{NAME}/0/5"]
    one.again()
    assert one.next(0) == 2
    assert one.take({0: records(*[b"junk"] * 4, first=2)}) == []


def test_values_stay_well_under_what_the_topic_takes() -> None:
    one = desk()
    one.take({0: records(*(value(urn) for urn in SCHOOLS))})
    (answer,) = one.answers()
    assert [len(json.loads(out.value)) for out in answer.records] == [READINGS_MAX] * 5
    assert max(len(out.value) for out in answer.records) < 200_000 < topology.PROVISIONAL.record_bytes_max


def test_registers_that_are_not_scored_are_not_answered_and_not_rejected() -> None:
    one = desk()
    assert one.take({0: records(value(1), value(100_000, day="2027-02-01"), value(100_000, day="2026-10-01"))}) == []
    assert heard(one) == {}


def test_many_dates_of_junk_leave_nothing_behind() -> None:
    one = desk()
    for month in (10, 11, 12):
        one.take({0: records(*(value(100_000, day=f"2026-{month}-{d:02}") for d in range(1, 29)), first=100 * month)})
    assert len(one._shares[0].touched) <= 15


def test_a_partition_that_has_gone_is_not_answered_and_is_read_on_when_it_comes_back() -> None:
    one = desk()
    one.take({0: records(value(100_000)), 1: records(value(100_001), value(100_002))})
    one.park(1)
    assert list(heard(one)) == [100_000]
    assert one.next(1) == 2
    one.take({1: records(value(100_003), first=2)})
    assert list(heard(one)) == [100_003]


def test_the_schools_of_a_partition_that_has_gone_stay_peers_until_the_next_close() -> None:
    one, other = desk(), desk()
    mine, theirs = [value(urn) for urn in SCHOOLS[:20]], [value(urn, 90) for urn in SCHOOLS[20:40]]
    one.take({0: records(*mine), 1: records(*theirs)})
    before = heard(one)
    one.park(1)
    one.take({0: records(*mine, first=30)})
    assert heard(one) == {urn: before[urn] for urn in SCHOOLS[:20]}
    assert _exhausted(one.stand_on(Ground(last("2026-10-03"), {}, {})), []) > 0
    one.take({0: records(*mine, first=60)})
    other.take({0: records(*mine)})
    assert heard(one) == heard(other)
    assert one.next(1) == 0


def test_a_school_found_in_two_partitions_stays_while_one_of_them_does() -> None:
    one = desk()
    one.take({0: records(value(100_000, 10)), 1: records(value(100_000, 20, session="PM"))})
    one.park(1)
    _exhausted(one.stand_on(Ground(last("2026-10-03"), {}, {})), [])
    one.take({0: records(value(100_000, 10), first=1)})
    assert heard(one)[100_000]["sessions"] == ["AM", "PM"]


def test_the_rejects_of_a_partition_that_has_gone_stop_another_worker() -> None:
    one = desk()
    one.take({0: records(*[b"junk"] * 600), 1: records(*[value(100_000)] * 10)})
    assert one.too_many_rejects()
    one.park(0)
    assert one.too_many_rejects() is None
    one.reached(0, 600)
    assert one.too_many_rejects()


def _exhausted(steps: Iterator[None], between: list[Any]) -> int:
    count = 0
    for _ in steps:
        count += 1
        if between:
            between.pop(0)()
    return count


def test_a_close_is_stood_on_in_slices_between_which_registers_come_and_partitions_come_back() -> None:
    one, judge = desk(), Desk(Ground(last("2026-10-05", 0.3), {}, {}))
    first, second, gone = SCHOOLS[:1200], SCHOOLS[1200:2400], SCHOOLS[2400:]
    one.take({0: records(*(value(urn) for urn in first)), 1: records(*(value(urn, 40) for urn in gone)), 2: records(b"junk")})
    ground = Ground(last("2026-10-05", 0.3), {0: 10, 2: 1}, {0: 4})
    one.park(1)
    back = [value(urn, 50) for urn in gone]
    between = [
        lambda: one.take({0: records(*(value(urn, 20) for urn in second), first=1200)}),
        lambda: one.take({1: records(*back)}),
    ]
    assert _exhausted(one.stand_on(ground), between) > 3
    assert between == []
    one.take({0: records(value(SCHOOLS[0]), first=5_000)})
    judge.take({0: records(*(value(urn) for urn in first), *(value(urn, 20) for urn in second), *back)})
    everything = heard(judge)
    assert heard(one)[SCHOOLS[0]] == everything[SCHOOLS[0]]
    assert one._shares[2].rejected == set(), "what was rejected before the close is its business"
    assert one.next(7) == 0
    assert one.next(0) == 5_001


def test_a_close_overtaken_by_a_later_one_changes_nothing_more() -> None:
    one = desk()
    one.take({0: records(*(value(urn) for urn in SCHOOLS))})
    early, late = one.stand_on(Ground(last("2026-10-03"), {0: 1}, {})), one.stand_on(Ground(last("2026-10-04", 0.3), {0: 2}, {}))
    next(early)
    for _ in late:
        next(early, None)
    assert list(early) == []
    assert one._since == {0: 2}


@pytest.mark.parametrize(
    ("junk", "good", "accepted", "stops"),
    [(49, 951, 0, False), (51, 949, 0, True), (51, 949, 60, False), (499, 20, 0, False), (500, 0, 0, True), (500, 0, 500, False)],
)
def test_too_many_rejects(junk: int, good: int, accepted: int, stops: bool) -> None:
    one = desk()
    one.take({0: records(*[b"junk"] * junk, *(value(100_000 + i) for i in range(good)))})
    one.accepted = {0: accepted}
    assert (one.too_many_rejects() is not None) == stops


def test_rejects_before_the_last_close_count_no_more() -> None:
    one = Desk(Ground(replace(last(), day=""), {0: 500}, {0: 0}))
    one.take({0: records(*[b"junk"] * 600)})
    assert one.too_many_rejects() is None
