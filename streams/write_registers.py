"""Registers out to files, in the two layouts of `contracts.md` section 1: JSON lines and Parquet."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from models.batch import CODE_BITS, PUPILS_BITS, Batch
from schemas.codes import CODES, YEAR_GROUPS
from schemas.errors import BrokenPromise

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from models.numbers import Ints

__all__ = ["Layout", "iso_dates", "json_lines", "parquet_schema", "parquet_tables", "write_registers"]

Layout = Literal["jsonl", "jsonl.gz", "parquet"]

_REGISTERS = 1 << 14
"""Registers turned into text or into one row group at a time."""


def iso_dates(days: Ints) -> list[str]:
    """Days since 1970 as ``2026-09-07``."""
    return cast("list[str]", np.datetime_as_string(days.astype("datetime64[D]")).tolist())


def _cell_starts(batch: Batch) -> tuple[Any, Any, Any, Any]:
    """Year group, code and pupils of each cell, and what it opens: 0 nothing, 1 a year group, 2 a register."""
    group = batch.cells >> np.uint32(PUPILS_BITS + CODE_BITS)
    code = (batch.cells >> np.uint32(PUPILS_BITS)) & np.uint32((1 << CODE_BITS) - 1)
    opens = np.zeros(len(batch.cells), np.int8)
    opens[1:] = group[1:] != group[:-1]
    opens[batch.start[:-1]] = 2
    return group, code, batch.cells & np.uint32((1 << PUPILS_BITS) - 1), opens


def _part(batch: Batch, first: int, last: int) -> Batch:
    cells = batch.cells[batch.start[first] : batch.start[last]]
    return Batch(
        batch.urn[first:last],
        batch.day[first:last],
        batch.session[first:last],
        batch.revision[first:last],
        batch.recorded_at[first:last],
        batch.source[first:last],
        batch.start[first : last + 1] - batch.start[first],
        cells,
        batch.sources,
    )


def _parts(batch: Batch) -> Iterator[Batch]:
    if np.any(np.diff(batch.start) == 0):
        raise BrokenPromise("a register without a single pupil cannot be written: its counts would be empty")
    for first in range(0, len(batch), _REGISTERS):
        yield _part(batch, first, min(first + _REGISTERS, len(batch)))


def _keys() -> NDArray[np.object_]:
    """What stands before a number, by what the cell opens, its year group and its code."""
    keys = np.empty((3, len(YEAR_GROUPS), len(CODES)), object)
    for g, group in enumerate(YEAR_GROUPS):
        for c, row in enumerate(CODES):
            code = json.dumps(row.code)
            keys[:, g, c] = [f",{code}:", f'}},"{group}":{{{code}:', f'{{"{group}":{{{code}:']
    return keys


def json_lines(batch: Batch) -> Iterator[bytes]:
    """The registers as JSON, one line with its newline each, in the order of the batch.

    Raises BrokenPromise for a register without cells, which the contract does not let in.
    """
    keys = _keys()
    sources = [json.dumps(s, ensure_ascii=False) for s in batch.sources]
    unit: Literal["s", "us"] = "s" if not np.any(batch.recorded_at % 1_000_000) else "us"
    for part in _parts(batch):
        group, code, pupils, opens = _cell_starts(part)
        cells = [key + str(n) for key, n in zip(keys[opens, group, code].tolist(), pupils.tolist(), strict=True)]
        heads = zip(
            part.urn.tolist(),
            iso_dates(part.day),
            part.session.tolist(),
            part.revision.tolist(),
            np.datetime_as_string(part.recorded_at.astype("datetime64[us]"), unit=unit).tolist(),
            part.source.tolist(),
            part.start[:-1].tolist(),
            part.start[1:].tolist(),
            strict=True,
        )
        for urn, day, session, revision, at, source, first, last in heads:
            counts = "".join(cells[first:last])
            yield (
                f'{{"urn":{urn},"attendance_date":"{day}","session":"{"PM" if session else "AM"}","revision":{revision},'
                f'"recorded_at":"{at}Z","source":{sources[source]},"counts":{counts}}}}}}}\n'
            ).encode()


def parquet_schema() -> pa.Schema:
    """The layout of `contracts.md` section 1: eight columns, where a missing code is null, and one column for every code."""
    head = [
        ("urn", pa.int32()),
        ("attendance_date", pa.date32()),
        ("session", pa.string()),
        ("revision", pa.int32()),
        ("recorded_at", pa.timestamp("us", "UTC")),
        ("source", pa.string()),
        ("year_group", pa.string()),
    ]
    return pa.schema([*head, *((row.code, pa.int32()) for row in CODES)])


def parquet_tables(batch: Batch) -> Iterator[pa.Table]:
    """The registers as tables of that layout, a few thousand registers each, their rows adjacent."""
    schema, names = parquet_schema(), np.array(YEAR_GROUPS, object)
    for part in _parts(batch):
        group, code, pupils, opens = _cell_starts(part)
        row = np.cumsum(opens > 0) - 1
        register = np.repeat(np.arange(len(part)), np.diff(part.start))[opens > 0]
        columns: list[Any] = [
            pa.array(part.urn[register]),
            pa.array(part.day[register]).cast(pa.date32()),
            pa.array(np.array(["AM", "PM"], object)[part.session[register]], pa.string()),
            pa.array(part.revision[register]),
            pa.array(part.recorded_at[register], pa.timestamp("us", "UTC")),
            pa.array(np.array(part.sources, object)[part.source[register]], pa.string()),
            pa.array(names[group[opens > 0]], pa.string()),
        ]
        for c in range(len(CODES)):
            mine = code == c
            values, empty = np.zeros(len(register), np.int32), np.ones(len(register), bool)
            values[row[mine]], empty[row[mine]] = pupils[mine], False
            columns.append(pa.array(values, mask=empty))
        yield pa.Table.from_arrays(columns, schema=schema)


def write_registers(batch: Batch, path: Path, layout: Layout) -> None:
    """Write the registers to a file, replacing it; the same batch gives the same bytes."""
    if layout == "parquet":
        with pq.ParquetWriter(path, parquet_schema(), compression="zstd", write_page_checksum=True) as writer:
            for table in parquet_tables(batch):
                writer.write_table(table)
        return
    with path.open("wb") as raw:
        if layout == "jsonl":
            raw.writelines(json_lines(batch))
            return
        # No name and no time in the header: the same year gives the same file.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=4, fileobj=raw, mtime=0) as packed:
            for line in json_lines(batch):
                packed.write(line)
