"""A real broker with TLS, sign-in and access lists: every part may do what it should, and nothing else, to every topic and group.

What each may do is restated here by hand. It is asked of the broker, and it is tried.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ACLResourcePatternType, ConfigResource, ResourcePattern, ResourceType
from kafka.errors import (
    ClusterAuthorizationFailedError,
    CoordinatorNotAvailableError,
    GroupAuthorizationFailedError,
    KafkaError,
    NoError,
    TopicAuthorizationFailedError,
)
from kafka.structs import OffsetAndMetadata

from deploy.kafka.secured import ADMIN, SecuredBroker
from streams import topology
from streams.access_lists import ACCESS, entries, principals
from streams.connecting import NotAllowed, TopicMissing
from streams.granting import AccessDiffers, grant, plan_access, require
from streams.topics import administrator, declare
from tests.live.brokers import skipped_where_missing
from tests.live.fleet import HEADWAY
from tests.live.signed_in import environment, signed_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streams.live_settings import LiveSettings

PREFIX = "listed."
STRANGER = "stranger"
PARTS = (*(access.name for access in ACCESS), STRANGER)
SHORT = {log.name.rsplit(".", 1)[0].rsplit(".", 1)[1]: log for log in topology.LOGS}
READS = {
    "worker": "session school calendar target version close reading",
    "closer": "session acknowledgement school calendar target version close alert rejected",
    "producer": "",
    "casebook": "session alert reading close rejected school calendar target version",
    "reference": "school calendar target version",
    "close": "session acknowledgement school calendar target version close alert reading",
    "ops": "session acknowledgement close rejected",
    STRANGER: "",
}
WRITES = {
    "worker": "provisional rejected",
    "closer": "close alert reading rejected",
    "producer": "session rejected",
    "casebook": "acknowledgement",
    "reference": "school calendar target version",
    "close": "close",
    "ops": "session acknowledgement close rejected",
    STRANGER: "",
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    """With our lists, our topics, and a record in each."""
    with skipped_where_missing():
        made = SecuredBroker(tmp_path_factory.mktemp("secured"), PARTS)
    with made as broker:
        broker.start()
        grant(signed_in(broker, ADMIN, PREFIX), principals(()))
        declare(signed_in(broker, "ops", PREFIX))
        producer = KafkaProducer(**signed_in(broker, ADMIN).client())
        for log in topology.LOGS:
            producer.send(PREFIX + log.name, b"a record", partition=0).get(timeout=10)
        producer.close()
        yield broker


@pytest.fixture
def may(broker: SecuredBroker) -> Callable[[str], LiveSettings]:
    """Settings of a part that signs in."""
    return lambda user: signed_in(broker, user, PREFIX)


def operations(part: str, log: str) -> set[str]:
    """What a part may do to a topic, by the tables above."""
    out = {"READ"} if log in READS[part].split() else set[str]()
    out |= {"WRITE"} if log in WRITES[part].split() else set()
    if out:
        out |= {"DESCRIBE"}
    return out | {"CREATE", "DESCRIBE", "DESCRIBE_CONFIGS"} if part == "ops" else out


@pytest.mark.parametrize("part", PARTS)
def test_the_broker_says_that_a_part_may_do_this_to_every_topic_and_no_more(part: str, may: Callable[[str], LiveSettings]) -> None:
    with administrator(may(part)) as admin:
        told = {topic["name"]: topic for topic in admin.describe_topics([PREFIX + log.name for log in topology.LOGS])}
    for short, log in SHORT.items():
        topic = told[PREFIX + log.name]
        assert set(topic["authorized_operations"] or ()) == operations(part, short), f"{part}, {log.name}"
        assert (topic["error_code"] == TopicAuthorizationFailedError.errno) == (not operations(part, short))


@pytest.mark.parametrize("part", PARTS)
def test_what_a_part_may_write_it_can_and_nothing_else(part: str, may: Callable[[str], LiveSettings]) -> None:
    producer = KafkaProducer(**may(part).client(), enable_idempotence=False, max_block_ms=10_000)
    try:
        for short, log in SHORT.items():
            try:
                producer.send(PREFIX + log.name, b"x", partition=0).get(timeout=10)
                written = True
            except TopicAuthorizationFailedError:
                written = False
            assert written == (short in WRITES[part].split()), f"{part}, {log.name}"
    finally:
        producer.close()


@pytest.mark.parametrize("part", PARTS)
def test_what_a_part_may_read_it_can_and_nothing_else(part: str, may: Callable[[str], LiveSettings]) -> None:
    consumer = KafkaConsumer(**may(part).client(), group_id=None, enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        for short, log in SHORT.items():
            place = TopicPartition(PREFIX + log.name, 0)
            consumer.assign([place])
            consumer.seek(place, 0)
            readable = short in READS[part].split()
            try:
                got = consumer.poll(timeout_ms=10_000 if readable else 500)
            except TopicAuthorizationFailedError:
                got = {}
            assert bool(got) == readable, f"{part}, {log.name}"
    finally:
        consumer.close()


def test_a_group_may_be_used_by_its_own_part_alone(may: Callable[[str], LiveSettings]) -> None:
    used: set[tuple[str, str]] = set()
    for part in PARTS:
        with administrator(may(part)) as admin:
            place = TopicPartition(PREFIX + SHORT[(READS[part] or "session").split()[0]].name, 0)
            used |= {(part, group) for group in (*READS, "other") if commits(admin, may(part).group(group), place)}
    assert used == {(part, part) for part in ("worker", "closer", "casebook")}


def commits(admin: Any, group: str, place: TopicPartition) -> bool:
    """Whether an offset of this group can be committed."""
    until = time.monotonic() + 20
    while True:
        try:
            (said,) = admin.alter_group_offsets(group, {place: OffsetAndMetadata(0, "", -1)}).values()
        except GroupAuthorizationFailedError:
            return False
        except CoordinatorNotAvailableError as error:
            said = type(error)
        if said in {NoError, GroupAuthorizationFailedError}:
            return bool(said is NoError)
        assert time.monotonic() < until, said  # The broker makes the topic of offsets when it is first asked.
        time.sleep(0.2)


@pytest.mark.parametrize("part", PARTS)
def test_no_part_alters_or_deletes_a_topic_makes_another_or_gives_rights(part: str, may: Callable[[str], LiveSettings]) -> None:
    settings = may(part)
    name = settings.topic(topology.REGISTERS)
    everything = ACL(
        f"User:{part}",
        "*",
        ACLOperation.ALL,
        ACLPermissionType.ALLOW,
        ResourcePattern(ResourceType.TOPIC, "*", ACLResourcePatternType.LITERAL),
    )
    with administrator(settings) as admin:
        altered = admin.alter_configs([ConfigResource("TOPIC", name, {"retention.ms": "1"})], raise_on_unknown=False)
        assert "Authorization" in str(altered), altered
        with pytest.raises(TopicAuthorizationFailedError):
            admin.delete_topics([name])
        with pytest.raises(TopicAuthorizationFailedError):
            admin.create_partitions({name: 24})
        with pytest.raises(TopicAuthorizationFailedError):
            admin.create_topics({f"{PREFIX}another": {"num_partitions": 1, "replication_factor": 1}})
        assert admin.create_acls([everything])["failed"] == [ClusterAuthorizationFailedError]
    with administrator(signed_in_admin(settings)) as admin:
        assert len(admin.describe_topics([name])[0]["partitions"]) == topology.REGISTERS.partitions
        assert f"{PREFIX}another" not in admin.list_topics()


def signed_in_admin(settings: LiveSettings) -> LiveSettings:
    """The same installation under the name of the cluster's administrator."""
    if settings.sasl_password_file is None:
        raise AssertionError
    return settings.model_copy(
        update={"sasl_username": ADMIN, "sasl_password_file": settings.sasl_password_file.with_name(f"{ADMIN}.password")}
    )


