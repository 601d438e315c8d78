"""The HTTP intake, over real sockets: answered means durable, again means the same, too much means wait."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from streams.intake import Limits
from streams.sqlite_log import EmbeddedLogs
from tests.serving import URNS, eventually, judge, options, register, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from schemas.reject import Reject
    from streams.serve import Serving
    from streams.sqlite_log import Appended

JSON = {"Content-Type": "application/json"}
TOKEN = "correct-horse-battery"
ATTRIBUTES = {"specversion": "1.0", "id": "a", "source": "mis", "type": "register"}


def _before_the_close() -> datetime:
    return datetime(2026, 10, 5, 10, tzinfo=UTC)


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    with running(options(tmp_path), _before_the_close) as one:
        yield one


@pytest.fixture
def client(serving: Serving) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=serving.url, timeout=20) as one:
        yield one


def _post(client: httpx.Client, body: object, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post("/v1/registers", content=content, headers=JSON | headers)


def _in_the_log(serving: Serving) -> list[bytes]:
    return [body for _, body in serving.logs.read_registers(0, serving.logs.end_positions()["register"])]


def test_a_register_is_in_the_log_when_it_is_answered(serving: Serving, client: httpx.Client) -> None:
    answer = _post(client, register())
    assert answer.status_code == 200
    said = answer.json()
    assert (said["result"], said["duplicate"], said["position"]) == ("accepted", False, 1)
    assert _in_the_log(serving) == [judge(json.dumps(register()).encode())]
    assert (said["provisional"]["absence_ratio"], said["provisional"]["expected_ratio"]) == (0.05, 0.05)
    assert answer.headers["cache-control"] == "no-store"


def test_a_duplicate_has_the_same_position_and_still_speaks(serving: Serving, client: httpx.Client) -> None:
    first = _post(client, register()).json()
    again = _post(client, json.dumps(register(recorded_at="2026-10-05T10:41:07+01:00"), indent=2).encode()).json()
    assert again == first | {"duplicate": True}
    assert again["provisional"] is not None
    assert len(_in_the_log(serving)) == 1


@pytest.mark.parametrize("media_type", ["application/json", "application/x-ndjson", "application/cloudevents-batch+json"])
def test_a_batch_has_a_result_for_each_event(client: httpx.Client, media_type: str) -> None:
    texts = [
        json.dumps(register()),
        json.dumps(register(100_001)),
        json.dumps(register(999_999)),
        json.dumps(register(counts={"all": {"Q9": 1}})),
        '{"urn": 1, "urn": 1}',
        json.dumps(register()),
    ]
    if media_type == "application/cloudevents-batch+json":
        texts = ["{" + json.dumps(ATTRIBUTES)[1:-1] + f', "data": {text}}}' for text in texts]
    body = "\n".join(texts) if media_type == "application/x-ndjson" else f"[{','.join(texts)}]"
    answer = client.post("/v1/registers", content=body, headers={"Content-Type": media_type})
    assert answer.status_code == 200
    said = answer.json()
    assert (said["accepted"], said["duplicate"], said["rejected"]) == (4, 1, 2)
    first, second, unknown, bad_code, twice, again = said["events"]
    assert [first["position"], second["position"], unknown["position"], again["position"]] == [1, 2, 3, 1]
    assert first["provisional"]["peers"] == second["provisional"]["peers"] == 1, "the events of a batch are each other's peers"
    assert (unknown["provisional"], unknown["no_reading"]) == (None, "unknown_school")
    assert (bad_code["result"], bad_code["reason"], twice["reason"]) == ("rejected", "unknown_code", "duplicate_key")
    assert again["duplicate"]


def test_a_cloud_event_is_taken_structured_and_binary_and_is_the_same_register(client: httpx.Client) -> None:
    structured = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
    assert client.post("/v1/registers", json=ATTRIBUTES | {"data": register()}, headers=structured).json()["position"] == 1
    encoded = base64.b64encode(json.dumps(register()).encode()).decode()
    again = client.post("/v1/registers", json=ATTRIBUTES | {"data_base64": encoded}, headers=structured).json()
    binary = _post(client, register(), **{f"ce-{name}": value for name, value in ATTRIBUTES.items()}).json()
    assert [(one["position"], one["duplicate"]) for one in (again, binary)] == [(1, True), (1, True)]
    assert client.post("/v1/registers", json={"data": register()}, headers=structured).json()["reason"] == "missing_field"
    assert _post(client, register(), **{"ce-specversion": "1.0"}).json()["reason"] == "missing_field"


def test_a_reject_is_named_and_kept_once_with_its_original_bytes(serving: Serving, client: httpx.Client) -> None:
    original = b'{"urn": 1, "urn": 2}'
    first, again = _post(client, original), _post(client, original)
    assert (first.status_code, first.json()["result"], first.json()["reason"]) == (422, "rejected", "duplicate_key")
    assert first.json()["sha256"] == hashlib.sha256(original).hexdigest()
    assert again.json() == first.json() | {"duplicate": True}
    assert [(r.reason, r.original) for _, r in serving.logs.read_rejects()] == [("duplicate_key", original)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"NaN",
        b"\xff\xfe",
        b'"\\ud800"',
        b'{"urn": ' + b"9" * 5_000 + b"}",
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b"\x00",
        b"1e999",
    ],
)
def test_no_body_is_too_odd_for_a_named_reject(client: httpx.Client, body: bytes) -> None:
    answer = _post(client, body)
    assert answer.status_code == 422
    assert answer.json()["reason"]
    assert client.get("/live").status_code == 200


def test_a_lone_surrogate_is_named_back_to_its_sender(client: httpx.Client) -> None:
    answer = _post(client, json.dumps(register(counts={"all": {"\ud800": 1}})).encode())
    assert answer.status_code == 422


def test_an_oversized_event_is_kept_as_length_hash_and_beginning(serving: Serving, client: httpx.Client) -> None:
    original = json.dumps(register(source="x" * 100_000)).encode()
    answer = _post(client, original)
    assert (answer.status_code, answer.json()["reason"]) == (413, "oversized")
    (kept,) = [r for _, r in serving.logs.read_rejects()]
    assert (kept.length, kept.sha256, kept.original) == (len(original), hashlib.sha256(original).hexdigest(), original[:4096])
    beside = _post(client, b"[" + original + b"," + json.dumps(register()).encode() + b"]").json()
    assert (beside["accepted"], beside["rejected"]) == (1, 1)


def test_a_body_that_cannot_be_cut_is_one_reject(serving: Serving, client: httpx.Client) -> None:
    answer = _post(client, b'[{"urn": 1}, {"urn"')
    assert (answer.status_code, answer.json()["error"]) == (400, "not_json")
    assert [r.original for _, r in serving.logs.read_rejects()] == [b'[{"urn": 1}, {"urn"']


@pytest.mark.slow
@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ({"Content-Type": "text/plain"}, "a form of another page could send text"),
        ({"Content-Type": "application/json; charset=utf-16"}, "JSON is UTF-8"),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, "nothing is unpacked"),
        ({}, "no type at all"),
    ],
)
def test_other_media_types_are_refused(client: httpx.Client, headers: dict[str, str], sentence: str) -> None:
    assert client.post("/v1/registers", content=b"{}", headers=headers).status_code == 415, sentence


def test_readings_are_given_by_school_and_date(client: httpx.Client) -> None:
    _post(client, [register(), register(session="PM", absent=30), register(100_001)])
    reading = client.get("/v1/readings/100000", params={"date": "2026-10-05"})
    assert reading.status_code == 200
    assert (reading.json()["sessions"], reading.json()["absences"], reading.json()["peers"]) == (["AM", "PM"], 40, 1)
    assert client.get("/v1/readings/100000").json() == reading.json()
    assert client.get("/v1/readings/100002").json()["error"] == "no_register"
    assert client.get("/v1/readings/999999", params={"date": "2026-10-05"}).json()["error"] == "unknown_school"
    assert client.get("/v1/readings/one").status_code == 400
    assert client.get("/v1/readings/100000", params={"date": "20261005"}).status_code == 400


def test_with_a_token_nobody_speaks_without_it(tmp_path: Path) -> None:
    with running(options(tmp_path, tokens=(TOKEN,)), _before_the_close) as serving, httpx.Client(base_url=serving.url) as client:
        for headers in ({}, {"Authorization": "Bearer wrong-horse-battery"}):
            refused = client.post("/v1/registers", content=json.dumps(register()), headers=JSON | headers)
            assert refused.status_code == client.get("/v1/readings/100000", headers=headers).status_code == 401
            assert "0.05" not in refused.text
        assert client.get("/live").status_code == client.get("/ready").status_code == 200
        assert serving.logs.end_positions()["register"] == 0
        said = _post(client, register(), Authorization=f"Bearer {TOKEN}").json()
        assert said["provisional"]["expected_ratio"] == 0.05


def test_the_expected_path_does_not_go_through_a_proxy_without_a_token(client: httpx.Client) -> None:
    said = _post(client, register(), **{"X-Forwarded-For": "10.0.0.9"}).json()
    assert said["provisional"]["absence_ratio"] == 0.05
    assert "expected_ratio" not in said["provisional"]
    assert "common_effect_logit" not in said["provisional"]
    assert _post(client, register(), Host="evil.example").status_code == 401


def test_a_sudden_session_is_flagged_once_its_peers_are_in_and_hides_its_path_from_a_proxy(client: httpx.Client) -> None:
    early = _post(client, register(urn=URNS[11], absent=100)).json()
    assert early["provisional"]["sudden"] == []
    for urn in URNS[:8]:
        _post(client, register(urn=urn))
    (flag,) = client.get(f"/v1/readings/{URNS[11]}").json()["sudden"]
    assert (flag["session"], flag["pupils"], flag["absences"]) == ("AM", 200, 100)
    assert flag["expected_absences"] == pytest.approx(9.9, abs=1)
    assert flag["log10_tail"] < -6
    (hidden,) = client.get(f"/v1/readings/{URNS[11]}", headers={"X-Forwarded-For": "10.0.0.9"}).json()["sudden"]
    assert hidden.keys() == flag.keys() - {"expected_absences"}
    assert client.get(f"/v1/readings/{URNS[0]}").json()["sudden"] == []


def _limited(folder: Path, **limits: Any) -> Any:
    return running(options(folder, limits=Limits(**limits)), _before_the_close)


def test_a_body_over_the_limit_is_refused_while_it_is_read(tmp_path: Path) -> None:
    with _limited(tmp_path, batch_bytes_max=100_000) as serving, httpx.Client(base_url=serving.url) as client:
        assert _post(client, b" " * 100_001).status_code == 413
        assert client.post("/v1/registers", content=(b" " * 1000 for _ in range(101)), headers=JSON).status_code == 413
        assert client.post("/v1/registers", content=iter([b"1" * 100_000]), headers=JSON).status_code == 413, "one event of 100,000 bytes"
        assert [r.length for _, r in serving.logs.read_rejects()] == [100_000]
        assert _post(client, register()).status_code == 200


def test_a_batch_of_too_many_events_is_refused_as_a_whole(tmp_path: Path) -> None:
    with _limited(tmp_path, batch_events_max=3, pending_registers_max=3) as serving, httpx.Client(base_url=serving.url) as client:
        assert _post(client, [register(urn) for urn in range(100_000, 100_004)]).json()["error"] == "too_many_events"
        assert serving.logs.end_positions()["register"] == 0
        assert _post(client, [register(urn) for urn in range(100_000, 100_003)]).json()["accepted"] == 3


def test_a_large_batch_is_taken_without_readings(tmp_path: Path) -> None:
    with _limited(tmp_path, provisional_events_max=2) as serving, httpx.Client(base_url=serving.url) as client:
        said = _post(client, [register(100_000), register(100_001), register(100_002)]).json()
        assert {event["no_reading"] for event in said["events"]} == {"large_batch"}
        assert client.get("/v1/readings/100000").json()["peers"] == 2


def test_a_sender_who_never_ends_is_cut_off(tmp_path: Path) -> None:
    with _limited(tmp_path, body_seconds_max=0.05) as serving:
        port = int(serving.url.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as sender:
            sender.sendall(
                b"POST /v1/registers HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"
            )
            assert b" 408 " in sender.recv(4096)


class _HeldUp:
    """The logs, with a disk that waits until it is let go."""

    def __init__(self, logs: EmbeddedLogs) -> None:
        self.disk, self.waiting = threading.Event(), threading.Event()
        self._append = logs.append
        logs.append = self._wait  # type: ignore[method-assign]  # the real disk cannot be told to wait

    def _wait(self, registers: Sequence[bytes], rejects: Sequence[Reject]) -> tuple[list[Appended], list[Appended]]:
        self.waiting.set()
        if not self.disk.wait(20):
            raise TimeoutError("the disk was never let go")
        return self._append(registers, rejects)


def test_senders_wait_when_as_many_registers_as_allowed_wait_for_the_disk(tmp_path: Path) -> None:
    with _limited(tmp_path, batch_events_max=3, pending_registers_max=3) as serving, ThreadPoolExecutor(4) as pool:
        held = _HeldUp(serving.logs)
        with httpx.Client(base_url=serving.url, timeout=30) as client:
            first = pool.submit(_post, client, [register(100_000), register(100_001)])
            assert held.waiting.wait(20)
            refused = _post(client, [register(100_002), register(100_003)])
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            third = pool.submit(_post, client, register(100_004))
            held.disk.set()
            assert first.result().json()["accepted"] == 2
            assert third.result().status_code == 200
            assert _post(client, [register(100_002), register(100_003)]).json()["accepted"] == 2
        assert serving.logs.end_positions()["register"] == 5


def test_senders_wait_when_too_many_bytes_are_on_their_way(tmp_path: Path) -> None:
    with _limited(tmp_path, batch_bytes_max=2_000, pending_bytes_max=2_000) as serving, httpx.Client(base_url=serving.url) as client:
        port = int(serving.url.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as slow:
            slow.sendall(
                b"POST /v1/registers HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2000\r\n\r\n"
                + b" " * 1_990
            )
            eventually(lambda: _post(client, register()).status_code == 429)
        eventually(lambda: _post(client, register()).status_code == 200)


def test_requests_that_wait_together_are_one_transaction(serving: Serving) -> None:
    held = _HeldUp(serving.logs)
    transactions: list[int] = []
    append = held._append

    def counted(registers: Sequence[bytes], rejects: Sequence[Reject]) -> tuple[list[Appended], list[Appended]]:
        transactions.append(len(registers))
        return append(registers, rejects)

    held._append = counted
    with ThreadPoolExecutor(10) as pool, httpx.Client(base_url=serving.url, timeout=30) as client:
        answers = [pool.submit(_post, client, register(100_000 + n)) for n in range(10)]
        writer = serving._intake._writer
        eventually(lambda: writer is not None and writer.pending == 10)
        held.disk.set()
        assert sorted(answer.result().json()["position"] for answer in answers) == list(range(1, 11))
    assert sum(transactions) == 10
    assert len(transactions) <= 2


def test_a_full_disk_is_said_and_nothing_is_lost_when_there_is_space_again(serving: Serving, client: httpx.Client) -> None:
    _post(client, register())
    connection = serving.logs._connection
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
    batch = [register(100_000 + n % 12, revision=n, source="y" * 200) for n in range(200)]
    full = _post(client, batch)
    assert (full.status_code, full.headers["retry-after"]) == (507, "60")
    assert client.get("/ready").status_code == 503
    assert serving.logs.end_positions()["register"] == 1
    connection.execute("PRAGMA max_page_count = 1000000")
    assert _post(client, batch).json()["accepted"] == 200
    assert client.get("/ready").status_code == 200
    assert serving.logs.end_positions()["register"] == 201


def test_a_stopping_intake_takes_nothing_more_and_says_so(serving: Serving, client: httpx.Client) -> None:
    serving._intake.refuse_new()
    answer = _post(client, register())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert client.get("/ready").json()["problems"] == ["stopping"]
    assert client.get("/live").status_code == 200


def test_what_is_being_answered_when_it_stops_is_answered(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool, httpx.Client(timeout=30) as client:
        with running(options(tmp_path), _before_the_close) as serving:
            held = _HeldUp(serving.logs)
            answer = pool.submit(client.post, f"{serving.url}/v1/registers", content=json.dumps(register()), headers=JSON)
            assert held.waiting.wait(20)
            serving.stop()
            held.disk.set()
        assert answer.result().json()["position"] == 1
    logs = EmbeddedLogs(tmp_path / "headway.db")
    assert logs.end_positions()["register"] == 1
    logs.close()


def test_an_answer_does_not_wait_for_an_acknowledgement(serving: Serving) -> None:
    assert serving._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
