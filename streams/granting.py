"""The access lists on a broker: planned, granted and verified, and asked for by each process before it begins.

Nothing is ever removed, and nothing granted where the broker's lists say more than ours: what stands beyond them is named with
the command that removes it.
"""

from __future__ import annotations

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
from kafka.errors import (
    CoordinatorNotAvailableError,
    GroupAuthorizationFailedError,
    SecurityDisabledError,
    UnknownTopicOrPartitionError,
)

from schemas.errors import HeadwayError, WrongUsage
from streams.access_lists import ACCESS, Entry, entries
from streams.connecting import NotAllowed, TopicMissing
from streams.topics import administrator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.live_settings import LiveSettings

__all__ = ["AccessDiffers", "AccessPlan", "grant", "plan_access", "require"]

_SHOWS_NO_RECORD = {"DESCRIBE", "DESCRIBE_CONFIGS"}
_CLUSTER = "kafka-cluster"


class AccessDiffers(HeadwayError):
    """The broker's lists let somebody do more than ours, or forbid what ours allow; nothing was granted."""


class AccessPlan(NamedTuple):
    """What is to be granted, what stands there already, and what stands there beyond it, in words with its remedy."""

    grant: tuple[Entry, ...]
    stand: tuple[Entry, ...]
    beyond: tuple[str, ...]


def plan_access(settings: LiveSettings, who: Mapping[str, str]) -> AccessPlan:
    """What `grant` would do; changes nothing."""
    with administrator(settings) as admin:
        return _plan(admin, settings, who)


def grant(settings: LiveSettings, who: Mapping[str, str]) -> AccessPlan:
    """Grant what is missing and verify the lists; gives what it granted and what stood there.

    Needs Alter on the cluster, which none of our principals has. Raises AccessDiffers (nothing is granted then), NotAllowed,
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


def require(settings: LiveSettings, part: str) -> None:
    """Ask the broker whether this sign-in may do what its part of the service does; to be called before anything else.

    A client left with a topic that it may not see says nothing (kafka-python) or asks again without a pause (aiokafka). Raises
    TopicMissing or NotAllowed, naming every topic and the group. Without an authorizer everybody may do everything.
    """
    (access,) = (one for one in ACCESS if one.name == part)
    needed = {settings.topic(log): {"READ"} for log in access.reads}
    for log in access.writes:
        needed.setdefault(settings.topic(log), set()).add("WRITE")
    with administrator(settings) as admin:
        found = {topic["name"]: topic for topic in admin.describe_topics(list(needed))}
        groups = [settings.group(part)] if access.is_group and not _may_use(admin, settings.group(part)) else []
    missing = [name for name in needed if found[name]["error_code"] == UnknownTopicOrPartitionError.errno]
    if missing:
        raise TopicMissing(f"{settings.kafka}: there is no topic {', '.join(missing)}. Make it with `headway topics`")
    refused = [
        f"{' and '.join(sorted(lacks))} {name}"
        for name, operations in needed.items()
        if (lacks := operations - set(found[name]["authorized_operations"] or ()))
    ]
    refused += [f"READ group {group}" for group in groups]
    if refused:
        who = settings.sasl_username or "who does not sign in"
        raise NotAllowed(f"{settings.kafka}: {who} may not {', '.join(refused)}. Grant it with `headway topics --access`")


def _may_use(admin: Any, group: str) -> bool:  # noqa: ANN401 (kafka-python's, untyped)
    try:
        admin.describe_groups([group])
    except GroupAuthorizationFailedError:
        return False
    except CoordinatorNotAvailableError:
        return True  # Nobody has asked this broker for any group yet: it makes their topic now.
    return True


def _agreeing(found: AccessPlan) -> AccessPlan:
    if found.beyond:
        raise AccessDiffers("the broker's lists say more than ours, so nothing was granted\n" + "\n".join(found.beyond))
    return found


def _plan(admin: Any, settings: LiveSettings, who: Mapping[str, str]) -> AccessPlan:  # noqa: ANN401 (the same)
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
