"""A worker's intake without a broker: whose answers wait for what is still being read, and for how long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from streams.health import Watchdog
from streams.kafka_publish import Outgoing
from streams.live_settings import LiveSettings
from streams.worker import Ground, Record
from streams.worker_intake import PEERS_SECONDS, Intake
from tests.unit.test_worker_desk import last, value

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence


class Counts:
    """Metrics that nobody looks at."""

    def taken(self, records: int) -> None:
        """As `streams.worker_intake.Metrics`."""

    def rejected(self, reason: str) -> None:
        """The same."""

    def answered(self, appended: float) -> None:
        """The same."""

    def recovered(self, seconds: float) -> None:
        """The same."""


def test_answers_wait_for_partitions_that_are_being_read_but_not_for_ever() -> None:
    now, posted = [100.0], list[Outgoing]()

    async def post(records: Sequence[Outgoing]) -> list[Awaitable[object]]:
        posted.extend(records)
        return []

    async def play() -> list[int]:
        settings = LiveSettings(kafka="127.0.0.1:1")
        intake = Intake(settings, post, lambda _: None, Watchdog(lambda: 0.0, lambda: 0.0), Counts(), lambda: now[0])
        await intake.stand_on(Ground(last(), {}, {}), afresh=False)
        await intake.assigned([0, 1], 0.0)
        intake._open.add(0)
        await intake.events({0: [Record(0, value(100_000), 1.0)]})
        seen = []
        for later in (0.0, PEERS_SECONDS / 2, PEERS_SECONDS):
            now[0] = 100.0 + later
            await intake.answer()
            seen.append(len(posted))
        intake._open.add(1)
        await intake.events({0: [Record(1, value(100_001), 1.0)]})
        await intake.answer()
        return [*seen, len(posted)]

    assert asyncio.run(play()) == [0, 0, 1, 2]
