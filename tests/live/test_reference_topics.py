"""Reference data through a real broker: a version is whole by its manifest alone, and a target is seen nowhere."""

from __future__ import annotations

import csv
import json
import logging
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from kafka import KafkaAdminClient, TopicPartition
from typer.testing import CliRunner

from schemas.manifest import digest_of_version
from schemas.school import Confidential
from streams import clock, topology
from streams.connecting import TopicMissing
from streams.kafka_tools import LogReader, Sender
from streams.reference import read_reference
from streams.reference_command import reference_app
from streams.reference_publish import Outcome, publish_reference
from streams.reference_topics import ReferenceDamaged, ReferenceMissing, manifests, read_reference_topics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streams.live_settings import LiveSettings
    from streams.replay import Reference

CANARY = 0.9127465381
SCHOOLS = [
    ["urn", "name", "phase", "region", "local_authority", "hub", "roll"],
    ["100002", "Älteste, Schule", "primary", "North", "Leeds", "a", "210"],
    ["100001", "St Mary's", "secondary", "North", "Leeds", "a", ""],
]
TARGETS = [["urn", "academic_year", "baseline_attendance", "target_attendance"], ["100001", "2026/27", "0.9", str(CANARY)]]
CALENDAR = [
    ["scope", "kind", "first_date", "last_date"],
    ["all", "term", "2026-09-01", "2027-07-20"],
    ["region:North", "closed", "2026-10-26", "2026-10-30"],
]


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., tuple[Path, Path, Path]]:
    """Writes the three files; what is given replaces the rows above."""

    def written(schools: list[list[str]] = SCHOOLS, targets: list[list[str]] = TARGETS, calendar: list[list[str]] = CALENDAR) -> Any:
        paths = tmp_path / "schools.csv", tmp_path / "targets.csv", tmp_path / "calendar.csv"
        for path, rows in zip(paths, (schools, targets, calendar), strict=True):
            with path.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows(rows)
        return paths

    return written


def content(reference: Reference) -> Any:
    """What of it must not change on the way; rows of the calendar have no order."""
    return reference.schools, reference.targets, sorted(reference.calendar.rows, key=str)


def ends(settings: LiveSettings) -> dict[str, tuple[int, int]]:
    with LogReader(settings) as reader:
        return reader.bounds(*topology.REFERENCE, topology.VERSIONS)


def moved(rows: list[list[str]]) -> list[list[str]]:
    """Another school's region: another version."""
    return [rows[0], *[[*row[:3], "South", *row[4:]] for row in rows[1:]]]


def test_what_is_published_is_read_again(settings: LiveSettings, topics: Any, files: Any) -> None:
    given = read_reference(*files())
    outcome, made = publish_reference(settings, given)
    read = read_reference_topics(settings)
    assert outcome is Outcome.PUBLISHED
    assert content(read) == content(given)
    assert [float(t.target_attendance or 0) for t in read.targets] == [CANARY]
    assert (read.version, read.calendar_file) == (made.version, topology.CALENDAR.name)
    assert read_reference_topics(settings, made.version) == read
    assert [m.version for m in manifests(settings)] == [made.version]


def test_the_version_is_that_of_the_rows_and_not_of_the_files(settings: LiveSettings, topics: Any, files: Any, tmp_path: Path) -> None:
    first = publish_reference(settings, read_reference(*files())).manifest
    before = ends(settings)
    schools, targets, calendar = files([[*SCHOOLS[0], "extra"], *[[*row, "x"] for row in reversed(SCHOOLS[1:])]], TARGETS, CALENDAR)
    calendar.write_bytes(b"\xef\xbb\xbf" + calendar.read_bytes().replace(b"\r\n", b"\n\n"))
    outcome, again = publish_reference(settings, read_reference(schools, targets, calendar))
    assert (outcome, again) == (Outcome.UNCHANGED, first)
    assert ends(settings) == before, "publishing the same again writes nothing"


