"""The live feed: what the topics hold comes into the casebook, read, written, then committed; each record any number of times.

Registers are taken in as they come, alerts and readings as a close publishes them; a close becomes cases once it is completed and
all its alerts are here. Reference data follow the version that the newest close names.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from uuid import UUID

from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import NoError, NonEmptyGroupError, RebalanceInProgressError, UnknownMemberIdError
from kafka.structs import OffsetAndMetadata

from casebook.feed import Arrival
from casebook.feed_records import PublishedAlert, PublishedReading
from schemas.control import read_control_record
from schemas.errors import InvalidRegister, WrongUsage
from schemas.register import canonical, parse
from streams import topology
from streams.casebook_consumer import READ
from streams.chain import Chain
from streams.connecting import named_errors, quiet
from streams.kafka_tools import LogReader, Sender, topic_identity
from streams.reference_topics import read_reference_topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from casebook.close_application import AppliedClose
    from casebook.feed import Feed
    from casebook.outbox import Message
    from streams.casebook_consumer import Arrived
    from streams.live_settings import LiveSettings

__all__ = ["LiveFeed", "begin_anew", "relay_to_topic"]

_GROUP = "casebook"
_log = logging.getLogger("headway.casebook")


class LiveFeed:
    """Given to `streams.casebook_consumer.run` as its handle; called from one thread."""

    def __init__(self, feed: Feed, settings: LiveSettings, applied: Callable[[Sequence[AppliedClose]], None] = lambda _: None) -> None:
        """applied: told of closes that have become cases, after they are committed."""
        self._feed, self._settings, self._applied = feed, settings, applied
        self._target: int | None = None

    def follow(self, *, anew: bool = False) -> None:
        """Follow these topics; anew: drop the read model and hear everything again."""
        stands = self._feed.follow(topic_identity(self._settings, topology.CONTROL), anew=anew)
        if anew:
            self._feed.forget_read_model()
        self._target = self._completed() if stands.rebuilding else None
        self._refer()

    def handle(self, arrived: Sequence[Arrived]) -> None:
        """Committed when it returns."""
        self._feed.take(_arrival(arrived))
        self._refer()
        if applied := self._feed.apply():
            self._applied(applied)
        if self._target is not None and self._feed.stands().applied >= self._target:
            self._feed.finish_rebuild()
            self._target = None
            _log.info("the casebook has heard all that the topics hold")

    def _refer(self) -> None:
        stands = self._feed.stands()
        if stands.named_version and stands.named_version != stands.reference_version:
            self._feed.refer(read_reference_topics(self._settings, stands.named_version))

    def _completed(self) -> int:
        """How many closes the control log holds now."""
        with LogReader(self._settings) as reader:
            records = [record.value for _, got in reader.read(reader.bounds(topology.CONTROL)) for record in got]
        return len(Chain.of(read_control_record(line) for line in records).completed)


def begin_anew(settings: LiveSettings) -> None:
    """The consumer group reads from the beginning of the logs; raises WrongUsage while somebody reads as it."""
    quiet()
    with LogReader(settings) as reader:
        firsts = {place.rpartition("/"): first for place, (first, _) in reader.bounds(*READ).items()}
    offsets = {
        TopicPartition(settings.topic_prefix + log, int(partition)): OffsetAndMetadata(first, "", -1)
        for (log, _, partition), first in firsts.items()
    }
    group = settings.group(_GROUP)
    with named_errors(settings, f"having {group} begin anew"):
        admin = KafkaAdminClient(**settings.client())
        try:
            refused = {error for error in admin.alter_group_offsets(group, offsets).values() if error is not NoError}
        finally:
            admin.close()
        if refused & {UnknownMemberIdError, NonEmptyGroupError, RebalanceInProgressError}:
            raise WrongUsage(f"{group}: a casebook is reading. Stop it first, then rebuild")
        for error in refused:
            raise error


def relay_to_topic(settings: LiveSettings) -> Callable[[Sequence[Message]], None]:
    """Puts acknowledgements into their topic, each with the id of its event."""

    def put(messages: Sequence[Message]) -> None:
        with Sender(settings) as sender:
            for message in messages:
                headers = [("event_id", str(message.event_id).encode())]
                sender.send(topology.ACKNOWLEDGEMENTS, str(message.body["line"]).encode(), str(message.body["urn"]).encode(), headers)

    return put


def _arrival(arrived: Sequence[Arrived]) -> Arrival:
    by_log: dict[str, list[Arrived]] = {}
    for record in arrived:
        by_log.setdefault(record.log.name, []).append(record)
    return Arrival(
        control=[(record.offset, record.value) for record in by_log.get(topology.CONTROL.name, ())],
        alerts=[
            PublishedAlert(UUID(record.headers["record_id"].decode()), int(record.headers["close_number"]), record.value)
            for record in by_log.get(topology.ALERTS.name, ())
        ],
        readings=[PublishedReading(int(record.headers["close_number"]), record.value) for record in by_log.get(topology.READINGS.name, ())],
        registers=list(_valid(by_log.get(topology.REGISTERS.name, ()))),
    )


def _valid(records: Sequence[Arrived]) -> Iterator[bytes]:
    """Canonical bytes; what is invalid is the business of worker and closer."""
    for record in records:
        try:
            yield canonical(parse(record.value))
        except InvalidRegister:
            continue
