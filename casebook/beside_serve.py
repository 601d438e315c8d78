"""The casebook inside `headway serve`: follows the engine's log after each close, carries acknowledgements to it, tells and sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casebook.casebook_metrics import READ_SECONDS, CasebookMetrics
from casebook.delivery import Delivery
from casebook.embedded_feed import EmbeddedFeed
from casebook.feed import Feed
from casebook.ledger_check import export_heads
from casebook.relay import Relay
from casebook.service import AgainAndAgain, Beside
from casebook.telling import Telling, TellingTimes
from streams.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date, datetime

    from casebook.opening import Opened
    from casebook.outbox import Message
    from casebook.settings import CasebookSettings
    from models.parameters import Budget, Parameters
    from streams.replay import Reference
    from streams.sqlite_log import EmbeddedLogs

__all__ = ["beside_serve", "relay_to", "telling_of"]


def beside_serve(
    opened: Opened,
    settings: CasebookSettings,
    logs: EmbeddedLogs,
    reference: Reference,
    parameters: Parameters,
    budget: Budget,
    now: Callable[[], datetime],
    *,
    rebuild: bool = False,
    metrics: Metrics | None = None,
) -> Beside:
    """Its threads, not started. What was missed while it was down is caught up with before this returns; rebuild: the read model is
    made again first."""
    telling = telling_of(opened, settings)
    feed = Feed(opened.database, opened.ledger, now, lambda connection, close: telling.at_close(connection, close, now()))
    embedded = EmbeddedFeed(feed, logs, reference, parameters, budget, now)

    def follow() -> None:
        if embedded.catch_up():
            export_heads(opened.database, opened.heads, now())

    relay = Relay(opened.database, relay_to(logs), now)

    def local_date(moment: datetime) -> date:
        return moment.astimezone(settings.zone).date()

    seen = CasebookMetrics(opened.database, metrics or Metrics("serve"), now, local_date)
    delivery = Delivery(opened.database, settings.transports(), now, local_date, seen.sent)
    if rebuild:
        embedded.rebuild()
        export_heads(opened.database, opened.heads, now())
    follow()
    steps = (follow, relay.step, lambda: telling.wake_due(now()), lambda: telling.make_digests(now()))
    return Beside(
        AgainAndAgain("casebook", steps), AgainAndAgain("delivery", (delivery.step,)), AgainAndAgain("metrics", (seen.read,), READ_SECONDS)
    )


def telling_of(opened: Opened, settings: CasebookSettings) -> Telling:
    """Who is told what, as the settings have it."""
    times = TellingTimes(settings.zone, settings.digest_at)
    return Telling(opened.database, opened.ledger, times, settings.console_url, chat=settings.chat_hook is not None)


def relay_to(logs: EmbeddedLogs) -> Callable[[Sequence[Message]], None]:
    """Puts acknowledgements into the embedded log."""

    def put(messages: Sequence[Message]) -> None:
        logs.append_acknowledgements([str(message.body["line"]).encode() for message in messages])

    return put
