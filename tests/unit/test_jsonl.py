"""Files of JSON lines: in order, in bounded memory, by one process or two; and what is wrong with a file is said."""

from __future__ import annotations

import gzip
import os
import signal
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest

from schemas.errors import BadContents, WrongUsage
from streams import jsonl
from streams.decode import decode
from streams.decode_worker import Worker, from_bytes, to_bytes
from streams.sources import read_sessions
from tests.hostile_registers import fuzzed, oversized, reference, said, sound

if TYPE_CHECKING:
    from pathlib import Path


def _lines(count: int) -> list[bytes]:
    rng = np.random.default_rng(3)
    return [line for _ in range(count) for line in (sound(rng).strip(), b"", fuzzed(rng), b" \r")]


@pytest.mark.slow
@pytest.mark.parametrize("block", [50, 1000, 70_000])
@pytest.mark.parametrize("processes", [1, 2])
def test_wherever_a_file_is_cut_its_registers_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, processes: int
) -> None:
    rng = np.random.default_rng(4)
    long = [oversized(rng, 66_000), sound(rng), b" " * 100_000, oversized(rng, 65_400), oversized(rng, 70_000)]
    lines = _lines(50 if block < 1000 else 300) + long
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"\n".join(lines))
    monkeypatch.setattr(jsonl, "BLOCK_BYTES", block)
    monkeypatch.setattr(jsonl, "WORKER_FROM_BYTES", 0)
    told: list[int] = []
    assert said(list(jsonl.read(path, processes=processes, progress=told.append))) == reference(lines)
    assert sum(told) == path.stat().st_size


def test_a_worker_that_is_lost_loses_nothing() -> None:
    block = b"\n".join(_lines(20))
    worker = Worker()
    try:
        worker.give(block)
        first = worker.take()
        os.kill(worker._process.pid or 0, signal.SIGKILL)
        worker.give(block)
        assert said([worker.take()]) == said([first]) == reference(block.split(b"\n"))
        assert not worker.has_room()
    finally:
        worker.stop()


def test_a_result_crosses_a_pipe_unchanged() -> None:
    decoded = decode(_lines(50))
    again = from_bytes(to_bytes(decoded))
    assert again.rejects == decoded.rejects
    assert said([again]) == said([decoded])
    assert again.batch.sources == decoded.batch.sources


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    for name, contents in (("a.jsonl", b""), ("b.jsonl.gz", gzip.compress(b"")), ("c.ndjson", b"\n\n \n")):
        (tmp_path / name).write_bytes(contents)
        assert sum(d.read for d in read_sessions(tmp_path / name)) == 0


def test_a_line_that_never_ends_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl.gz"
    with gzip.open(path, "wb", 1) as file:
        for _ in range(100):
            file.write(b"a" * 1_000_000)
    tracemalloc.start()
    decoded = list(jsonl.read(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(r.reason, r.length) for d in decoded for r in d.rejects] == [("oversized", 100_000_000)]
    assert peak < 5 * jsonl.BLOCK_BYTES


def test_a_gzip_file_in_several_parts_is_read_to_its_end(tmp_path: Path) -> None:
    lines = _lines(5)
    path = tmp_path / "s.JSONL.GZ"
    path.write_bytes(gzip.compress(b"\n".join(lines[:7]) + b"\n") + gzip.compress(b"\n".join(lines[7:])))
    assert said(list(read_sessions(path))) == reference(lines)


@pytest.mark.parametrize("harm", ["cut", "changed", "no gzip"])
def test_a_damaged_gzip_file_is_named_with_a_remedy(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "s.jsonl.gz"
    whole = gzip.compress(b"\n".join(_lines(200)))
    path.write_bytes({"cut": whole[:-100], "changed": whole[:-8] + b"\0\0\0\0" + whole[-4:], "no gzip": b"{}"}[harm])
    with pytest.raises(BadContents, match=r"s\.jsonl\.gz.*copy it again"):
        list(read_sessions(path))


@pytest.mark.parametrize("name", ["gone.jsonl", "gone.parquet", "a.csv", ".jsonl"])
def test_what_cannot_be_read_is_wrong_usage(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.csv").touch()
    (tmp_path / ".jsonl").mkdir()
    with pytest.raises(WrongUsage, match="Name a"):
        list(read_sessions(tmp_path / name))
