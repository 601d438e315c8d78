"""The files of a simulated year: what `headway replay` reads, and the truth beside it."""

from __future__ import annotations

import csv
import gzip
import importlib
import json
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

from models import simulator_defects as defects
from models.batch import Batch, pack
from models.simulator import Shock, SimulatedYear, make
from models.simulator_codes import split_codes
from models.simulator_registers import Sent, clean_registers, to_batch
from schemas.codes import CODE_IDS, CODES, YEAR_GROUP_IDS
from schemas.errors import BrokenPromise
from streams.simulate import Written, write, write_calendar
from streams.write_registers import json_lines, parquet_schema

if TYPE_CHECKING:
    from pathlib import Path


def small() -> tuple[SimulatedYear, Sent]:
    """Twelve schools, forty days, a drift, a shock and every defect."""
    year = make(5, 12, days=40, areas=2, drift="year group", share=0.25, shock=Shock())
    sent = defects.provisional_codes(year, defects.all_present_registers(year, clean_registers(year)))
    return year, defects.missing_registers(year, defects.silent_schools(year, defects.late_registers(year, sent)))


def batch() -> Batch:
    """What these schools send."""
    year, sent = small()
    return to_batch(year, split_codes(year), sent)


def cells_of(counts: dict[str, dict[str, int]]) -> list[int]:
    """The packed cells of one register's counts."""
    return sorted(pack(YEAR_GROUP_IDS[g], CODE_IDS[c], n) for g, row in counts.items() for c, n in row.items())


def test_each_line_says_what_its_register_says() -> None:
    b = batch()
    lines = list(json_lines(b))
    assert len(lines) == len(b)
    for i, line in enumerate(lines):
        assert line.endswith(b"}\n")
        row = json.loads(line)
        assert list(row) == ["urn", "attendance_date", "session", "revision", "recorded_at", "source", "counts"]
        assert (row["urn"], row["revision"], row["source"]) == (b.urn[i], b.revision[i], "simulated")
        assert row["session"] == ("PM" if b.session[i] else "AM")
        assert date.fromisoformat(row["attendance_date"]) == date(1970, 1, 1) + timedelta(days=int(b.day[i]))
        assert np.datetime64(row["recorded_at"].rstrip("Z"), "us").astype(np.int64) == b.recorded_at[i]
        assert cells_of(row["counts"]) == b.cells[b.start[i] : b.start[i + 1]].tolist()


def test_the_decoder_gives_the_batch_back() -> None:
    b = batch()
    decoded = pytest.importorskip("streams.decode", reason="written beside this").decode(list(json_lines(b)))
    assert not len(decoded.rejects)
    for name in ("urn", "day", "session", "revision", "recorded_at", "start", "cells"):
        assert np.array_equal(getattr(decoded.batch, name), getattr(b, name)), name


def test_a_register_without_pupils_is_refused() -> None:
    b = batch()
    empty = replace(
        b,
        urn=b.urn[:1],
        day=b.day[:1],
        session=b.session[:1],
        revision=b.revision[:1],
        recorded_at=b.recorded_at[:1],
        source=b.source[:1],
        start=np.zeros(2, np.int64),
        cells=b.cells[:0],
    )
    with pytest.raises(BrokenPromise):
        list(json_lines(empty))


def test_parquet_holds_the_same_registers_in_the_contracts_columns(tmp_path: Path) -> None:
    year, sent = small()
    written = write(year, tmp_path, sent=sent, layout="parquet")
    table = pq.read_table(written.sessions)
    assert table.schema.equals(parquet_schema())
    assert {row.code for row in CODES} <= set(table.column_names)
    found: list[list[int]] = []
    before = None
    for row in table.to_pylist():
        key = tuple(row[c] for c in ("urn", "attendance_date", "session", "revision", "recorded_at", "source"))
        if key != before:
            found.append([])
        before = key
        found[-1] += cells_of({row["year_group"]: {c.code: row[c.code] for c in CODES if row[c.code] is not None}})
    b = to_batch(year, split_codes(year), sent)
    assert found == [b.cells[b.start[i] : b.start[i + 1]].tolist() for i in range(len(b))]


