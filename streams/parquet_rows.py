"""Rows of a Parquet file of registers as numpy columns, and the runs of rows that make up one register each.

Texts become numbers: what is known its number of old, anything else 31 or 63 bits of its digest, with the text kept beside.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from schemas.codes import CODE_IDS, YEAR_GROUP_IDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    Column = NDArray[Any]
    Bools = NDArray[np.bool_]
    Longs = NDArray[np.int64]

__all__ = ["GROUPS_KNOWN", "HEAD", "SESSIONS", "Rows", "from_arrow", "runs"]

HEAD = ("urn", "attendance_date", "session", "revision", "recorded_at", "source", "year_group")
"""The columns that every row fills, in the order of a register's fields."""

SESSIONS = {"AM": 0, "PM": 1}
GROUPS_KNOWN = len(YEAR_GROUP_IDS)
RUN_ROWS_MAX = 64
"""A register has at most a row for each year group; a longer run names unknown ones."""

_MILLISECONDS_MAX = 2**63 // 1000 - 1


@dataclass(frozen=True, slots=True)
class Rows:
    """n rows. head: `HEAD` as integers, 0 where null; nulls: a bit for each of them.

    codes: the numbers of the k code columns, ascending; counts: (n, k), 0 where null. names: the texts that are not known of old.
    """

    head: tuple[Column, ...]
    nulls: NDArray[np.uint8]
    codes: tuple[int, ...]
    counts: Column
    names: Mapping[int, bytes]

    def __len__(self) -> int:
        return len(self.nulls)

    @property
    def group(self) -> Longs:
        """Numbers of the year groups; from `GROUPS_KNOWN` on there is none of that name."""
        return self.head[6]

    def part(self, first: int, last: int) -> Rows:
        """The rows from first up to last, a view."""
        head = tuple(column[first:last] for column in self.head)
        return Rows(head, self.nulls[first:last], self.codes, self.counts[first:last], self.names)

    def joined(self, after: Rows) -> Rows:
        """These rows and those that follow; both may lack a code column of the other."""
        head = tuple(np.concatenate(pair) for pair in zip(self.head, after.head, strict=True))
        codes = tuple(sorted({*self.codes, *after.codes}))
        counts = np.zeros((len(self) + len(after), len(codes)), np.result_type(self.counts, after.counts))
        for rows, place in ((self, slice(None, len(self))), (after, slice(len(self), None))):
            counts[place, [codes.index(code) for code in rows.codes]] = rows.counts
        return Rows(head, np.concatenate([self.nulls, after.nulls]), codes, counts, {**self.names, **after.names})

    def follows(self) -> Bools:
        """(n - 1,): whether a row agrees with the one before it in all but year group and counts."""
        same: Bools = self.nulls[1:] == self.nulls[:-1]
        for column in self.head[:6]:
            same &= column[1:] == column[:-1]
        return same


def from_arrow(batch: pa.RecordBatch) -> Rows:
    """The rows of a batch whose columns are `HEAD` and codes, of the types that `streams.parquet` lets in."""
    names: dict[int, bytes] = {}
    nulls = np.zeros(batch.num_rows, np.uint8)
    head = []
    for bit, name in enumerate(HEAD):
        column = batch.column(name)
        if column.null_count:
            nulls |= column.is_null().to_numpy(zero_copy_only=False).astype(np.uint8) << bit
        head.append(_numbers(name, column, names))
    codes = [name for name in batch.schema.names if name in CODE_IDS]
    filled = sorted((CODE_IDS[name], name) for name in codes if batch.column(name).null_count < batch.num_rows)
    columns = [_whole(batch.column(name)) for _, name in filled]
    counts = np.empty((batch.num_rows, len(filled)), np.result_type(np.int32, *columns))
    for j, column in enumerate(columns):
        counts[:, j] = column
    return Rows(tuple(head), nulls, tuple(number for number, _ in filled), counts, names)