def test_a_version_replaces_the_whole_set_and_an_old_one_may_become_the_newest_again(
    settings: LiveSettings, topics: Any, files: Any
) -> None:
    one, other = read_reference(*files()), read_reference(*files(schools=moved(SCHOOLS)))
    first = publish_reference(settings, one).manifest.version
    second = publish_reference(settings, other).manifest.version
    assert (read_reference_topics(settings).version, first != second) == (second, True)
    assert content(read_reference_topics(settings, first)) == content(one)
    rows = {place: at for place, at in ends(settings).items() if topology.VERSIONS.name not in place}
    assert publish_reference(settings, one).outcome is Outcome.NEWEST_AGAIN
    assert read_reference_topics(settings).version == first
    assert {place: at for place, at in ends(settings).items() if topology.VERSIONS.name not in place} == rows


def test_rows_without_a_manifest_are_nobodys(settings: LiveSettings, topics: Any, files: Any) -> None:
    with pytest.raises(ReferenceMissing, match="headway reference publish"):
        read_reference_topics(settings)
    one, other = read_reference(*files()), read_reference(*files(schools=moved(SCHOOLS)))
    first = publish_reference(settings, one).manifest.version

    def killed(sent: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish_reference(settings, other, killed)
    assert read_reference_topics(settings).version == first
    assert publish_reference(settings, other).outcome is Outcome.PUBLISHED
    assert content(read_reference_topics(settings)) == content(other)


def test_rows_of_two_publications_between_each_other_are_told_apart(settings: LiveSettings, topics: Any, files: Any) -> None:
    one, other = read_reference(*files()), read_reference(*files(schools=moved(SCHOOLS)))
    second: list[Any] = []

    def meanwhile(sent: int, total: int) -> None:
        if not second:
            second.append(None)
            second[0] = publish_reference(settings, other).manifest

    first = publish_reference(settings, one, meanwhile).manifest
    assert content(read_reference_topics(settings, first.version)) == content(one)
    assert content(read_reference_topics(settings, second[0].version)) == content(other)


def test_what_a_manifest_says_and_the_topics_do_not_hold_is_passed_over_or_named(
    settings: LiveSettings, topics: Any, files: Any, caplog: pytest.LogCaptureFixture
) -> None:
    made = publish_reference(settings, read_reference(*files())).manifest
    sha256 = made.sha256 | {topology.SCHOOLS.name: "0" * 64}
    false = made.model_copy(update={"sha256": sha256, "version": digest_of_version(sha256)})
    other = made.model_copy(update={"version": "1" * 64})
    behind = made.model_copy(update={"version": "2" * 64, "positions": {f"{topology.SCHOOLS.name}/0": (0, 1_000)}})
    elsewhere = made.model_copy(update={"version": "3" * 64, "positions": {"no.such.topic/0": (0, 1)}})
    with Sender(settings) as sender:
        for line in (false.to_line(), other.to_line(), behind.to_line(), elsewhere.to_line(), b"no manifest", b"{}"):
            sender.send(topology.VERSIONS, line, None)
    assert read_reference_topics(settings).version == made.version
    assert "is no manifest; passed over" in caplog.text
    for damaged in (false, other, behind, elsewhere):
        assert damaged.version in caplog.text
        with pytest.raises(ReferenceDamaged, match=damaged.version):
            read_reference_topics(settings, damaged.version)
    with pytest.raises(ReferenceMissing, match="f" * 64):
        read_reference_topics(settings, "f" * 64)


def test_a_version_whose_rows_are_gone_is_a_named_error_and_can_be_published_again(settings: LiveSettings, topics: Any, files: Any) -> None:
    given = read_reference(*files())
    version = publish_reference(settings, given).manifest.version
    admin = KafkaAdminClient(**settings.client())
    targets = settings.topic(topology.TARGETS)
    admin.delete_records({TopicPartition(targets, p): -1 for p in range(topology.TARGETS.partitions)})
    admin.close()
    with pytest.raises(ReferenceDamaged, match="its rows are not in the topics any more"):
        read_reference_topics(settings, version)
    with pytest.raises(ReferenceMissing):
        read_reference_topics(settings)
    assert publish_reference(settings, given).outcome is Outcome.PUBLISHED
    assert content(read_reference_topics(settings, version)) == content(given)


def test_rows_that_contradict_each_other_are_not_used(settings: LiveSettings, topics: Any, files: Any) -> None:
    given = read_reference(*files())
    twice = replace(given, targets=(*given.targets, given.targets[0].model_copy(update={"baseline_attendance": None})))
    publish_reference(settings, twice)
    with pytest.raises(ReferenceMissing):
        read_reference_topics(settings)


def test_a_target_is_in_its_topic_and_nowhere_else(
    settings: LiveSettings, topics: Any, files: Any, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    publish_reference(settings, read_reference(*files()))
    read = read_reference_topics(settings)
    with LogReader(settings) as reader:
        held = {
            place: b"".join(r.value for r in records)
            for place, records in reader.read(reader.bounds(*topology.REFERENCE, topology.VERSIONS))
        }
    canary = str(CANARY)
    assert [place.split("/")[0] for place, text in held.items() if canary.encode() in text] == [topology.TARGETS.name]
    assert canary not in repr(read) + caplog.text + "".join(capsys.readouterr())


def test_a_damaged_target_is_not_shown_either(settings: LiveSettings, topics: Any, files: Any, caplog: pytest.LogCaptureFixture) -> None:
    given = read_reference(*files())
    per_cent = given.targets[0].model_copy(update={"target_attendance": Confidential(100 * CANARY)})
    version = publish_reference(settings, replace(given, targets=(per_cent,))).manifest.version
    with pytest.raises(ReferenceDamaged) as found:
        read_reference_topics(settings, version)
    assert found.value.__cause__ is None
    assert "91.27" not in str(found.value) + caplog.text


def test_the_command_publishes_lists_and_says_when_nothing_was_to_do(settings: LiveSettings, topics: Any, files: Any) -> None:
    paths = [part for name, path in zip(("--schools", "--targets", "--calendar"), files(), strict=True) for part in (name, str(path))]
    env = {"HEADWAY_KAFKA": settings.kafka, "HEADWAY_TOPIC_PREFIX": settings.topic_prefix}
    run = CliRunner(env=env).invoke
    assert "no version has been published" in run(reference_app, ["list"]).output
    said = json.loads(run(reference_app, ["publish", *paths, "--json"]).stdout)
    assert (said["outcome"], said["rows"][topology.SCHOOLS.name]) == ("published", 2)
    again = run(reference_app, ["publish", *paths])
    assert (again.exit_code, "nothing was written" in again.output) == (0, True)
    assert [m["version"] for m in json.loads(run(reference_app, ["list", "--json"]).stdout)] == [said["version"]]
    assert said["version"] in run(reference_app, ["list"]).output


def test_a_broker_without_our_topics_is_told_from_one_that_is_not_there(settings: LiveSettings) -> None:
    with pytest.raises(TopicMissing, match="headway topics"):
        read_reference_topics(settings)


@pytest.mark.slow
def test_a_broker_that_is_not_there_is_a_named_error() -> None:
    # In a process of its own: kafka-python leaves refused sockets to the collector.
    code = "from streams import live_settings as s, reference_topics as r; r.read_reference_topics(s.live_settings(kafka='127.0.0.1:1'))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ended.stderr.strip().endswith("127.0.0.1:1: connecting failed (KafkaTimeoutError). Is the broker up?")


@pytest.mark.slow
def test_a_version_of_all_england_takes_seconds(settings: LiveSettings, topics: Any, files: Any) -> None:
    ratios = np.random.default_rng(7).random((24_000, 2)).tolist()
    schools = [SCHOOLS[0], *[[str(100_000 + n), f"School {n}", "primary", "North", "Leeds", "a", "200"] for n in range(24_000)]]
    targets = [TARGETS[0], *[[str(100_000 + n), "2026/27", repr(a), repr(b)] for n, (a, b) in enumerate(ratios)]]
    given = read_reference(*files(schools, targets))
    begun = clock.monotonic_seconds()
    publish_reference(settings, given)
    published = clock.monotonic_seconds()
    read = read_reference_topics(settings)
    seconds = published - begun, clock.monotonic_seconds() - published
    assert content(read) == content(given)
    assert max(seconds) < 30, "3.2 s and 0.9 s were measured; ten times that is a fault and not a busy machine"
