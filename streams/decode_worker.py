"""Another process that decodes blocks of JSON lines. Only bytes go there and come back: columns as they lie in memory.

It ends with its pipe, so with its parent, however that ends. Should it be lost, its parent decodes what it had been given.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
import signal
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from models.batch import Batch
from schemas.reject import Reject, RejectReason
from streams.decode import Decoded, decode

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["Worker", "from_bytes", "to_bytes"]

BLOCKS_MAX = 2
"""Blocks at a worker at once: the one it works on and the next."""

_COLUMNS: dict[str, type[np.generic]] = {
    "urn": np.int32,
    "day": np.int32,
    "session": np.uint8,
    "revision": np.int32,
    "recorded_at": np.int64,
    "source": np.int32,
    "start": np.int64,
    "cells": np.uint32,
}


class _Sender:
    """Sends messages from a thread of its own, so that neither end ever waits for the other to read before it reads.

    Writing a message is one call that needs no interpreter; reading one in a thread would wait for it again and again.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._messages: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def send(self, message: bytes) -> None:
        """Soon; a lost receiver shows when one reads from it."""
        self._messages.put(message)

    def stop(self) -> None:
        """After what was sent before, or at once when nobody receives."""
        self._messages.put(None)
        self._thread.join()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while (message := self._messages.get()) is not None:
                self._connection.send_bytes(message)


class Worker:
    """The parent's end. Results come back in the order in which the blocks were given."""

    def __init__(self) -> None:
        # A new interpreter: a fork of a process with threads may stop for ever.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._sender = _Sender(self._connection)
        self._given: deque[bytes] = deque()
        self._lost = False

    @property
    def given(self) -> int:
        """Blocks given and not yet taken back."""
        return len(self._given)

    def has_room(self) -> bool:
        """Whether it is worth giving it another block."""
        return not self._lost and self.given < BLOCKS_MAX

    def give(self, block: bytes) -> None:
        """Whole lines to decode."""
        self._given.append(block)
        self._sender.send(block)

    def ready(self) -> bool:
        """Whether `take` would not wait."""
        return self._lost or self._connection.poll()

    def take(self) -> Decoded:
        """What the oldest block given holds; waits for it."""
        block = self._given.popleft()
        if not self._lost:
            try:
                return from_bytes(self._connection.recv_bytes())
            except (EOFError, OSError):
                self._lost = True
        return decode(block.split(b"\n"))

    def stop(self) -> None:
        """End the process, whatever it is at."""
        self._process.terminate()
        self._process.join()
        self._sender.stop()
        self._connection.close()


def _work(connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The parent is interrupted too, and ends us.
    sender = _Sender(connection)
    with contextlib.suppress(EOFError, OSError):
        while True:
            sender.send(to_bytes(decode(connection.recv_bytes().split(b"\n"))))


def to_bytes(decoded: Decoded) -> bytes:
    """A result as one message: its sources, rejects and columns."""
    rejects = [(r.reason.value, r.detail, r.original, r.length, r.sha256) for r in decoded.rejects]
    columns = [getattr(decoded.batch, name).tobytes() for name in _COLUMNS]
    return msgspec.msgpack.encode((decoded.batch.sources, rejects, columns))


def from_bytes(message: bytes) -> Decoded:
    """The result again, equal in all its parts."""
    kind = tuple[tuple[str, ...], list[tuple[str, str, bytes, int, str]], list[bytes]]
    sources, rejects, columns = msgspec.msgpack.decode(message, type=kind)
    arrays: dict[str, Any] = {name: np.frombuffer(data, dtype) for (name, dtype), data in zip(_COLUMNS.items(), columns, strict=True)}
    kept = [Reject(RejectReason(reason), detail, original, length, digest) for reason, detail, original, length, digest in rejects]
    return Decoded(Batch(**arrays, sources=sources), kept)
