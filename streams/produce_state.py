"""How far files were produced, in a file of its own: an interrupted `headway produce` goes on where it was acknowledged.

The file is replaced as a whole, so a process killed at any instruction leaves an old state or a new one. An old one is
harmless: what is sent twice is merged. A register file that has changed since is produced from its beginning.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from schemas.errors import BadContents, WrongUsage
from streams.produce import Produced

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ProduceState"]

_HEAD_BYTES = 65_536


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    identity: str
    accepted: NonNegativeInt
    rejected: dict[str, NonNegativeInt]


class _State(BaseModel):
    model_config = ConfigDict(extra="forbid")

    log: str
    files: dict[str, _File] = Field(default_factory=dict)


class ProduceState:
    """The state of one topic, held in `path`; None remembers nothing."""

    def __init__(self, path: Path | None, log: str) -> None:
        """Reads it. log: names the topic and tells it from another one of the same name.

        Raises WrongUsage when the file cannot be read or is another topic's, BadContents when it is no such file.
        """
        self._path = path
        self._state = _State(log=log)
        if path is None or not path.exists():
            return
        try:
            self._state = _State.model_validate_json(path.read_bytes())
        except OSError as error:
            raise WrongUsage(f"--resume {path}: {error.strerror}. Name a file that can be read and written") from error
        except ValidationError as error:
            raise BadContents("this is no state of `headway produce`", file=str(path), remedy="Delete it to start again") from error
        if self._state.log != log:
            raise WrongUsage(
                f"--resume {path}: it belongs to {self._state.log}, not to {log}. Name another file, or delete it to start again"
            )

    def of(self, file: Path) -> Produced:
        """What was acknowledged of a register file, nothing if it is another one by now."""
        held = self._state.files.get(str(file.resolve()))
        if held is None or held.identity != _identity(file):
            return Produced()
        return Produced(held.accepted, Counter(held.rejected))

    def keep(self, file: Path, done: Produced) -> None:
        """Durable when it returns."""
        if self._path is None:
            return
        self._state.files[str(file.resolve())] = _File(identity=_identity(file), accepted=done.accepted, rejected=dict(done.rejected))
        beside = self._path.with_name(self._path.name + ".new")
        try:
            with beside.open("wb") as out:
                out.write(self._state.model_dump_json(indent=1).encode() + b"\n")
                out.flush()
                os.fsync(out.fileno())
            beside.replace(self._path)
        except OSError as error:
            raise WrongUsage(f"--resume {self._path}: {error.strerror}. Name a file that can be written") from error


def _identity(file: Path) -> str:
    """Changes with the file: its size, time of change and beginning."""
    try:
        found = file.stat()
        with file.open("rb") as contents:
            head = contents.read(_HEAD_BYTES)
    except OSError as error:
        raise WrongUsage(f"{file}: {error.strerror}. Name a readable file of registers") from error
    return hashlib.sha256(f"{found.st_size} {found.st_mtime_ns} ".encode() + head).hexdigest()
