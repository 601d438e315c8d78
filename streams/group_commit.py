"""One thread writes; requests that wait at the same moment share one transaction, so one sync of the disk.

Nothing is held back to fill a group: while one transaction is on its way to the disk the next one gathers. The queue has a
bound; beyond it the sender is told to wait, and nothing of his is taken.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schemas.errors import HeadwayError
from streams.sqlite_log import Appended

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.reject import Reject
    from streams.sqlite_log import EmbeddedLogs

__all__ = ["GroupCommit", "QueueFull", "Stopped"]

Kept = tuple[list[Appended], list[Appended]]
"""Where the registers stand, and where the rejects do, each in the order given."""

GROUP_REQUESTS_MAX = 256


class QueueFull(HeadwayError):
    """As many registers as the bound allows wait for the disk; try again in a moment."""


class Stopped(HeadwayError):
    """The writer takes nothing more."""


@dataclass(frozen=True, slots=True)
class _Submission:
    registers: Sequence[bytes]
    rejects: Sequence[Reject]
    kept: Future[Kept] = field(default_factory=Future)

    def __len__(self) -> int:
        return len(self.registers) + len(self.rejects)


class GroupCommit:
    """Appends registers and rejects to the logs from one thread of its own."""

    def __init__(self, logs: EmbeddedLogs, *, pending_registers_max: int) -> None:
        """`pending_registers_max`: registers and rejects that may wait for the disk together."""
        self._logs = logs
        self._pending_max = pending_registers_max
        self._pending = 0
        self._stopped = False
        self._guard = threading.Lock()
        self._queue: queue.SimpleQueue[_Submission | None] = queue.SimpleQueue()
        self.failed: BaseException | None = None
        """Why the last transaction failed, or None; the next one that succeeds clears it."""
        self._thread = threading.Thread(target=self._run, name="headway-log-writer", daemon=True)
        self._thread.start()

    def submit(self, registers: Sequence[bytes], rejects: Sequence[Reject]) -> Future[Kept]:
        """Durable when the future is done; it raises what the log raised. Raises QueueFull or Stopped, having taken nothing."""
        submission = _Submission(registers, rejects)
        with self._guard:
            if self._stopped:
                raise Stopped("headway is stopping; try again when it is back")
            if self._pending + len(submission) > self._pending_max:
                raise QueueFull(f"{self._pending} registers wait for the disk; try again in a moment")
            self._pending += len(submission)
            self._queue.put(submission)
        return submission.kept

    @property
    def pending(self) -> int:
        """Registers and rejects that wait for the disk."""
        return self._pending

    def stop(self) -> None:
        """Takes nothing more, writes what was taken, and ends the thread."""
        with self._guard:
            if not self._stopped:
                self._stopped = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            group, stopping = self._group()
            if group:
                self._write(group)

    def _group(self) -> tuple[list[_Submission], bool]:
        """All that waits now, at least one; and whether the end was among it."""
        group: list[_Submission] = []
        item = self._queue.get()
        while item is not None:
            group.append(item)
            if len(group) == GROUP_REQUESTS_MAX or self._queue.empty():
                return group, False
            item = self._queue.get()
        return group, True

    def _write(self, group: list[_Submission]) -> None:
        try:
            kept, refused = self._logs.append(
                [body for one in group for body in one.registers], [reject for one in group for reject in one.rejects]
            )
        except Exception as error:  # noqa: BLE001 (its fate: every sender of the group is told)
            self.failed = error
            self._release(group)
            for one in group:
                one.kept.set_exception(error)
            return
        self.failed = None
        self._release(group)
        first, first_refused = 0, 0
        for one in group:
            last, last_refused = first + len(one.registers), first_refused + len(one.rejects)
            one.kept.set_result((kept[first:last], refused[first_refused:last_refused]))
            first, first_refused = last, last_refused

    def _release(self, group: list[_Submission]) -> None:
        with self._guard:
            self._pending -= sum(len(one) for one in group)
