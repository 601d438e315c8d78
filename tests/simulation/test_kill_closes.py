"""kill -9 of a process that closes day after day, at random instants, and started again: the same closes, no alert doubled."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from schemas.register import canonical, parse
from streams.sqlite_log import EmbeddedLogs
from tests.closing_process import NOW
from tests.streams_of_registers import SmallYear, line, small_year, write_reference

ROOT = Path(__file__).parents[2]
LONDON = ZoneInfo("Europe/London")
KILLS_LEAST = 3


def _prepared(year: SmallYear, folder: Path) -> Path:
    """The log with every register in order of arrival, and the plan: each school day with the position at its midnight."""
    write_reference(year, folder)
    bodies = sorted({(r.recorded_at, canonical(r)) for r in (parse(line(e)) for e in year.events)})
    logs = EmbeddedLogs(folder / "headway.db", now=lambda: NOW)
    logs.append_registers([body for _, body in bodies])
    logs.close()
    first, last = (date.fromisoformat(year.calendar[0][name]) for name in ("first_date", "last_date"))
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    plan = []
    for day in [d for d in days if d.weekday() < 5]:
        midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), LONDON).astimezone(UTC)
        plan.append([day.isoformat(), sum(moment < midnight for moment, _ in bodies)])
    plan.append([plan[-1][0], len(bodies)])
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    return folder / "headway.db"


def _start(log: Path, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.closing_process", str(log), str(folder)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=environment)
    if process.stdout is None:
        raise RuntimeError("the process has no output")
    with process.stdout as said:
        if said.readline() != b"closing\n":
            raise RuntimeError("the process did not begin")
    return process


def _said(log: Path) -> tuple[list[bytes], list[tuple[int, str, bytes]]]:
    logs = EmbeddedLogs(log, now=lambda: NOW)
    try:
        return [body for _, body in logs.read_control()], list(logs.read_alerts())
    finally:
        logs.close()


def _killed_until_done(log: Path, folder: Path, rng: np.random.Generator, seconds: float) -> int:
    """Start it again and again, each time for up to so many seconds, until it ends by itself; how often it was killed."""
    kills = 0
    while True:
        process = _start(log, folder)
        try:
            code = process.wait(timeout=float(rng.uniform(0, seconds)))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            continue
        assert code == 0
        return kills


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_closes_killed_at_random_instants_say_the_same(tmp_path: Path, seed: int) -> None:
    log = _prepared(small_year(seed, days=30, schools=25), tmp_path)
    whole = tmp_path / "whole.db"
    shutil.copy(log, whole)
    begun = time.perf_counter()
    process = _start(whole, tmp_path)
    assert process.wait() == 0
    seconds = time.perf_counter() - begun
    rng, share, untouched = np.random.default_rng(seed), 4, tmp_path / "untouched.db"
    shutil.copy(log, untouched)
    while _killed_until_done(log, tmp_path, rng, seconds / share) < KILLS_LEAST:
        for left in tmp_path.glob(f"{log.name}*"):
            left.unlink()
        shutil.copy(untouched, log)  # The machine has become quicker than it was for the whole run.
        share *= 2
    control, alerts = _said(log)
    expected_control, expected_alerts = _said(whole)
    assert alerts == expected_alerts
    assert len({record for _, record, _ in alerts}) == len(alerts) > 0
    kinds = Counter(json.loads(body)["record"] for body in control)
    assert kinds["completed"] == Counter(json.loads(body)["record"] for body in expected_control)["completed"]
    completed = [body for body in control if b'"record":"completed"' in body]
    assert completed == [body for body in expected_control if b'"record":"completed"' in body]
