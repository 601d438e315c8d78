"""Who may read and write which topic: the broker's access lists, as data derived from the topology, applied and verified.

A principal is a sign-in at the broker, one for each part of the service. Targets, and what gives them away, may be read by the
closer, by workers, by the casebook, and by who publishes reference data or asks for closes; not by who runs the service.

What the broker cannot do: a producer may write any school's register, for the broker sees bytes and no URN. Whoever holds the
producer's password can speak for every school; that a school speaks for itself only is the business of the intake before it.
Super users of the cluster are above all lists. Nothing is ever removed: what stands beyond these lists is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)
from kafka.errors import SecurityDisabledError

from schemas.errors import HeadwayError, WrongUsage
from streams import topology
from streams.topics import administrator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.live_settings import LiveSettings
    from streams.topology import Log

__all__ = ["ACCESS", "Access", "AccessDiffers", "AccessPlan", "Entry", "entries", "grant", "plan_access", "principals"]

_WRITES = {stage.name: stage.writes for stage in topology.STAGES}
_READS = {stage.name: stage.reads for stage in topology.STAGES}
_VERSIONED = (*topology.REFERENCE, topology.VERSIONS)
_SHOWS_NO_RECORD = {"DESCRIBE", "DESCRIBE_CONFIGS"}
_CLUSTER = "kafka-cluster"


@dataclass(frozen=True, slots=True)
class Access:
    """One part of the service: the logs it reads and writes, whether it is a consumer group, whether it makes the topics."""

    name: str
    does: str
    reads: tuple[Log, ...] = ()
    writes: tuple[Log, ...] = ()
    is_group: bool = False
    makes_topics: bool = False


ACCESS = (
    Access(
        "worker",
        "headway worker",
        (*_READS["provisional"], *_VERSIONED, topology.CONTROL, topology.READINGS),
        _WRITES["provisional"],
        is_group=True,
    ),
    Access("closer", "headway closer", (*_READS["close"], topology.ALERTS, topology.REJECTS), _WRITES["close"], is_group=True),
    Access("producer", "headway produce", (), _WRITES["intake"]),
    Access(
        "casebook",
        "what people see and decide",
        (topology.ALERTS, topology.READINGS, topology.CONTROL, topology.REJECTS),
        (topology.ACKNOWLEDGEMENTS,),
        is_group=True,
    ),
    Access("reference", "headway reference", _VERSIONED, _VERSIONED),
    Access("close", "headway close", (*_READS["close"], topology.READINGS), (topology.CONTROL,)),
    Access(
        "ops",
        "headway topics, headway rejects",
        (*topology.INPUTS, topology.CONTROL, topology.REJECTS),
        (*topology.INPUTS, topology.CONTROL, topology.REJECTS),
        makes_topics=True,
    ),
)


class AccessDiffers(HeadwayError):
    """The broker's lists let somebody do more than ours, or forbid what ours allow; nothing was granted."""


class Entry(NamedTuple):
    """One line of the lists: from any host, this principal may do this to the one resource of this name."""

    principal: str
    operation: str
    resource: str
    name: str


class AccessPlan(NamedTuple):
    """What is to be granted, what stands there already, and what stands there beyond it, in words with its remedy."""

    grant: tuple[Entry, ...]
    stand: tuple[Entry, ...]
    beyond: tuple[str, ...]


def principals(given: Sequence[str]) -> dict[str, str]:
    """The principal of each part: `worker=hw-worker` names one, the others are called as their part."""
    names = {access.name: access.name for access in ACCESS}
    for pair in given:
        part, _, name = pair.partition("=")
        if part not in names or not name:
            raise WrongUsage(f"--principal {pair}: write PART=NAME, the part one of {', '.join(names)}")
        names[part] = name
    if len(set(names.values())) < len(names):
        raise WrongUsage("--principal: two parts with one name would share what either may do. Give each its own")
    return {part: name if ":" in name else f"User:{name}" for part, name in names.items()}


def entries(settings: LiveSettings, who: Mapping[str, str]) -> tuple[Entry, ...]:
    """Every line of the lists; reading and writing a topic let describe it too."""
    out: list[Entry] = []
    for access in ACCESS:
        me = who[access.name]
        out += [Entry(me, "READ", "TOPIC", settings.topic(log)) for log in access.reads]
        out += [Entry(me, "WRITE", "TOPIC", settings.topic(log)) for log in access.writes]
        if access.is_group:
            out.append(Entry(me, "READ", "GROUP", settings.group(access.name)))
        if access.makes_topics:
            operations = ("CREATE", "DESCRIBE", "DESCRIBE_CONFIGS")
            out += [Entry(me, operation, "TOPIC", settings.topic(log)) for log, operation in product(topology.LOGS, operations)]
    return tuple(out)


