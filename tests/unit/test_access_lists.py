"""The access lists as data: each part may do what the page says and nothing else, restated here by hand."""

from __future__ import annotations

import pytest

from schemas.errors import WrongUsage
from streams import topology
from streams.access_lists import ACCESS, entries, principals
from streams.live_settings import LiveSettings

PARTS = {access.name: access for access in ACCESS}
ALL = {log.name for log in topology.LOGS}
VERSIONS = {"reference.school.v1", "reference.calendar.v1", "reference.target.v1", "reference.version.v1"}
INPUTS = {"attendance.session.v1", "attendance.acknowledgement.v1"}
SETTINGS = LiveSettings(topic_prefix="north.")


def names(logs: tuple[topology.Log, ...]) -> set[str]:
    return {log.name for log in logs}


@pytest.mark.parametrize(
    ("part", "reads", "writes"),
    [
        pytest.param(
            "worker",
            {"attendance.session.v1", "attendance.close.v1", "attendance.reading.v1"} | VERSIONS,
            {"attendance.provisional.v1", "attendance.rejected.v1"},
        ),
        pytest.param(
            "closer",
            {"attendance.close.v1", "attendance.alert.v1", "attendance.rejected.v1"} | INPUTS | VERSIONS,
            {"attendance.close.v1", "attendance.alert.v1", "attendance.reading.v1", "attendance.rejected.v1"},
        ),
        pytest.param("producer", set(), {"attendance.session.v1", "attendance.rejected.v1"}),
        pytest.param(
            "casebook",
            {"attendance.session.v1", "attendance.alert.v1", "attendance.reading.v1", "attendance.close.v1", "attendance.rejected.v1"}
            | VERSIONS,
            {"attendance.acknowledgement.v1"},
        ),
        pytest.param("reference", VERSIONS, VERSIONS),
        pytest.param(
            "close", {"attendance.close.v1", "attendance.alert.v1", "attendance.reading.v1"} | INPUTS | VERSIONS, {"attendance.close.v1"}
        ),
        pytest.param(
            "ops",
            {"attendance.close.v1", "attendance.rejected.v1"} | INPUTS,
            {"attendance.close.v1", "attendance.rejected.v1"} | INPUTS,
        ),
    ],
)
def test_a_part_reads_and_writes_what_it_needs(part: str, reads: set[str], writes: set[str]) -> None:
    assert names(PARTS[part].reads) == reads
    assert names(PARTS[part].writes) == writes


def test_no_part_is_forgotten_and_no_log_is_without_a_writer() -> None:
    assert list(PARTS) == ["worker", "closer", "producer", "casebook", "reference", "close", "ops"]
    assert set().union(*(names(access.writes) for access in ACCESS)) == ALL


def test_what_shows_a_target_is_read_by_nobody_who_does_not_need_it() -> None:
    confidential = {log for log in topology.LOGS if log.confidential}
    readers = {log.name: {access.name for access in ACCESS if log in access.reads} for log in confidential}
    assert readers == {
        "reference.target.v1": {"worker", "closer", "casebook", "reference", "close"},
        "attendance.provisional.v1": set(),
        "attendance.reading.v1": {"worker", "casebook", "close"},
        "attendance.alert.v1": {"closer", "casebook", "close"},
    }
    assert not confidential & {*PARTS["ops"].reads, *PARTS["ops"].writes}
    assert not PARTS["producer"].reads


def test_a_group_is_its_own_parts_alone() -> None:
    groups = {(entry.principal, entry.name) for entry in entries(SETTINGS, principals(())) if entry.resource == "GROUP"}
    assert groups == {(f"User:{part}", f"north.headway-{part}") for part in ("worker", "closer", "casebook")}


def test_only_ops_makes_topics_and_only_ours() -> None:
    made = {(entry.principal, entry.name) for entry in entries(SETTINGS, principals(())) if entry.operation == "CREATE"}
    assert made == {("User:ops", f"north.{name}") for name in ALL}


def test_nobody_is_given_the_cluster_or_the_right_to_alter_or_delete() -> None:
    lines = entries(SETTINGS, principals(()))
    assert {entry.operation for entry in lines} == {"READ", "WRITE", "CREATE", "DESCRIBE", "DESCRIBE_CONFIGS"}
    assert {entry.resource for entry in lines} == {"TOPIC", "GROUP"}
    assert len(set(lines)) == len(lines)


def test_a_part_signs_in_under_its_own_name_or_a_given_one() -> None:
    who = principals(["worker=hw-worker", "closer=ServiceAccount:north"])
    assert who["worker"] == "User:hw-worker"
    assert who["closer"] == "ServiceAccount:north"
    assert who["ops"] == "User:ops"
    assert {entry.principal for entry in entries(SETTINGS, who)} == set(who.values())


@pytest.mark.parametrize("pair", ["worker", "worker=", "=hw", "workers=hw", ""])
def test_a_name_that_names_no_part_is_wrong_usage(pair: str) -> None:
    with pytest.raises(WrongUsage, match=f"^--principal {pair}: write PART=NAME, the part one of worker, closer, "):
        principals([pair])


def test_two_parts_under_one_name_are_wrong_usage() -> None:
    with pytest.raises(WrongUsage, match="share what either may do"):
        principals(["worker=service", "closer=service"])
