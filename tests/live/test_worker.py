"""`headway worker` on a real broker: what it answers, on which close it stands, when it stops, and how many share the work."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing, suppress
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from models.parameters import BUDGET, Parameters
from schemas import register as registers
from streams import clock, topology
from streams.close_command import ask, wait_for
from streams.dead_letters import fold
from streams.kafka_logs import KafkaLogs
from streams.kafka_publish import Outgoing, publish
from streams.live_closer import LiveCloser
from streams.log_reader import PositionLost, end_offsets, read
from streams.provisional import Counted, Overlay
from streams.replay_rejects import accept_rejects
from streams.runner import EmbeddedRunner
from streams.sqlite_log import EmbeddedLogs
from streams.topics import administrator, declare
from tests.live.conformance import produce
from tests.live.fleet import Fleet
from tests.live.hub import CANARIES, DAY, SCHOOLS, publish_hub, register, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streams.live_settings import LiveSettings
    from tests.live.fleet import Running
    from tests.live.hub import Said


@pytest.fixture
def fleet(settings: LiveSettings, topics: Any, tmp_path: Path) -> Iterator[Fleet]:
    with Fleet(settings, tmp_path) as made:
        yield made


@pytest.fixture
def hub(settings: LiveSettings, fleet: Fleet, tmp_path: Path) -> Any:
    return publish_hub(settings, tmp_path / "reference")


def worker(fleet: Fleet, name: str = "worker-a") -> Running:
    one = fleet.start("worker", name=name)
    one.ready()
    return one


def metric(one: Running, name: str) -> float:
    lines = httpx.get(f"http://127.0.0.1:{one.port}/metrics", timeout=5).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.split()[0].partition("{")[0] == name)


def reasons(one: Running) -> list[str]:
    listed: list[str] = httpx.get(f"http://127.0.0.1:{one.port}/ready", timeout=5).json()["reasons"]
    return listed


def close(settings: LiveSettings, day: str) -> None:
    asker = LiveCloser(settings, KafkaLogs(settings), Parameters(), clock.now)
    wait_for(asker, ask(asker, date.fromisoformat(day)), 60)


def test_a_register_is_answered_and_so_is_its_repeat(settings: LiveSettings, fleet: Fleet, hub: Any) -> None:
    one = worker(fleet)
    produce(settings, topology.REGISTERS, [register(urn) for urn in SCHOOLS])
    first = until(settings, lambda s: len(s.latest) == len(SCHOOLS))
    produce(settings, topology.REGISTERS, [register(SCHOOLS[0])])
    again = until(settings, lambda s: len(s.readings) > len(first.readings))
    assert again.latest[SCHOOLS[0], DAY]["absences"] == 10
    assert set(again.readings[-1]) == {
        *("urn", "attendance_date", "sessions", "possible_sessions", "absences", "absence_ratio", "peers", "condition"),
        *("expected_ratio", "common_effect_logit", "sudden"),
    }
    assert metric(one, "headway_registers_total") == len(SCHOOLS) + 1
    assert metric(one, "headway_partitions_owned") == topology.REGISTERS.partitions
    assert metric(one, "headway_provisional_seconds_count") >= len(SCHOOLS)
    assert metric(one, "headway_provisional_seconds_sum") / metric(one, "headway_provisional_seconds_count") < 5
    text = httpx.get(f"http://127.0.0.1:{one.port}/metrics").text
    assert not [urn for urn in SCHOOLS if str(urn) in text]


def test_before_the_first_close_and_after_it_the_readings_are_the_embedded_runners(
    settings: LiveSettings, fleet: Fleet, hub: Any, tmp_path: Path
) -> None:
    """In two installations of the same reference data: equal to the last published digit, whichever runner made the base."""
    running = [worker(fleet), fleet.start("closer")]
    running[1].ready()
    days = [str(date(2026, 9, 7) + timedelta(days=d)) for d in range(4)]
    bad = {(SCHOOLS[7], 0), (SCHOOLS[9], 3)}
    lines = {
        day: [
            register(urn, session, 150 if (urn, d) in bad else 5 + (urn * 7 + d) % 40, day=day)
            for session in ("AM", "PM")
            for urn in SCHOOLS
        ]
        for d, day in enumerate(days)
    }
    with closing(EmbeddedLogs(tmp_path / "judge.db")) as logs:
        judge = EmbeddedRunner(logs, hub, Parameters(), BUDGET, clock.now)
        for number, day in enumerate(days):
            today = lines[day]
            overlay = Overlay(judge.last_close())
            canonical = [registers.canonical(registers.parse(line)) for line in today]
            for body in canonical:
                overlay.fill([Counted.of(body)])
            produce(settings, topology.REGISTERS, today)
            wanted = {r.urn: r for r in overlay.readings(SCHOOLS, day)}
            assert len(wanted) == len(SCHOOLS)
            assert {urn for urn, d in bad if d == number} <= {r.urn for r in wanted.values() if r.sudden}

            def same(heard: Any, day: str = day, wanted: Any = wanted) -> bool:
                return all(_close(heard.latest.get((urn, day)), reading) for urn, reading in wanted.items())

            # Those of a school whose partition was answered early had fewer peers: a repeat is answered with all of them.
            until(settings, partial(whole_day, day))
            produce(settings, topology.REGISTERS, today[len(SCHOOLS) :])
            until(settings, same)
            close(settings, day)
            logs.append_registers(canonical)
            judge.close(date.fromisoformat(day), logs.end_positions())
            if number == 2:
                running[0].kill()
                running[0] = worker(fleet)
            else:
                until_closed(running[0], number + 1)


def whole_day(day: str, heard: Said) -> bool:
    return len(heard.sessions(day)) == len(SCHOOLS)


def until_closed(one: Running, number: int) -> None:
    """Until the worker stands on this close."""
    deadline = time.monotonic() + 30
    while f"stands on close {number} " not in one.log.read_text("utf-8"):
        assert time.monotonic() < deadline, one.tail()
        time.sleep(0.1)


def _close(heard: dict[str, Any] | None, reading: Any) -> bool:
    if heard is None or (heard["absences"], heard["peers"], heard["condition"]) != (reading.absences, reading.peers, reading.condition):
        return False
    if [(s["session"], s["pupils"], s["absences"]) for s in heard["sudden"]] != [(s.session, s.pupils, s.absences) for s in reading.sudden]:
        return False
    names = ("expected_ratio", "common_effect_logit")
    return all(abs(heard[name] - getattr(reading, name)) < 5e-6 for name in names)


def test_a_worker_started_after_a_close_knows_the_registers_of_the_day_that_was_closed(
    settings: LiveSettings, fleet: Fleet, hub: Any
) -> None:
    closer = fleet.start("closer")
    closer.ready()
    produce(settings, topology.REGISTERS, [register(urn) for urn in SCHOOLS])
    close(settings, DAY)
    worker(fleet)
    produce(settings, topology.REGISTERS, [register(SCHOOLS[0], "PM")])
    heard = until(settings, lambda s: (SCHOOLS[0], DAY) in s.latest and "PM" in s.latest[SCHOOLS[0], DAY]["sessions"])
    assert heard.latest[SCHOOLS[0], DAY]["sessions"] == ["AM", "PM"]
    assert heard.latest[SCHOOLS[0], DAY]["peers"] == len(SCHOOLS) - 1


def test_without_reference_data_it_says_so_and_starts_as_soon_as_they_are_there(
    settings: LiveSettings, fleet: Fleet, tmp_path: Path
) -> None:
    one = fleet.start("worker")
    produce(settings, topology.REGISTERS, [*(register(urn) for urn in SCHOOLS), b"junk"])
    deadline = time.monotonic() + 30
    while True:
        try:
            if any("no whole version of the reference data" in reason for reason in reasons(one)):
                break
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, one.tail()
        time.sleep(0.2)
    assert httpx.get(f"http://127.0.0.1:{one.port}/live").status_code == httpx.codes.OK
    publish_hub(settings, tmp_path / "reference")
    one.ready()
    until(settings, lambda s: len(s.latest) == len(SCHOOLS) and len(s.letters) == 1)


@pytest.mark.timeout(120)
def test_new_reference_data_are_taken_up_and_the_log_read_again(settings: LiveSettings, fleet: Fleet, hub: Any, tmp_path: Path) -> None:
    worker(fleet)
    new = 200_000
    produce(settings, topology.REGISTERS, [*(register(urn) for urn in (*SCHOOLS, new)), b"junk"])
    until(settings, lambda s: len(s.latest) == len(SCHOOLS) and len(s.letters) == 1)
    publish_hub(settings, tmp_path / "more", (*SCHOOLS, new))
    heard = until(settings, lambda s: (new, DAY) in s.latest, 60)
    assert heard.latest[new, DAY]["peers"] == len(SCHOOLS)


def test_a_share_of_rejects_stops_it_and_every_next_one_until_somebody_has_looked(settings: LiveSettings, fleet: Fleet, hub: Any) -> None:
    one = worker(fleet)
    junk = [f"junk {i}".encode() for i in range(60)]
    good = [register(urn, revision=i, absent=i) for i in range(17) for urn in SCHOOLS]
    mixed = [line for i in range(0, len(good), 17) for line in (*good[i : i + 17], *junk[i // 17 : i // 17 + 1])]
    produce(settings, topology.REGISTERS, mixed)
    assert one.exit_code(60) == 1
    assert "records were rejected, more than 5%" in one.log.read_text("utf-8")
    again = fleet.start("worker")
    assert again.exit_code(60) == 1
    assert "headway rejects accept" in again.log.read_text("utf-8")
    assert len(fold(settings)) == len(junk)
    accept_rejects(settings, "a coordinator", "the sender is mended")
    last = worker(fleet)
    produce(settings, topology.REGISTERS, [register(SCHOOLS[0], revision=99, absent=99)])
    until(settings, lambda s: s.latest.get((SCHOOLS[0], DAY), {}).get("absences") == 99)
    assert last.stop() == 0


def test_a_run_of_rejects_in_one_partition_stops_it(settings: LiveSettings, fleet: Fleet, hub: Any) -> None:
    one = worker(fleet)
    lines = [b"junk %d" % i for i in range(499)]
    asyncio.run(publish(settings, [Outgoing(topology.REGISTERS, b"100000", line) for line in lines]))
    until(settings, lambda s: len(s.letters) == len(lines))
    assert one.process.poll() is None
    asyncio.run(publish(settings, [Outgoing(topology.REGISTERS, b"100000", b"junk")]))
    assert one.exit_code(60) == 1
    assert "500 records one after the other were rejected" in one.log.read_text("utf-8")


def test_five_workers_share_twelve_partitions_and_three_of_them_die(settings: LiveSettings, fleet: Fleet, hub: Any) -> None:
    running = [fleet.start("worker", name=f"worker-{i}") for i in range(5)]
    for one in running:
        one.ready()
    assert owned(running) == topology.REGISTERS.partitions
    lines = [register(urn, session) for session in ("AM", "PM") for urn in SCHOOLS]
    produce(settings, topology.REGISTERS, [*lines[:40], b"junk 1", *lines[40:80]])
    for one in running[:3]:
        one.kill()
    produce(settings, topology.REGISTERS, [*lines[80:], b"junk 2"])
    heard = until(settings, lambda s: list(s.sessions().values()) == [("AM", "PM")] * len(SCHOOLS) and len(s.letters) == 2, 60)
    assert set(heard.sessions()) == set(SCHOOLS)
    assert owned(running[3:]) == topology.REGISTERS.partitions


def owned(running: list[Running]) -> float:
    """Partitions, when nothing moves any more."""
    deadline, before = time.monotonic() + 40, -1.0
    while (now := sum(metric(one, "headway_partitions_owned") for one in running)) != topology.REGISTERS.partitions or now != before:
        if time.monotonic() > deadline:
            return now
        before = now
        time.sleep(0.5)
    return now


def test_a_school_in_another_partition_is_merged_all_the_same(settings: LiveSettings, fleet: Fleet, hub: Any) -> None:
    worker(fleet)
    urn = SCHOOLS[0]
    for key in (b"%d" % urn, b"%d" % SCHOOLS[1], b"%d" % SCHOOLS[2]):
        session = "AM" if key == b"%d" % urn else "PM"
        asyncio.run(publish(settings, [Outgoing(topology.REGISTERS, key, register(urn, session))]))
    until(settings, lambda s: s.sessions().get(urn) == ("AM", "PM"))


@pytest.mark.timeout(200)
def test_a_burst_is_current_within_seconds(settings: LiveSettings, fleet: Fleet, hub: Any) -> None:
    """The figure itself is benchmarks.live_worker's; here that bulk reading takes over, and that nothing is left out."""
    one = worker(fleet)
    lines = [register(urn, session, absent, revision=absent) for absent in range(100) for session in ("AM", "PM") for urn in SCHOOLS]
    begin = time.monotonic()
    produce(settings, topology.REGISTERS, lines)
    heard = until(settings, lambda s: {(r["absences"], *r["sessions"]) for r in s.latest.values()} == {(198, "AM", "PM")}, 60)
    assert len(heard.latest) == len(SCHOOLS)
    assert time.monotonic() - begin < 30
    assert metric(one, "headway_registers_total") == len(lines)
    assert not heard.letters


