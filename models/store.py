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
_GROWTH = 1.3


class _Column:
    """An array that grows in place, so that a year of registers is never held twice."""

    def __init__(self, dtype: type[np.generic]) -> None:
        self._held: NDArray[Any] = np.zeros(1024, dtype)
        self.length = 0

    def extend(self, values: NDArray[Any]) -> None:
        end = self.length + len(values)
        if end > len(self._held):
            self._held.resize(int(end * _GROWTH), refcheck=False)
        self._held[self.length : end] = values
        self.length = end

    def values(self) -> NDArray[Any]:
        """What has been added; a view until the next `extend`."""
        self._held.resize(self.length, refcheck=False)
        return self._held


class RegisterStore:
    """Registers in the order they were added; `batch` and `tally` give them as one."""

    def __init__(self) -> None:
        self._columns = {name: _Column(dtype) for name, dtype in _COLUMNS.items()}
        self._start, self._cells = _Column(np.int64), _Column(np.uint32)
        self._sums = {f.name: _Column(np.bool_ if f.name == "legacy" else np.int32) for f in fields(Tally)}
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
