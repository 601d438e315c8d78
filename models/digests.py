"""The digests of schools and of the whole state: equal digests, equal registers and readings.

A school's digest is SHA-256 over four parts, little-endian: the number of its winning registers u4; then SHA-256 each of their
heads (date i4, session u1, cells u2) and of their cells (u4), by date and session; and of its rows of readings, by date. Each
part only grows as days pass, so hashes of what lies some weeks back are kept, and a close hashes what came after.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.readings import rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from models.batch import Batch
    from models.close import YearModel
    from models.panel import Panel
    from models.parameters import Budget

__all__ = ["SETTLED_DAYS", "Hashes", "SchoolDigest", "Settled", "school_digests", "state_digest"]

SETTLED_DAYS = 20
"""School days back, from which on hashes are kept; what changes further back costs hashing from the first day."""
_HEAD = np.dtype([("attendance_date", "<i4"), ("session", "u1"), ("cells", "<u2")])
_GROUP = 256


class SchoolDigest(NamedTuple):
    """SHA-256 of a school's winning registers and its readings of the year, and of the readings alone."""

    digest: bytes
    readings: bytes


class Hashes:
    """The three running hashes of one school, and the number of registers in them."""

    __slots__ = ("cells", "heads", "readings", "registers")

    def __init__(self) -> None:
        self.registers = 0
        self.heads, self.cells, self.readings = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()

    def copy(self) -> Hashes:
        """One to go on with, while this one stays."""
        out = Hashes.__new__(Hashes)
        out.registers = self.registers
        out.heads, out.cells, out.readings = self.heads.copy(), self.cells.copy(), self.readings.copy()
        return out

    def forget_registers(self) -> None:
        """As if no register had been taken."""
        self.registers, self.heads, self.cells = 0, hashlib.sha256(), hashlib.sha256()

    def take(self, head: NDArray[np.void], cells: NDArray[np.uint32]) -> None:
        """The next registers, by date and session."""
        self.registers += len(head)
        self.heads.update(head.data)
        self.cells.update(cells.data)

    def digest(self) -> SchoolDigest:
        """Of all that was taken."""
        readings = self.readings.digest()
        parts = self.registers.to_bytes(4, "little") + self.heads.digest() + self.cells.digest() + readings
        return SchoolDigest(hashlib.sha256(parts).digest(), readings)


class Settled:
    """Hashes of every school's registers before date `day` (days since 1970), and of its readings before day index `index`."""

    def __init__(self, schools: int) -> None:
        self.day, self.index = int(np.iinfo(np.int32).min), 0
        self.hashes = [Hashes() for _ in range(schools)]

    def correct(self, batch: Batch, winners: NDArray[np.int64], urns: NDArray[np.int32], new: NDArray[np.int64], changed_from: int) -> None:
        """Forget what a correction has changed: the readings from day index `changed_from` on (of all schools, since a common
        effect is), and the registers of the schools with new winners (rows of `batch`) that lie back so far."""
        if changed_from < self.index:
            self.index = 0
            for hashes in self.hashes:
                hashes.readings = hashlib.sha256()
        schools = np.unique(batch.urn[new[batch.day[new] < self.day]])
        schools = schools[np.isin(schools, urns)]
        if len(schools):
            mine = winners[: np.searchsorted(batch.day[winners], self.day)]
            mine = mine[np.isin(batch.urn[mine], schools)]
            for i, (head, cells) in zip(np.searchsorted(urns, schools).tolist(), _registers(batch, mine, schools), strict=True):
                self.hashes[i].forget_registers()
                self.hashes[i].take(head, cells)

    def advance(
        self, batch: Batch, winners: NDArray[np.int64], urns: NDArray[np.int32], model: YearModel, panel: Panel, budget: Budget
    ) -> None:
        """Move on to `SETTLED_DAYS` before the last closed day, where that is at least as far again ahead."""
        index = model.through + 1 - SETTLED_DAYS
        if index < self.index + SETTLED_DAYS:
            return
        day = int(model.deployment.days[index])
        at = batch.day[winners]
        part = winners[np.searchsorted(at, self.day) : np.searchsorted(at, day)]
        for hashes, (head, cells), said in zip(
            self.hashes, _registers(batch, part, urns), _rows(model, panel, budget, self.index, index), strict=True
        ):
            hashes.take(head, cells)
            hashes.readings.update(said)
        self.day, self.index = day, index


def school_digests(
    batch: Batch,
    winners: NDArray[np.int64],
    urns: NDArray[np.int32],
    years: Sequence[tuple[YearModel, Panel]],
    budget: Budget,
    settled: Settled | None = None,
) -> Iterator[SchoolDigest]:
    """The digests of each school, by URN. winners: rows of `batch` that win, in the total order. settled: of the only year."""
    if settled is None:
        settled = Settled(len(urns))
    part = winners[np.searchsorted(batch.day[winners], settled.day) :]
    said = [_rows(model, panel, budget, settled.index, model.through + 1) for model, panel in years]
    for i, (head, cells) in enumerate(_registers(batch, part, urns)):
        hashes = settled.hashes[i].copy()
        hashes.take(head, cells)
        for year in said:
            hashes.readings.update(next(year))
        yield hashes.digest()


def _rows(model: YearModel, panel: Panel, budget: Budget, first: int, end: int) -> Iterator[bytes]:
    """Each school's rows of readings between two day indices."""
    schools = model.deployment.planned.shape[1]
    for begin in range(0, schools, _GROUP):
        part = slice(begin, min(begin + _GROUP, schools))
        table = rows(model, panel, budget, part, first=first, end=end)
        planned = model.deployment.planned[first:end, part].T
        for mine, days in zip(table, planned, strict=True):
            yield mine[days].tobytes()


def _registers(batch: Batch, winners: NDArray[np.int64], urns: NDArray[np.int32]) -> Iterator[tuple[NDArray[np.void], NDArray[np.uint32]]]:
    """Heads and cells of each school's registers, among winners in the total order."""
    winners = winners[np.argsort(batch.urn[winners], kind="stable")]
    of = batch.urn[winners]
    firsts, lasts = np.searchsorted(of, urns), np.searchsorted(of, urns, side="right")
    length = batch.start[winners + 1] - batch.start[winners]
    head = np.zeros(len(winners), _HEAD)
    head["attendance_date"], head["session"], head["cells"] = batch.day[winners], batch.session[winners], length
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        yield head[first:last], _cells(batch, winners[first:last], length[first:last])


def _cells(batch: Batch, mine: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.uint32]:
    """The cells of some registers, one after the other, little-endian."""
    longest = int(length.max(initial=0))
    place = np.arange(longest)
    at = batch.start[mine][:, None] + place
    if int(length.min(initial=longest)) < longest:
        at = at[place < length[:, None]]
    cells: NDArray[np.uint32] = np.take(batch.cells, at, mode="clip").astype("<u4", copy=False)
    return np.ascontiguousarray(cells).reshape(-1)


def state_digest(urns: NDArray[np.int32], digests: Iterator[bytes]) -> str:
    """SHA-256 over (URN i4 little-endian, school digest) by URN."""
    out = hashlib.sha256()
    for urn, digest in zip(urns.tolist(), digests, strict=True):
        out.update(urn.to_bytes(4, "little") + digest)
    return out.hexdigest()
