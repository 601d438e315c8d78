"""The topics that the topology asks for: planned, made and verified, so that nobody needs the broker's defaults.

Nothing is ever altered. Where a topic stands with other settings than ours, nothing is made at all, and each difference is named
with its remedy: a person decides what becomes of records that lie there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kafka.admin import ConfigResource
from kafka.errors import (
    InvalidReplicationFactorError,
    PolicyViolationError,
    TopicAlreadyExistsError,
    for_code,
)

from schemas.errors import HeadwayError, WrongUsage
from streams.connecting import NotAllowed, administrator
from streams.topology import LOGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from streams.live_settings import LiveSettings
    from streams.topology import Log

__all__ = ["Mismatch", "Plan", "Topic", "TopicsDiffer", "administrator", "compare", "declare", "plan", "topics"]

_DAY_MS = 86_400_000
_SEGMENT_DAYS = 7
_COPIES_MIN = 2
_BOOTSTRAP_MS = 10_000
_UNKNOWN_TOPIC = 3
PARTITIONS, COPIES = "partitions", "replication.factor"


class TopicsDiffer(HeadwayError):
    """Topics stand there with other settings than ours; nothing was made."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as it is wanted, or as it was found."""

    name: str
    partitions: int
    copies: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One setting of one topic that is not what we need."""

    topic: str
    setting: str
    found: str
    wanted: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be made, what stands there as wanted, and what stands there otherwise."""

    make: tuple[Topic, ...] = ()
    stand: tuple[Topic, ...] = ()
    mismatches: tuple[Mismatch, ...] = field(default=())


def topics(settings: LiveSettings) -> tuple[Topic, ...]:
    """Every topic of the topology with each setting that we depend on, whatever the broker's defaults are."""
    return tuple(Topic(settings.topic(log), log.partitions, settings.replication_factor, _stated(log, settings)) for log in LOGS)