def rows(path: Path) -> list[dict[str, str]]:
    """A CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def school_days(calendar: Path) -> set[date]:
    """Monday to Friday in a term and not closed."""
    days: dict[str, set[date]] = {"term": set(), "closed": set()}
    for row in rows(calendar):
        first, last = date.fromisoformat(row["first_date"]), date.fromisoformat(row["last_date"])
        days[row["kind"]] |= {first + timedelta(days=i) for i in range((last - first).days + 1)}
    return {d for d in days["term"] - days["closed"] if d.weekday() < 5}


def test_the_calendar_holds_exactly_the_school_days(tmp_path: Path) -> None:
    year, before = make(1, 1), make(1, 1, start_year=2025)
    write_calendar(tmp_path / "calendar.csv", before.dates, year.dates)
    wanted = {date(1970, 1, 1) + timedelta(days=int(d)) for d in [*before.dates, *year.dates]}
    assert school_days(tmp_path / "calendar.csv") == wanted
    assert len(wanted) == 380
    assert len(rows(tmp_path / "calendar.csv")) == 12


def test_schools_and_targets_name_every_school(tmp_path: Path) -> None:
    year, sent = small()
    written = write(year, tmp_path, sent=sent)
    schools, targets = rows(written.schools), rows(written.targets)
    assert [int(r["urn"]) for r in schools] == [int(r["urn"]) for r in targets] == year.schools.urn.tolist()
    assert [int(r["roll"]) for r in schools] == year.schools.roll.tolist()
    assert len({r["name"] for r in schools}) == 12
    assert {r["region"] for r in schools} == {"region 1", "region 2"}
    assert all(r["academic_year"] == "2026/27" for r in targets)
    assert [float(r["target_attendance"]) for r in targets] == pytest.approx((1 - year.schools.target_absence).tolist(), abs=1e-6)


def test_the_truth_names_what_was_planted(tmp_path: Path) -> None:
    year, sent = small()
    truth = json.loads(write(year, tmp_path, sent=sent).truth.read_text("utf-8"))
    assert len(truth["drifts"]) == 3
    for drift in truth["drifts"]:
        school = drift["urn"] - int(year.schools.urn[0])
        assert drift["onset_day"] == year.truth.onset_day[school]
        assert (date.fromisoformat(drift["onset_date"]) - date(1970, 1, 1)).days == year.dates[drift["onset_day"] - 1]
        assert drift["year_group"] in year.schools.year_groups(school)
    assert truth["shock"]["region"] == "region 1"
    assert {d["kind"] for d in truth["defects"]} >= {"silent", "outage", "late registers", "missing registers", "provisional codes"}


def contents(written: Written) -> list[bytes]:
    """Every file's bytes."""
    paths = [written.sessions, written.schools, written.targets, written.calendar, written.truth, written.history]
    return [p.read_bytes() for p in paths if p is not None]


def test_the_same_year_gives_the_same_files_and_a_history_when_asked(tmp_path: Path) -> None:
    year, sent = small()
    a, b = (write(year, tmp_path / name, sent=sent, history=True) for name in "ab")
    assert contents(a) == contents(b)
    assert a.history is not None
    history = [json.loads(x) for x in gzip.decompress(a.history.read_bytes()).splitlines()]
    assert len(history) == 12 * 40 * 2
    assert {h["attendance_date"][:4] for h in history} == {"2025"}
    assert a.registers == len(gzip.decompress(a.sessions.read_bytes()).splitlines())
    assert write(year, tmp_path / "plain", layout="jsonl").sessions.name == "sessions.jsonl"


def test_the_england_benchmark_writes_registers_that_add_up(tmp_path: Path) -> None:
    england = importlib.import_module("benchmarks.england_year")
    for layout in ("jsonl", "parquet"):
        assert england.write_england(tmp_path, schools=40, days=3, layout=layout, corrected=0.5, seed=1) > 240
    lines = [json.loads(x) for x in (tmp_path / "sessions.jsonl").read_bytes().splitlines()]
    table = pq.read_table(tmp_path / "sessions.parquet").to_pylist()
    assert len(table) == 5 * len(lines)
    pupils: dict[tuple[int, str], set[int]] = {}
    for n, line in enumerate(lines):
        assert [len(c) for c in line["counts"].values()] == [6] * 5
        assert min(v for c in line["counts"].values() for v in c.values()) >= 1
        for g, counts in line["counts"].items():
            pupils.setdefault((line["urn"], g), set()).add(sum(counts.values()))
        first = table[5 * n]
        assert (first["urn"], first["session"], first["revision"]) == (line["urn"], line["session"], line["revision"])
        assert line["counts"][first["year_group"]] == {c.code: first[c.code] for c in CODES if first[c.code] is not None}
    assert all(len(v) == 1 for v in pupils.values())
