"""What `headway doctor` looks at below the casebook: broker, topics, reference data and their calendars, clock, disk."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from schemas.calendar import academic_year
from streams import topology
from streams.connecting import administrator
from streams.finding import Finding, Standing
from streams.kafka_tools import LogReader
from streams.topics import plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streams.live_settings import LiveSettings
    from streams.replay import Reference

__all__ = ["broker", "calendars", "clock_against", "disk", "log_clock", "topics"]

CLOCK_SECONDS_MAX = 30.0
CALENDAR_DAYS_MIN = 28
"""How long before an academic year begins its terms should be known."""
FREE_BYTES_MIN, FREE_BYTES_LOOK = 256 * 1024**2, 2 * 1024**3
_SHOWN = 5
_EPOCH = date(1970, 1, 1).toordinal()


def broker(settings: LiveSettings) -> Iterator[Finding]:
    """Does it answer, and are there brokers enough for the copies."""
    with administrator(settings, "asking who is there") as admin:
        there = len(admin.describe_cluster()["brokers"])
    if there < settings.replication_factor:
        said = f"{settings.kafka}: {there} brokers, and {settings.replication_factor} copies of each topic are asked for"
        yield Finding("broker", Standing.WRONG, said, f"Start the other brokers, or set HEADWAY_REPLICATION_FACTOR={there}")
    else:
        yield Finding("broker", Standing.WELL, f"{settings.kafka} answers; {there} brokers")


def topics(settings: LiveSettings) -> Iterator[Finding]:
    """Each topic of the topology as it is wanted, with a leader for each partition and all its copies in step."""
    wanted = plan(settings)
    if wanted.make:
        names = ", ".join(topic.name for topic in wanted.make)
        yield Finding("topics", Standing.WRONG, f"missing: {names}", "Make them with `headway topics`")
    for m in wanted.mismatches:
        yield Finding("topics", Standing.WRONG, f"{m.topic}: {m.setting} is {m.found}, wanted is {m.wanted}", m.remedy)
    behind = _behind(settings, [topic.name for topic in wanted.stand])
    for said, remedy in behind:
        yield Finding("topics", Standing.WRONG, said, remedy)
    if not (wanted.make or wanted.mismatches or behind):
        yield Finding("topics", Standing.WELL, f"all {len(wanted.stand)} stand as wanted, and each partition has its leader and copies")


def _behind(settings: LiveSettings, names: list[str]) -> list[tuple[str, str]]:
    out = []
    with administrator(settings, "asking about partitions") as admin:
        for topic in admin.describe_topics(names) if names else ():
            for one in topic["partitions"]:
                place = f"{topic['name']}/{one['partition_index']}"
                if one["leader_id"] < 0:
                    out.append((f"{place} has no leader: nobody can read or write it", "Start the broker that holds it"))
                elif len(one["isr_nodes"]) < len(one["replica_nodes"]):
                    said = f"{place}: {len(one['isr_nodes'])} of {len(one['replica_nodes'])} copies are in step"
                    out.append((said, "Look at the brokers that lag, and at their disks"))
    return out[:_SHOWN] + ([(f"and {len(out) - _SHOWN} more partitions", out[_SHOWN][1])] if len(out) > _SHOWN else [])


def log_clock(settings: LiveSettings, now: datetime) -> Iterator[Finding]:
    """The clock of this machine against the broker's, as it stamped the newest records of the control log and the registers."""
    newest = 0
    with LogReader(settings) as reader:
        ends = reader.bounds(topology.CONTROL, topology.REGISTERS)
        last = {place: (end - 1, end) for place, (first, end) in ends.items() if end > first}
        for _, records in reader.read(last):
            newest = max(newest, *(record.timestamp for record in records))
    if not newest:
        yield Finding("clock", Standing.NOT_TRIED, "no record stands in the logs yet, so there is nothing to compare with")
        return
    stamped = datetime.fromtimestamp(newest / 1000, UTC)
    ahead = (stamped - now).total_seconds()
    if ahead > CLOCK_SECONDS_MAX:
        said = f"the newest record was stamped {ahead:.0f} s after this machine's now"
        yield Finding("clock", Standing.WRONG, said, "Set the clock of this machine, or of the brokers, by NTP; days are closed by it")
    else:
        yield Finding("clock", Standing.WELL, f"not behind the broker's: the newest record is {max(0.0, -ahead):.0f} s old")


def clock_against(whose: str, theirs: datetime, now: datetime) -> Finding:
    """The clock of this machine against another's that was read just now."""
    apart = (now - theirs).total_seconds()
    if abs(apart) <= CLOCK_SECONDS_MAX:
        return Finding("clock", Standing.WELL, f"{abs(apart):.0f} s from {whose}")
    side = "ahead of" if apart > 0 else "behind"
    return Finding("clock", Standing.WRONG, f"{abs(apart):.0f} s {side} {whose}", "Set both by NTP; days are closed by this clock")


def disk(name: str, folder: Path) -> Iterator[Finding]:
    """Room where this setting points, on the nearest folder that exists."""
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    said = f"{name} {folder}: {free / 1024**3:.1f} GiB free"
    if free < FREE_BYTES_MIN:
        yield Finding(
            "disk", Standing.WRONG, said, "Free some, or move it to a larger disk; what is taken in waits or is refused until then"
        )
    elif free < FREE_BYTES_LOOK:
        yield Finding("disk", Standing.LOOK, said, "Make room before it is full")
    else:
        yield Finding("disk", Standing.WELL, said)


def calendars(reference: Reference, today: date) -> Iterator[Finding]:
    """Does each school have school days this academic year, and does any calendar reach far enough ahead."""
    year, soon = academic_year(today), academic_year(today + timedelta(days=CALENDAR_DAYS_MIN))
    days, open_ = reference.calendar.planned(reference.schools, year)
    without = int((~open_.any(axis=1)).sum())
    if without:
        said = f"{without} of {len(reference.schools)} schools have no school day in {year}"
        yield Finding("calendars", Standing.WRONG, said, "Give their areas or schools terms in calendar.csv, and publish it again")
    elif soon != year and soon not in reference.calendar.academic_years():
        yield Finding("calendars", Standing.LOOK, f"there is no term in {soon} yet", "Publish next year's calendar before it begins")
    else:
        last = date.fromordinal(int(days[-1]) + _EPOCH)
        yield Finding("calendars", Standing.WELL, f"{len(reference.schools)} schools have school days in {year}, to {last}")
