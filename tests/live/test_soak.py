"""A simulated school year, time-compressed: each day its registers and a close; memory, descriptors and lag are looked at.

20 days by default, HEADWAY_SOAK_DAYS for more; growth is measured after the first fifth. What the closer must hold grows with
the year (the registers themselves): of a hub that is little beside the process.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from models.parameters import Parameters
from streams import clock, topology
from streams.close_command import ask, wait_for
from streams.kafka_logs import KafkaLogs
from streams.live_closer import LiveCloser
from streams.reference import read_reference
from streams.reference_publish import publish_reference
from tests.live.conformance import produce
from tests.live.fleet import HEADWAY, Fleet
from tests.live.test_faults import measured

if TYPE_CHECKING:
    from streams.live_settings import LiveSettings
    from tests.live.fleet import Running

DAYS = int(os.environ.get("HEADWAY_SOAK_DAYS", "20"))
GROWTH_MAX = 0.05 if DAYS >= 100 else 0.15
"""Of a short run the allocator's own steps are a larger share."""
LAG_SECONDS_MAX = 10.0
pytestmark = pytest.mark.timeout(3600)


def _resident_bytes(one: Running) -> int:
    status = Path(f"/proc/{one.process.pid}/status").read_text("utf-8")
    return int(next(row for row in status.splitlines() if row.startswith("VmRSS")).split()[1]) * 1024


def _descriptors(one: Running) -> int:
    return len(os.listdir(f"/proc/{one.process.pid}/fd"))  # noqa: PTH208 (a count of what the kernel lists)


def _lag(one: Running) -> float:
    lines = httpx.get(f"http://127.0.0.1:{one.port}/metrics", timeout=5).text.splitlines()
    return float(next(row for row in lines if row.startswith("headway_lag_records ")).split()[1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory and descriptors are read from /proc")
def test_a_year_leaves_no_trace_in_memory_descriptors_or_lag(settings: LiveSettings, topics: Any, tmp_path: Path) -> None:
    subprocess.run([*HEADWAY, "simulate", f"--out={tmp_path}", f"--days={DAYS}", "--seed=3", "--layout=jsonl", "--defects"], check=True)
    publish_reference(settings, read_reference(*(tmp_path / f"{name}.csv" for name in ("schools", "targets", "calendar"))))
    by_day: dict[date, list[bytes]] = defaultdict(list)
    for text in (tmp_path / "sessions.jsonl").read_bytes().splitlines():
        by_day[date.fromisoformat(json.loads(text)["recorded_at"][:10])].append(text)
    days = sorted({date.fromisoformat(json.loads(text)["attendance_date"]) for lines in by_day.values() for text in lines})
    seen: dict[str, list[tuple[int, int]]] = defaultdict(list)
    lagged = 0.0
    with Fleet(settings, tmp_path) as fleet:
        running = {name: fleet.start(name, name=f"{name}-a") for name in ("closer", "worker")}
        for one in running.values():
            one.ready()
        asker = LiveCloser(settings, KafkaLogs(settings), Parameters(), clock.now)
        for day in days:
            produce(settings, topology.REGISTERS, by_day.pop(day, []))
            sent = time.monotonic()
            wait_for(asker, ask(asker, day), 60)
            while _lag(running["worker"]) > 0 and time.monotonic() - sent < 2 * LAG_SECONDS_MAX:
                time.sleep(0.2)
            lagged = max(lagged, time.monotonic() - sent)
            for name, one in running.items():
                seen[name].append((_resident_bytes(one), _descriptors(one)))
    warm = max(1, len(days) // 5)
    growth = {name: one[-1][0] / one[warm][0] - 1 for name, one in seen.items()}
    third = len(days) // 3
    descriptors = {name: tuple(min(fds for _, fds in part) for part in (one[third:-third], one[-third:])) for name, one in seen.items()}
    megabytes = {name: round(one[-1][0] / 1e6) for name, one in seen.items()}
    measured(
        what=f"soak of {len(days)} school days",
        growth={name: f"{share:.1%}" for name, share in growth.items()},
        resident_megabytes=megabytes,
        fewest_descriptors_in_the_second_and_last_third=descriptors,
        lag_back_to_0_after_seconds=round(lagged, 1),
    )
    assert max(growth.values()) < GROWTH_MAX, (growth, megabytes)
    assert all(last <= second for second, last in descriptors.values()), f"{descriptors}: what leaks is in every count"
    assert lagged <= LAG_SECONDS_MAX