def test_a_log_is_read_between_positions_or_not_at_all(settings: LiveSettings, topics: Any) -> None:
    produce(settings, topology.REGISTERS, [register(urn) for urn in SCHOOLS])
    log, got = topology.REGISTERS, dict[int, list[int]]()
    reach = {int(p.rpartition("/")[2]): end for p, end in asyncio.run(end_offsets(settings, log)).items()}

    def take(partition: int, records: Any) -> None:
        got.setdefault(partition, []).extend(r.offset for r in records)

    starts = {p: min(1, end) for p, end in reach.items()}
    assert asyncio.run(read(settings, log, starts, reach, take)) == 0
    assert got == {p: list(range(1, end)) for p, end in reach.items() if end > 1}
    for wrong in ({0: reach[0] + 1}, {0: reach[0]}):
        beyond = {0: reach[0] + 1} if wrong[0] == reach[0] else {0: reach[0]}
        with pytest.raises(PositionLost, match="the log holds"):
            asyncio.run(read(settings, log, wrong, beyond, take))


def test_the_log_shows_no_target_and_no_reading(settings: LiveSettings, fleet: Fleet, hub: Any) -> None:
    one = worker(fleet)
    produce(settings, topology.REGISTERS, [*(register(urn) for urn in SCHOOLS), b'{"canary": "c4n4ry"}'])
    until(settings, lambda s: len(s.latest) == len(SCHOOLS) and len(s.letters) == 1)
    assert one.stop() == 0
    written = one.log.read_text("utf-8")
    assert not [word for word in ("expected_ratio", *CANARIES, "c4n4ry") if word in written]


@pytest.mark.parametrize("restarted", [False, True])
def test_another_topic_of_the_same_name_is_said_and_not_taken_for_a_short_log(
    restarted: bool, settings: LiveSettings, fleet: Fleet, hub: Any
) -> None:
    one, closer = worker(fleet), fleet.start("closer")
    closer.ready()
    produce(settings, topology.REGISTERS, [register(urn) for urn in SCHOOLS])
    until(settings, lambda s: len(s.latest) == len(SCHOOLS))
    close(settings, DAY)
    if restarted:
        one.stop()
    with administrator(settings) as admin:
        admin.delete_topics([settings.topic(topology.REGISTERS)])
    time.sleep(1)
    declare(settings)
    if restarted:
        one = fleet.start("worker", name="worker-b")
    deadline = time.monotonic() + 60
    while True:
        with suppress(httpx.HTTPError):
            if any("It is another topic" in reason for reason in reasons(one)):
                break
        assert time.monotonic() < deadline, f"{reasons(one)}\n{one.tail()}"
        time.sleep(0.3)
