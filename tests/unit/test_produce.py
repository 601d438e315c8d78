"""What `headway produce` reads out of a file, how far it got, and where a key lives. The broker is in tests/live."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest
from aiokafka import partitioner as aiokafka_partitioner
from kafka import partitioner as kafka_python_partitioner

from schemas.errors import BadContents, WrongUsage
from schemas.register import canonical, parse
from schemas.reject import REGISTER_BYTES_MAX, Reject
from streams.decode import decode
from streams.produce import Offered, Produced, register_record, stretches
from streams.produce_state import ProduceState
from streams.write_registers import parquet_tables, write_registers
from tests.hostile_registers import fuzzed, oversized, reference, sound

if TYPE_CHECKING:
    from pathlib import Path

# Java's own answers: org.apache.kafka.common.utils.Utils.murmur2 of kafka-clients 4.3.1, and its partition of 12.
JAVA_MURMUR2 = {
    "21": (-973932308, 0),
    "foobar": (-790332482, 6),
    "a-little-bit-long-string": (-985981536, 8),
    "a-little-bit-longer-string": (-1486304829, 11),
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": (-58897971, 5),
    "abc": (479470107, 3),
    "1": (-1993445489, 3),
    "100001": (1636592305, 1),
    "123456": (-918490292, 0),
    "149999": (-708248870, 6),
    "2147483647": (-427214283, 5),
    "region:North": (2086218368, 8),
}


@pytest.mark.parametrize(("key", "answer"), JAVA_MURMUR2.items())
def test_a_key_lives_in_the_same_partition_whichever_client_sends_it(key: str, answer: tuple[int, int]) -> None:
    murmur2, partition = answer
    found = [kafka_python_partitioner.murmur2(key.encode()), aiokafka_partitioner.murmur2(key.encode())]
    assert [value & 0xFFFFFFFF for value in found] == [murmur2 & 0xFFFFFFFF] * 2
    assert aiokafka_partitioner.DefaultPartitioner()(key.encode(), list(range(12)), list(range(12))) == partition
    assert (found[0] & 0x7FFFFFFF) % 12 == partition


def of(path: Path, after: int = 0) -> list[Offered | Reject]:
    return list(chain.from_iterable(stretches(path, after)))


def lines_of(seed: int, count: int = 300) -> list[bytes]:
    rng = np.random.default_rng(seed)
    return [*(fuzzed(rng) for _ in range(count)), b"", b" \t", oversized(rng, REGISTER_BYTES_MAX), *(sound(rng) for _ in range(count))]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.ndjson"])
def test_a_line_is_offered_as_it_stands_or_rejected_as_the_reference_says(tmp_path: Path, name: str) -> None:
    lines = lines_of(3)
    path = tmp_path / name
    content = b"\n".join(lines)
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    accepted, rejected = reference(lines)
    found = of(path)
    registers = [record for record in found if isinstance(record, Offered)]
    assert [canonical(parse(record.value)) for record in registers] == accepted
    assert [(r.reason.value, r.sha256) for r in found if isinstance(r, Reject)] == rejected
    assert {record.value for record in registers} <= {line.strip() for line in lines}
    assert all((record.urn, record.source) == (parse(record.value).urn, parse(record.value).source) for record in registers)


def test_valid_lines_alone_are_offered_alike(tmp_path: Path) -> None:
    """The quick way, which asks nothing line by line."""
    lines = [line.strip() for line in lines_of(4) if not reference([line])[1] and line.strip()]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\r\n".join(lines))
    assert of(path) == [Offered(parse(line).urn, parse(line).source, line) for line in lines]


def test_of_columns_the_canonical_bytes_are_offered(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    batch = decode([sound(rng) for _ in range(50)]).batch
    path = tmp_path / "a.parquet"
    write_registers(batch, path, "parquet")
    found = [record for record in of(path) if isinstance(record, Offered)]
    assert len(found) == len(batch)
    assert all(canonical(parse(record.value)) == record.value for record in found)


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_after_an_interruption_the_rest_is_offered_and_nothing_else(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    lines = lines_of(6, 40)
    if name == "a.jsonl":
        path.write_bytes(b"\n".join(lines))
    else:
        table = next(iter(parquet_tables(decode([line for line in lines if line.strip()]).batch)))
        wrong = table.to_pylist()
        wrong[5]["session"] = "NOON"
        pq.write_table(table.from_pylist(wrong, schema=table.schema), path)
    whole = of(path)
    assert any(isinstance(record, Reject) for record in whole)
    for after in range(0, len(whole) + 2, 7):
        assert of(path, after) == whole[after:]


def test_a_line_that_is_never_held_is_one_record_too(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    good = sound(np.random.default_rng(8)).strip()
    path.write_bytes(b'{"x":"' + b"a" * 5_000_000 + b'"}\n' + good)
    first, second = of(path)
    assert isinstance(first, Reject)
    assert (first.length, first.reason.value) == (5_000_008, "oversized")
    assert of(path, 1) == [second]


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="ends in none of"):
        list(stretches(tmp_path / "a.csv"))


def test_a_register_carries_the_envelope_of_cloudevents() -> None:
    value = b'{"urn":1}'
    out = register_record(Offered(123456, "zürich", value))
    assert (out.key, out.value) == (b"123456", value)
    assert dict(out.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": hashlib.sha256(value).hexdigest().encode(),
        "ce_type": b"uk.headway.attendance.session.v1",
        "ce_source": "zürich".encode(),
        "content-type": b"application/json",
    }


def test_what_was_acknowledged_is_remembered(tmp_path: Path) -> None:
    file, resume = tmp_path / "a.jsonl", tmp_path / "state"
    file.write_bytes(b"{}\n")
    done = Produced(7, Counter({"not_json": 2}))
    ProduceState(resume, "t@1").keep(file, done)
    assert ProduceState(resume, "t@1").of(file) == done
    assert ProduceState(resume, "t@1").of(file).read == 9
    assert ProduceState(None, "t@1").of(file) == Produced()
    assert {path.name for path in tmp_path.iterdir()} == {"a.jsonl", "state"}


def test_a_file_that_has_changed_since_begins_again(tmp_path: Path) -> None:
    file, resume = tmp_path / "a.jsonl", tmp_path / "state"
    file.write_bytes(b"{}\n")
    ProduceState(resume, "t@1").keep(file, Produced(1))
    file.write_bytes(b"{}\n{}\n")
    assert ProduceState(resume, "t@1").of(file) == Produced()


def test_the_state_of_another_topic_is_refused(tmp_path: Path) -> None:
    file, resume = tmp_path / "a.jsonl", tmp_path / "state"
    file.write_bytes(b"{}\n")
    ProduceState(resume, "t@1").keep(file, Produced(1))
    with pytest.raises(WrongUsage, match="it belongs to t@1, not to t@2"):
        ProduceState(resume, "t@2")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", json.dumps({"log": "t@1", "files": {"a": {"accepted": -1}}}).encode()])
def test_a_torn_state_is_refused(tmp_path: Path, content: bytes) -> None:
    resume = tmp_path / "state"
    resume.write_bytes(content)
    with pytest.raises(BadContents, match="Delete it to start again"):
        ProduceState(resume, "t@1")


def test_a_state_that_cannot_be_kept_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"{}\n")
    with pytest.raises(WrongUsage, match="--resume"):
        ProduceState(tmp_path / "no" / "state", "t@1").keep(file, Produced(1))
