"""Parquet files of registers: what belongs together, what is split, and which files are refused as a whole."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.errors import BadContents
from schemas.register import FIELDS
from streams import parquet
from streams.decode import decode
from streams.sources import read_sessions
from streams.write_registers import parquet_schema, write_registers
from tests.hostile_registers import reference, said, sound

if TYPE_CHECKING:
    from pathlib import Path


def row(urn: int, group: str, **changed: Any) -> dict[str, Any]:
    return {
        "urn": urn,
        "attendance_date": date(2026, 10, 5),
        "session": "AM",
        "revision": 0,
        "recorded_at": datetime(2026, 10, 5, 9, tzinfo=UTC),
        "source": "a",
        "year_group": group,
        "/": 100,
        "I": 3,
        **changed,
    }


def outcome(path: Path, rows: list[dict[str, Any]], schema: pa.Schema | None = None) -> tuple[list[tuple[int, str]], list[str]]:
    """(urn, its year groups) of the accepted in their order, reasons of the rejected."""
    pq.write_table(pa.Table.from_pylist(rows, schema=schema or parquet_schema()), path)
    accepted, rejected = said(list(parquet.read(path)))
    found = [json.loads(line) for line in accepted]
    return [(r["urn"], " ".join(r["counts"])) for r in found], [reason for reason, _ in rejected]


LATER = datetime(2026, 10, 5, 10, tzinfo=UTC)
RUNS: list[tuple[str, list[dict[str, Any]], list[tuple[int, str]], list[str]]] = [
    ("adjacent rows are one register", [row(1, "7"), row(1, "8"), row(2, "7")], [(1, "7 8"), (2, "7")], []),
    ("in any order of year groups", [row(1, "8"), row(1, "R"), row(1, "7")], [(1, "7 8 R")], []),
    ("rows that do not stand together", [row(1, "7"), row(2, "7"), row(1, "8")], [(2, "7")], ["split_register"] * 2),
    ("rows that disagree in recorded_at", [row(1, "7"), row(1, "8", recorded_at=LATER)], [], ["split_register"] * 2),
    ("rows that disagree in source", [row(1, "7"), row(1, "8", source="b")], [], ["split_register"] * 2),
    ("a register and its correction", [row(1, "7"), row(1, "8", revision=1)], [(1, "7"), (1, "8")], []),
    ("a register sent again later", [row(1, "7"), row(1, "8"), row(1, "7", recorded_at=LATER)], [(1, "7 8"), (1, "7")], []),
    ("a register sent again with a breakdown", [row(1, "all"), row(1, "7", recorded_at=LATER)], [(1, "all"), (1, "7")], []),
    ("a register repeated at once", [row(1, "7"), row(1, "8")] * 2, [(1, "7 8")] * 2, []),
    ("a register repeated later", [row(1, "7"), row(2, "7"), row(1, "7")], [(1, "7"), (2, "7"), (1, "7")], []),
    ("a part of a register repeated", [row(1, "7"), row(1, "8"), row(1, "8")], [], ["split_register"] * 2),
    ("all beside a year group", [row(1, "7"), row(1, "all")], [], ["all_beside_year_groups"]),
    ("nulls in the head", [row(1, "7", source=None), {**row(2, "7"), "urn": None}, row(3, "7")], [(3, "7")], ["wrong_field"] * 2),
    ("no year group", [{**row(1, "7"), "year_group": None}], [], ["unknown_year_group"]),
    ("no pupils", [row(1, "7", **{"/": 0, "I": None}), row(1, "8", **{"/": None, "I": None})], [], ["empty_counts"]),
    ("a code of nobody before its time", [row(1, "7", attendance_date=date(2024, 1, 8), C1=0)], [(1, "7")], []),
    ("a code before its time", [row(1, "7", attendance_date=date(2024, 1, 8), C1=1)], [], ["unknown_code"]),
    ("unknown year groups without end", [row(1, f"x{n}") for n in range(200)], [], ["unknown_year_group"] * 4),
]


@pytest.mark.slow
@pytest.mark.parametrize("batch_rows", [1, 2, 3, 1000])
@pytest.mark.parametrize(("case", "rows", "accepted", "rejected"), RUNS, ids=[run[0] for run in RUNS])
def test_rows_become_registers(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batch_rows: int,
    case: str,
    rows: list[dict[str, Any]],
    accepted: list[tuple[int, str]],
    rejected: list[str],
) -> None:
    monkeypatch.setattr(parquet, "BATCH_ROWS", batch_rows)
    assert outcome(tmp_path / "s.parquet", rows) == (accepted, rejected)


def test_registers_written_as_parquet_are_read_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    revisions = {tuple(json.loads(line)[name] for name in FIELDS[:4]): line for line in (sound(rng) for _ in range(3000))}
    lines = list(revisions.values())
    batch = decode(lines).batch
    write_registers(batch, tmp_path / "s.parquet", "parquet")
    told: list[int] = []
    accepted, rejected = said(list(read_sessions(tmp_path / "s.parquet", progress=told.append)))
    assert (accepted, rejected) == (reference(lines)[0], [])
    assert sum(told) == (tmp_path / "s.parquet").stat().st_size


def test_other_widths_units_and_missing_codes_are_as_good(tmp_path: Path) -> None:
    schema = pa.schema(
        [
            ("urn", pa.int64()),
            ("attendance_date", pa.date32()),
            ("session", pa.dictionary(pa.int8(), pa.string())),
            ("revision", pa.int16()),
            ("recorded_at", pa.timestamp("ms", "Europe/London")),
            ("source", pa.large_string()),
            ("year_group", pa.string()),
            ("I", pa.int64()),
            ("/", pa.uint16()),
            ("note", pa.string()),
        ]
    )
    rows = [row(1, "7"), row(2, "7", I=2**40), row(2**40, "7")]
    assert outcome(tmp_path / "s.parquet", rows, schema) == ([(1, "7")], ["count_too_large", "wrong_field"])


COLUMNS: list[tuple[str, str, pa.DataType | None]] = [
    ("a column is missing", "source", None),
    ("a date as text", "attendance_date", pa.string()),
    ("a moment without zone", "recorded_at", pa.timestamp("us")),
    ("a fractional count", "I", pa.float64()),
    ("a code nobody knows", "Z9", pa.int32()),
    ("a quoted URN", "urn", pa.string()),
]


@pytest.mark.parametrize(("case", "name", "kind"), COLUMNS, ids=[case[0] for case in COLUMNS])
def test_a_file_of_another_layout_is_refused_by_column(tmp_path: Path, case: str, name: str, kind: pa.DataType | None) -> None:
    columns = {field.name: field.type for field in parquet_schema()}
    del columns[name if kind is None else "F"]
    if kind is not None:
        columns[name] = kind
    pq.write_table(pa.schema(columns.items()).empty_table(), tmp_path / "s.parquet")
    with pytest.raises(BadContents, match=rf"s\.parquet, column {name}: .*\. (Write|Rename)"):
        list(parquet.read(tmp_path / "s.parquet"))


def test_a_file_without_rows_holds_nothing(tmp_path: Path) -> None:
    assert outcome(tmp_path / "s.parquet", []) == ([], [])


def test_texts_that_are_not_utf8_are_refused_one_by_one(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([row(1, "7"), row(2, "7"), row(3, "7")], schema=parquet_schema())
    for name, values in (("source", [b"\xff", b"a", b"a"]), ("year_group", [b"7", b"\xc3", b"7"])):
        column = pa.array(values, pa.binary())
        broken = pa.StringArray.from_buffers(3, *column.buffers()[1:])
        table = table.set_column(table.schema.get_field_index(name), name, broken)
    pq.write_table(table, tmp_path / "s.parquet")
    accepted, rejected = said(list(parquet.read(tmp_path / "s.parquet")))
    assert (len(accepted), [reason for reason, _ in rejected]) == (1, ["not_utf8", "not_utf8"])


def test_a_damaged_file_is_named_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    table = pa.Table.from_pylist([row(n, "7") for n in range(1, 2000)], schema=parquet_schema())
    pq.write_table(table, path, write_page_checksum=True)
    whole = path.read_bytes()
    for harmed in (b"", b"PAR1", whole[:-500], whole[:40] + bytes(2000) + whole[2040:]):
        path.write_bytes(harmed)
        with pytest.raises(BadContents, match="copy it again"):
            list(parquet.read(path))
