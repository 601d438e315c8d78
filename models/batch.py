"""Registers as columns: the one form in which every reader hands them over and every panel takes them in.

A cell (year group, code, pupils) is packed into 32 bits: year group 5, code 6, pupils 21. Cells of a register stand in
ascending order, without zero counts, so two registers say the same exactly when their cells are equal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.codes import CODES, YEAR_GROUPS
from schemas.register import canonical_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["CODE_BITS", "PUPILS_BITS", "Batch", "canonical", "concatenate", "pack", "sorted_cells"]

PUPILS_BITS, CODE_BITS = 21, 6
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Batch:
    """n accepted registers, m cells.

    urn, day (days since 1970-01-01), session (0 AM, 1 PM), revision: int32, int32, uint8, int32 of shape (n,).
    recorded_at: int64 (n,), microseconds UTC since 1970. source: int32 (n,), index into `sources`.
    start: int64 (n + 1,), the cells of register i are ``cells[start[i]:start[i + 1]]``. cells: uint32 (m,).
    """

    urn: NDArray[np.int32]
    day: NDArray[np.int32]
    session: NDArray[np.uint8]
    revision: NDArray[np.int32]
    recorded_at: NDArray[np.int64]
    source: NDArray[np.int32]
    start: NDArray[np.int64]
    cells: NDArray[np.uint32]
    sources: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.urn)

    def tail(self, first: int) -> Batch:
        """The registers from row `first` on."""
        columns = {name: getattr(self, name)[first:] for name in ("urn", "day", "session", "revision", "recorded_at", "source")}
        begin = int(self.start[first])
        return Batch(**columns, start=self.start[first:] - begin, cells=self.cells[begin:], sources=self.sources)


def pack(year_group: int, code: int, pupils: int) -> int:
    """One cell of 32 bits from the numbers of `schemas.codes`.

    >>> hex(pack(1, 2, 3))
    '0x8400003'
    """
    return (year_group << (PUPILS_BITS + CODE_BITS)) | (code << PUPILS_BITS) | pupils


def canonical(batch: Batch, row: int) -> bytes:
    """The canonical bytes of one register of a batch, as `schemas.register.canonical` gives them."""
    counts: dict[str, dict[str, int]] = {}
    for cell in batch.cells[int(batch.start[row]) : int(batch.start[row + 1])].tolist():
        group, code = cell >> (PUPILS_BITS + CODE_BITS), (cell >> PUPILS_BITS) & ((1 << CODE_BITS) - 1)
        counts.setdefault(YEAR_GROUPS[group], {})[CODES[code].code] = cell & ((1 << PUPILS_BITS) - 1)
    return canonical_text(
        int(batch.urn[row]),
        _EPOCH.date() + timedelta(days=int(batch.day[row])),
        "PM" if batch.session[row] else "AM",
        int(batch.revision[row]),
        _EPOCH + timedelta(microseconds=int(batch.recorded_at[row])),
        batch.sources[int(batch.source[row])],
        counts,
    )


def sorted_cells(cells: NDArray[np.uint32], start: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Cells and starts as a batch has them: ascending in each register, without zero counts.

    A register may be left without any cell; no cell of a register may stand there twice.
    """
    kept = (cells & ((1 << PUPILS_BITS) - 1)) > 0
    if not kept.all():
        start = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept)])[start]
        cells = cells[kept]
    falls = cells[1:] <= cells[:-1]
    inner = start[(start > 0) & (start < len(cells))]
    falls[inner - 1] = False
    if falls.any():
        register = np.repeat(np.arange(len(start) - 1), np.diff(start))
        cells = (np.sort(register << 32 | cells) & 0xFFFFFFFF).astype(np.uint32)
    return cells, start


def concatenate(batches: Sequence[Batch]) -> Batch:
    """The registers of all batches, one after the other; sources are numbered again."""
    names: dict[str, int] = {}
    source, start, offset = [], [np.zeros(1, np.int64)], 0
    for b in batches:
        table = np.array([names.setdefault(s, len(names)) for s in b.sources], np.int32)
        source.append(table[b.source] if len(table) else b.source)
        start.append(b.start[1:] + offset)
        offset += len(b.cells)

    def joined(name: str, dtype: type[np.generic]) -> NDArray[Any]:
        return np.concatenate([getattr(b, name) for b in batches] or [np.zeros(0, dtype)])

    return Batch(
        joined("urn", np.int32),
        joined("day", np.int32),
        joined("session", np.uint8),
        joined("revision", np.int32),
        joined("recorded_at", np.int64),
        np.concatenate([*source, np.zeros(0, np.int32)]),
        np.concatenate(start),
        joined("cells", np.uint32),
        tuple(names),
    )
