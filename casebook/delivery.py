"""Sends what waits in the outbox by mail and chat, tries again with growing pauses, and looks once more before each send.

A message whose person has left, or works for that hub no longer, is dropped. A demo sends nothing, whatever is configured.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from casebook.directory import people_of
from casebook.letters import letter
from casebook.outbox import Outbox
from casebook.transports import Mail, Refused, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime

    from casebook.database import Database
    from casebook.outbox import Message
    from casebook.transports import Transport

__all__ = ["Delivery"]

_log = logging.getLogger("headway.delivery")


class Delivery:
    """Called from one thread, again and again; several processes may deliver beside each other."""

    def __init__(
        self,
        database: Database,
        transports: Mapping[str, Transport],
        now: Callable[[], datetime],
        local_date: Callable[[datetime], date],
        tried: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        """transports: by channel (`mail`, `chat`). tried: told of each attempt, by channel and outcome."""
        self._tried = tried
        self._database, self._outbox = database, Outbox(database)
        self._transports, self._now, self._local_date = transports, now, local_date

    def step(self) -> int:
        """Send what is due; how many arrived."""
        if self._database.is_demo():
            return 0
        return sum(self._send(message) for message in self._outbox.take(sorted(self._transports), self._now()))

    def _send(self, message: Message) -> int:
        made = self._made(message)
        if made is None:
            self._tried(message.channel, "dropped")
            self._outbox.dropped(message, "its person does not work for this hub any more")
            return 0
        try:
            self._transports[message.channel].send(made)
        except Refused as refused:
            _log.warning("message %s was refused: %s", message.message_id, refused)
            self._tried(message.channel, "refused")
            self._outbox.refused(message, str(refused))
            return 0
        except Unreachable as error:
            _log.warning("message %s is put off: %s", message.message_id, error)
            self._tried(message.channel, "put_off")
            self._outbox.put_off(message, str(error), self._now())
            return 0
        self._tried(message.channel, "sent")
        self._outbox.sent(message, self._now())
        return 1

    def _made(self, message: Message) -> Mail | None:
        """Addressed as the directory says now; None for somebody who may not be told any more."""
        now = self._now()
        words = letter(message.class_, message.body)
        name, address = str(message.recipient), ""
        if message.channel == "mail":
            with self._database.read() as connection:
                people = people_of(connection, str(message.body["hub"]), self._local_date(now))
            found = next((person for person in people if person.person == message.recipient), None)
            if found is None or not found.email:
                return None
            name, address = found.name, found.email
        return Mail(message.message_id, name, address, words.subject, words.text, now)
