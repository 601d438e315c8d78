"""Rejects as they stand in their topic: one dead letter for each origin, however often it was written.

The origin is the id: "topic/partition/offset" of what was read from a log, "door/SHA-256" of what was never let into one. A
letter that was replayed stands there once more with the header `replayed`; a reader that does not know it sees a repeat.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from schemas.reject import BLANKS, ORIGINAL_BYTES_KEPT, Reject
from streams import topology
from streams.kafka_publish import Outgoing
from streams.kafka_tools import LogReader
from streams.log_reader import PositionLost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.live_settings import LiveSettings

__all__ = ["DOOR", "DeadLetter", "dead_letter", "door_letter", "fold", "original_of", "read_dead_letters"]

DOOR = "door"
_REPLAYED = "replayed"
_HEADERS_BYTES = 2_048

_log = logging.getLogger("headway.rejects")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record of the topic. `original` is all of it, or its beginning where `length` (bytes) is more; `source` is the log
    that it was meant for, `replayed` the time at which it was sent there again, if it was."""

    origin: str
    source: str
    reason: str
    detail: str
    original: bytes
    length: int
    sha256: str
    replayed: str | None
    line: bytes
    """As it stands in the topic."""

    @property
    def whole(self) -> bool:
        """Whether all of its bytes are here."""
        return len(self.original) == self.length

    def marked(self, at: str) -> Outgoing:
        """The letter once more, as replayed."""
        headers = (*_headers(self.origin, self.reason, self.detail), (_REPLAYED, at.encode()))
        return Outgoing(topology.REJECTS, self.source.encode(), self.line, headers)


def dead_letter(origin: str, source: str, reject: Reject) -> Outgoing:
    """What is written for a reject. One whose JSON is too large for the topic (control characters grow sixfold) is cut, as an
    oversized one is."""
    value = reject.to_line()
    if len(value) > topology.REJECTS.record_bytes_max - _HEADERS_BYTES:
        value = replace(reject, original=reject.original[:ORIGINAL_BYTES_KEPT]).to_line()
    return Outgoing(topology.REJECTS, source.encode(), value, _headers(origin, reject.reason.value, reject.detail))


def door_letter(source: str, reject: Reject) -> Outgoing:
    """What is written for a record that was refused at the door of a log."""
    return dead_letter(f"{DOOR}/{reject.sha256}", source, reject)


def _headers(origin: str, reason: str, detail: str) -> tuple[tuple[str, bytes], ...]:
    return ("origin", origin.encode()), ("reason", reason.encode()), ("detail", detail.encode("utf-8", "replace"))


def read_dead_letters(reader: LogReader) -> Iterator[DeadLetter]:
    """Every record of the topic, in no order between partitions; what is no dead letter is passed over with a warning."""
    for place, records in reader.read(reader.bounds(topology.REJECTS)):
        for record in records:
            try:
                yield _letter(record)
            except (ValueError, KeyError, TypeError, AttributeError):
                _log.warning("%s/%d is no dead letter; passed over", place, record.offset)


def fold(settings: LiveSettings) -> dict[str, DeadLetter]:
    """One letter for each origin, without its bytes: there may be more than memory holds."""
    out: dict[str, DeadLetter] = {}
    with LogReader(settings) as reader:
        for letter in read_dead_letters(reader):
            held = out.get(letter.origin)
            if held is None or (letter.replayed and not held.replayed):
                out[letter.origin] = replace(letter, original=b"", line=b"")
    return dict(sorted(out.items()))


def original_of(reader: LogReader, letter: DeadLetter) -> bytes | None:
    """All bytes of the original: kept in the letter or read again at the origin; None where neither has them any more."""
    if letter.whole:
        return letter.original
    place, _, offset = letter.origin.rpartition("/")
    if letter.origin.startswith(f"{DOOR}/"):
        return None
    try:
        found = [r.value or b"" for _, records in reader.read({place: (int(offset), int(offset) + 1)}) for r in records]
    except (PositionLost, ValueError):
        return None
    original = found[0].strip(BLANKS) if found else b""
    # Another log may stand where this one was.
    return original if hashlib.sha256(original).hexdigest() == letter.sha256 else None


def _letter(record: Any) -> DeadLetter:  # noqa: ANN401 (kafka-python's record, untyped)
    headers = dict(record.headers)
    said = json.loads(record.value)
    text: str = said["original"]
    original = base64.b64decode(text, validate=True) if said.get("encoding") == "base64" else text.encode()
    length = int(said.get("length", len(original)))
    if length == len(original) and hashlib.sha256(original).hexdigest() != said["sha256"]:
        raise ValueError("the bytes are not those of the digest")
    return DeadLetter(
        origin=headers["origin"].decode(),
        source=record.key.decode(),
        reason=str(said["reason"]),
        detail=headers.get("detail", b"").decode("utf-8", "replace"),
        original=original,
        length=length,
        sha256=str(said["sha256"]),
        replayed=headers[_REPLAYED].decode() if _REPLAYED in headers else None,
        line=record.value,
    )
