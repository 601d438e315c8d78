"""What the commands outside Faust and the closer share: kafka-python, which blocks, so it never runs inside an event loop.

`LogReader` reads named stretches of topics without a group, `Sender` publishes with a bound on what waits. Either does what it
was asked for or raises: a failed send is an error, never a warning, and a shorter answer is none.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError, UnknownError

from streams import clock
from streams.connecting import BOOTSTRAP_MS, TopicMissing, administrator, connecting, named_errors, quiet
from streams.log_reader import STALLED_SECONDS_MAX, BrokerUnavailable, PositionLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from streams.live_settings import LiveSettings
    from streams.topology import Log

__all__ = ["LogReader", "Sender", "topic_identity"]

T = TypeVar("T")

_RECORDS_MAX = 5_000
_FETCH_BYTES = 4 * 1024**2
_POLL_MS = 500
_BATCH_BYTES = 131_072
"""Well under what a topic takes in one batch (`Log.record_bytes_max`)."""
_WAITING_RECORDS_MAX = 10_000
_WAITING_BYTES_MAX = 16 * 1024**2
_DELIVERY_MS, _REQUEST_MS = 60_000, 20_000
_METADATA_MS = 15_000
_TOPIC_SECONDS = 3.0
_CLOSE_SECONDS = 5.0


def topic_identity(settings: LiveSettings, log: Log) -> str:
    """The name of a log's topic and its id, which another topic of the same name does not have."""
    topic = settings.topic(log)
    with administrator(settings, f"looking for {topic}") as admin:
        found = _awaited(lambda: [t["topic_id"] for t in admin.describe_topics([topic]) if not t["error_code"]])
    if not found:
        raise TopicMissing(f"{settings.kafka}: there is no topic {topic} that we may see. Make it with `headway topics`")
    return f"{topic}@{found[0]}"


def _awaited(ask: Callable[[], T]) -> T:
    """The first answer that is not empty: a broker may not know for a moment what another has just made."""
    deadline = clock.monotonic_seconds() + _TOPIC_SECONDS
    while not (answer := ask()) and clock.monotonic_seconds() < deadline:
        threading.Event().wait(_TOPIC_SECONDS / 20)
    return answer


class LogReader:
    """Reads stretches of logs between named offsets, as a context manager. A place is "topic/partition", without prefix."""

    def __init__(self, settings: LiveSettings) -> None:
        self._settings = settings
        quiet()
        with connecting(settings):
            self._consumer = KafkaConsumer(
                **settings.client(),
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="none",
                allow_auto_create_topics=False,
                bootstrap_timeout_ms=BOOTSTRAP_MS,
                max_partition_fetch_bytes=_FETCH_BYTES,
                max_poll_records=_RECORDS_MAX,
                metrics_enabled=False,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._consumer.close()

    def bounds(self, *logs: Log) -> dict[str, tuple[int, int]]:
        """Of every partition of these logs, its first offset and its next."""
        places: dict[str, TopicPartition] = {}
        for log in logs:
            topic = self._settings.topic(log)
            with named_errors(self._settings, f"looking for {topic}"):
                partitions = _awaited(partial(self._consumer.partitions_for_topic, topic))
            if not partitions:
                raise TopicMissing(f"{self._settings.kafka}: there is no topic {topic} that we may see. Make it with `headway topics`")
            places |= {f"{log.name}/{p}": TopicPartition(topic, p) for p in sorted(partitions)}
        return self._bounds(places)

    def read(self, stretches: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, Sequence[Any]]]:
        """(place, records) with first <= offset < next, in the order of each partition.

        Raises PositionLost for a stretch that the log does not hold as a whole, BrokerUnavailable when nothing comes.
        """
        wanted = {place: stretch for place, stretch in stretches.items() if stretch[0] < stretch[1]}
        places = {place: self._partition(place) for place in wanted}
        for place, (first, last) in self._bounds(places).items():
            if wanted[place][0] < first or wanted[place][1] > last:
                raise PositionLost(
                    f"{place}: {wanted[place][0]} to {wanted[place][1]} is asked for, the log holds {first} to {last}. "
                    "Is it the same topic, and is its retention long enough?"
                )
        with named_errors(self._settings, "reading"):
            self._consumer.assign(list(places.values()))
            self._consumer.resume(*places.values())  # A pause outlives an assignment that names the partition again.
            for place, partition in places.items():
                self._consumer.seek(partition, wanted[place][0])
        yield from self._drain({partition: place for place, partition in places.items()}, wanted)

    def _drain(self, left: dict[TopicPartition, str], wanted: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, Sequence[Any]]]:
        progress = clock.monotonic_seconds()
        while left:
            with named_errors(self._settings, "reading"):
                got = self._consumer.poll(timeout_ms=_POLL_MS)
            if got:
                progress = clock.monotonic_seconds()
            elif clock.monotonic_seconds() - progress > STALLED_SECONDS_MAX:
                raise BrokerUnavailable(f"{self._settings.kafka}: no record came for {STALLED_SECONDS_MAX:.0f} s. Is the broker up?")
            for partition, records in got.items():
                place = left.get(partition)
                if place is None:
                    continue
                end = wanted[place][1]
                yield place, [record for record in records if record.offset < end]
                if records[-1].offset + 1 >= end:
                    del left[partition]
                    self._consumer.pause(partition)

    def _partition(self, place: str) -> TopicPartition:
        name, _, partition = place.rpartition("/")
        topic = self._settings.topic_prefix + name
        with named_errors(self._settings, f"looking for {topic}"):
            known = _awaited(partial(self._consumer.partitions_for_topic, topic))
        if int(partition) not in (known or ()):  # kafka-python would wait for it.
            raise PositionLost(f"{self._settings.kafka}: there is no partition {topic}/{partition}. Is it the same topic?")
        return TopicPartition(topic, int(partition))

    def _bounds(self, places: Mapping[str, TopicPartition]) -> dict[str, tuple[int, int]]:
        with named_errors(self._settings, "asking how far the topics reach"):
            first = self._consumer.beginning_offsets(list(places.values()))
            last = self._consumer.end_offsets(list(places.values()))
        return {place: (int(first[partition]), int(last[partition])) for place, partition in places.items()}


