"""Progress of long work on standard error: bytes read, days closed. Silent when it is not wanted or no terminal is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

__all__ = ["Progress"]


class Progress:
    """One line per stage of work, as a context manager."""

    def __init__(self, *, quiet: bool) -> None:
        console = Console(stderr=True)
        self._bar = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self._closing: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()

    def reading(self, paths: Sequence[Path], what: str) -> Callable[[int], None]:
        """A function to be told of bytes read from these files."""
        task = self._bar.add_task(f"reading {what}", total=sum(p.stat().st_size for p in paths if p.exists()) or None)
        return lambda count: self._bar.update(task, advance=count)

    def closing(self, academic_year: str, done: int, total: int) -> None:
        """So many of all closes of an academic year are done."""
        if academic_year not in self._closing:
            self._closing[academic_year] = self._bar.add_task(f"closing {academic_year}", total=total)
        self._bar.update(self._closing[academic_year], completed=done)

    def say(self, what: str) -> None:
        """Begin a stage without a measure."""
        self._bar.add_task(what, total=None)
