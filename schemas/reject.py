"""A bad record as a value: why it was refused, and its original bytes so that it can be replayed after a fix.

The original is the record without surrounding blanks (space, tab, CR, LF), so that it hashes alike from every reader. Of one
larger than `REGISTER_BYTES_MAX` only length, SHA-256 and the first `ORIGINAL_BYTES_KEPT` bytes are kept. (contracts.md section 1)
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.errors import InvalidRegister

__all__ = ["BLANKS", "ORIGINAL_BYTES_KEPT", "REGISTER_BYTES_MAX", "Reject", "RejectReason"]

BLANKS = b" \t\r\n"
"""What JSON allows around a value, and no other byte."""

REGISTER_BYTES_MAX = 65_536
"""Bytes of a record without surrounding blanks; a larger one is rejected unparsed."""

ORIGINAL_BYTES_KEPT = 4_096
"""Of an oversized original."""


class RejectReason(StrEnum):
    """Every reason a record can be refused for; a reason once given keeps its name."""

    OVERSIZED = "oversized"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    DUPLICATE_KEY = "duplicate_key"
    MISSING_FIELD = "missing_field"
    UNKNOWN_FIELD = "unknown_field"
    WRONG_FIELD = "wrong_field"
    EMPTY_COUNTS = "empty_counts"
    ALL_BESIDE_YEAR_GROUPS = "all_beside_year_groups"
    UNKNOWN_YEAR_GROUP = "unknown_year_group"
    UNKNOWN_CODE = "unknown_code"
    NEGATIVE_COUNT = "negative_count"
    FRACTIONAL_COUNT = "fractional_count"
    BOOLEAN_COUNT = "boolean_count"
    QUOTED_COUNT = "quoted_count"
    COUNT_TOO_LARGE = "count_too_large"
    WRONG_COUNT = "wrong_count"
    NO_OFFSET = "no_offset"
    FUTURE_DATE = "future_date"
    SPLIT_REGISTER = "split_register"


@dataclass(frozen=True, slots=True)
class Reject:
    """One refused record. `length` and `sha256` (hexadecimal) are of the whole original; `original` may be its beginning only.

    `detail` is for people, in ASCII, and is no part of what is kept: the reason and the bytes are.
    """

    reason: RejectReason
    detail: str
    original: bytes
    length: int
    sha256: str

    @classmethod
    def of(cls, record: bytes, error: InvalidRegister) -> Reject:
        """The record as it was read, with or without its blanks, and what was found wrong with it."""
        original = record.strip(BLANKS)
        kept = original if len(original) <= REGISTER_BYTES_MAX else original[:ORIGINAL_BYTES_KEPT]
        return cls(error.reason, error.detail, kept, len(original), hashlib.sha256(original).hexdigest())

    def to_line(self) -> bytes:
        """One line of `rejects.jsonl` without its newline: reason, sha256, original.

        Bytes that are not UTF-8 stand as base64 beside ``"encoding": "base64"``; an original that was cut has its `length`.
        """
        said: dict[str, str | int] = {"reason": self.reason.value, "sha256": self.sha256}
        if self.length > len(self.original):
            said["length"] = self.length
        try:
            said["original"] = self.original.decode("utf-8")
        except UnicodeDecodeError:
            said["encoding"] = "base64"
            said["original"] = base64.b64encode(self.original).decode("ascii")
        return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
