"""What a worker does with registers, without Faust: judge, hold beside the last close, answer, count what is rejected.

It is quick and never the truth: the close reads the logs. A register that was already held changes nothing and is still
answered. What comes by Faust event by event and what is read in bulk take the same way.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from models.batch import canonical
from models.panel import tally
from models.provisional import SessionCounts
from streams import topology
from streams.dead_letters import dead_letter
from streams.kafka_logs import judged
from streams.kafka_publish import Outgoing
from streams.provisional import Counted, Overlay
from streams.reject_limit import too_many

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from models.batch import Batch
    from models.provisional import ProvisionalReading
    from schemas.reject import Reject
    from streams.provisional import LastClose

__all__ = ["READINGS_MAX", "Answer", "Desk", "Ground", "Record"]

READINGS_MAX = 500
"""Readings in one record: about 130 KB."""
SLICE = 250
"""Schools or registers that are worked on without a pause while the overlay is put on another close."""
_EPOCH = date(1970, 1, 1)
_JSON = msgspec.json.Encoder(order="sorted")


class Record(NamedTuple):
    """A record of the register log, whoever read it; `at`: when it was appended, seconds since 1970; 0: nobody measures its wait."""

    offset: int
    value: bytes
    at: float


class Ground(NamedTuple):
    """What an overlay stands on: the last close, its positions by partition, and those from which registers of its day are in."""

    last: LastClose
    since: Mapping[int, int]
    begin: Mapping[int, int]


class Answer(NamedTuple):
    """Provisional readings of one partition, and when the registers that they answer were appended."""

    records: list[Outgoing]
    appended: list[float]


class _ByDigest:
    """The SHA-256 of a register's canonical bytes, worked out when two registers are compared that far."""

    __slots__ = ("_batch", "_digest", "_row")

    def __init__(self, batch: Batch, row: int) -> None:
        self._batch, self._row, self._digest = batch, row, b""

    @property
    def digest(self) -> bytes:
        if not self._digest:
            self._digest = hashlib.sha256(canonical(self._batch, self._row)).digest()
        return self._digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByDigest) and (self is other or self.digest == other.digest)

    def __lt__(self, other: _ByDigest) -> bool:
        return self.digest < other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


def counted(batch: Batch) -> list[Counted]:
    """The registers of a batch as the overlay takes them."""
    sums = tally(batch)
    columns = zip(
        batch.urn.tolist(),
        batch.day.tolist(),
        batch.session.tolist(),
        batch.revision.tolist(),
        batch.recorded_at.tolist(),
        sums.possible.tolist(),
        sums.absences.tolist(),
        sums.study_leave.tolist(),
        sums.unmarked.tolist(),
        strict=True,
    )
    dates: dict[int, str] = {}
    return [
        Counted(
            urn,
            dates.get(day) or dates.setdefault(day, (_EPOCH + timedelta(days=day)).isoformat()),
            "PM" if session else "AM",
            (revision, recorded, _ByDigest(batch, row)),
            SessionCounts(possible, absences, study_leave, unmarked),
        )
        for row, (urn, day, session, revision, recorded, possible, absences, study_leave, unmarked) in enumerate(columns)
    ]


@dataclass(slots=True)
class _Share:
    """One partition: the offset behind the last record taken in, its schools, what was rejected and what is to be answered.

    parked: it is another worker's for now; it is read on from here if it comes back before the next close.
    """

    next: int
    schools: set[int] = field(default_factory=set)
    rejected: set[int] = field(default_factory=set)
    parked: bool = False
    touched: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    appended: list[float] = field(default_factory=list)