@pytest.mark.parametrize("part", [access.name for access in ACCESS])
def test_a_part_finds_before_it_begins_that_it_may_do_what_it_does(part: str, may: Callable[[str], LiveSettings]) -> None:
    require(may(part), part)


def test_a_part_under_a_wrong_name_is_told_what_it_lacks(broker: SecuredBroker, may: Callable[[str], LiveSettings]) -> None:
    with pytest.raises(NotAllowed) as raised:
        require(may("producer"), "casebook")
    readable = ["attendance.session.v1", "attendance.alert.v1", "attendance.reading.v1", "attendance.close.v1", "attendance.rejected.v1"]
    readable += ["reference.school.v1", "reference.calendar.v1", "reference.target.v1", "reference.version.v1"]
    assert str(raised.value) == (
        f"{broker.bootstrap}: producer may not {', '.join(f'READ {PREFIX}{topic}' for topic in readable)}, "
        f"WRITE {PREFIX}attendance.acknowledgement.v1, "
        f"READ group {PREFIX}headway-casebook. "
        "Grant it with `headway topics --access`"
    )
    with pytest.raises(TopicMissing, match="Make it with `headway topics`"):
        require(signed_in(broker, ADMIN, "elsewhere."), "casebook")


def test_the_lists_are_granted_once_and_verified_ever_after(broker: SecuredBroker) -> None:
    settings, who = signed_in(broker, ADMIN, "once."), principals(["worker=hw-worker"])
    wanted = entries(settings, who)
    assert plan_access(settings, who).grant == wanted
    assert plan_access(settings, who).grant == wanted, "a plan changes nothing"
    assert grant(settings, who).grant == wanted
    again = grant(settings, who)
    assert (again.grant, again.stand, again.beyond) == ((), wanted, ())


