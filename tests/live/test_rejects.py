"""`headway rejects` on a real broker: one reject for each origin, its bytes wherever they are, and back into its log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from kafka import KafkaAdminClient, TopicPartition
from typer.testing import CliRunner, Result

from schemas import register
from schemas.control import RejectsAccepted, read_control_record
from schemas.errors import InvalidRegister, WrongUsage
from schemas.reject import ORIGINAL_BYTES_KEPT, Reject, RejectReason
from streams import replay_rejects as replaying
from streams import topology
from streams.dead_letters import dead_letter, door_letter
from streams.kafka_tools import LogReader, Sender
from streams.rejects_command import rejects_app
from streams.replay_rejects import replay_rejects

if TYPE_CHECKING:
    from streams.kafka_publish import Outgoing
    from streams.live_settings import LiveSettings
    from streams.topology import Log

REGISTER = (
    b'{"urn":100001,"attendance_date":"2026-10-05","session":"AM","revision":0,"recorded_at":"2026-10-05T09:41:07Z",'
    b'"source":"a","counts":{"all":{"/":100}}}'
)
SAID = (
    b'{"urn":100002,"chart":"T","effective_date":"2026-10-05","verdict":"handled","revision":0,'
    b'"recorded_at":"2026-10-05T16:00:00Z","actor":"a"}'
)
LARGE = REGISTER[:-1] + b" " * 70_000 + b"}"


def run(settings: LiveSettings, *arguments: str) -> Result:
    env = {"HEADWAY_KAFKA": settings.kafka, "HEADWAY_TOPIC_PREFIX": settings.topic_prefix}
    return CliRunner(env=env).invoke(rejects_app, arguments)


def listed(settings: LiveSettings, *arguments: str) -> Any:
    return json.loads(run(settings, "list", "--json", *arguments).stdout)


def values(settings: LiveSettings, log: Log) -> list[bytes]:
    with LogReader(settings) as reader:
        return [r.value for _, records in reader.read(reader.bounds(log)) for r in records]


def reject(original: bytes, reason: RejectReason = RejectReason.UNKNOWN_CODE) -> Reject:
    return Reject.of(original, InvalidRegister(reason, "as an older version said"))


def send(settings: LiveSettings, *records: Outgoing) -> None:
    with Sender(settings) as sender:
        for out in records:
            sender.send(out.log, out.value, out.key, list(out.headers))


def in_its_log(settings: LiveSettings, log: Log, original: bytes, reason: RejectReason = RejectReason.UNKNOWN_CODE) -> str:
    """A record in a log, and its reject as a worker writes it; its origin."""
    with Sender(settings) as sender:
        at = sender.send(log, original, b"1")
        sender.flush()
        origin = f"{log.name}/{at.value.partition}/{at.value.offset}"
        out = dead_letter(origin, log.name, reject(original, reason))
        sender.send(out.log, out.value, out.key, list(out.headers))
    return origin


def test_however_often_it_was_written_it_is_one_reject(settings: LiveSettings, topics: Any) -> None:
    origin = in_its_log(settings, topology.REGISTERS, b"nonsense", RejectReason.NOT_JSON)
    door = door_letter(topology.REGISTERS.name, reject(b"{}"))
    send(settings, dead_letter(origin, topology.REGISTERS.name, reject(b"nonsense", RejectReason.NOT_JSON)), door, door)
    said = listed(settings)
    assert (said["rejects"], said["by_reason"], said["replayed"]) == (2, {"not_json": 1, "unknown_code": 1}, 0)
    assert {letter["origin"] for letter in said["listed"]} == {origin, f"door/{reject(b'{}').sha256}"}
    text = run(settings, "list", "--limit", "1").output
    assert "2 rejects" in text
    assert "and 1 more" in text


@pytest.mark.parametrize("original", [b"nonsense", b"\xff\x00\x01", "ü\u2028".encode(), b"\x01" * 65_536, LARGE])
def test_the_original_is_shown_as_it_came(settings: LiveSettings, topics: Any, original: bytes) -> None:
    origin = in_its_log(settings, topology.REGISTERS, original)
    assert run(settings, "show", origin).stdout_bytes == original
    said = json.loads(run(settings, "show", origin, "--json").stdout)
    assert (said["length"], said["sha256"], said["origin"]) == (len(original), reject(original).sha256, origin)
    assert f"length: {len(original)}" in run(settings, "show", origin, "--details").stdout


def test_of_what_never_came_in_only_the_beginning_is_shown(settings: LiveSettings, topics: Any) -> None:
    send(settings, door_letter(topology.REGISTERS.name, reject(LARGE)))
    shown = run(settings, "show", f"door/{reject(LARGE).sha256}")
    assert shown.stdout_bytes == LARGE[:ORIGINAL_BYTES_KEPT]
    assert f"of {len(LARGE):,} bytes are kept" in shown.stderr


def test_an_unknown_origin_is_wrong_usage(settings: LiveSettings, topics: Any) -> None:
    for arguments in (["show", "door/x"], ["replay", "--origin", "door/x"]):
        assert isinstance(run(settings, *arguments).exception, WrongUsage)
    assert isinstance(run(settings, "replay", "--reason", "bad_luck").exception, WrongUsage)


def test_what_is_valid_now_goes_to_its_log_and_the_rest_remains(settings: LiveSettings, topics: Any) -> None:
    mended = in_its_log(settings, topology.REGISTERS, b" " + REGISTER + b"\r")
    said = in_its_log(settings, topology.ACKNOWLEDGEMENTS, SAID)
    still = in_its_log(settings, topology.REGISTERS, b"nonsense", RejectReason.NOT_JSON)
    misplaced = in_its_log(settings, topology.ACKNOWLEDGEMENTS, REGISTER)
    before = {log: len(values(settings, log)) for log in topology.INPUTS}
    done = run(settings, "replay", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (3, {"accepted": 2, "rejected": 2, "incomplete": 0})
    assert values(settings, topology.REGISTERS).count(REGISTER) == 1
    assert values(settings, topology.ACKNOWLEDGEMENTS).count(SAID) == 2
    assert {log: len(values(settings, log)) - n for log, n in before.items()} == dict.fromkeys(topology.INPUTS, 1)
    assert {letter["origin"] for letter in listed(settings)["listed"]} == {still, misplaced}
    assert {letter["origin"] for letter in listed(settings, "--replayed")["listed"]} == {still, misplaced, mended, said}
    assert listed(settings)["replayed"] == 2
    again = run(settings, "replay")
    assert "0 accepted now, 2 refused again, 0 whose bytes are not kept" in again.output
    assert {log: len(values(settings, log)) - n for log, n in before.items()} == dict.fromkeys(topology.INPUTS, 1)


def test_only_what_was_asked_for_is_replayed(settings: LiveSettings, topics: Any) -> None:
    other = REGISTER.replace(b"100001", b"100003")
    send(
        settings,
        door_letter(topology.REGISTERS.name, reject(REGISTER)),
        door_letter(topology.REGISTERS.name, reject(other, RejectReason.FUTURE_DATE)),
    )
    assert run(settings, "replay", "--reason", "no_offset").exit_code == 0
    assert run(settings, "replay", "--reason", "future_date").exit_code == 0
    assert values(settings, topology.REGISTERS) == [other]
    assert run(settings, "replay", "--origin", f"door/{reject(REGISTER).sha256}").exit_code == 0
    assert sorted(values(settings, topology.REGISTERS)) == sorted([REGISTER, other])


def test_a_large_original_is_read_again_where_it_came_from(settings: LiveSettings, topics: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = in_its_log(settings, topology.REGISTERS, LARGE, RejectReason.OVERSIZED)
    send(settings, door_letter(topology.REGISTERS.name, reject(LARGE.replace(b"100001", b"100004"), RejectReason.OVERSIZED)))
    assert json.loads(run(settings, "replay", "--json").stdout) == {"accepted": 0, "rejected": 1, "incomplete": 1}
    monkeypatch.setattr(register, "REGISTER_BYTES_MAX", 100_000)
    assert json.loads(run(settings, "replay", "--json").stdout) == {"accepted": 1, "rejected": 0, "incomplete": 1}
    assert values(settings, topology.REGISTERS) == [LARGE, LARGE]
    assert origin not in {letter["origin"] for letter in listed(settings)["listed"]}


def test_an_original_that_is_gone_is_incomplete(settings: LiveSettings, topics: Any) -> None:
    origin = in_its_log(settings, topology.REGISTERS, LARGE, RejectReason.OVERSIZED)
    admin = KafkaAdminClient(**settings.client())
    admin.delete_records({TopicPartition(settings.topic(topology.REGISTERS), int(origin.split("/")[1])): -1})
    admin.close()
    lost = dead_letter(f"{topology.REGISTERS.name}/99/0", topology.REGISTERS.name, reject(LARGE))
    send(settings, lost, dead_letter("nowhere", topology.REGISTERS.name, reject(LARGE)))
    assert json.loads(run(settings, "replay", "--json").stdout) == {"accepted": 0, "rejected": 0, "incomplete": 3}


def test_killed_between_the_send_and_the_mark_it_is_sent_twice_and_marked_once(
    settings: LiveSettings, topics: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(settings, door_letter(topology.REGISTERS.name, reject(REGISTER)))

    def killed(sender: Sender, waiting: list[Any]) -> None:
        sender.flush()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(replaying, "_mark", killed)
        with pytest.raises(KeyboardInterrupt):
            replay_rejects(settings, lambda _: True)
    assert listed(settings)["rejects"] == 1
    assert replay_rejects(settings, lambda _: True).accepted == 1
    assert values(settings, topology.REGISTERS) == [REGISTER, REGISTER], "the merge takes them as one"
    assert replay_rejects(settings, lambda _: True).accepted == 0


def test_what_is_no_dead_letter_is_passed_over(settings: LiveSettings, topics: Any, caplog: pytest.LogCaptureFixture) -> None:
    good = door_letter(topology.REGISTERS.name, reject(REGISTER))
    false = reject(REGISTER).to_line().replace(b"100001", b"100009")
    with Sender(settings) as sender:
        for value, key, headers in (
            (b"{", b"a", list(good.headers)),
            (b"[]", b"a", list(good.headers)),
            (good.value, b"a", []),
            (good.value, None, list(good.headers)),
            (false, b"a", list(good.headers)),
        ):
            sender.send(topology.REJECTS, value, key, headers)
    send(settings, good)
    assert listed(settings)["rejects"] == 1
    assert caplog.text.count("is no dead letter; passed over") == 5


def test_a_person_accepts_them_in_the_control_log(settings: LiveSettings, topics: Any) -> None:
    origin = in_its_log(settings, topology.REGISTERS, b"nonsense")
    in_its_log(settings, topology.ACKNOWLEDGEMENTS, b"nonsense")
    done = run(settings, "accept", "--by", "Ada", "--reason", "a test export", "--json")
    assert done.exit_code == 0
    (record,) = [read_control_record(value) for value in values(settings, topology.CONTROL)]
    assert isinstance(record, RejectsAccepted)
    assert (record.by, record.reason) == ("Ada", "a test export")
    assert len(record.positions) == sum(log.partitions for log in topology.INPUTS)
    assert sorted(record.positions.values())[-2:] == [1, 1]
    assert record.positions[origin.rpartition("/")[0]] == 1
    assert "accepted by Ada" in run(settings, "accept", "--by", "Ada", "--reason", "again").output


@pytest.mark.parametrize(
    "arguments", [["--by", "", "--reason", "x"], ["--by", "Ada", "--reason", ""], ["--by", "A" * 201, "--reason", "x"]]
)
def test_nobody_and_no_reason_accept_nothing(settings: LiveSettings, topics: Any, arguments: list[str]) -> None:
    done = run(settings, "accept", *arguments)
    assert isinstance(done.exception, WrongUsage)
    assert values(settings, topology.CONTROL) == []