def _whole(column: pa.Array) -> Column:
    filled = column.fill_null(0) if column.null_count else column
    return filled.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _numbers(name: str, column: pa.Array, names: dict[int, bytes]) -> Column:
    if name in {"session", "source", "year_group"}:
        known = {"session": SESSIONS, "source": {}, "year_group": YEAR_GROUP_IDS}[name]
        return _named(column, known, 2**31 if name == "year_group" else 2**63, names)
    if name == "attendance_date":
        return _whole(column.cast(pa.int32()))
    if name == "recorded_at":
        ticks = _whole(column.cast(pa.int64()))
        match column.type.unit:
            case "ns":
                return ticks // 1000
            case "ms":
                return np.clip(ticks, -_MILLISECONDS_MAX, _MILLISECONDS_MAX) * 1000
            case _:
                return ticks
    return _whole(column)


def _named(column: pa.Array, known: Mapping[str, int], below: int, names: dict[int, bytes]) -> Longs:
    """Numbers for the texts of a column; those unknown to `known` are put into `names`."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    table = np.zeros(len(column.dictionary) + 1, np.int64)
    for place, text in enumerate(column.dictionary.cast(pa.large_binary()).to_pylist()):
        number = known.get(text.decode("utf-8", "surrogateescape")) if text is not None else 0
        if number is None:
            digest = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
            number = GROUPS_KNOWN + digest % (below - GROUPS_KNOWN)
            names[number] = text
        table[place] = number
    return table[_whole(column.indices)]


def runs(batches: Iterable[Rows]) -> Iterator[tuple[Rows, Longs]]:
    """Rows with the first row of each register among them and, last, their number; no register lies in two.

    Rows belong together while they agree in all but year group and counts, and no year group comes again.
    """
    held: Rows | None = None
    for batch in batches:
        rows = batch
        if held is not None and len(rows):
            same = _going_on(held, rows)
            begun, rows = held.joined(rows.part(0, same)), rows.part(same, len(rows))
            start = _starts(begun)
            if len(rows):
                yield begun, start
                held = None
            else:
                rows = begun
        if len(rows):
            start = _starts(rows)[:-1]
            last = int(start[-1])
            if last:
                yield rows.part(0, last), start
            held = rows.part(last, len(rows))
    if held is not None:
        yield held, np.array([0, len(held)])


def _going_on(held: Rows, rows: Rows) -> int:
    """How many rows at the beginning belong to the register that is held."""
    if not held.joined(rows.part(0, 1)).follows()[-1]:
        return 0
    follows = rows.follows()
    return len(rows) if follows.all() else int(np.argmin(follows)) + 1


def _starts(rows: Rows) -> Longs:
    follows = rows.follows()
    climbs = rows.group[1:] > rows.group[:-1]
    begins = np.concatenate([[True], ~follows])
    if not (climbs | ~follows).all():
        _cut(rows.group, begins)
    start = np.flatnonzero(begins)
    if len(rows) > RUN_ROWS_MAX * len(start) or np.diff(start, append=len(rows)).max() > RUN_ROWS_MAX:
        long = [range(s, e, RUN_ROWS_MAX) for s, e in zip(start, np.append(start[1:], len(rows)), strict=True)]
        start = np.array([row for part in long for row in part], np.int64)
    return np.append(start, len(rows))


def _cut(group: Longs, begins: Bools) -> None:
    """Begin a register wherever a year group comes again in one."""
    run = np.cumsum(begins) - 1
    key = np.sort(run << 32 | group)
    repeated = np.unique(key[1:][key[1:] == key[:-1]] >> 32)
    if not len(repeated):
        return
    start = np.append(np.flatnonzero(begins), len(group))
    for first, last in zip(start[repeated].tolist(), start[repeated + 1].tolist(), strict=True):
        seen: set[int] = set()
        for row, name in enumerate(group[first:last].tolist(), first):
            if name in seen:
                begins[row] = True
                seen = set()
            seen.add(name)
