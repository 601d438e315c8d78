"""Carries acknowledgements from the outbox to the engine's log, in the order in which they were said, for as long as it takes.

A crash between the log and the outbox carries one twice: the log's own identity (chart, school, day, revision) makes it one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from casebook.acknowledgements import CHANNEL
from casebook.outbox import Outbox
from schemas.errors import HeadwayError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from casebook.database import Database
    from casebook.outbox import Message

__all__ = ["Relay"]


class Relay:
    """Called from one thread, again and again."""

    def __init__(self, database: Database, put: Callable[[Sequence[Message]], None], now: Callable[[], datetime]) -> None:
        """put: writes acknowledgements to the log, durable when it returns; raises a temporary HeadwayError while it cannot."""
        self._outbox, self._put, self._now = Outbox(database), put, now

    def step(self) -> int:
        """Carry what is due; how many. What cannot be carried now waits."""
        messages = self._outbox.take([CHANNEL], self._now())
        if not messages:
            return 0
        try:
            self._put(messages)
        except HeadwayError as error:
            for message in messages:
                self._outbox.put_off(message, type(error).__name__, self._now(), always=True)
            return 0
        for message in messages:
            self._outbox.sent(message, self._now())
        return len(messages)
