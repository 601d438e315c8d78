"""How far the demo is: a live view on a terminal, a few plain lines elsewhere, nothing when it is not wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from streams.demo_words import full_date

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date
    from pathlib import Path
    from types import TracebackType

__all__ = ["DemoView"]

_PLAIN_LINES = 4


class DemoView:
    """A `Watcher` on standard error, as a context manager."""

    def __init__(self, *, quiet: bool, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._quiet, self._live = quiet, self._console.is_terminal and not quiet
        self._bar = Progress(
            SpinnerColumn(finished_text="[green]✓[/green]"),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._live,
        )
        self._now: TaskID | None = None
        self._closing: TaskID | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self._finish()
        self._bar.stop()

    def _finish(self) -> None:
        if self._now is not None:
            task = self._bar.tasks[self._bar.task_ids.index(self._now)]
            self._bar.update(self._now, total=task.total or 1, completed=task.total or 1)

    def _begin(self, what: str, total: int | None) -> TaskID:
        self._finish()
        if not self._live and not self._quiet:
            self._console.print(f"{what} …", highlight=False)
        self._now = self._bar.add_task(what, total=total, unit="")
        return self._now

    def stage(self, what: str) -> None:
        """A stage without a measure begins."""
        self._begin(what, None)

    def reading(self, paths: Sequence[Path], what: str) -> Callable[[int], None]:
        """A function to be told of bytes read from these files."""
        task = self._begin(f"reading {what}", sum(p.stat().st_size for p in paths) or None)
        return lambda count: self._bar.update(task, advance=count)

    def closing(self, day: date, done: int, total: int) -> None:
        """So many of all closes are done; the last one closed `day`."""
        if self._closing is None:
            self._closing = self._begin("closing each school day with what was known by then", total)
        self._bar.update(self._closing, completed=done, description=f"closing {full_date(day)}", unit=f"{done} of {total} closes")
        step = max(1, total // _PLAIN_LINES)
        if not self._live and not self._quiet and done % step == 0:
            self._console.print(f"  closed {full_date(day)} ({done} of {total})", highlight=False)
