"""Who may read and write which topic: the broker's access lists, as data derived from the topology.

A principal is a sign-in at the broker, one for each part of the service. Targets, and what gives them away, may be read by the
closer, by workers, by the casebook, and by who publishes reference data or asks for closes; not by who runs the service.

What the broker cannot do: a producer may write any school's register, for the broker sees bytes and no URN. Whoever holds the
producer's password can speak for every school; that a school speaks for itself only is the business of the intake before it.
Super users of the cluster are above all lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from schemas.errors import WrongUsage
from streams import topology

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.live_settings import LiveSettings
    from streams.topology import Log

__all__ = ["ACCESS", "Access", "Entry", "entries", "principals"]

_WRITES = {stage.name: stage.writes for stage in topology.STAGES}
_READS = {stage.name: stage.reads for stage in topology.STAGES}
_VERSIONED = (*topology.REFERENCE, topology.VERSIONS)


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
        "headway casebook: what people see and decide",
        (topology.REGISTERS, topology.ALERTS, topology.READINGS, topology.CONTROL, topology.REJECTS, *_VERSIONED),
        (topology.ACKNOWLEDGEMENTS,),
        is_group=True,
    ),
    Access("reference", "headway reference", _VERSIONED, _VERSIONED),
    Access("close", "headway close", (*_READS["close"], topology.ALERTS, topology.READINGS), (topology.CONTROL,)),
    Access(
        "ops",
        "headway topics, headway rejects",
        (*topology.INPUTS, topology.CONTROL, topology.REJECTS),
        (*topology.INPUTS, topology.CONTROL, topology.REJECTS),
        makes_topics=True,
    ),
)


class Entry(NamedTuple):
    """One line of the lists: from any host, this principal may do this to the one resource of this name."""

    principal: str
    operation: str
    resource: str
    name: str


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