class Desk:
    """One worker's partitions: the overlay, what is still to be answered, what was rejected since the last close.

    A partition is taken in without a gap: whoever hands records over sees to it, by `next`.
    """

    def __init__(self, ground: Ground) -> None:
        self._overlay, self._since, self._begin = Overlay(ground.last), ground.since, ground.begin
        self._coming: Overlay | None = None
        """The overlay on another close, while it is being filled."""
        self._shares: dict[int, _Share] = {}
        self.accepted: Mapping[int, int] = {}
        """By partition, up to where a person has looked at the rejects."""

    def next(self, partition: int) -> int:
        """Where a partition is read on; of a new one, the beginning of what the last close's day needs."""
        share = self._shares.get(partition)
        return self._begin.get(partition, 0) if share is None else share.next

    def reaches(self, partition: int) -> int:
        """How far the log is known to reach: to the last close's position and to what was taken in."""
        return max(self.next(partition), self._since.get(partition, 0))

    def take(self, records: Mapping[int, Sequence[Record]]) -> list[Outgoing]:
        """Registers in, by partition, in order; the dead letters to be published before they count as done."""
        listed = [(partition, record) for partition, some in records.items() for record in some]
        batch, rejects = judged([Record(i, record.value, 0.0) for i, (_, record) in enumerate(listed)])
        refused = dict(rejects)
        fresh = counted(batch)
        for overlay in (self._overlay, self._coming):
            if overlay is not None:
                overlay.fill(fresh)
        good = iter(fresh)
        letters = []
        for i, (partition, record) in enumerate(listed):
            share = self._share(partition)
            share.next = max(share.next, record.offset + 1)
            if i not in refused:
                register = next(good)
                share.schools.add(register.urn)
                share.touched[register.attendance_date].add(register.urn)
                if record.at:
                    share.appended.append(record.at)
            elif record.offset >= self._since.get(partition, 0) and record.offset not in share.rejected:
                share.rejected.add(record.offset)
                letters.append(_letter(partition, record.offset, refused[i]))
        for partition in records:
            touched = self._share(partition).touched
            for day in [day for day in touched if not self._overlay.holds(day)]:
                del touched[day]
        return letters

    def reached(self, partition: int, offset: int) -> None:
        """Up to here there is nothing more: offsets without a record are passed over."""
        share = self._share(partition)
        share.next = max(share.next, offset)

    def _share(self, partition: int) -> _Share:
        share = self._shares.setdefault(partition, _Share(self.next(partition)))
        share.parked = False
        return share

    def answers(self) -> Iterator[Answer]:
        """Provisional readings of all that was touched since the last time, a partition at a time."""
        for partition, share in sorted(self._shares.items()):
            if not share.touched:
                continue
            touched, share.touched = share.touched, defaultdict(set)
            appended, share.appended = share.appended, []
            readings = [reading for day, urns in sorted(touched.items()) for reading in self._overlay.readings(sorted(urns), day)]
            yield Answer(_said(partition, share.next - 1, readings), appended)

    def park(self, partition: int) -> None:
        """A partition has gone to another worker: nothing of it is answered. Until the next close its schools stay peers, as
        they were, and if it comes back it is read on, not again: workers that come and go must not keep each other reading."""
        if (share := self._shares.get(partition)) is not None:
            share.parked = True
            share.touched.clear()
            share.appended.clear()

    def _let_go(self, partition: int) -> None:
        share = self._shares.pop(partition)
        gone = share.schools.difference(*(other.schools for other in self._shares.values()))
        for overlay in (self._overlay, self._coming):
            if overlay is not None:
                overlay.forget(gone)

    def again(self) -> None:
        """Forget how far the partitions were taken in: they are read once more from the beginning of the last close's day."""
        for partition, share in self._shares.items():
            share.next = self._begin.get(partition, 0)

    def stand_on(self, ground: Ground) -> Iterator[None]:
        """Put the overlay on another close, in slices: between them registers may be taken in and partitions parked."""
        for partition in [partition for partition, share in self._shares.items() if share.parked]:
            self._let_go(partition)
        coming = self._coming = Overlay(ground.last)
        held = iter(self._overlay.registers())
        while some := list(islice(held, SLICE)):
            coming.fill(register for register in some if any(register.urn in share.schools for share in self._shares.values()))
            yield
        while coming.settle(SLICE):
            yield
        if self._coming is not coming:
            return  # A later close overtook this one.
        self._overlay, self._coming = coming, None
        self._since, self._begin = ground.since, ground.begin
        for partition, share in self._shares.items():
            share.rejected = {offset for offset in share.rejected if offset >= self._since.get(partition, 0)}

    def too_many_rejects(self) -> str | None:
        """Why this worker must stop, or None: the limit of `streams.reject_limit` over what came since the last close."""
        mine = {partition: share for partition, share in self._shares.items() if not share.parked}
        if not any(share.rejected for share in mine.values()):
            return None
        begin = {p: max(self._since.get(p, 0), self.accepted.get(p, 0)) for p in mine}
        rejected = {f"{topology.REGISTERS.name}/{p}": sorted(o for o in share.rejected if o >= begin[p]) for p, share in mine.items()}
        return too_many(rejected, sum(max(0, share.next - begin[p]) for p, share in mine.items()))


def _letter(partition: int, offset: int, reject: Reject) -> Outgoing:
    source = topology.REGISTERS.name
    return dead_letter(f"{source}/{partition}/{offset}", source, reject)


def _said(partition: int, offset: int, readings: Sequence[ProvisionalReading]) -> list[Outgoing]:
    headers = (("partition", b"%d" % partition), ("offset", b"%d" % offset))
    return [
        Outgoing(topology.PROVISIONAL, b"%d" % partition, _JSON.encode(readings[i : i + READINGS_MAX]), headers)
        for i in range(0, len(readings), READINGS_MAX)
    ]
