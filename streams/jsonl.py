"""Files of JSON lines, plain or gzip, block by block, in the order of the file and in bounded memory.

A record is a line without its newline and without blanks around it. A line longer than a register may be is never held: its
length, SHA-256 and beginning are worked out as it passes.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections import deque
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

from schemas.errors import BadContents, WrongUsage
from schemas.reject import BLANKS, ORIGINAL_BYTES_KEPT, REGISTER_BYTES_MAX, Reject, RejectReason
from streams.decode import Decoded, decode
from streams.decode_worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["BLOCK_BYTES", "blocks", "read"]

BLOCK_BYTES = 2 * 1024 * 1024
WORKER_FROM_BYTES = 32 * 1024 * 1024
"""A smaller file is read before another process has started."""


def read(path: Path, *, processes: int = 1, progress: Callable[[int], None] = lambda _: None) -> Iterator[Decoded]:
    """The registers and rejects of a file; ``.gz`` at the end of its name says it is compressed.

    processes: this one and so many less one that help it. progress: told of bytes of the file as they are read.
    Raises WrongUsage when the file cannot be read, BadContents when it is no whole gzip file.
    """
    helpers = processes - 1 if _size(path) >= WORKER_FROM_BYTES else 0
    workers = [Worker() for _ in range(helpers)]
    try:
        yield from _decoded(blocks(path, progress), workers)
    finally:
        for worker in workers:
            worker.stop()


def _decoded(found: Iterator[bytes | Reject], workers: list[Worker]) -> Iterator[Decoded]:
    """Give each block to a worker that has room, else decode it here; hand on in the order of the file."""
    waiting: deque[Decoded | Worker] = deque()
    for block in found:
        free = min(workers, key=lambda worker: worker.given, default=None)
        if isinstance(block, Reject):
            waiting.append(_oversized(block))
        elif free is not None and free.has_room():
            free.give(block)
            waiting.append(free)
        else:
            waiting.append(decode(block.split(b"\n")))
        while waiting and (len(waiting) > 4 * len(workers) or _ready(waiting[0])):
            yield _taken(waiting.popleft())
    while waiting:
        yield _taken(waiting.popleft())


def _oversized(reject: Reject) -> Decoded:
    none = decode([])
    return Decoded(none.batch, [reject])


def _ready(place: Decoded | Worker) -> bool:
    return not isinstance(place, Worker) or place.ready()


def _taken(place: Decoded | Worker) -> Decoded:
    return place.take() if isinstance(place, Worker) else place


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> WrongUsage:
    return WrongUsage(f"{path}: {error.strerror}. Name a readable file of registers, one JSON object a line")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The file's contents, and the file itself."""
    damaged = "Make it again, or copy it again; nothing of it was used"
    try:
        with path.open("rb", buffering=0) as raw:
            if path.name.lower().endswith(".gz"):
                with gzip.GzipFile(fileobj=raw, mode="rb") as unpacked:
                    yield cast("IO[bytes]", unpacked), raw
            else:
                yield raw, raw
    except EOFError as error:
        raise BadContents("the compressed file ends too early", file=str(path), remedy=damaged) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise BadContents(f"this is no sound gzip file ({error})", file=str(path), remedy=damaged) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def blocks(path: Path, progress: Callable[[int], None] = lambda _: None) -> Iterator[bytes | Reject]:
    """Whole lines, about `BLOCK_BYTES` at a time, and each oversized line by itself as its reject."""
    told = 0
    rest = b""
    passing: _Passing | None = None
    with _opened(path) as (contents, raw):
        while chunk := contents.read(BLOCK_BYTES):
            at = raw.tell()
            progress(at - told)
            told = at
            if passing is not None:
                end = chunk.find(b"\n")
                passing.feed(chunk if end < 0 else chunk[:end])
                if end < 0:
                    continue
                yield passing.line()
                passing, chunk = None, chunk[end + 1 :]
            whole, newline, last = chunk.rpartition(b"\n")
            if newline:
                yield rest + whole
                rest = last
            else:
                rest += chunk
            if len(rest) > REGISTER_BYTES_MAX:
                passing, rest = _Passing(rest), b""
        if passing is not None:
            yield passing.line()
        elif rest:
            yield rest
        progress(raw.tell() - told)


class _Passing:
    """A line too long to hold: what must be known of it without its surrounding blanks, whose number nobody can foretell.

    The digest runs over all since the first byte that is no blank; a copy is kept of how it stood after the last such byte.
    """

    def __init__(self, begin: bytes) -> None:
        self._running = hashlib.sha256()
        self._passed = 0
        self._kept = bytearray()
        self._digest, self._length = "", 0
        self.feed(begin)

    def feed(self, chunk: bytes) -> None:
        if not self._passed:
            chunk = chunk.lstrip(BLANKS)
        body = chunk.rstrip(BLANKS)
        self._kept += chunk[: REGISTER_BYTES_MAX - len(self._kept)]
        if body:
            self._running.update(body)
            self._digest, self._length = self._running.hexdigest(), self._passed + len(body)
        self._running.update(chunk[len(body) :])
        self._passed += len(chunk)

    def line(self) -> bytes | Reject:
        """The line itself when most of it was blanks, else its reject."""
        if self._length <= REGISTER_BYTES_MAX:
            return bytes(self._kept).strip(BLANKS)
        detail = f"{self._length} bytes; at most {REGISTER_BYTES_MAX} are read"
        return Reject(RejectReason.OVERSIZED, detail, bytes(self._kept[:ORIGINAL_BYTES_KEPT]), self._length, self._digest)
