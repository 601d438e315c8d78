"""What `headway topics` wants of each topic, and how it tells what stands there from it; the broker's part is in tests/live."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streams import topology
from streams.live_settings import LiveSettings
from streams.topics import COPIES, PARTITIONS, Topic, compare, topics

DAY_MS = 24 * 60 * 60 * 1000


def wanted(**given: object) -> dict[str, Topic]:
    return {topic.name: topic for topic in topics(LiveSettings.model_validate(given))}


def test_every_log_is_a_topic_and_no_setting_is_left_to_the_broker() -> None:
    made = wanted(topic_prefix="north.")
    assert list(made) == [f"north.{log.name}" for log in topology.LOGS]
    assert {frozenset(topic.settings) for topic in made.values()} == {
        frozenset(
            {
                "cleanup.policy",
                "retention.ms",
                "retention.bytes",
                "segment.ms",
                "message.timestamp.type",
                "max.message.bytes",
                "min.insync.replicas",
                "unclean.leader.election.enable",
            }
        )
    }


def test_nothing_is_compacted_cut_by_size_or_dated_by_its_sender() -> None:
    for topic in wanted().values():
        assert topic.settings["cleanup.policy"] == "delete"
        assert topic.settings["retention.bytes"] == "-1"
        assert topic.settings["message.timestamp.type"] == "LogAppendTime"


@pytest.mark.parametrize(
    ("log", "kept_ms", "segment_ms"),
    [
        pytest.param(topology.CONTROL, -1, 7 * DAY_MS, id="the control log is kept for ever"),
        pytest.param(topology.ALERTS, -1, 7 * DAY_MS, id="so are alerts: they are what was said"),
        pytest.param(topology.REGISTERS, 760 * DAY_MS, 7 * DAY_MS, id="registers two school years"),
        pytest.param(topology.PROVISIONAL, 2 * DAY_MS, DAY_MS, id="provisional readings two days, in segments of one"),
    ],
)
def test_a_topic_is_kept_as_long_as_its_log_says(log: topology.Log, kept_ms: int, segment_ms: int) -> None:
    settings = wanted()[log.name].settings
    assert (settings["retention.ms"], settings["segment.ms"]) == (str(kept_ms), str(segment_ms))


@pytest.mark.parametrize(("copies", "in_sync"), [(1, "1"), (2, "1"), (3, "2"), (5, "2")])
def test_a_record_stands_on_two_brokers_before_it_counts_where_there_are_three(copies: int, in_sync: str) -> None:
    made = wanted(replication_factor=copies)
    assert {topic.copies for topic in made.values()} == {copies}
    assert {topic.settings["min.insync.replicas"] for topic in made.values()} == {in_sync}


def test_what_is_missing_is_to_be_made_and_what_is_as_wanted_stands() -> None:
    asked = tuple(wanted().values())
    done = compare(asked, {topic.name: topic for topic in asked[:4]})
    assert done.make == asked[4:]
    assert done.stand == asked[:4]
    assert done.mismatches == ()


def test_settings_that_we_do_not_name_are_the_brokers_own() -> None:
    asked = next(iter(wanted().values()))
    there = replace(asked, settings={**asked.settings, "compression.type": "zstd"})
    assert compare([asked], {asked.name: there}).stand == (asked,)


@pytest.mark.parametrize("setting", next(iter(wanted().values())).settings)
def test_each_setting_that_differs_is_named_with_its_remedy(setting: str) -> None:
    asked = next(iter(wanted(topic_prefix="north.").values()))
    done = compare([asked], {asked.name: replace(asked, settings={**asked.settings, setting: "other"})})
    assert (done.make, done.stand) == ((), ())
    (said,) = done.mismatches
    assert (said.topic, said.setting, said.found, said.wanted) == (asked.name, setting, "other", asked.settings[setting])
    assert f"--entity-name {asked.name} --add-config {setting}={asked.settings[setting]}" in said.remedy


def test_another_number_of_partitions_or_copies_is_named_with_its_remedy() -> None:
    asked = next(iter(wanted().values()))
    fewer, more = compare([asked], {asked.name: replace(asked, partitions=6, copies=5)}).mismatches
    assert (fewer.setting, fewer.found, fewer.wanted) == (PARTITIONS, "6", "12")
    assert "HEADWAY_TOPIC_PREFIX" in fewer.remedy
    assert (more.setting, more.found, more.wanted) == (COPIES, "5", "3")
    assert "HEADWAY_REPLICATION_FACTOR=5" in more.remedy


def test_a_setting_that_the_broker_does_not_tell_is_a_mismatch() -> None:
    asked = next(iter(wanted().values()))
    less = {name: value for name, value in asked.settings.items() if name != "retention.ms"}
    (said,) = compare([asked], {asked.name: replace(asked, settings=less)}).mismatches
    assert (said.setting, said.found) == ("retention.ms", "not told")
