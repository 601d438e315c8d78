"""A version of the reference data written to its topics: every row under one version, then the one record that makes it whole.

A process killed before the manifest leaves rows that nobody reads; the next publication writes its own. What stands whole as
the newest version is not written again; an older one becomes the newest by another manifest over the same rows.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.manifest import Manifest, digest_of_rows, digest_of_version
from streams import clock, topology
from streams.kafka_tools import LogReader, Sender
from streams.reference_topics import VERSION, ReferenceDamaged, canonical_rows, manifests, read_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streams.live_settings import LiveSettings
    from streams.replay import Reference

__all__ = ["Outcome", "Publication", "publish_reference"]


class Outcome(StrEnum):
    """What a publication did."""

    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    """It stands whole as the newest version already."""
    NEWEST_AGAIN = "newest_again"
    """Its rows stood there; it is the newest version again."""


class Publication(NamedTuple):
    """What was done, and the manifest that stands for it."""

    outcome: Outcome
    manifest: Manifest


def publish_reference(settings: LiveSettings, reference: Reference, progress: Callable[[int, int], None] = lambda *_: None) -> Publication:
    """Checked reference data into the topics; durable when it returns. progress: rows sent, of how many."""
    lines = canonical_rows(reference)
    sha256 = {name: digest_of_rows(rows) for name, rows in lines.items()}
    version = digest_of_version(sha256)
    known = manifests(settings)
    whole = _whole(settings, [m for m in known if m.version == version])
    if whole is not None and known[-1] == whole:
        return Publication(Outcome.UNCHANGED, whole)
    with Sender(settings) as sender:
        if whole is None:
            positions = _send_rows(sender, lines, version, progress)
            rows = {name: len(found) for name, found in lines.items()}
        else:
            positions, rows = whole.positions, whole.rows
        made = Manifest(version=version, rows=rows, sha256=sha256, positions=positions, published_at=clock.now())
        sender.send(topology.VERSIONS, made.to_line(), None)
    return Publication(Outcome.PUBLISHED if whole is None else Outcome.NEWEST_AGAIN, made)


def _whole(settings: LiveSettings, of_this_version: list[Manifest]) -> Manifest | None:
    """The newest of these manifests whose rows are there."""
    with LogReader(settings) as reader:
        for found in reversed(of_this_version):
            try:
                read_lines(reader, found)
            except ReferenceDamaged:
                continue
            return found
    return None


def _send_rows(
    sender: Sender, lines: Mapping[str, Mapping[bytes, bytes]], version: str, progress: Callable[[int, int], None]
) -> dict[str, tuple[int, int]]:
    """Every row is in its topic when it returns; between which offsets, by place."""
    headers = [(VERSION, version.encode())]
    total, sent = sum(map(len, lines.values())), 0
    futures: list[tuple[str, Any]] = []
    for log in topology.REFERENCE:
        for line in sorted(lines[log.name]):
            futures.append((log.name, sender.send(log, line, lines[log.name][line], headers)))
            sent += 1
            if sent % 1000 == 0:
                progress(sent, total)
    sender.flush()
    out: dict[str, tuple[int, int]] = {}
    for name, future in futures:
        at = future.value
        place = f"{name}/{at.partition}"
        first, next_ = out.get(place, (at.offset, at.offset + 1))
        out[place] = min(first, at.offset), max(next_, at.offset + 1)
    progress(total, total)
    return out
