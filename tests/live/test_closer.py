"""The closer on the real broker: asked by the command line, other rules, other reference data, leaders and followers, as known then."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from kafka import TopicPartition

from models.parameters import BUDGET, Parameters
from schemas.control import Abandoned, CloseCompleted, Decided
from schemas.errors import BadContents, WrongUsage
from schemas.school import Confidential
from streams import clock, topology
from streams.as_known import Verdict, as_known
from streams.close_command import NotClosed, ask, wait_for
from streams.closed_readings import closed_readings
from streams.closer import Closer, OtherRules
from streams.connecting import administrator
from streams.kafka_logs import KafkaLogs, positions_of
from streams.live_closer import LiveCloser, identity_of, read_parameters
from streams.log_reader import PositionLost
from streams.reference_publish import publish_reference
from streams.reference_topics import read_reference_topics
from streams.snapshot import Segments
from streams.topics import declare
from tests.live.conformance import INTERLEAVINGS, embedded, produce, published, whole
from tests.live.fleet import HEADWAY, Fleet
from tests.live.scripts import hostile

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.control import Requested
    from streams.live_settings import LiveSettings
    from streams.replay import Reference
    from tests.live.conformance import Arrival

OTHER = Parameters(sigma_u=(0.2, 0.2, 0.2))


@pytest.fixture
def world(settings: LiveSettings, topics: Any, tmp_path: Path) -> tuple[Reference, list[Arrival]]:
    folder = tmp_path / "files"
    folder.mkdir()
    reference, script = hostile(folder, pieces=4)
    publish_reference(settings, reference)
    return reference, script


def _closer(settings: LiveSettings, parameters: Parameters | None = None) -> LiveCloser:
    return LiveCloser(settings, KafkaLogs(settings), parameters or Parameters(), clock.now)


def _closed(settings: LiveSettings, closer: LiveCloser, arrival: Arrival) -> Requested:
    produce(settings, topology.REGISTERS, arrival.registers)
    request = ask(closer, arrival.day)
    closer.resume()
    return request


def _headway(settings: LiveSettings, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HEADWAY_KAFKA": settings.kafka, "HEADWAY_TOPIC_PREFIX": settings.topic_prefix}
    return subprocess.run([*HEADWAY, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_close_by_the_command_line_waits_for_it_and_computes_it_again(settings: LiveSettings, world: Any, tmp_path: Path) -> None:
    _, script = world
    produce(settings, topology.REGISTERS, script[0].registers)
    with Fleet(settings, tmp_path) as fleet:
        fleet.start("closer").ready()
        done = _headway(settings, "close", "--day", str(script[0].day), "--ahead", "--wait", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["state_digest"] == published(settings).digests[0][1]
    before = {log: len(whole(settings, log)) for log in topology.LOGS}
    again = _headway(settings, "close", "--as-known", str(script[0].day))
    assert (again.returncode, again.stdout) == (0, f"close 1 of {script[0].day}: equal\n")
    never = _headway(settings, "close", "--as-known", "2026-12-24")
    assert never.returncode == 1
    assert "was never closed" in never.stdout
    assert {log: len(whole(settings, log)) for log in topology.LOGS} == before, "it writes nothing"


def test_an_old_close_is_equal_different_or_cannot_be_computed(settings: LiveSettings, world: Any) -> None:
    reference, script = world
    closer = _closer(settings)
    for arrival in script:
        _closed(settings, closer, arrival)

    def again(parameters: Parameters, **changed: Any) -> Any:
        logs = KafkaLogs(settings)
        for name, value in changed.items():
            setattr(logs, name, value)
        return as_known(logs, lambda v: read_reference_topics(settings, v), parameters, BUDGET, script[0].day, clock.now)

    assert again(Parameters()).verdict is Verdict.EQUAL
    assert "other parameters" in again(OTHER).why
    whole_log = KafkaLogs(settings)
    lost: Any = lambda after, upto, fresh, take: whole_log.registers(after, upto, fresh, lambda b: take(b.tail(len(b) // 2)))  # noqa: E731
    different = again(Parameters(), registers=lost)
    assert different.verdict is Verdict.DIFFERENT
    assert set(different.urns) <= {int(s.urn) for s in reference.schools}
    assert different.urns


def test_a_close_of_other_rules_is_left_alone_and_said_on_ready(settings: LiveSettings, world: Any, tmp_path: Path) -> None:
    _, script = world
    produce(settings, topology.REGISTERS, script[0].registers)
    request = ask(_closer(settings, OTHER), script[0].day)
    with pytest.raises(OtherRules, match="leaves it alone"):
        _closer(settings).resume()
    with Fleet(settings, tmp_path) as fleet:
        running = fleet.start("closer")
        deadline, said = time.monotonic() + 60, ""
        while "leaves it alone" not in said:
            assert time.monotonic() < deadline, running.tail()
            time.sleep(0.2)
            try:
                said = httpx.get(f"http://127.0.0.1:{running.port}/ready", timeout=2).text
            except httpx.HTTPError:
                continue
        _closer(settings, OTHER).resume()
        assert wait_for(_closer(settings), request, 30)
        running.ready()


def test_a_new_version_of_the_reference_data_counts_from_the_next_close(settings: LiveSettings, world: Any, tmp_path: Path) -> None:
    reference, script = world
    closer = _closer(settings)
    first = _closed(settings, closer, script[0])
    targets = tuple(t.model_copy(update={"target_attendance": Confidential(0.99)}) for t in reference.targets)
    newer = replace(reference, targets=targets)
    publish_reference(settings, newer)
    closer.look_at_reference()
    second = _closed(settings, closer, script[1])
    assert first.reference_version != second.reference_version
    fresh = _closer(settings)
    assert fresh.compute(second).state_digest == published(settings).digests[1][1]
    old = as_known(KafkaLogs(settings), lambda v: read_reference_topics(settings, v), Parameters(), BUDGET, script[0].day, clock.now)
    assert old.verdict is Verdict.EQUAL, "the old close is computed with the version that it names"


def test_an_open_close_of_an_older_version_is_carried_out_with_that_version(settings: LiveSettings, world: Any) -> None:
    reference, script = world
    produce(settings, topology.REGISTERS, script[0].registers)
    request = ask(_closer(settings), script[0].day)
    publish_reference(settings, replace(reference, schools=tuple(s.model_copy(update={"region": "elsewhere"}) for s in reference.schools)))
    later = _closer(settings)
    assert later.reference.version != request.reference_version
    later.resume()
    assert later.chain.completed[-1][0] == request


def test_a_follower_is_warm_and_takes_over(settings: LiveSettings, world: Any, tmp_path: Path) -> None:
    reference, script = world
    with Fleet(settings, tmp_path) as fleet:
        pair = [fleet.start("closer", name=f"closer-{n}") for n in range(2)]
        for one in pair:
            one.ready()
        asker = _closer(settings)
        for i, arrival in enumerate(script):
            produce(settings, topology.REGISTERS, arrival.registers)
            request = ask(asker, arrival.day)
            if i in {1, 3}:
                pair[i // 2].kill()
                pair[i // 2] = fleet.start("closer", name=f"closer-{i // 2}")
            wait_for(asker, request, 60)
        assert all("follows" in one.log.read_text("utf-8") or "leads" in one.log.read_text("utf-8") for one in pair)
    assert published(settings) == embedded(settings, reference, tmp_path / "judge", INTERLEAVINGS["round robin"])


def test_a_follower_computes_what_others_completed_and_says_nothing(settings: LiveSettings, world: Any) -> None:
    _, script = world
    leader, follower = _closer(settings), _closer(settings)
    request = _closed(settings, leader, script[0])
    before = {log: len(whole(settings, log)) for log in topology.LOGS}
    follower.follow()
    assert follower.computed == request.close_id
    assert {log: len(whole(settings, log)) for log in topology.LOGS} == before


def test_segments_are_used_from_disk_and_deleted_ones_do_no_harm(settings: LiveSettings, world: Any, tmp_path: Path) -> None:
    reference, script = world
    identity = identity_of(settings)
    digests = []
    for i, arrival in enumerate(script):
        segments = Segments(tmp_path / "state", identity)
        closer = LiveCloser(settings, KafkaLogs(settings, segments), Parameters(), clock.now)
        _closed(settings, closer, arrival)
        digests.append(closer.chain.completed[-1][1].state_digest)
        segments.close()
        if i == 1:
            min((tmp_path / "state").glob("*.segment")).unlink()
    assert list((tmp_path / "state").glob("*.segment"))
    judge = embedded(settings, reference, tmp_path / "judge", INTERLEAVINGS["seeded"])
    assert digests == [digest for _, digest in judge.digests]


def test_registers_gone_from_the_beginning_are_an_error_with_a_name_and_never_a_shorter_panel(settings: LiveSettings, world: Any) -> None:
    _, script = world
    _closed(settings, _closer(settings), script[0])
    _delete(settings, topology.REGISTERS, {p: end for p, end in _ends(settings).items() if end})
    fresh = _closer(settings)
    with pytest.raises(BadContents, match="records that closes of this academic year rest on are gone"):
        ask(fresh, script[1].day)
    seen = as_known(KafkaLogs(settings), lambda v: read_reference_topics(settings, v), Parameters(), BUDGET, script[0].day, clock.now)
    assert seen.verdict is Verdict.CANNOT
    assert "the log holds" in seen.why


def test_what_retention_took_is_not_asked_for_where_a_close_begins_behind_it(settings: LiveSettings, world: Any) -> None:
    _, script = world
    produce(settings, topology.REGISTERS, script[0].registers)
    produce(settings, topology.ACKNOWLEDGEMENTS, [b'{"urn": 100001}'] * 3)
    closer = _closer(settings)
    plain = ask(closer, script[0].day)
    place = next(place for place, end in plain.positions.items() if end == 3 and place.startswith(topology.ACKNOWLEDGEMENTS.name))
    cut = plain.model_copy(update={"begins": {place: 2}})
    _delete(settings, topology.ACKNOWLEDGEMENTS, {int(place.rpartition("/")[2]): 2})
    with pytest.raises(PositionLost, match="the log holds 2 to 3"):
        KafkaLogs(settings).acknowledgements(plain)
    KafkaLogs(settings).acknowledgements(cut)
    assert KafkaLogs(settings).held().begins == {place: 2}
    _delete(settings, topology.REGISTERS, {p: 1 for p, end in _ends(settings).items() if end})
    assert KafkaLogs(settings).first_at() is not None


def test_an_old_close_on_another_topic_of_the_same_name_cannot_be_computed(settings: LiveSettings, world: Any) -> None:
    _, script = world
    closer = _closer(settings)
    request = _closed(settings, closer, script[0])
    with pytest.raises(PositionLost, match="It is another topic"):
        _closer(settings).compute(request.model_copy(update={"register_log": f"{settings.topic(topology.REGISTERS)}@another"}))


def _delete(settings: LiveSettings, log: topology.Log, upto: dict[int, int]) -> None:
    with administrator(settings, "deleting records") as admin:
        admin.delete_records({TopicPartition(settings.topic(log), p): end for p, end in upto.items()})


def _ends(settings: LiveSettings) -> dict[int, int]:
    return positions_of(topology.REGISTERS, KafkaLogs(settings).ends())


def test_a_close_on_a_register_topic_that_was_made_anew_is_refused(settings: LiveSettings, world: Any) -> None:
    _, script = world
    closer = _closer(settings)
    _closed(settings, closer, script[0])
    with administrator(settings, "deleting a topic") as admin:
        admin.delete_topics([settings.topic(topology.REGISTERS)])
    deadline = time.monotonic() + 60
    while not declare(settings).make and time.monotonic() < deadline:
        time.sleep(0.5)  # A topic goes in the background.
    produce(settings, topology.REGISTERS, [*script[0].registers, *script[1].registers])
    with pytest.raises(BadContents, match="It is another topic of that name"):
        ask(closer, script[1].day)


def test_an_abandoned_close_is_told_to_who_waits(settings: LiveSettings, world: Any) -> None:
    _, script = world
    closer = _closer(settings)
    request = ask(closer, script[0].day)
    closer.put(Abandoned(close_id=request.close_id, reason="failed 5 times"))
    with pytest.raises(NotClosed, match="failed 5 times"):
        wait_for(closer, request, 5)


def test_who_waits_for_nobody_is_told_so(settings: LiveSettings, world: Any) -> None:
    _, script = world
    closer = _closer(settings)
    with pytest.raises(NotClosed, match="Is a closer running"):
        wait_for(closer, ask(closer, script[0].day), 1)


def test_a_missed_day_is_closed_with_what_had_come_by_its_midnight_and_again_with_all(settings: LiveSettings, world: Any) -> None:
    _, script = world
    produce(settings, topology.REGISTERS, script[0].registers)
    closer = _closer(settings)
    closer.close(script[0].day, closer.ends())
    closer.close(script[0].day, closer.ends())
    first, again = (request.positions for request, _ in closer.chain.completed)
    assert set(first.values()) == {0}, "its midnight was long before these registers came"
    assert again == closer.ends()


def test_no_day_before_the_last_closed_one_can_be_asked_for(settings: LiveSettings, world: Any) -> None:
    _, script = world
    closer = _closer(settings)
    _closed(settings, closer, script[-1])
    with pytest.raises(WrongUsage, match="is closed already"):
        ask(closer, script[0].day)


def test_what_another_closer_did_in_between_is_not_done_again(settings: LiveSettings, world: Any) -> None:
    """The other one decides, publishes and completes while this one is scoring: it ends without a word of its own."""
    _, script = world
    produce(settings, topology.REGISTERS, script[0].registers)
    other = _closer(settings)
    request = ask(other, script[0].day)

    def overtaken(point: str) -> None:
        if point == "before decided":
            other.resume()

    slow = LiveCloser(settings, KafkaLogs(settings), Parameters(), clock.now, at=overtaken)
    slow.resume()
    records = [type(record) for record in KafkaLogs(settings).control()]
    assert (records.count(Decided), records.count(CloseCompleted)) == (2, 1)
    assert slow.chain.completed[-1][0] == request


def test_the_readings_that_are_published_are_those_of_the_close(settings: LiveSettings, world: Any) -> None:
    _, script = world
    closer = _closer(settings)
    request = _closed(settings, closer, script[0])
    computed = _closer(settings).compute(request)
    assert KafkaLogs(settings).readings(1) == dict(closed_readings(computed, BUDGET))


def test_a_parameters_file_gives_the_same_rules(tmp_path: Path) -> None:
    file = tmp_path / "parameters.json"
    file.write_text(replace(OTHER, sessions_sent={100_001: 3}).to_json(), "utf-8")
    assert read_parameters(file) == replace(OTHER, sessions_sent={100_001: 3})
    assert read_parameters(file).digest == replace(OTHER, sessions_sent={100_001: 3}).digest
    assert issubclass(LiveCloser, Closer)
