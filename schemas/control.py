"""The control log: it orders the closes, so that two closers cannot fork and a crash loses nothing. (design.md section 3)

A request names everything that its close follows from; its id is the digest of that. The first request for a `previous` that
is not abandoned is the close; any other is void.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime
from typing import Annotated, Literal, NewType

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

__all__ = [
    "Abandoned",
    "AnyControlRecord",
    "CloseCompleted",
    "CloseId",
    "ControlRecord",
    "Decided",
    "RejectsAccepted",
    "Requested",
    "read_control_record",
]

CloseId = NewType("CloseId", str)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_line(self) -> bytes:
        """Canonical JSON."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":")).encode()


class Requested(_Record):
    """A close is asked for: the last completed close, the day, how far each input log is to be read, and by which rules.

    register_log: which log the registers are read from, the topic's id; None: the embedded one. begins: the first record of
    its partitions that the close rests on; what is not named begins at 0. Neither is written where it says nothing.
    """

    record: Literal["requested"] = "requested"
    previous: str | None
    number: int
    day: date
    positions: dict[str, int]
    reference_version: str
    parameters_digest: str
    engine_version: str
    register_log: str | None = None
    begins: dict[str, int] = {}

    def to_line(self) -> bytes:
        """Canonical JSON."""
        said = self.model_dump(mode="json", exclude={name for name in ("register_log", "begins") if not getattr(self, name)})
        return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()

    @property
    def close_id(self) -> CloseId:
        """SHA-256 of the request."""
        return CloseId(hashlib.sha256(self.to_line()).hexdigest())


class Decided(_Record):
    """All of a close is computed; nothing of it was published before this."""

    record: Literal["decided"] = "decided"
    close_id: str
    digest: str
    counts: dict[str, int]


class CloseCompleted(_Record):
    """Everything the close says is published."""

    record: Literal["completed"] = "completed"
    close_id: str
    state_digest: str
    at: datetime


class Abandoned(_Record):
    """A close given up, with the reason; never once `decided` stands."""

    record: Literal["abandoned"] = "abandoned"
    close_id: str
    reason: str


class RejectsAccepted(_Record):
    """A person has looked at the rejects up to these positions of the register log: they no longer stop a worker or a close."""

    record: Literal["rejects_accepted"] = "rejects_accepted"
    positions: dict[str, int]
    by: Annotated[str, Field(min_length=1, max_length=200)]
    reason: Annotated[str, Field(min_length=1, max_length=1000)]
    at: datetime


AnyControlRecord = Requested | Decided | CloseCompleted | Abandoned | RejectsAccepted
ControlRecord = Annotated[AnyControlRecord, Field(discriminator="record")]
_ADAPTER: TypeAdapter[AnyControlRecord] = TypeAdapter(ControlRecord)


def read_control_record(line: bytes) -> AnyControlRecord:
    """One record of the control log."""
    return _ADAPTER.validate_json(line)