def test_who_may_not_give_rights_is_told_so(may: Callable[[str], LiveSettings]) -> None:
    with pytest.raises(NotAllowed, match="ops may not do this"):
        grant(may("ops"), principals(()))


BEYOND = [
    pytest.param(
        "User:worker", ACLOperation.WRITE, ResourceType.TOPIC, "{alerts}", "LITERAL", "ALLOW", id="a part may write what it should not"
    ),
    pytest.param("User:anybody", ACLOperation.READ, ResourceType.TOPIC, "{targets}", "LITERAL", "ALLOW", id="somebody may read targets"),
    pytest.param("User:*", ACLOperation.READ, ResourceType.TOPIC, "*", "LITERAL", "ALLOW", id="everybody may read everything"),
    pytest.param("User:anybody", ACLOperation.ALL, ResourceType.TOPIC, "bey", "PREFIXED", "ALLOW", id="everything under a prefix"),
    pytest.param("User:closer", ACLOperation.READ, ResourceType.TOPIC, "{alerts}", "LITERAL", "DENY", id="a part is denied what it needs"),
    pytest.param("User:anybody", ACLOperation.READ, ResourceType.GROUP, "{group}", "LITERAL", "ALLOW", id="somebody may join a group"),
    pytest.param(
        "User:producer", ACLOperation.ALTER, ResourceType.CLUSTER, "kafka-cluster", "LITERAL", "ALLOW", id="a part may give rights"
    ),
]


@pytest.mark.parametrize(("principal", "operation", "kind", "name", "style", "permission"), BEYOND)
def test_what_stands_beyond_the_lists_is_named_and_nothing_is_granted(
    broker: SecuredBroker, principal: str, operation: Any, kind: Any, name: str, style: str, permission: str
) -> None:
    settings, who = signed_in(broker, ADMIN, "beyond."), principals(())
    named = name.format(alerts=settings.topic(topology.ALERTS), targets=settings.topic(topology.TARGETS), group=settings.group("casebook"))
    one = ACL(principal, "*", operation, ACLPermissionType[permission], ResourcePattern(kind, named, ACLResourcePatternType[style]))
    with administrator(settings) as admin:
        admin.create_acls([one])
        try:
            planned = plan_access(settings, who)
            assert len(planned.beyond) == 1
            assert planned.beyond[0].startswith(f"{principal} from *: {permission} {operation.name} on {kind.name.lower()} {named} ")
            with pytest.raises(AccessDiffers):
                grant(settings, who)
            assert plan_access(settings, who).grant == entries(settings, who)
        finally:
            remove(broker, planned.beyond[0])
    assert plan_access(settings, who).beyond == ()


