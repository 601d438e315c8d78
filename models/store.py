"""Every register read so far, as growing columns: what a file or a log holds, before it is merged."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from models.batch import Batch
from models.panel import Tally, tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RegisterStore"]

_COLUMNS = {"urn": np.int32, "day": np.int32, "session": np.uint8, "revision": np.int32, "recorded_at": np.int64, "source": np.int32}
_PIECE_BYTES = 1 << 26


class _Column:
    """Large pieces, filled one after the other, that become one array when it is asked for.

    Each piece is let go as it is copied, and is large enough for its memory to go back to the system, so a year is held once.
    A large one has room for a quarter more, which takes no memory before it is used: most closes copy nothing.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._pieces: list[NDArray[Any]] = []
        self._free = 0
        self.length = 0

    def extend(self, values: NDArray[Any]) -> None:
        self.length += len(values)
        while len(values):
            if not self._free:
                self._pieces.append(np.empty(_PIECE_BYTES // self._dtype.itemsize, self._dtype))
                self._free = len(self._pieces[-1])
            piece, taken = self._pieces[-1], min(self._free, len(values))
            at = len(piece) - self._free
            piece[at : at + taken] = values[:taken]
            self._free -= taken
            values = values[taken:]

    def values(self) -> NDArray[Any]:
        """All that has been added."""
        room = self.length // 4 if self.length * self._dtype.itemsize >= _PIECE_BYTES else 0
        if len(self._pieces) != 1 or (self._free and not room):
            whole = np.empty(self.length + room, self._dtype)
            at = self.length
            while self._pieces:
                piece = self._pieces.pop()
                held = piece[: len(piece) - self._free]
                self._free = 0
                at -= len(held)
                whole[at : at + len(held)] = held
                del piece, held
            self._pieces = [whole]
            self._free = len(whole) - self.length
        return self._pieces[0][: self.length]


class RegisterStore:
    """Registers in the order they were added; `batch` and `tally` give them as one."""

    def __init__(self) -> None:
        self._columns = {name: _Column(np.dtype(dtype)) for name, dtype in _COLUMNS.items()}
        self._start, self._cells = _Column(np.dtype(np.int64)), _Column(np.dtype(np.uint32))
        self._sums = {f.name: _Column(np.dtype(np.bool_ if f.name == "legacy" else np.int32)) for f in fields(Tally)}
        self._sources: dict[str, int] = {}
        self._start.extend(np.zeros(1, np.int64))

    def __len__(self) -> int:
        return self._columns["urn"].length

    def add(self, batch: Batch) -> None:
        """Append the registers of a batch."""
        if not len(batch):
            return
        table = np.array([self._sources.setdefault(s, len(self._sources)) for s in batch.sources], np.int32)
        for name, column in self._columns.items():
            column.extend(table[batch.source] if name == "source" else getattr(batch, name))
        self._start.extend(batch.start[1:] + self._cells.length)
        self._cells.extend(batch.cells)
        sums = tally(batch)
        for name, column in self._sums.items():
            column.extend(getattr(sums, name))

    def batch(self) -> Batch:
        """All registers as one batch; do not add while it is in use."""
        columns = {name: column.values() for name, column in self._columns.items()}
        return Batch(**columns, start=self._start.values(), cells=self._cells.values(), sources=tuple(self._sources))

    def tally(self) -> Tally:
        """What each register adds up to, in the same order."""
        return Tally(**{name: column.values() for name, column in self._sums.items()})
