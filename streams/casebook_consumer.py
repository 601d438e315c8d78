"""What the casebook reads: registers, alerts, closed readings and the control log, at least once, into a database of its own.

Read, write idempotently, commit the database, then the offset: a process killed between the two is given the same records
again. Records of one partition come in order; alerts and readings of a school have the same partition number and so the same
reader. Between partitions there is no order: a close's `completed` may come before its alerts, so fold by close number.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import CommitFailedError, KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from kafka.structs import OffsetAndMetadata

from streams import topology
from streams.connecting import named_errors, quiet
from streams.kafka_tools import LogReader
from streams.log_reader import PositionLost

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from streams.live_settings import LiveSettings
    from streams.topology import Log

__all__ = ["READ", "Arrived", "run"]

READ = (topology.REGISTERS, topology.ALERTS, topology.READINGS, topology.CONTROL)
_GROUP = "casebook"
_RECORDS_MAX = 2_000
_POLL_MS = 500
_COMMIT_MS = 3_000
_PAUSE_SECONDS = 1.0
_CLOSE_MS = 2_000
_SESSION_MS, _HEARTBEAT_MS = 10_000, 3_000
_FETCH_BYTES = 4 * 1024**2
_BOOTSTRAP_MS = 10_000

_log = logging.getLogger("headway.casebook")


class Arrived(NamedTuple):
    """One record of a log. An alert's id is its header `record_id`, a reading's (URN, close number); any record's is its place."""

    log: Log
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: Mapping[str, bytes]


def run(
    settings: LiveSettings,
    handle: Callable[[Sequence[Arrived]], None],
    stop: threading.Event,
    *,
    group: str = _GROUP,
    waits: Callable[[int], None] = lambda _: None,
) -> None:
    """Gives `handle` what arrives until `stop` is set, then returns within seconds. `handle` has committed its database when it
    returns; what it raises ends this and commits no offset. A new group begins at the beginning of the logs.
    waits: told after each round how many records are still to be handled, as far as the broker has said.

    Raises
    ------
    PositionLost
        The group has not read for so long that records are gone.
    BrokerUnavailable, TopicMissing
        At the start. A broker that goes away later is waited for.
    """
    with LogReader(settings) as reader:
        reader.bounds(*READ)
    with named_errors(settings, "connecting"):
        consumer = _consumer(settings, group)
    logs = {settings.topic(log): log for log in READ}
    waiting: dict[Any, Any] = {}
    reached: dict[Any, Any] = {}
    try:
        consumer.subscribe(list(logs))
        while not stop.is_set():
            records = [record for part in _poll(settings, consumer, stop).values() for record in part]
            if records:
                handle([_arrived(logs[record.topic], record) for record in records])
                next_ = _next_offsets(records)
                waiting |= next_
                reached |= next_
            waits(_lag(consumer, reached))
            if waiting:
                _commit(consumer, waiting)
    finally:
        consumer.close(autocommit=False, timeout_ms=_CLOSE_MS)


def _consumer(settings: LiveSettings, group: str) -> Any:  # noqa: ANN401 (kafka-python has no types)
    quiet()
    return KafkaConsumer(
        **settings.client(),
        group_id=settings.group(group),
        group_instance_id=settings.instance_id,
        enable_auto_commit=False,
        auto_offset_reset="none",
        partition_assignment_strategy=[RangePartitionAssignor],
        session_timeout_ms=_SESSION_MS,
        heartbeat_interval_ms=_HEARTBEAT_MS,
        max_poll_records=_RECORDS_MAX,
        max_partition_fetch_bytes=_FETCH_BYTES,
        allow_auto_create_topics=False,
        bootstrap_timeout_ms=_BOOTSTRAP_MS,
        metrics_enabled=False,
    )


def _poll(settings: LiveSettings, consumer: Any, stop: threading.Event) -> dict[Any, list[Any]]:  # noqa: ANN401 (kafka-python has no types)
    try:
        got: dict[Any, list[Any]] = consumer.poll(timeout_ms=_POLL_MS)
    except NoOffsetForPartitionError as error:
        partitions = [p for p in error.args[0] if isinstance(p, TopicPartition)]
        _log.info("no offset of %d partitions is known: they are read from their beginning", len(partitions))
        consumer.seek_to_beginning(*partitions)
        return {}
    except OffsetOutOfRangeError as error:
        raise PositionLost(
            f"{settings.kafka}: records that the casebook has not read are gone. Make it again: `headway casebook --rebuild`"
        ) from error
    except KafkaError as error:
        if not error.retriable:
            raise
        _log.warning("reading failed (%s); tried again", type(error).__name__)
        stop.wait(_PAUSE_SECONDS)
        return {}
    return got


def _lag(consumer: Any, reached: dict[Any, Any]) -> int:  # noqa: ANN401 (kafka-python has no types)
    """Records behind what was handled, of the partitions that are ours; asks nobody."""
    mine = consumer.assignment()
    return sum(max(0, (consumer.highwater(part) or 0) - at.offset) for part, at in reached.items() if part in mine)


def _commit(consumer: Any, waiting: dict[Any, Any]) -> None:  # noqa: ANN401 (kafka-python has no types)
    """Commits the offsets of what is in the database; those that cannot be now are tried with the next."""
    try:
        consumer.commit(waiting, timeout_ms=_COMMIT_MS)
    except CommitFailedError:
        _log.info("the partitions have moved; whoever reads them now is given the last records again")
    except KafkaError as error:
        if not error.retriable:
            raise
        _log.warning("committing offsets failed (%s); tried again", type(error).__name__)
        return
    waiting.clear()


def _next_offsets(records: Iterable[Any]) -> dict[Any, Any]:
    out = {}
    for record in records:
        out[TopicPartition(record.topic, record.partition)] = OffsetAndMetadata(record.offset + 1, "", -1)
    return out


def _arrived(log: Log, record: Any) -> Arrived:  # noqa: ANN401 (kafka-python has no types)
    return Arrived(log, record.partition, record.offset, record.key, record.value or b"", dict(record.headers))
