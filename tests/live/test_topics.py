"""`headway topics` on a real broker: what it makes, what it finds, and that it changes nothing where anything differs."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest
from kafka.admin import ConfigResource

from streams import topology
from streams.connecting import RecordTooLarge
from streams.kafka_tools import LogReader, Sender
from streams.topics import Plan, TopicsDiffer, administrator, declare, plan, topics
from tests.live.fleet import HEADWAY

if TYPE_CHECKING:
    from streams.live_settings import LiveSettings


def names(settings: LiveSettings) -> set[str]:
    """The topics of this installation that stand on the broker."""
    with administrator(settings) as admin:
        return {name for name in admin.list_topics() if name.startswith(settings.topic_prefix)}


def make(settings: LiveSettings, log: topology.Log, *, partitions: int | None = None, **configs: str) -> None:
    """One topic as we want it but for what is said."""
    asked = next(topic for topic in topics(settings) if topic.name == settings.topic(log))
    stated = {**asked.settings, **{name.replace("_", "."): value for name, value in configs.items()}}
    with administrator(settings) as admin:
        admin.create_topics(
            {asked.name: {"num_partitions": partitions or asked.partitions, "replication_factor": 1, "configs": stated}},
            wait_for_metadata=True,
        )


def headway_topics(settings: LiveSettings, *given: str, replication_factor: int = 1) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own: kafka-python leaves sockets behind where it cannot connect."""
    environment = {"HEADWAY_KAFKA": settings.kafka, "HEADWAY_TOPIC_PREFIX": settings.topic_prefix}
    environment["HEADWAY_REPLICATION_FACTOR"] = str(replication_factor)
    return subprocess.run([*HEADWAY, "topics", *given], env=os.environ | environment, capture_output=True, text=True, check=False)


def test_a_plan_names_every_topic_and_makes_none(settings: LiveSettings) -> None:
    done = headway_topics(settings, "--plan", "--json")
    assert done.returncode == 0
    said = json.loads(done.stdout)
    assert [topic["name"] for topic in said["to_be_made"]] == [settings.topic(log) for log in topology.LOGS]
    assert said["as_wanted"] == said["mismatches"] == []
    assert names(settings) == set()


def test_every_topic_stands_on_the_broker_as_it_was_asked_for(settings: LiveSettings) -> None:
    made = declare(settings).make
    assert made == topics(settings)
    with administrator(settings) as admin:
        described = {topic["name"]: topic for topic in admin.describe_topics([topic.name for topic in made])}
        stated = admin.describe_configs([ConfigResource("TOPIC", topic.name) for topic in made], config_filter="modified")["topic"]
    for topic in made:
        assert len(described[topic.name]["partitions"]) == topic.partitions
        assert {name: entry["value"] for name, entry in stated[topic.name].items()} == topic.settings


def test_a_second_time_nothing_is_made(settings: LiveSettings, topics: None) -> None:
    again = declare(settings)
    assert again.make == ()
    assert len(again.stand) == len(topology.LOGS)
    done = headway_topics(settings)
    assert done.returncode == 0
    assert done.stdout.count("stands there as wanted") == len(topology.LOGS)


def test_what_is_missing_is_made_beside_what_stands(settings: LiveSettings) -> None:
    make(settings, topology.REGISTERS)
    done = headway_topics(settings)
    assert done.returncode == 0
    assert f"{settings.topic(topology.REGISTERS)}: stands there as wanted" in done.stdout
    assert done.stdout.count(": made, ") == len(topology.LOGS) - 1
    assert len(plan(settings).stand) == len(topology.LOGS)


@pytest.mark.parametrize(
    ("differs", "setting", "found", "wanted"),
    [
        pytest.param({"partitions": 6}, "partitions", "6", "12", id="half the partitions"),
        pytest.param({"cleanup_policy": "compact"}, "cleanup.policy", "compact", "delete", id="compacted"),
        pytest.param({"retention_ms": "604800000"}, "retention.ms", "604800000", "65664000000", id="the broker's seven days"),
        pytest.param(
            {"message_timestamp_type": "CreateTime"}, "message.timestamp.type", "CreateTime", "LogAppendTime", id="the sender's time"
        ),
    ],
)
def test_where_one_topic_differs_none_is_made(settings: LiveSettings, differs: Any, setting: str, found: str, wanted: str) -> None:
    make(settings, topology.REGISTERS, **differs)
    name = settings.topic(topology.REGISTERS)
    with pytest.raises(TopicsDiffer) as raised:
        declare(settings)
    assert f"{name}: {setting} is {found}, wanted is {wanted}. " in str(raised.value)
    assert names(settings) == {name}

    planned = headway_topics(settings, "--plan", "--json")
    assert planned.returncode == 1
    (said,) = json.loads(planned.stdout)["mismatches"]
    assert (said["topic"], said["setting"], said["found"], said["wanted"]) == (name, setting, found, wanted)
    assert said["remedy"]
    refused = headway_topics(settings)
    assert refused.returncode == 1
    assert refused.stderr.startswith("headway: TopicsDiffer: topics stand there with other settings, so nothing was made\n")
    assert names(settings) == {name}


def test_more_copies_than_brokers_is_wrong_usage_and_makes_nothing(settings: LiveSettings) -> None:
    done = headway_topics(settings, replication_factor=30)
    assert done.returncode == 2
    assert done.stderr.startswith("headway: HEADWAY_REPLICATION_FACTOR 30: ")
    assert done.stderr.endswith("Set as many copies as there are brokers\n")
    assert names(settings) == set()


def test_a_broker_that_is_not_there_is_a_named_error(settings: LiveSettings) -> None:
    done = headway_topics(settings.model_copy(update={"kafka": "127.0.0.1:1"}))
    assert done.returncode == 1
    assert done.stderr.startswith("headway: BrokerUnavailable: 127.0.0.1:1: ")
    assert done.stderr.endswith("Is the broker up?\n")


def test_two_who_make_them_at_once_make_them_once(settings: LiveSettings) -> None:
    done: list[Plan | Exception] = []

    def one() -> None:
        try:
            done.append(declare(settings))
        except Exception as error:  # noqa: BLE001 (shown below)
            done.append(error)

    both = [threading.Thread(target=one) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert [type(each) for each in done] == [Plan, Plan]
    assert len(plan(settings).stand) == len(topology.LOGS)


def test_a_record_is_dated_by_the_broker_and_one_over_its_bound_is_refused(settings: LiveSettings, topics: None) -> None:
    with Sender(settings) as sender:
        sender.send(topology.REGISTERS, b"x" * (topology.REGISTERS.record_bytes_max - 1024), b"100001")
    with LogReader(settings) as reader:
        ((_, (record,)),) = list(reader.read(reader.bounds(topology.REGISTERS)))
    assert record.timestamp_type == 1, "LogAppendTime"
    with pytest.raises(RecordTooLarge), Sender(settings) as sender:
        sender.send(topology.REGISTERS, b"x" * (topology.REGISTERS.record_bytes_max + 1), b"100001")
