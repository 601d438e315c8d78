"""A casebook filled with the demo's year: closes, alerts, readings, registers, people and what they did; marked as a demo."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, time, timedelta
from itertools import chain
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from casebook.casework import Casework
from casebook.database import Database
from casebook.feed import Arrival, Feed
from casebook.ledger import Ledger
from console.demo_people import Colleague, directory
from console.demo_year import DemoYear, stands_on
from schemas.register import canonical, parse
from streams import clock, unguessable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streams.demo import Demo

__all__ = ["DemoCasebook", "fill"]

_ZONE = ZoneInfo("Europe/London")
_MORNING = time(8, 2)
_REGISTERS_AT_ONCE = 5_000


class DemoCasebook:
    """An open casebook whose clock stands on the demo's morning and goes on from there."""

    def __init__(self, database: Database, ledger: Ledger, morning: datetime) -> None:
        self.database, self.ledger, self.morning = database, ledger, morning
        self._since = clock.monotonic_seconds()

    def now(self) -> datetime:
        """The demo's time."""
        return self.morning + timedelta(seconds=clock.monotonic_seconds() - self._since)


def fill(demo: Demo, file: Path, progress: Callable[[str], None]) -> DemoCasebook:
    """A new casebook at `file`; one that is there is replaced."""
    for old in (file, *(file.with_name(file.name + end) for end in ("-wal", "-shm"))):
        old.unlink(missing_ok=True)
    database = Database(str(file))
    database.migrate()
    database.mark_demo()
    ledger = Ledger(database, unguessable.word().encode())
    last = stands_on(demo)
    year = DemoYear(demo, last)
    moment = [datetime.combine(demo.hub.planted.days[0], time(7), _ZONE).astimezone(UTC)]
    feed = Feed(database, ledger, lambda: moment[0])
    feed.follow(f"demo {demo.seed}")
    feed.refer(demo.reference)
    directory(database, demo, moment[0])
    colleague = Colleague(database, Casework(database, ledger, unguessable.word), demo.reference.schools[0].hub, year.said)
    progress("the casebook's year, with the people in it")
    for close in year.closes():
        moment[0] = close.at
        feed.take(close.arrival)
        feed.apply()
        if close.day < last:
            colleague.morning(close.day)
    progress("the registers behind it")
    block: list[bytes] = []
    for body in chain(_of_the_year_before(demo), year.registers()):
        block.append(body)
        if len(block) == _REGISTERS_AT_ONCE:
            feed.take(Arrival(registers=block))
            block = []
    feed.take(Arrival(registers=block))
    return DemoCasebook(database, ledger, _next_morning(demo, last))


def _of_the_year_before(demo: Demo) -> Iterator[bytes]:
    """The registers of the history, canonical, so that a school page has last year beside this one."""
    with gzip.open(demo.out / "input" / "history.jsonl.gz", "rb") as lines:
        for line in lines:
            yield canonical(parse(line))


def _next_morning(demo: Demo, last: object) -> datetime:
    """Eight o'clock on the school day after."""
    days = demo.hub.planted.days
    after = next((day for day in days if day > last), days[-1] + timedelta(days=1))  # type: ignore[operator]  # dates
    return datetime.combine(after, _MORNING, _ZONE).astimezone(UTC)
