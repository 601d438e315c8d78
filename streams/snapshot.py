"""The register log as segments on disk: a cache of what was read from it, one file for each stretch between two closes.

A segment begins with the SHA-256 of all that follows: its format, cluster and topics, the positions it begins and ends at, and
its columns. Segments count only as an unbroken chain from the beginning; the first that is torn, foreign, of another format or
out of the chain ends it, and what follows is read from the log again. Nothing is ever repaired, and all of it may be deleted at
any moment.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from models.batch import Batch, concatenate
from schemas.errors import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

__all__ = ["FORMAT", "SEGMENT_REGISTERS", "Segments", "Stretch", "claim"]

FORMAT = 2
"""Changes with the layout of a batch's columns, or with the numbers of codes and year groups."""

SEGMENT_REGISTERS = 500_000
"""A longer stretch is put on disk in pieces of about so many."""

_COLUMNS = {
    "urn": "<i4",
    "day": "<i4",
    "session": "|u1",
    "revision": "<i4",
    "recorded_at": "<i8",
    "source": "<i4",
    "start": "<i8",
    "cells": "<u4",
}


def claim(directory: Path) -> TextIO:
    """Make the directory and keep every other process out of it until the file is closed; raises WrongUsage."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (directory / "lock").open("w")
    except OSError as error:
        raise WrongUsage(f"HEADWAY_STATE_DIR {directory}: {error.strerror}. Name a directory that can be made and written") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise WrongUsage(f"{directory}: another process keeps its snapshots here. Give each closer a HEADWAY_STATE_DIR") from error
    return lock


class Segments:
    """The segments of one process; another process that uses the same directory is refused."""

    def __init__(
        self, directory: Path, identity: Mapping[str, str], at: Callable[[str], None] = lambda _: None, claimed: TextIO | None = None
    ) -> None:
        """identity: of cluster and topics; a segment of another one is not ours. claimed: what `claim` gave; closed by `close`."""
        self._directory, self._identity, self._at = directory, dict(identity), at
        self._first: dict[str, int] = {}
        self._lock = claimed or claim(directory)

    def close(self) -> None:
        """Let the directory go."""
        self._lock.close()

    def load(self, begin: Mapping[str, int], upto: Mapping[str, int]) -> Iterator[tuple[dict[str, int], Batch]]:
        """The chain from `begin` as far as it lies before `upto`: the positions that each segment ends at, and its registers."""
        self._first = reached = dict(begin)
        for path in self._paths():
            held = self._read(path)
            if held is None or held[0] != reached or any(held[1][p] > upto.get(p, 0) for p in held[1]):
                return
            reached = held[1]
            yield reached, held[2]

    def keep(self, begin: Mapping[str, int], end: Mapping[str, int], batch: Batch) -> None:
        """Put a segment at the end of the chain that `load` gave up to `begin`; what stood behind it goes."""
        number, reached = 0, self._first
        for path in self._paths():
            held = self._header(path)
            if held is None or held.get("begin") != reached or not _within(held.get("end", {}), begin):
                path.unlink()
            else:
                number, reached = number + 1, held["end"]
        columns = [np.ascontiguousarray(getattr(batch, name), dtype) for name, dtype in _COLUMNS.items()]
        header = {
            "format": FORMAT,
            "identity": self._identity,
            "begin": dict(begin),
            "end": dict(end),
            "sources": list(batch.sources),
            "lengths": [len(column) for column in columns],
        }
        line = json.dumps(header, sort_keys=True).encode() + b"\n"
        digest = hashlib.sha256(line)
        for column in columns:
            digest.update(column.data)
        part = self._directory / "part"
        with part.open("wb") as file:
            part.chmod(0o600)
            file.write(digest.hexdigest().encode() + b"\n" + line)
            for column in columns:
                self._at("snapshot")
                file.write(column.data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._directory / f"{number:08d}.segment")

    def _paths(self) -> list[Path]:
        return sorted(self._directory.glob("*.segment"))

    def _header(self, path: Path) -> dict[str, Any] | None:
        with path.open("rb") as file:
            file.readline()
            return self._mine(file.readline())

    def _mine(self, line: bytes) -> dict[str, Any] | None:
        try:
            header = json.loads(line)
        except ValueError:
            return None
        if not isinstance(header, dict) or header.get("format") != FORMAT or header.get("identity") != self._identity:
            return None
        return header

    def _read(self, path: Path) -> tuple[dict[str, int], dict[str, int], Batch] | None:
        digest, _, content = path.read_bytes().partition(b"\n")
        if hashlib.sha256(content).hexdigest().encode() != digest:
            return None
        line, _, body = content.partition(b"\n")
        header = self._mine(line)
        if header is None:
            return None
        columns, begin = {}, 0
        for (name, dtype), length in zip(_COLUMNS.items(), header["lengths"], strict=True):
            columns[name] = np.frombuffer(body, dtype, length, begin)
            begin += columns[name].nbytes
        return header["begin"], header["end"], Batch(**columns, sources=tuple(header["sources"]))


class Stretch:
    """What is being read from the log now, put on disk piece by piece."""

    def __init__(self, segments: Segments | None, begin: Mapping[str, int]) -> None:
        self._segments, self._begin, self._reached = segments, dict(begin), dict(begin)
        self._pieces: list[Batch] = []
        self._registers = 0

    def add(self, place: str, end: int, batch: Batch) -> None:
        """The next registers of a partition, up to `end`."""
        if self._segments is None:
            return
        self._reached[place] = end
        self._pieces.append(batch)
        self._registers += len(batch)
        if self._registers >= SEGMENT_REGISTERS:
            self.finish(self._reached)

    def finish(self, end: Mapping[str, int]) -> None:
        """All up to these positions has been added."""
        if self._segments is not None and dict(end) != self._begin:
            self._segments.keep(self._begin, end, concatenate(self._pieces))
        self._begin, self._pieces, self._registers = dict(end), [], 0


def _within(end: Mapping[str, int], begin: Mapping[str, int]) -> bool:
    return all(upto <= begin.get(p, 0) for p, upto in end.items())


if {f.name for f in fields(Batch)} != {*_COLUMNS, "sources"}:  # pragma: no cover
    raise TypeError("a batch has other columns than its segments")
