"""100,000 hostile registers (issue 3, point 6): none crashes a reader.

Each is accepted by both the reference and the quick way, or refused by both for the same named reason.
"""

from __future__ import annotations

import gzip
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from schemas.reject import BLANKS, RejectReason
from streams.decode import decode
from streams.jsonl import read
from tests.hostile_registers import fuzzed, oversized, reference, said

if TYPE_CHECKING:
    from pathlib import Path

EVENTS = 100_000
_PARTS = 10
_NOT_HERE = {RejectReason.OVERSIZED, RejectReason.SPLIT_REGISTER}


@pytest.mark.slow
def test_no_hostile_event_crashes_a_reader_or_divides_them() -> None:
    reasons: Counter[str] = Counter()
    for part in range(_PARTS):
        rng = np.random.default_rng([2026, part])
        lines = [fuzzed(rng) for _ in range(EVENTS // _PARTS)]
        expected = reference(lines)
        assert said([decode(lines)]) == expected, f"replay: np.random.default_rng([2026, {part}])"
        assert len(expected[0]) + len(expected[1]) == sum(1 for line in lines if line.strip(BLANKS))
        reasons.update(reason for reason, _ in expected[1])
        reasons["accepted"] += len(expected[0])
    assert set(reasons) == {"accepted", *(str(r) for r in RejectReason if r not in _NOT_HERE)}
    assert min(reasons.values()) > 10, reasons


@pytest.mark.parametrize("name", ["s.jsonl", "s.jsonl.gz"])
def test_bodies_of_ten_megabytes_are_rejected_among_the_others(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(7)
    lines = [line for _ in range(20) for line in (fuzzed(rng), oversized(rng, int(rng.integers(60_000, 70_000))))]
    lines += [oversized(rng, 10_000_000), fuzzed(rng), oversized(rng, 10_000_000), b" " * 3_000_000 + b"{}" + b"\t" * 3_000_000]
    path = tmp_path / name
    contents = b"\n".join(lines)
    path.write_bytes(gzip.compress(contents, 1) if name.endswith("gz") else contents)
    accepted, rejected = said(list(read(path)))
    expected = reference(lines)
    assert accepted == expected[0]
    assert rejected == expected[1]
    assert Counter(r for r, _ in rejected)["oversized"] > 10
