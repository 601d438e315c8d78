"""Records into topics: acknowledged by all replicas, none doubled by a retry, or a named error."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.log_reader import BrokerUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.live_settings import LiveSettings
    from streams.topology import Log

__all__ = ["Outgoing", "publish"]


class Outgoing(NamedTuple):
    """One record to be published."""

    log: Log
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


async def publish(settings: LiveSettings, records: Sequence[Outgoing]) -> None:
    """All of them are in the logs when it returns; raises BrokerUnavailable when that cannot be had."""
    producer = AIOKafkaProducer(
        **settings.client(), acks="all", enable_idempotence=True, linger_ms=5, max_batch_size=262_144, request_timeout_ms=30_000
    )
    try:
        try:
            await producer.start()
            sent = [await producer.send(settings.topic(r.log), r.value, r.key, headers=list(r.headers)) for r in records]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()
    except KafkaError as error:
        raise BrokerUnavailable(f"{settings.kafka}: publishing failed ({type(error).__name__}). Is the broker up?") from error
