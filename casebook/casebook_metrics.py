"""What the casebook says of itself to ops: open cases and what waits in the outbox, read now and again, by hub and channel.

Read by a thread of its own and not at the scrape, so that a database that hangs never hangs Prometheus. What was read last stays
until the next reading; `headway_database_answers` says whether there was one.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from casebook import tables as t
from casebook.case_state import CaseKind, CaseStatus
from casebook.outbox import MessageState
from casebook.service import AgainAndAgain
from streams import clock
from streams.health import Health, Watchdog
from streams.metric_list import CASES, CHANNELS, STATES, WAITING
from streams.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import date, datetime

    from sqlalchemy.engine import Connection

    from casebook.database import Database
    from casebook.settings import CasebookSettings
    from streams.metric_list import Process

__all__ = ["CasebookMetrics", "Port", "metrics_port"]

READ_SECONDS = 10.0
NO_HUB = "none"
"""The hub of a school whose membership has ended while a case of it is open."""


class CasebookMetrics:
    """Gauges over one casebook; `read` is called from one thread."""

    def __init__(self, database: Database, metrics: Metrics, now: Callable[[], datetime], local_date: Callable[[datetime], date]) -> None:
        self._database, self._metrics, self._now, self._local_date = database, metrics, now, local_date
        self._shown: dict[str, set[tuple[str, ...]]] = {}

    def read(self) -> None:
        """Look, and show; raises CasebookUnavailable."""
        answers = self._metrics.gauge("headway_database_answers")
        try:
            with self._database.read() as connection:
                self._cases(connection)
                self._outbox(connection)
        except Exception:
            answers.set(0)
            raise
        answers.set(1)

    def sent(self, channel: str, outcome: str) -> None:
        """A message was tried: `sent`, `put_off`, `refused` or `dropped`."""
        self._metrics.counter("headway_messages_total").labels(channel, outcome).inc()

    def _cases(self, connection: Connection) -> None:
        c, m, today = t.case_.c, t.membership.c, self._local_date(self._now())
        stands = sa.and_(
            m.urn == c.urn, m.until_version.is_(None), m.consent_from <= today, sa.or_(m.consent_to.is_(None), m.consent_to >= today)
        )
        standing = sa.case((c.snoozed, "snoozed"), (c.holder.is_not(None), "taken"), else_=WAITING)
        hub = sa.func.coalesce(m.hub, NO_HUB)
        grouped = sa.select(hub, c.kind, standing, sa.func.count(), sa.func.min(c.opened_at)).select_from(
            t.case_.outerjoin(t.membership, stands)
        )
        rows = connection.execute(grouped.where(c.status == str(CaseStatus.OPEN)).group_by(hub, c.kind, standing)).all()
        hubs = {*connection.execute(sa.select(m.hub).where(m.until_version.is_(None)).distinct()).scalars(), *(row[0] for row in rows)}
        open_: dict[tuple[str, ...], float] = {(one, str(kind), how): 0.0 for one in hubs for kind in CaseKind for how in CASES}
        open_ |= {(row[0], row[1], row[2]): float(row[3]) for row in rows}
        self._show("headway_cases_open", open_)
        since: dict[tuple[str, ...], float] = {}
        for row in rows:
            if row[2] == WAITING:
                since[row[0],] = min(row[4].timestamp(), since.get((row[0],), row[4].timestamp()))
        self._show("headway_case_waits_since_timestamp_seconds", since)

    def _outbox(self, connection: Connection) -> None:
        o = t.outbox.c
        shown = [str(state) for state in (MessageState.WAITING, MessageState.SENDING, MessageState.FAILED)]
        grouped = sa.select(o.channel, o.state, sa.func.count(), sa.func.min(o.created_at)).where(o.state.in_(shown))
        rows = connection.execute(grouped.group_by(o.channel, o.state)).all()
        messages: dict[tuple[str, ...], float] = {(channel, state): 0.0 for channel in CHANNELS for state in STATES}
        self._show("headway_outbox_messages", messages | {(row[0], row[1]): float(row[2]) for row in rows})
        since: dict[tuple[str, ...], float] = {}
        for row in rows:
            if row[1] != MessageState.FAILED:
                since[row[0],] = min(row[3].timestamp(), since.get((row[0],), row[3].timestamp()))
        self._show("headway_outbox_waits_since_timestamp_seconds", since)

    def _show(self, name: str, values: Mapping[tuple[str, ...], float]) -> None:
        gauge = self._metrics.gauge(name)
        for labels, value in values.items():
            gauge.labels(*labels).set(value)
        for labels in self._shown.get(name, set()).difference(values):
            gauge.remove(*labels)
        self._shown[name] = set(values)


class Port(NamedTuple):
    """What a process of the casebook counts with, and where it shows it."""

    metrics: Metrics
    casebook: CasebookMetrics
    watchdog: Watchdog
    health: Health


@contextmanager
def metrics_port(
    process: Process, settings: CasebookSettings, database: Database, problems: Callable[[], list[str]] = list
) -> Iterator[Port]:
    """/metrics, /live and /ready of `headway casebook`, `deliver` or `console`, until the end. problems: why all is not well, besides
    a database that does not answer; raises WrongUsage when the port cannot be had."""
    metrics = Metrics(process)
    seen = CasebookMetrics(database, metrics, clock.now, lambda moment: moment.astimezone(settings.zone).date())
    watchdog = Watchdog(clock.monotonic_seconds, lambda: clock.now().timestamp())
    reading = AgainAndAgain("metrics", (seen.read,), READ_SECONDS)

    def not_ready() -> list[str]:
        return problems() if reading.problem is None else [reading.problem, *problems()]

    health = Health(settings.metrics_host, settings.metrics_port, watchdog, not_ready, metrics)
    reading.start()
    try:
        yield Port(metrics, seen, watchdog, health)
    finally:
        reading.stop()
        health.close()