def plan_access(settings: LiveSettings, who: Mapping[str, str]) -> AccessPlan:
    """What `grant` would do; changes nothing."""
    with administrator(settings) as admin:
        return _plan(admin, settings, who)


def grant(settings: LiveSettings, who: Mapping[str, str]) -> AccessPlan:
    """Grant what is missing and verify the lists; gives what it granted and what stood there.

    Needs Alter on the cluster, which none of our principals has. Raises AccessDiffers (nothing is granted then), AccessRefused,
    BrokerUnavailable.
    """
    with administrator(settings) as admin:
        before = _agreeing(_plan(admin, settings, who))
        if before.grant:
            failed = admin.create_acls([_acl(entry) for entry in before.grant])["failed"]
            if failed:
                raise failed[0](f"{len(failed)} of {len(before.grant)} entries were refused")
            if missing := _agreeing(_plan(admin, settings, who)).grant:
                raise AccessDiffers(f"{len(missing)} entries were granted and are not told yet, {missing[0]} among them. Run this again")
        return before


def _agreeing(found: AccessPlan) -> AccessPlan:
    if found.beyond:
        raise AccessDiffers("the broker's lists say more than ours, so nothing was granted\n" + "\n".join(found.beyond))
    return found


def _plan(admin: Any, settings: LiveSettings, who: Mapping[str, str]) -> AccessPlan:  # noqa: ANN401 (kafka-python's, untyped)
    wanted = entries(settings, who)
    resources = sorted({(entry.resource, entry.name) for entry in wanted})
    there: set[Entry] = set()
    beyond: list[str] = []
    for acl in _listed(admin, [*resources, ("CLUSTER", _CLUSTER)]):
        pattern = acl.resource_pattern
        entry = Entry(acl.principal, acl.operation.name, pattern.resource_type.name, pattern.resource_name)
        plain = (acl.host, acl.permission_type, pattern.pattern_type) == ("*", ACLPermissionType.ALLOW, ACLResourcePatternType.LITERAL)
        if plain and entry in wanted:
            there.add(entry)
        elif _matters(acl, who):
            beyond.append(_in_words(acl))
    return AccessPlan(tuple(e for e in wanted if e not in there), tuple(e for e in wanted if e in there), tuple(dict.fromkeys(beyond)))


def _listed(admin: Any, resources: Sequence[tuple[str, str]]) -> list[Any]:  # noqa: ANN401 (the same)
    """Every entry that concerns these resources, be it by their name, by a prefix or for all of their kind."""
    out: list[Any] = []
    for kind, name in resources:
        pattern = ResourcePatternFilter(ResourceType[kind], name, ACLResourcePatternType.MATCH)
        try:
            found, _ = admin.describe_acls(ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, pattern))
        except SecurityDisabledError as error:
            raise WrongUsage(
                "the broker keeps no access lists: set its authorizer.class.name (StandardAuthorizer) and try again"
            ) from error
        out += found
    return out


def _matters(acl: Any, who: Mapping[str, str]) -> bool:  # noqa: ANN401 (the same)
    """Another's right to describe shows no record; another's rights on the cluster are the business of who runs it."""
    if acl.resource_pattern.resource_type is ResourceType.CLUSTER:
        return acl.principal in {*who.values(), "User:*"}
    return acl.permission_type is not ACLPermissionType.ALLOW or acl.operation.name not in _SHOWS_NO_RECORD


def _in_words(acl: Any) -> str:  # noqa: ANN401 (the same)
    pattern = acl.resource_pattern
    kind, style = pattern.resource_type.name.lower(), pattern.pattern_type.name.lower()
    which = "--cluster" if kind == "cluster" else f"--{kind} '{pattern.resource_name}' --resource-pattern-type {style}"
    may = f"{acl.permission_type.name.lower()}-principal {acl.principal} --{acl.permission_type.name.lower()}-host '{acl.host}'"
    return (
        f"{acl.principal} from {acl.host}: {acl.permission_type.name} {acl.operation.name} on {kind} {pattern.resource_name} ({style}). "
        f"Remove it with kafka-acls.sh --remove --{may} --operation {acl.operation.name.title().replace('_', '')} {which}"
    )


def _acl(entry: Entry) -> Any:  # noqa: ANN401 (the same)
    pattern = ResourcePattern(ResourceType[entry.resource], entry.name)
    return ACL(entry.principal, "*", ACLOperation[entry.operation], ACLPermissionType.ALLOW, pattern)
