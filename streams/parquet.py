"""Parquet files of registers: one row per register and year group, as `contracts.md` section 1 lays them out.

The file is gone through twice: once its head alone, for registers whose rows do not stand together (8 bytes a register are kept,
64 bits of a digest: among 10 million registers two different ones agree with a chance of 3 in a million), and then whole.
A register split over two files is two registers. Damage inside a page is noticed where the file has page checksums.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.codes import CODE_IDS
from schemas.errors import BadContents, WrongUsage
from streams.parquet_registers import among, register_digests, registers, split_among
from streams.parquet_rows import GROUPS_KNOWN, HEAD, from_arrow, runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from streams.decode import Decoded
    from streams.parquet_rows import Rows

__all__ = ["read"]

BATCH_ROWS = 1 << 18
_HEAD_SHARE = 0.2
"""Of the work, as progress is told."""

_TEXTS = ("session", "source", "year_group")


def read(path: Path, *, progress: Callable[[int], None] = lambda _: None) -> Iterator[Decoded]:
    """The registers and rejects of a file; the original of a reject is the JSON line that says the same.

    progress: told of bytes of the file, as if they were read evenly. Raises WrongUsage when the file cannot be read,
    BadContents when it is no Parquet file, is damaged, or has other columns.
    """
    size = _size(path)
    with _damage_named(path):
        _check(pq.read_schema(path), path)
        file = pq.ParquetFile(path, read_dictionary=list(_TEXTS), buffer_size=1 << 20, page_checksum_verification=True)
        total = max(file.metadata.num_rows, 1)
        told = [0]

        def tell(share: float) -> None:
            now = int(size * share)
            progress(now - told[0])
            told[0] = now

        split = _split(lambda: _rows(file, (), lambda rows: tell(_HEAD_SHARE * rows / total)))
        for rows, start in runs(_rows(file, _filled(file), lambda rows: tell(_HEAD_SHARE + (1 - _HEAD_SHARE) * rows / total))):
            yield registers(rows, start, split)
        tell(1.0)


def _size(path: Path) -> int:
    try:
        with path.open("rb"):
            return path.stat().st_size
    except OSError as error:
        raise WrongUsage(f"{path}: {error.strerror}. Name a readable Parquet file of registers") from error


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        said = str(error).partition("\n")[0].rstrip(".")
        remedy = "Write it again, or copy it again; nothing of it was used"
        raise BadContents(f"this is no sound Parquet file ({said})", file=str(path), remedy=remedy) from error


def _rows(file: pq.ParquetFile, codes: Sequence[str], progress: Callable[[int], None]) -> Iterator[Rows]:
    done = 0
    for batch in file.iter_batches(BATCH_ROWS, columns=[*HEAD, *codes]):
        yield from_arrow(batch)
        done += batch.num_rows
        progress(done)


def _filled(file: pq.ParquetFile) -> list[str]:
    """The code columns that hold anything, as far as the file's own statistics tell."""
    names = file.schema_arrow.names
    parts = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]

    def empty(column: int) -> bool:
        for part in parts:
            statistics = part.column(column).statistics
            if statistics is None or not statistics.has_null_count or statistics.null_count < part.num_rows:
                return False
        return True

    return [name for column, name in enumerate(names) if name in CODE_IDS and not empty(column)]


def _split(batches: Callable[[], Iterator[Rows]]) -> NDArray[np.uint64]:
    """Digests of the registers that are split, ascending."""
    none = np.zeros(0, np.uint64)
    found = np.concatenate([none, *(register_digests(rows, start[:-1])[0] for rows, start in runs(batches()))])
    found.sort()
    often = np.unique(found[1:][found[1:] == found[:-1]])
    del found
    if not len(often):
        return none
    kept = []
    for rows, start in runs(batches()):
        identity, whole = register_digests(rows, start[:-1])
        groups = np.bitwise_or.reduceat(1 << np.minimum(rows.group, GROUPS_KNOWN), start[:-1])
        again = among(identity, often)
        kept.append((identity[again], whole[again], groups[again]))
    return split_among(*(np.concatenate(parts) for parts in zip(*kept, strict=True)))


def _check(schema: pa.Schema, path: Path) -> None:
    """Raise BadContents for the first column that is missing, doubled, of another type or unknown."""

    def bad(column: str, problem: str, remedy: str) -> BadContents:
        return BadContents(problem, file=str(path), column=column, remedy=remedy)

    for name in HEAD:
        if name not in schema.names:
            raise bad(name, "this column is missing", "Write it; docs/inputs.md has the layout")
    for field in schema:
        if schema.names.count(field.name) > 1:
            raise bad(field.name, "there are two columns of this name", "Write one")
        wanted = _wanted(field)
        if wanted:
            raise bad(field.name, f"it holds {field.type}", f"Write it as {wanted}")
        if field.name not in HEAD and field.name not in CODE_IDS and _number(field.type):
            raise bad(field.name, "no attendance code has this name", "Rename it, or leave it out if it counts no pupils")


def _number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _wanted(field: pa.Field) -> str:
    """What the column should hold, empty if it does. Other widths of whole numbers and texts are as good."""
    kind = field.type
    if field.name in _TEXTS:
        text = kind.value_type if pa.types.is_dictionary(kind) else kind
        return "" if pa.types.is_string(text) or pa.types.is_large_string(text) else "string"
    if field.name == "attendance_date":
        return "" if pa.types.is_date32(kind) else "date32"
    if field.name == "recorded_at":
        good = pa.types.is_timestamp(kind) and kind.tz is not None and kind.unit != "s"
        return "" if good else "timestamp[us, UTC]"
    if field.name in HEAD or field.name in CODE_IDS:
        good = pa.types.is_integer(kind) and not pa.types.is_uint64(kind)
        return "" if good or (pa.types.is_null(kind) and field.name in CODE_IDS) else "int32"
    return ""
