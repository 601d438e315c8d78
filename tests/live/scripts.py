"""Scripts of arrivals and closes: a simulated hub, a hostile stream, New York 2015-16."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from streams.reference import read_reference
from tests.live.conformance import Arrival
from tests.live.fleet import HEADWAY
from tests.streams_of_registers import line, small_year, write_reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.replay import Reference

__all__ = ["DATA", "hostile", "hub", "new_york"]

DATA = os.environ.get("HEADWAY_DATA")
JUNK = (b"{bad", b"", b"[]", b'{"urn": 1}', b"\xff\xfe", b'{"urn": 100001, "urn": 100001}', b"x" * 70_000)


def _cut(lines: Sequence[bytes], days: Sequence[date], pieces: int) -> list[Arrival]:
    """Consecutive pieces, each closing the day of its share of the year."""
    edges = np.linspace(0, len(lines), pieces + 1).astype(int)
    return [Arrival(days[(len(days) - 1) * (i + 1) // pieces], lines[a:b]) for i, (a, b) in enumerate(pairwise(edges.tolist()))]


def _acknowledgement(urn: int, day: date, chart: str = "C") -> bytes:
    said = {"urn": urn, "chart": chart, "effective_date": str(day), "verdict": "handled", "revision": 0, "actor": "coordinator-1"}
    return json.dumps(said | {"recorded_at": f"{day}T16:00:00Z"}).encode()


def hub(folder: Path) -> tuple[Reference, list[Arrival]]:
    """A simulated hub of 57 schools: the first 60 days of its year, in order of arrival; in some of them a year group drops."""
    drift = ("--drift=year-group", "--points=8", "--share=0.3")
    subprocess.run([*HEADWAY, "simulate", f"--out={folder}", "--days=60", "--seed=7", "--layout=jsonl", *drift], check=True)
    lines = (folder / "sessions.jsonl").read_bytes().splitlines()
    reference = read_reference(*(folder / f"{name}.csv" for name in ("schools", "targets", "calendar")))
    days = sorted({date.fromisoformat(json.loads(text)["attendance_date"]) for text in lines})
    return reference, _cut(lines, days, 8)


def hostile(folder: Path, pieces: int = 16, *, days: int = 14, schools: int = 16) -> tuple[Reference, list[Arrival]]:
    """Small schools whose registers come shuffled, twice, corrected and among junk; some closes are repeats; people answer."""
    year, rng = small_year(1, days=days, schools=schools), np.random.default_rng(3)
    reference = read_reference(*write_reference(year, folder))
    dates = sorted({date.fromisoformat(event["attendance_date"]) for event in year.events})
    lines = [line(event) for event in year.events]
    order = np.argsort(np.arange(len(lines)) + rng.normal(0, 60, len(lines)))
    mixed = [lines[int(i)] for i in order] + [lines[int(i)] for i in rng.integers(0, len(lines), 100)]
    script = _cut(mixed, dates, pieces)
    script = [
        Arrival(
            a.day,
            [*a.registers, JUNK[i % len(JUNK)]],
            [_acknowledgement(100_000 + i, a.day), _acknowledgement(100_000 + i, a.day, "G:7"), b"{}"] if i % 3 == 0 else [],
        )
        for i, a in enumerate(script)
    ]
    return reference, script


def new_york(_: Path) -> tuple[Reference, list[Arrival]]:
    """Every register of New York 2015-16, closed twelve times."""
    data = Path(DATA or "") / "nyc_2015_16"
    with gzip.open(data / "sessions.jsonl.gz", "rb") as file:
        lines = file.read().splitlines()
    reference = read_reference(*(data / f"{name}.csv" for name in ("schools", "targets", "calendar")))
    days = sorted({date.fromisoformat(json.loads(text)["attendance_date"]) for text in lines})
    return reference, _cut(lines, days, 12)
