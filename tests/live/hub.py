"""A hub for tests of workers: its reference data, registers made by hand, and what the workers said of them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streams import topology
from streams.kafka_logs import KafkaLogs
from streams.reference import read_reference
from streams.reference_publish import publish_reference
from tests.live.conformance import whole
from tests.streams_of_registers import SmallYear, write_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from streams.live_settings import LiveSettings
    from streams.replay import Reference

__all__ = ["CANARIES", "DAY", "SCHOOLS", "Said", "ends", "publish_hub", "register", "said", "until"]

DAY = "2026-10-05"
CANARIES = ("0.934717", "0.943829")
"""Targets that must be found nowhere else."""
SCHOOLS = tuple(range(100_000, 100_060))


def publish_hub(settings: LiveSettings, folder: Path, schools: Iterable[int] = SCHOOLS) -> Reference:
    """Reference data of an autumn term."""
    folder.mkdir(exist_ok=True)
    rows = [
        {"urn": str(u), "name": f"School {u}", "phase": ("primary", "secondary", "special")[u % 3], "region": "region 0"}
        | {"local_authority": "LA", "hub": f"hub {u % 2}", "roll": "200"}
        for u in schools
    ]
    targets = [
        {"urn": r["urn"], "academic_year": "2026/27", "baseline_attendance": CANARIES[0], "target_attendance": CANARIES[1]} for r in rows
    ]
    calendar = [{"scope": "all", "kind": "term", "first_date": "2026-09-07", "last_date": "2026-12-18"}]
    reference = read_reference(*write_reference(SmallYear(0, rows, targets, calendar, []), folder))
    publish_reference(settings, reference)
    return reference


def register(urn: int, session: str = "AM", absent: int = 10, *, day: str = DAY, revision: int = 0, **changed: Any) -> bytes:
    """One register; `changed` replaces fields."""
    counts = {"all": {"/" if session == "AM" else "\\": 190, "I": absent}}
    body = {"urn": urn, "attendance_date": day, "session": session, "revision": revision, "source": "test", "counts": counts}
    return json.dumps(body | {"recorded_at": f"{day}T09:30:00Z"} | changed).encode()


@dataclass
class Said:
    """Provisional readings in the order of their partitions and offsets, the latest by URN and day, and dead letters by origin."""

    readings: list[dict[str, Any]] = field(default_factory=list)
    latest: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)
    letters: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """Reason and value."""

    def sessions(self, day: str = DAY) -> dict[int, tuple[str, ...]]:
        """By school, the sessions of its latest reading of a day."""
        return {urn: tuple(reading["sessions"]) for (urn, of), reading in self.latest.items() if of == day}

    def reasons(self) -> dict[str, str]:
        """By origin, without the name of the topic."""
        return {origin.partition("/")[2]: reason for origin, (reason, _) in self.letters.items()}


def said(settings: LiveSettings) -> Said:
    """What stands in the topics now; raises where a record is not what the agreements say."""
    out = Said()
    for record in sorted(whole(settings, topology.PROVISIONAL), key=lambda r: (r.timestamp, r.offset)):
        headers = dict(record.headers)
        if record.key != headers["partition"] or int(headers["offset"]) < 0 or len(record.value) > 200_000:
            raise ValueError(f"an odd provisional record: {record.key!r} {headers} {len(record.value)} bytes")
        for reading in json.loads(record.value):
            out.readings.append(reading)
            out.latest[reading["urn"], reading["attendance_date"]] = reading
    for record in whole(settings, topology.REJECTS):
        headers = dict(record.headers)
        found = (headers["reason"].decode(), record.value)
        if record.key != topology.REGISTERS.name.encode() or out.letters.setdefault(headers["origin"].decode(), found) != found:
            raise ValueError(f"an odd dead letter: {record.key!r} {headers}")
    return out


def until(settings: LiveSettings, holds: Callable[[Said], bool], seconds: float = 30) -> Said:
    """What was said when it first held."""
    deadline = time.monotonic() + seconds
    while not holds(now := said(settings)):
        if time.monotonic() > deadline:
            raise AssertionError(f"never came; last: {len(now.readings)} readings, {now.sessions()}, {now.reasons()}")
        time.sleep(0.2)
    return now


def ends(settings: LiveSettings) -> dict[str, int]:
    """Where the input logs end."""
    return KafkaLogs(settings).ends()
