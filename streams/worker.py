"""What a worker does with registers, without Faust: judge, hold beside the last close, answer, count what is rejected.

It is quick and never the truth: the close reads the logs. A register that was already held changes nothing and is still
answered. What comes by Faust event by event and what is read in bulk take the same way.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

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
    from collections.abc import Mapping, Sequence

    from models.batch import Batch
    from models.provisional import ProvisionalReading
    from schemas.reject import Reject
    from streams.provisional import LastClose

__all__ = ["READINGS_MAX", "Desk", "Record"]

READINGS_MAX = 500
"""Readings in one record: about 130 KB."""
_EPOCH = date(1970, 1, 1)


class Record(NamedTuple):
    """A record of the register log, whoever read it."""

    offset: int
    value: bytes


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


class Desk:
    """One worker's partitions: the overlay, what is still to be answered, what was rejected since the last close."""

    def __init__(self, last: LastClose, since: Mapping[int, int]) -> None:
        """since: the last close's positions, by partition."""
        self._overlay = Overlay(last)
        self._since = dict(since)
        self.accepted: dict[int, int] = {}
        self.next: dict[int, int] = {}
        """By partition, the offset behind the last record taken in."""
        self._touched: dict[int, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        self._rejected: dict[int, dict[int, Reject]] = defaultdict(dict)
        self.registers = 0

    def start_of(self, partition: int) -> int:
        """Where a partition is read from when it comes to this worker."""
        return self._since.get(partition, 0)

    def take(self, partition: int, records: Sequence[Record]) -> list[Outgoing]:
        """Registers in; the dead letters to be published before they count as done."""
        batch, rejects = judged(records)
        fresh = counted(batch)
        self._overlay.fill(fresh)
        touched = self._touched[partition]
        for register in fresh:
            touched[register.attendance_date].add(register.urn)
        self.registers += len(records)
        self.next[partition] = max(self.next.get(partition, 0), records[-1].offset + 1)
        self._rejected[partition] |= rejects
        source = topology.REGISTERS.name
        return [dead_letter(f"{source}/{partition}/{offset}", source, reject) for offset, reject in rejects]

    def answers(self) -> list[Outgoing]:
        """Provisional readings of all that was touched since the last call, by partition."""
        touched, self._touched = self._touched, defaultdict(lambda: defaultdict(set))
        out = []
        for partition, days in sorted(touched.items()):
            readings = [reading for day, urns in sorted(days.items()) for reading in self._overlay.readings(sorted(urns), day)]
            headers = (("partition", str(partition).encode()), ("offset", str(self.next[partition] - 1).encode()))
            out += [
                Outgoing(topology.PROVISIONAL, str(partition).encode(), _body(readings[i : i + READINGS_MAX]), headers)
                for i in range(0, len(readings), READINGS_MAX)
            ]
        return out

    def rebase(self, last: LastClose, since: Mapping[int, int]) -> None:
        """Stand on another close: what was rejected before it is its business."""
        self._overlay.rebase(last)
        self._since = dict(since)
        for partition, held in self._rejected.items():
            for offset in [o for o in held if o < self._since.get(partition, 0)]:
                del held[offset]

    def too_many_rejects(self) -> str | None:
        """Why this worker must stop, or None: the limit of `streams.reject_limit` over what came since the last close."""
        begin = {p: max(self._since.get(p, 0), self.accepted.get(p, 0)) for p in self.next}
        places = {f"{topology.REGISTERS.name}/{p}": sorted(o for o in self._rejected[p] if o >= begin[p]) for p in self.next}
        return too_many(places, sum(max(0, upto - begin[p]) for p, upto in self.next.items()))


def _body(readings: Sequence[ProvisionalReading]) -> bytes:
    fields = ("urn", "attendance_date", "sessions", "possible_sessions", "absences", "absence_ratio", "peers", "condition")
    confidential = ("expected_ratio", "common_effect_logit")
    said = [{name: getattr(reading, name) for name in (*fields, *confidential)} for reading in readings]
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
