"""What runs beside `headway serve`, or as `headway casebook` and `headway deliver`: threads that follow, carry, tell and send.

Nothing they meet ends them but a stop: what fails is logged, shown, and tried again. A mail server that does not answer holds up
the sending and nothing else.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from schemas.errors import HeadwayError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["AgainAndAgain", "Beside"]

_log = logging.getLogger("headway.casebook")
TICK_SECONDS = 2.0
_PAUSE_SECONDS = 5.0


class AgainAndAgain:
    """A thread that does its steps at every tick, or at once when it is woken."""

    def __init__(self, name: str, steps: Sequence[Callable[[], object]], tick_seconds: float = TICK_SECONDS) -> None:
        self._name, self._steps, self._tick = name, steps, tick_seconds
        self._wake, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"headway-{name}", daemon=True)
        self.problem: str | None = None
        """Why the last round failed, in words for ops; None when all is well."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    def stop(self, seconds: float = 40.0) -> None:
        """No new step begins; the one that runs is waited for."""
        self._stopped.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def round(self) -> bool:
        """All steps once, each whatever becomes of the others; whether all went well."""
        problem = None
        for step in self._steps:
            if self._stopped.is_set():
                break
            try:
                step()
            except HeadwayError as error:
                _log.warning("%s: %s", self._name, error)
                problem = str(error)
            except Exception as error:  # noqa: BLE001 (its fate: logged, shown on /ready, tried again)
                _log.error("%s failed", self._name, exc_info=error)
                problem = f"{self._name} failed ({type(error).__name__})"
        self.problem = problem
        return problem is None

    def _run(self) -> None:
        while not self._stopped.is_set():
            well = self.round()
            self._wake.wait(self._tick if well else _PAUSE_SECONDS)
            self._wake.clear()


class Beside:
    """Several of them as one (`streams.serve.Beside`)."""

    def __init__(self, *threads: AgainAndAgain) -> None:
        self._threads = threads

    def start(self) -> None:
        """Start all."""
        for one in self._threads:
            one.start()

    def closed(self) -> None:
        """A day was closed: look now."""
        for one in self._threads:
            one.wake()

    def stop(self) -> None:
        """Stop all, the last started first."""
        for one in reversed(self._threads):
            one.stop()

    def problems(self) -> list[str]:
        """Why all is not well, in words for ops."""
        return [one.problem for one in self._threads if one.problem is not None]
