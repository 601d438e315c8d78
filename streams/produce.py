"""Files of registers into their topic: what is valid as it stands in the file, what is not among the rejects, at the door.

A record keeps its bytes (of a Parquet file, its canonical ones), its key is the URN, and all of a stretch is acknowledged
before the next is counted as done. Sending something twice is harmless: the merge is a join.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from models import batch as columns
from schemas.errors import InvalidRegister
from schemas.register import parse
from schemas.reject import BLANKS, Reject
from streams import clock, jsonl, topology
from streams.dead_letters import door_letter
from streams.decode import decode
from streams.kafka_publish import Outgoing
from streams.sources import read_sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from streams.kafka_tools import Sender

__all__ = ["Offered", "Pace", "Produced", "produce", "register_record", "stretches"]

_STRETCH_RECORDS = 5_000
_PACE_SECONDS_LEAST = 0.01


class Offered(NamedTuple):
    """A valid register: its URN, its source, its bytes."""

    urn: int
    source: str
    value: bytes


def register_record(register: Offered) -> Outgoing:
    """A register as it stands in the log, with CloudEvents headers (binary mode)."""
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", hashlib.sha256(register.value).hexdigest().encode()),
        ("ce_type", f"uk.headway.{topology.REGISTERS.name}".encode()),
        ("ce_source", register.source.encode()),
        ("content-type", b"application/json"),
    )
    return Outgoing(topology.REGISTERS, b"%d" % register.urn, register.value, headers)


@dataclass(slots=True)
class Produced:
    """What became of the records of a file: all of them are acknowledged."""

    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    @property
    def read(self) -> int:
        """Records; blank lines are none."""
        return self.accepted + self.rejected.total()


class Pace:
    """At most so many records a second, None: as fast as it goes."""

    def __init__(self, records_per_second: float | None) -> None:
        self._rate = records_per_second
        self._begun = clock.monotonic_seconds()
        self._passed = 0
        self._never = threading.Event()

    def wait(self) -> None:
        """Returns when one more may go."""
        if self._rate is None:
            return
        ahead = self._passed / self._rate - (clock.monotonic_seconds() - self._begun)
        if ahead > _PACE_SECONDS_LEAST:
            self._never.wait(ahead)
        self._passed += 1


def produce(
    sender: Sender,
    path: Path,
    done: Produced,
    *,
    pace: Pace,
    acknowledged: Callable[[Produced], None] = lambda _: None,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Sends the records of a file behind those that are `done`, and counts them there.

    acknowledged: called after each stretch that the broker holds as a whole. progress: told of bytes of the file.
    """
    for stretch in stretches(path, done.read, progress):
        for record in stretch:
            pace.wait()
            out = door_letter(topology.REGISTERS.name, record) if isinstance(record, Reject) else register_record(record)
            sender.send(out.log, out.value, out.key, list(out.headers))
        sender.flush()
        for record in stretch:
            if isinstance(record, Reject):
                done.rejected[record.reason.value] += 1
            else:
                done.accepted += 1
        acknowledged(done)


def stretches(path: Path, after: int = 0, progress: Callable[[int], None] = lambda _: None) -> Iterator[Sequence[Offered | Reject]]:
    """The records of a file in an order that is always the same, less the first `after`, a bounded stretch at a time.

    Raises as `streams.sources.read_sessions`.
    """
    if path.name.lower().endswith(".parquet"):
        yield from _of_columns(path, after, progress)
        return
    read_sessions(path)  # It names every ending that we read.
    for block in jsonl.blocks(path, progress):
        if isinstance(block, Reject):
            if not after:
                yield [block]
            after = max(0, after - 1)
            continue
        lines = [line for line in (line.strip(BLANKS) for line in block.split(b"\n")) if line]
        skipped = min(after, len(lines))
        after -= skipped
        for begin in range(skipped, len(lines), _STRETCH_RECORDS):
            yield _judged(lines[begin : begin + _STRETCH_RECORDS])


def _judged(lines: Sequence[bytes]) -> Sequence[Offered | Reject]:
    """Each line as a register or a reject, in their order: quickly where all are valid."""
    decoded = decode(lines)
    if decoded.rejects:
        return [_one(line) for line in lines]
    batch = decoded.batch
    sources = [batch.sources[number] for number in batch.source.tolist()]
    return list(map(Offered, batch.urn.tolist(), sources, lines))


def _one(line: bytes) -> Offered | Reject:
    try:
        register = parse(line)
    except InvalidRegister as error:
        return Reject.of(line, error)
    return Offered(register.urn, register.source, line)


def _of_columns(path: Path, after: int, progress: Callable[[int], None]) -> Iterator[Sequence[Offered | Reject]]:
    for decoded in read_sessions(path, progress=progress):
        batch = decoded.batch
        for begin in range(min(after, len(batch)), len(batch), _STRETCH_RECORDS):
            rows = range(begin, min(begin + _STRETCH_RECORDS, len(batch)))
            yield [Offered(int(batch.urn[i]), batch.sources[int(batch.source[i])], columns.canonical(batch, i)) for i in rows]
        after = max(0, after - len(batch))
        if decoded.rejects[after:]:
            yield decoded.rejects[after:]
        after = max(0, after - len(decoded.rejects))
