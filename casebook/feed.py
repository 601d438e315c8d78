"""The one door through which what the engine says comes into the casebook, embedded or live; everything twice changes nothing.

A feed follows one log. Another log (a new file, another cluster), or a rebuild, begins a new epoch: all of it is heard again, what
was heard before is known by its id, and open alerts that it does not hold are withdrawn at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from casebook import tables as t
from casebook.close_application import apply_next, fold_control, withdraw_unsaid
from casebook.feed_records import write_alerts, write_control, write_readings, write_reference, write_registers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from casebook.close_application import AppliedClose, Heard
    from casebook.database import Database
    from casebook.feed_records import PublishedAlert, PublishedReading
    from casebook.ledger import Ledger
    from streams.replay import Reference

__all__ = ["Arrival", "Feed", "Followed"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """What has come, of any close, in any order. control: (position, record); registers: canonical bytes, up to a position."""

    control: Sequence[tuple[int, bytes]] = ()
    alerts: Sequence[PublishedAlert] = ()
    readings: Sequence[PublishedReading] = field(default=(), repr=False)
    registers: Sequence[bytes] = field(default=(), repr=False)
    registers_upto: int | None = None


@dataclass(frozen=True, slots=True)
class Followed:
    """Where a feed stands. applied: the newest close that has become cases; closes: how many are completed; named_version: the
    reference data that the newest completed close names (empty before the first)."""

    epoch: int
    applied: int
    closes: int
    control_upto: int
    registers_upto: int
    reference_version: str
    named_version: str
    rebuilding: bool


class Feed:
    """Writes what the engine says; one process at a time applies closes, several may bring records."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        now: Callable[[], datetime],
        applied: Callable[[Connection, AppliedClose], None] = lambda *_: None,
    ) -> None:
        """applied: what else is written when a close becomes cases, in its transaction (`casebook.telling`)."""
        self._database, self._ledger, self._now, self._applied = database, ledger, now, applied

    def follow(self, source: str, *, anew: bool = False) -> Followed:
        """Follow a log by its id. Another than before, or anew: a new epoch, of which nothing has been heard."""
        with self._database.write() as connection:
            at = connection.execute(sa.select(t.feed).with_for_update()).first()
            if at is None:
                row = {"id": 1, "source": source, "epoch": 1, "applied": 0, "registers_upto": 0, "reference_version": ""}
                self._database.insert_new(connection, t.feed, [row | {"rebuilding": False}])
            elif at.source != source or anew:
                begun = {"source": source, "epoch": at.epoch + 1, "applied": 0, "registers_upto": 0, "rebuilding": True}
                connection.execute(sa.update(t.feed).values(**begun))
        return self.stands()

    def forget_read_model(self) -> None:
        """Drop readings and registers, and have the reference data read again; what people did stays."""
        with self._database.write() as connection:
            for table in t.READ_MODEL:
                connection.execute(sa.delete(table))
            connection.execute(sa.update(t.feed).values(registers_upto=0, reference_version=""))

    def stands(self) -> Followed:
        """Where it stands."""
        with self._database.read() as connection:
            at = connection.execute(sa.select(t.feed)).one()
            here = t.close_.c.epoch == at.epoch
            closes = connection.execute(sa.select(sa.func.count()).select_from(t.close_).where(here)).scalar_one()
            last = sa.func.coalesce(sa.func.max(t.control_record.c.position), 0)
            control = connection.execute(sa.select(last).where(t.control_record.c.epoch == at.epoch)).scalar_one()
            newest = sa.select(t.close_.c.reference_version).where(here).order_by(t.close_.c.number.desc()).limit(1)
            named = connection.execute(newest).scalar() or ""
        return Followed(at.epoch, at.applied, closes, control, at.registers_upto, at.reference_version, named, at.rebuilding)

    def refer(self, reference: Reference) -> None:
        """The reference data that hold now."""
        if self.stands().reference_version != reference.version:
            with self._database.write() as connection:
                write_reference(self._database, connection, reference, self._now())

    def take(self, arrival: Arrival) -> None:
        """Write what has come; committed when it returns."""
        with self._database.write() as connection:
            at = connection.execute(sa.select(t.feed).with_for_update()).one()
            write_alerts(self._database, connection, at.epoch, arrival.alerts)
            write_readings(self._database, connection, at.epoch, arrival.readings)
            write_registers(self._database, connection, arrival.registers)
            if arrival.registers_upto is not None:
                upto = max(arrival.registers_upto, at.registers_upto)
                connection.execute(sa.update(t.feed).values(registers_upto=upto))
            if arrival.control:
                write_control(self._database, connection, at.epoch, arrival.control)
                fold_control(self._database, connection, at.epoch)

    def apply(self) -> list[AppliedClose]:
        """Every close that is whole becomes cases, in order; those that did now."""
        out = []
        while (applied := apply_next(self._database, self._ledger, self._now(), self._applied)) is not None:
            out.append(applied)
        return out

    def finish_rebuild(self) -> tuple[Heard, ...]:
        """Once all of a log that was begun anew has been applied: withdraw what it does not hold. Does nothing at other times."""
        if not self.stands().rebuilding:
            return ()
        heard = withdraw_unsaid(self._database, self._ledger, self._now())
        with self._database.write() as connection:
            connection.execute(sa.update(t.feed).values(rebuilding=False))
        return heard
