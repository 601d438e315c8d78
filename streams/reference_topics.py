"""Reference data read from its topics: the newest version that is whole, or a named one, exactly as its manifest says.

Only what stands between a manifest's positions and carries its version is read, and the counts and SHA-256 of the rows are
compared: a version without a manifest is nobody's, one whose rows are missing or differ is never half used. Nothing of a
row is ever shown: it may be a target.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from schemas import manifest
from schemas.calendar import Calendar, CalendarRow
from schemas.errors import HeadwayError
from schemas.manifest import Manifest, digest_of_rows, digest_of_version
from schemas.school import Confidential, School, Target
from streams import topology
from streams.kafka_tools import LogReader
from streams.log_reader import PositionLost
from streams.replay import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streams.live_settings import LiveSettings

__all__ = ["VERSION", "ReferenceDamaged", "ReferenceMissing", "canonical_rows", "manifests", "read_lines", "read_reference_topics"]

VERSION = "version"
"""The header of a row: the version that it belongs to."""

_log = logging.getLogger("headway.reference")
_WARNED: set[str] = set()
"""What was said of records that stand there for ever: each process looks again every few seconds."""
_CALENDAR_ROW = TypeAdapter(CalendarRow)


class ReferenceMissing(HeadwayError):
    """There is no whole version of the reference data in the topics, or not the one that was named."""


class ReferenceDamaged(HeadwayError):
    """A version has a manifest, but its rows are gone or are not those that were published."""


def canonical_rows(reference: Reference) -> dict[str, dict[bytes, bytes]]:
    """By log, every distinct row as canonical JSON, and its key."""
    return {
        topology.SCHOOLS.name: {_line(school.model_dump(mode="json")): b"%d" % school.urn for school in reference.schools},
        topology.TARGETS.name: {_line(_shown(target)): b"%d" % target.urn for target in reference.targets},
        topology.CALENDAR.name: {_line(_CALENDAR_ROW.dump_python(row, mode="json")): row.scope.encode() for row in reference.calendar.rows},
    }


def _shown(target: Target) -> dict[str, Any]:
    """Its values in the open: this is what its topic is for, which has rights of its own."""
    hidden = target.model_dump()
    return hidden | {name: float(value) for name, value in hidden.items() if isinstance(value, Confidential)}


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def manifests(settings: LiveSettings) -> list[Manifest]:
    """Every manifest in the order in which they were written; what is none is passed over with a warning."""
    with LogReader(settings) as reader:
        return _manifests(reader)


def _manifests(reader: LogReader) -> list[Manifest]:
    out = []
    for place, records in reader.read(reader.bounds(topology.VERSIONS)):
        for record in records:
            try:
                out.append(manifest.parse(record.value or b""))
            except ValidationError:
                if (said := f"{place}/{record.offset} is no manifest; passed over") not in _WARNED:
                    _WARNED.add(said)
                    _log.warning("%s", said)
    return out


def read_reference_topics(settings: LiveSettings, version: str | None = None) -> Reference:
    """The newest whole version, or the one named.

    Raises
    ------
    ReferenceMissing
        There is none, or not this one.
    ReferenceDamaged
        The one named has a manifest, but its rows are gone or differ. The newest is passed over with a warning instead.
    BrokerUnavailable
        The broker does not answer.
    """
    damage: ReferenceDamaged | None = None
    with LogReader(settings) as reader:
        for found in reversed(_manifests(reader)):
            if version not in {None, found.version}:
                continue
            try:
                return _reference(found, read_lines(reader, found))
            except ReferenceDamaged as error:
                damage = damage or error
                _log.warning("%s", error)
    if version is not None and damage is not None:
        raise damage
    which = "no whole version of the reference data" if version is None else f"no version {version} of the reference data"
    raise ReferenceMissing(f"{settings.kafka}: there is {which}. Publish it with `headway reference publish`")


def read_lines(reader: LogReader, found: Manifest) -> dict[str, set[bytes]]:
    """The rows of a version, compared with its manifest; raises ReferenceDamaged."""
    lines: dict[str, set[bytes]] = {log.name: set() for log in topology.REFERENCE}
    mine = (VERSION, found.version.encode())
    try:
        for place, records in reader.read(found.positions):
            lines[place.rpartition("/")[0]].update(r.value for r in records if mine in r.headers and r.value is not None)
    except (PositionLost, KeyError) as error:
        raise _damaged(found, "its rows are not in the topics any more") from error
    for log in topology.REFERENCE:
        if len(lines[log.name]) != found.rows.get(log.name) or digest_of_rows(lines[log.name]) != found.sha256.get(log.name):
            raise _damaged(found, f"the rows in {log.name} are not those that its manifest names")
    if digest_of_version(found.sha256) != found.version:
        raise _damaged(found, "its manifest is not of this version")
    return lines


def _reference(found: Manifest, lines: Mapping[str, set[bytes]]) -> Reference:
    try:
        schools = [School.model_validate_json(line) for line in lines[topology.SCHOOLS.name]]
        targets = [Target.model_validate_json(line) for line in lines[topology.TARGETS.name]]
        calendar = Calendar(tuple(_CALENDAR_ROW.validate_json(line) for line in sorted(lines[topology.CALENDAR.name])))
    except ValidationError:
        # Without its cause: what pydantic met may be a target.
        raise _damaged(found, "a row is not what Headway publishes") from None
    if not schools or _twice(s.urn for s in schools) or _twice((t.urn, t.academic_year) for t in targets) or not calendar.academic_years():
        raise _damaged(found, "its rows contradict each other or are not there")
    return Reference(
        tuple(sorted(schools, key=lambda school: school.urn)),
        tuple(sorted(targets, key=lambda target: (target.urn, target.academic_year))),
        calendar,
        found.version,
        topology.CALENDAR.name,
    )


def _twice(keys: Iterable[object]) -> bool:
    listed = list(keys)
    return len(set(listed)) < len(listed)


def _damaged(found: Manifest, problem: str) -> ReferenceDamaged:
    return ReferenceDamaged(f"reference version {found.version}: {problem}. Publish it again with `headway reference publish`")