def remove(broker: SecuredBroker, said: str) -> None:
    """Do what the message says, with Kafka's own tool."""
    remedy = said.split("kafka-acls.sh ", 1)[1]
    given = [part.strip("'") for part in remedy.split(" ")]
    done = broker.tool("org.apache.kafka.tools.AclCommand", ADMIN, *given, "--force")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_right_to_describe_shows_no_record_and_is_not_our_business(broker: SecuredBroker) -> None:
    settings, who = signed_in(broker, ADMIN, "watched."), principals(())
    everywhere = ResourcePattern(ResourceType.TOPIC, "watched.", ACLResourcePatternType.PREFIXED)
    with administrator(settings) as admin:
        admin.create_acls([ACL("User:monitor", "*", ACLOperation.DESCRIBE, ACLPermissionType.ALLOW, everywhere)])
    assert plan_access(settings, who).beyond == ()


def headway_topics(settings: LiveSettings, *given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*HEADWAY, "topics", *given], env=os.environ | environment(settings), capture_output=True, text=True, check=False)


def test_the_command_plans_grants_and_verifies(broker: SecuredBroker) -> None:
    settings = signed_in(broker, ADMIN, "command.")
    given = ("--access", "--principal", "worker=hw-worker", "--json")
    planned = json.loads(headway_topics(settings, *given, "--plan").stdout)
    assert len(planned["to_be_granted"]) == len(entries(settings, principals(())))
    assert {"principal": "User:hw-worker", "operation": "READ", "resource": "GROUP", "name": "command.headway-worker"} in planned[
        "to_be_granted"
    ]
    granted = headway_topics(settings, *given)
    assert granted.returncode == 0
    assert json.loads(granted.stdout)["granted"] == planned["to_be_granted"]
    again = headway_topics(settings, "--access", "--principal", "worker=hw-worker")
    assert (again.returncode, again.stdout) == (0, f"{len(planned['to_be_granted'])} entries stand there as wanted\n")
    otherwise = headway_topics(settings, "--access", "--plan")
    assert otherwise.returncode == 1
    assert (
        "User:hw-worker from *: ALLOW READ on topic command.attendance.session.v1 (literal). Remove it with kafka-acls.sh"
        in otherwise.stdout
    )


def test_a_broker_without_lists_is_wrong_usage(settings: LiveSettings) -> None:
    done = headway_topics(settings, "--access")
    assert done.returncode == 2
    assert done.stderr.startswith("headway: the broker keeps no access lists: set its authorizer.class.name")
    assert headway_topics(settings, "--principal", "worker=x").returncode == 2


def test_without_an_authorizer_every_part_may_begin(settings: LiveSettings, topics: None) -> None:
    for access in ACCESS:
        require(settings, access.name)


def test_a_producer_may_speak_for_any_school_and_the_broker_does_not_stop_it(may: Callable[[str], LiveSettings]) -> None:
    """A limit, shown: the broker knows who writes, and not for which school."""
    producer = KafkaProducer(**may("producer").client())
    try:
        for urn in (b"100001", b"100002"):
            producer.send(PREFIX + topology.REGISTERS.name, b'{"urn": 100002}', urn).get(timeout=10)
    except KafkaError as error:
        pytest.fail(f"the broker now looks into records: {error!r}; say so in streams/access_lists.py")
    finally:
        producer.close()