def _stated(log: Log, settings: LiveSettings) -> dict[str, str]:
    kept_ms = -1 if log.kept_days is None else log.kept_days * _DAY_MS
    segment_days = _SEGMENT_DAYS if log.kept_days is None else min(_SEGMENT_DAYS, max(1, log.kept_days // 2))
    return {
        "cleanup.policy": "delete",  # Compaction makes holes, and takes away the positions that a close names.
        "retention.ms": str(kept_ms),
        "retention.bytes": "-1",
        "segment.ms": str(segment_days * _DAY_MS),  # Only whole segments go: what is kept two days may not wait in one for seven.
        "message.timestamp.type": "LogAppendTime",  # By the sender's time a backfill would be deleted at once.
        "max.message.bytes": str(log.record_bytes_max),
        "min.insync.replicas": str(_COPIES_MIN if settings.replication_factor > _COPIES_MIN else 1),
        "unclean.leader.election.enable": "false",  # A leader that lacks records would shorten the log.
    }


def compare(wanted: Sequence[Topic], found: Mapping[str, Topic]) -> Plan:
    """Wanted beside found, by name; a topic with any mismatch is neither to be made nor as wanted."""
    differences = {topic.name: _differences(topic, found[topic.name]) for topic in wanted if topic.name in found}
    return Plan(
        tuple(topic for topic in wanted if topic.name not in found),
        tuple(topic for topic in wanted if differences.get(topic.name) == []),
        tuple(mismatch for topic in wanted for mismatch in differences.get(topic.name, [])),
    )


def _differences(wanted: Topic, found: Topic) -> list[Mismatch]:
    out = []
    if found.partitions != wanted.partitions:
        remedy = "The partitions of a topic are for ever: set another HEADWAY_TOPIC_PREFIX, or delete the topic if nothing in it is needed"
        out.append(Mismatch(wanted.name, PARTITIONS, str(found.partitions), str(wanted.partitions), remedy))
    if found.copies != wanted.copies:
        remedy = f"Set HEADWAY_REPLICATION_FACTOR={found.copies}, or give the topic {wanted.copies} with kafka-reassign-partitions.sh"
        out.append(Mismatch(wanted.name, COPIES, str(found.copies), str(wanted.copies), remedy))
    for name, value in wanted.settings.items():
        if (there := found.settings.get(name, "not told")) != value:
            change = f"kafka-configs.sh --alter --entity-type topics --entity-name {wanted.name} --add-config {name}={value}"
            out.append(Mismatch(wanted.name, name, there, value, f"Change it with {change}"))
    return out


def plan(settings: LiveSettings) -> Plan:
    """What `declare` would do; changes nothing."""
    with administrator(settings) as admin:
        return _plan(admin, topics(settings))


def declare(settings: LiveSettings) -> Plan:
    """Make what is missing and verify the rest; gives what it made and what stood there.

    Raises TopicsDiffer (nothing is made then), NotAllowed, BrokerUnavailable, or WrongUsage for more copies than brokers.
    """
    wanted = topics(settings)
    with administrator(settings) as admin:
        before = _agreeing(_plan(admin, wanted))
        if before.make:
            asked = {t.name: {"num_partitions": t.partitions, "replication_factor": t.copies, "configs": t.settings} for t in before.make}
            _make(admin, asked, settings, validate_only=True)  # All or none, as far as the broker can tell beforehand.
            _make(admin, asked, settings)
            admin.wait_for_topics(list(asked))
            _agreeing(_plan(admin, wanted))  # A second `headway topics` may have been quicker with other settings.
        return before


def _make(admin: Any, asked: Mapping[str, Any], settings: LiveSettings, *, validate_only: bool = False) -> None:  # noqa: ANN401 (kafka-python's, untyped)
    answer = admin.create_topics(dict(asked), validate_only=validate_only, raise_errors=False)
    for topic in answer["topics"]:
        error, said = for_code(topic["error_code"]), topic.get("error_message")
        if error is InvalidReplicationFactorError:
            raise WrongUsage(f"HEADWAY_REPLICATION_FACTOR {settings.replication_factor}: {said} Set as many copies as there are brokers")
        if error is PolicyViolationError:
            raise TopicsDiffer(f"{topic['name']}: the cluster's own policy forbids it ({said}). Ask who runs the cluster")
        if topic["error_code"] and error is not TopicAlreadyExistsError:
            raise error(f"{topic['name']}: {said}")


def _agreeing(found: Plan) -> Plan:
    if found.mismatches:
        lines = [f"{m.topic}: {m.setting} is {m.found}, wanted is {m.wanted}. {m.remedy}" for m in found.mismatches]
        raise TopicsDiffer("topics stand there with other settings, so nothing was made\n" + "\n".join(lines))
    return found


def _plan(admin: Any, wanted: Sequence[Topic]) -> Plan:  # noqa: ANN401 (the same)
    described: dict[str, Any] = {}
    for topic in admin.describe_topics([topic.name for topic in wanted]):
        if topic["error_code"] == _UNKNOWN_TOPIC:
            continue
        if topic["error_code"]:
            raise for_code(topic["error_code"])(topic["name"])
        described[topic["name"]] = topic["partitions"]
    return compare(wanted, {name: _found(name, partitions, stated) for name, partitions, stated in _with_settings(admin, described)})


def _with_settings(admin: Any, described: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401 (the same)
    if not described:
        return
    answer = admin.describe_configs([ConfigResource("TOPIC", name) for name in described], config_filter="all")["topic"]
    for name, partitions in described.items():
        if not answer[name]:  # kafka-python passes over the error; no topic is without settings.
            raise NotAllowed(f"{name}: its settings are not told. Give this principal DescribeConfigs on it; if it is new, ask again")
        yield name, partitions, answer[name]


def _found(name: str, partitions: Sequence[Any], stated: Mapping[str, Any]) -> Topic:
    copies = min(len(partition["replica_nodes"]) for partition in partitions)
    return Topic(name, len(partitions), copies, {key: str(entry["value"]) for key, entry in stated.items()})