class Sender:
    """An idempotent producer (acks=all, keys by murmur2) as a context manager; leaving it without an error flushes.

    At most `_WAITING_RECORDS_MAX` records or `_WAITING_BYTES_MAX` bytes wait: kafka-python itself has no such bound. The first
    send that failed is raised by the next call, and the sender is of no more use.
    """

    def __init__(self, settings: LiveSettings, *, linger_ms: int = 20) -> None:
        self._settings = settings
        self._waiting: list[Any] = []
        self._bytes = 0
        self._topics: dict[str, str] = {}
        quiet()
        with connecting(settings):
            self._producer = KafkaProducer(
                **settings.client(),
                acks="all",
                enable_idempotence=True,
                linger_ms=linger_ms,
                batch_size=_BATCH_BYTES,
                delivery_timeout_ms=_DELIVERY_MS,
                request_timeout_ms=_REQUEST_MS,
                max_block_ms=_METADATA_MS,
                allow_auto_create_topics=False,
                bootstrap_timeout_ms=BOOTSTRAP_MS,
                metrics_enabled=False,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self.flush()
        finally:
            with suppress(KafkaError):  # What could not be sent has been said already.
                self._producer.close(timeout=_CLOSE_SECONDS)

    def send(self, log: Log, value: bytes, key: bytes | None, headers: list[tuple[str, bytes]] | None = None) -> Any:  # noqa: ANN401 (kafka-python's future, untyped)
        """The future of one record; its `.value` after a flush says where the record stands."""
        topic = self._topics.get(log.name) or self._known(log)
        with named_errors(self._settings, f"sending to {topic}"):
            future = self._producer.send(topic, value, key, headers)
        self._waiting.append(future)
        self._bytes += len(value)
        if len(self._waiting) >= _WAITING_RECORDS_MAX or self._bytes >= _WAITING_BYTES_MAX:
            self.flush()
        return future

    def flush(self) -> None:
        """All that was sent is in the logs when it returns."""
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        with named_errors(self._settings, "publishing"):
            with suppress(UnknownError):  # So it calls a batch that was too large and is sent in two halves.
                self._producer.flush(timeout=2 * _DELIVERY_MS / 1000)
            for future in waiting:
                future.get(timeout=2 * _DELIVERY_MS / 1000)

    def _known(self, log: Log) -> str:
        topic = self._settings.topic(log)
        try:
            with named_errors(self._settings, f"looking for {topic}"):
                self._producer.partitions_for(topic)
        except BrokerUnavailable as error:
            if isinstance(error.__cause__, KafkaTimeoutError):  # A topic that is not there is waited for, too.
                raise TopicMissing(
                    f"{self._settings.kafka}: there is no topic {topic} that we may see. Make it with `headway topics`"
                ) from error
            raise
        self._topics[log.name] = topic
        return topic
