"""`headway produce` on a real broker: every line is in the log or among the rejects, also when it is killed in between."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from aiokafka.partitioner import murmur2
from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from typer.testing import CliRunner, Result

from schemas.errors import WrongUsage
from schemas.reject import REGISTER_BYTES_MAX, Reject
from streams import clock, topology
from streams.connecting import RecordTooLarge, TopicMissing
from streams.dead_letters import fold
from streams.decode import decode
from streams.kafka_tools import LogReader
from streams.produce import Offered, stretches
from streams.rejects_command import rejects_app
from streams.write_registers import write_registers
from tests.hostile_registers import fuzzed, oversized, sound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streams.live_settings import LiveSettings
    from streams.topology import Log

PROGRAM = "import typer; from streams.produce_command import produce_command as c; app = typer.Typer(); app.command()(c); app()"


def environment(settings: LiveSettings) -> dict[str, str]:
    return {"HEADWAY_KAFKA": settings.kafka, "HEADWAY_TOPIC_PREFIX": settings.topic_prefix}


def run(settings: LiveSettings, *arguments: object) -> Result:
    import typer

    from streams.produce_command import produce_command

    app = typer.Typer()
    app.command()(produce_command)
    return CliRunner(env=environment(settings)).invoke(app, [*map(str, arguments), "--json"])


def in_log(settings: LiveSettings, log: Log) -> list[tuple[int, Any]]:
    """(partition, record) of all there is."""
    with LogReader(settings) as reader:
        return [(int(place.rpartition("/")[2]), r) for place, records in reader.read(reader.bounds(log)) for r in records]


def valid(count: int, seed: int = 1) -> list[bytes]:
    rng = np.random.default_rng(seed)
    lines = (sound(rng).strip() for _ in range(4 * count))
    return [line for line in lines if not decode([line]).rejects][:count]


def written(path: Path, lines: Sequence[bytes]) -> Path:
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def test_every_line_is_in_the_log_as_it_stands_or_among_the_rejects(settings: LiveSettings, topics: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    lines = [fuzzed(rng) for _ in range(400)]
    lines += [oversized(rng, REGISTER_BYTES_MAX), oversized(rng, 300_000), b"\x01" * REGISTER_BYTES_MAX]
    file = written(tmp_path / "a.jsonl", lines)
    offered = [record for stretch in stretches(file) for record in stretch]
    registers = [record for record in offered if isinstance(record, Offered)]
    rejects = [record for record in offered if isinstance(record, Reject)]
    done = run(settings, file)
    said = json.loads(done.stdout)
    assert (done.exit_code, said["accepted"], said["read"]) == (3, len(registers), len(offered))
    assert said["rejected"] == dict(Counter(r.reason.value for r in rejects))
    found = in_log(settings, topology.REGISTERS)
    assert Counter(r.value for _, r in found) == Counter(r.value for r in registers)
    urns = {r.value: r.urn for r in registers}
    for partition, record in found:
        assert record.key == b"%d" % urns[record.value]
        assert partition == (murmur2(record.key) & 0x7FFFFFFF) % topology.REGISTERS.partitions
        assert {name for name, _ in record.headers} == {"ce_specversion", "ce_id", "ce_type", "ce_source", "content-type"}
    letters = fold(settings)
    assert set(letters) == {f"door/{r.sha256}" for r in rejects}
    assert all(letters[f"door/{r.sha256}"].reason == r.reason.value for r in rejects)


def test_columns_and_packed_lines_are_produced_too(settings: LiveSettings, topics: Any, tmp_path: Path) -> None:
    batch = decode(valid(50)).batch
    paths = [tmp_path / "a.parquet", tmp_path / "a.jsonl.gz"]
    write_registers(batch, paths[0], "parquet")
    write_registers(batch, paths[1], "jsonl.gz")
    done = run(settings, *paths)
    assert (done.exit_code, json.loads(done.stdout)["accepted"]) == (0, 100)
    assert len(in_log(settings, topology.REGISTERS)) == 100


def test_killed_in_the_middle_it_goes_on_and_nothing_is_lost(settings: LiveSettings, topics: Any, tmp_path: Path) -> None:
    lines = [json.dumps({**json.loads(line), "revision": n}).encode() for n, line in enumerate(valid(200) * 100)]
    file, resume = written(tmp_path / "a.jsonl", [*lines, b"nonsense"]), tmp_path / "state"
    arguments = [sys.executable, "-c", PROGRAM, str(file), "--resume", str(resume)]
    process = subprocess.Popen([*arguments, "--rate", "8000"], env=environment(settings), stdout=subprocess.DEVNULL)
    deadline = clock.monotonic_seconds() + 30
    while not resume.exists() and clock.monotonic_seconds() < deadline:
        try:
            process.wait(timeout=0.02)
        except subprocess.TimeoutExpired:
            continue
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = run(settings, file, "--resume", resume)
    said = json.loads(done.stdout)
    assert 0 < said["resumed_after"] < len(lines)
    assert (said["read"], said["accepted"], done.exit_code) == (len(lines) + 1, len(lines), 3)
    found = [r.value for _, r in in_log(settings, topology.REGISTERS)]
    assert set(found) == set(lines)
    assert len(found) < len(lines) + 20_000, "only what was not acknowledged is sent again"
    again = json.loads(run(settings, file, "--resume", resume).stdout)
    assert (again["resumed_after"], again["accepted"], again["rejected"]) == (len(lines) + 1, len(lines), {"not_json": 1})
    assert len(in_log(settings, topology.REGISTERS)) == len(found)


def test_a_send_that_failed_is_an_error_and_not_counted_as_done(settings: LiveSettings, tmp_path: Path) -> None:
    admin = KafkaAdminClient(**settings.client())
    admin.create_topics([NewTopic(settings.topic(topology.REGISTERS), 1, 1, topic_configs={"max.message.bytes": "150"})])
    admin.close()
    file, resume = written(tmp_path / "a.jsonl", valid(5)), tmp_path / "state"
    done = run(settings, file, "--resume", resume)
    assert isinstance(done.exception, RecordTooLarge)
    assert not resume.exists()


def test_a_rate_is_kept(settings: LiveSettings, topics: Any, tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", valid(100))
    assert json.loads(run(settings, file, "--rate", 200).stdout)["seconds"] >= 0.45


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["no.jsonl"], WrongUsage, "there is no such file"),
        (["a.csv"], WrongUsage, "ends in none of"),
        (["a.jsonl", "--rate", "0"], WrongUsage, "over 0"),
        (["a.jsonl"], TopicMissing, "headway topics"),
    ],
)
def test_what_cannot_be_done_is_said(
    settings: LiveSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], error: type[Exception], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "a.jsonl", valid(1))
    done = run(settings, *arguments)
    assert isinstance(done.exception, error)
    assert message in str(done.exception)


def test_what_was_refused_at_the_door_is_listed(settings: LiveSettings, topics: Any, tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", [b"nonsense", b"nonsense", b"{}"])
    assert json.loads(run(settings, file).stdout)["rejected"] == {"missing_field": 1, "not_json": 2}
    listed = CliRunner(env=environment(settings)).invoke(rejects_app, ["list", "--json"])
    assert json.loads(listed.stdout)["by_reason"] == {"missing_field": 1, "not_json": 1}
