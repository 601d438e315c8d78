"""One SQLite file, held by one process: made whole or not at all, checked when opened, its errors given names.

What SQLite says becomes one of two things: the outside world refused (disk full, I/O error, no permission), which is
retried by whoever was answered; or the file holds what we never wrote, which no retry mends.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from schemas.errors import BadContents, HeadwayError, WrongUsage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["ExclusiveLock", "LogUnavailable", "connect", "make_private", "named_errors"]

BUSY_SECONDS = 10.0
RESTORE = "Restore it from a backup, or send the registers again into a new file"
_FOREIGN = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


class LogUnavailable(HeadwayError):
    """The disk or the file system refused a write or a read; nothing of the transaction was kept. `full`: no space."""

    def __init__(self, file: Path, problem: str) -> None:
        self.full = problem.startswith("SQLITE_FULL")
        remedy = "Free some disk space; senders may try again" if self.full else "Check the disk and its permissions; senders may try again"
        super().__init__(f"{file}: {problem}. {remedy}")


@contextmanager
def named_errors(file: Path) -> Iterator[None]:
    """SQLite's errors as ours: `BadContents` for a foreign or torn file, `LogUnavailable` for what the disk refuses."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        if str(name).startswith(_FOREIGN):
            raise BadContents(f"this is no whole Headway log ({error})", file=str(file), remedy=RESTORE) from error
        if isinstance(error, sqlite3.OperationalError):
            raise LogUnavailable(file, f"{name} ({error})") from error
        raise


def make_private(file: Path) -> None:
    """Makes an empty file that only its owner may read (alerts stand in it), and makes its name durable."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        folder = os.open(file.parent, os.O_RDONLY)
    except OSError as error:
        raise WrongUsage(f"{file}: cannot be opened for writing ({error.strerror}). Name a file in a folder of yours.") from error
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def connect(file: Path, *, write: bool) -> sqlite3.Connection:
    """A connection that syncs every commit and leaves transactions to the caller; it writes nothing by itself."""
    connection = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        if not write:
            connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


class ExclusiveLock:
    """The right to write a log file, held by one process through `<file>.lock` and given up by the kernel when it dies.

    The lock file also remembers the id of the log beside it, so that a log that was emptied is not taken for a new one.
    """

    def __init__(self, file: Path) -> None:
        """Raises WrongUsage when another process (or another log object of this one) holds the file."""
        lock = file.with_name(file.name + ".lock")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise WrongUsage(f"{lock}: cannot be opened for writing ({error.strerror}). Name a file in a folder of yours.") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise WrongUsage(f"{file}: another headway process is using it. Stop that one first, or name another file.") from error

    def log_id(self) -> str:
        """The id of the log that was last held under this lock; empty if none was."""
        return os.pread(self._descriptor, 64, 0).decode("ascii", "replace")

    def remember(self, log_id: str) -> None:
        """Writes the id down."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, log_id.encode(), 0)
        os.fsync(self._descriptor)

    def release(self) -> None:
        """Gives the file up, once; the lock file stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1
