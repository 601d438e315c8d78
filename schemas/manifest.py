"""The manifest of a version of the reference data: the version is whole, and here are its rows. (design.md section 5)

A row is one line of canonical JSON; a version is the set of its rows, so neither the form of a file nor the order of its
lines is part of it. Its rows stand in three topics; without a manifest they are nobody's.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Manifest", "digest_of_rows", "digest_of_version", "parse"]

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Offset = Annotated[int, Field(ge=0)]


class Manifest(BaseModel):
    """One record of the topic of versions.

    rows, sha256: how many rows each topic holds for this version, and their digest. positions: "topic/partition" -> first and
    next offset between which they all stand; rows of other versions may stand between them. Topics without prefix.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Sha256
    rows: dict[str, Annotated[int, Field(ge=0)]]
    sha256: dict[str, Sha256]
    positions: dict[str, tuple[_Offset, _Offset]]
    published_at: AwareDatetime

    def to_line(self) -> bytes:
        """Canonical JSON."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":")).encode()


def parse(line: bytes) -> Manifest:
    """One manifest; raises pydantic's ValidationError for anything else."""
    return Manifest.model_validate_json(line)


def digest_of_rows(lines: Iterable[bytes]) -> str:
    r"""SHA-256 over the distinct rows in ascending order, each with its newline.

    >>> digest_of_rows([b"2", b"1", b"2"]) == hashlib.sha256(b"1\n2\n").hexdigest()
    True
    """
    whole = hashlib.sha256()
    for line in sorted(set(lines)):
        whole.update(line + b"\n")
    return whole.hexdigest()


def digest_of_version(sha256: Mapping[str, str]) -> str:
    """The version: SHA-256 over the digests of all topics, by name."""
    said = json.dumps(dict(sha256), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()
