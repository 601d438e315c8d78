"""What a close reads and writes, whichever runner holds the logs; and the embedded logs seen in this way.

A position is how far an input log is read: live the next offset of each partition, embedded the last row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from schemas.acknowledgement import parse
from schemas.control import read_control_record
from streams.decode import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from models.batch import Batch
    from schemas.acknowledgement import Acknowledgement
    from schemas.control import AnyControlRecord, Requested
    from streams.sqlite_log import EmbeddedLogs

__all__ = ["AlertRecord", "CloseLogs", "EmbeddedCloseLogs", "Held", "ReadingRecord"]

_DECODE_LINES = 20_000


class AlertRecord(NamedTuple):
    """An alert to be published: its record id, its key (URN or area), its canonical bytes, the id of the alert."""

    record_id: str
    key: str
    line: bytes
    alert_id: str


class ReadingRecord(NamedTuple):
    """A closed reading to be published: its URN, its canonical bytes."""

    urn: int
    line: bytes


class Held(NamedTuple):
    """Which log the registers are in (its id; None: the embedded one), and where partitions of the input logs begin that lost records."""

    register_log: str | None
    begins: dict[str, int]


class CloseLogs(Protocol):
    """The logs of one installation, as `streams.closer` uses them, from one thread."""

    def ends(self) -> dict[str, int]:
        """Where the input logs end now."""

    def held(self) -> Held:
        """Which log the registers are in, and what the input logs still hold."""

    def control(self) -> Iterator[AnyControlRecord]:
        """The control records since the last call, the first time all of them."""

    def write_control(self, record: AnyControlRecord) -> None:
        """Durable when it returns; it comes back through `control`."""

    def registers(self, request: Requested, after: Mapping[str, int], fresh: Mapping[str, int], take: Callable[[Batch], None]) -> None:
        """Give `take` the valid registers from `after` (empty: from where the request begins) up to its positions, in any order.
        What is rejected behind `fresh` is remembered for `judge_rejects` and `publish`."""

    def acknowledgements(self, request: Requested) -> list[Acknowledgement]:
        """All valid ones from where the request begins up to its positions."""

    def judge_rejects(self, since: Mapping[str, int], upto: Mapping[str, int], accepted: Mapping[str, int]) -> None:
        """Raise TooManyRejects when what was rejected between two closes is above the limit, and not `accepted` by a person."""

    def alerts(self) -> Iterator[tuple[int, bytes]]:
        """(close number, bytes) of every alert record published, each once, by close."""

    def readings(self, number: int) -> dict[int, bytes]:
        """The readings that a close published, by URN; empty when they are not kept."""

    def publish(
        self,
        request: Requested,
        since: Mapping[str, int],
        alerts: Sequence[AlertRecord],
        readings: Sequence[ReadingRecord],
        at: Callable[[str], None],
    ) -> None:
        """Alerts, readings, and what was rejected since the close before (its positions: `since`). Durable when it returns; what
        of it stood there already is not said twice where that can be seen."""


class EmbeddedCloseLogs:
    """The SQLite logs; what is invalid never got into them."""

    def __init__(self, logs: EmbeddedLogs) -> None:
        self._logs, self._folded = logs, 0

    def ends(self) -> dict[str, int]:
        """As `CloseLogs`."""
        return self._logs.end_positions()

    def held(self) -> Held:
        """As `CloseLogs`: nothing ever leaves these logs."""
        return Held(None, {})

    def control(self) -> Iterator[AnyControlRecord]:
        """As `CloseLogs`."""
        for position, line in self._logs.read_control(self._folded):
            self._folded = position
            yield read_control_record(line)

    def write_control(self, record: AnyControlRecord) -> None:
        """As `CloseLogs`."""
        self._logs.append_control(record.to_line())

    def registers(self, request: Requested, after: Mapping[str, int], fresh: Mapping[str, int], take: Callable[[Batch], None]) -> None:
        """As `CloseLogs`."""
        del fresh  # Nothing invalid is in these logs.
        lines: list[bytes] = []
        for _, body in self._logs.read_registers(after.get("register", 0), request.positions["register"]):
            lines.append(body)
            if len(lines) == _DECODE_LINES:
                take(decode(lines).batch)
                lines = []
        take(decode(lines).batch)

    def acknowledgements(self, request: Requested) -> list[Acknowledgement]:
        """As `CloseLogs`."""
        return [parse(body) for _, body in self._logs.read_acknowledgements(0, request.positions["acknowledgement"])]

    def judge_rejects(self, since: Mapping[str, int], upto: Mapping[str, int], accepted: Mapping[str, int]) -> None:
        """Nothing to judge: a register is refused at the door."""

    def alerts(self) -> Iterator[tuple[int, bytes]]:
        """As `CloseLogs`."""
        return ((number, body) for number, _, body in self._logs.read_alerts())

    def readings(self, number: int) -> dict[int, bytes]:
        """As `CloseLogs`: those of the last close are kept."""
        held, out = self._logs.read_readings()
        return out if held == number else {}

    def publish(
        self,
        request: Requested,
        since: Mapping[str, int],
        alerts: Sequence[AlertRecord],
        readings: Sequence[ReadingRecord],
        at: Callable[[str], None],
    ) -> None:
        """As `CloseLogs`."""
        del since  # The same.
        at("publishing")
        self._logs.publish_readings(request.number, readings)
        self._logs.publish_alerts(request.number, [(a.record_id, a.line) for a in alerts])
