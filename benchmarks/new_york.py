"""New York 2015-16, a real school year, through `headway replay`: alarms per school-year, time taken, injected drops found.

usage: HEADWAY_DATA=... python -m benchmarks.new_york
Thresholds are the simulator's; season, levels and noise come from the year before; no threshold was chosen on this year. First
passages as detection.md 1.8 defines the nominal rate; openings under the alert policy beside them.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.evidence import write

HEADWAY = Path(sys.executable).with_name("headway")
UNSCORED = {"no_sessions", "missing", "partial", "implausible", "all_present", "no_peers"}
QUIET_DAYS = 10


def replay(data: Path, sessions: Path, out: Path, rate: float) -> float:
    """Seconds that the command took."""
    references = [f"--{name}={data / name}.csv" for name in ("schools", "targets", "calendar")]
    command = [
        str(HEADWAY),
        "replay",
        str(sessions),
        *references,
        f"--history={data / 'history.jsonl.gz'}",
        f"--alarms-per-school-year={rate}",
        f"--out={out}",
        "--json",
    ]
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begin


def passages(out: Path, rate: float, chart: str) -> tuple[dict[int, list[int]], int, int]:
    """Day indices on which each school's chart is above the limit, on scored days after warm-up; days; schools."""
    rows = list(csv.DictReader((out / "readings.csv").open(encoding="utf-8")))
    days = sorted({row["attendance_date"] for row in rows})
    at = {day: i for i, day in enumerate(days)}
    above: dict[int, list[int]] = {}
    for row in rows:
        scored = row["condition"] not in UNSCORED and (chart == "target" or row["condition"] != "warming_up")
        if scored and float(row[f"once_in_school_years_{chart}"] or 0) >= 1 / rate:
            above.setdefault(int(row["urn"]), []).append(at[row["attendance_date"]])
    return above, len(days), len({row["urn"] for row in rows})


def openings(out: Path, kind: str) -> int:
    """Alerts opened of one kind."""
    alerts = [json.loads(line) for line in (out / "alerts.jsonl").open(encoding="utf-8")]
    return sum(a["kind"] == kind and a["state"] == "opened" for a in alerts)


def with_drops(events: list[dict[str, Any]], points: float, seed: int, path: Path) -> dict[int, str]:
    """Write the year with Bin(n, points) further absentees from a day in 45 to 90 on in a tenth of the schools; the onsets."""
    rng = np.random.default_rng(seed)
    days = sorted({e["attendance_date"] for e in events})
    onsets = {u: days[int(rng.integers(45, 91))] for u in sorted({e["urn"] for e in events}) if rng.random() < 0.1}
    with gzip.open(path, "wt", compresslevel=1, encoding="utf-8") as file:
        for event in events:
            counts = event["counts"]["all"]
            if event["urn"] in onsets and event["attendance_date"] >= onsets[event["urn"]]:
                extra = min(counts.get("/", 0), int(rng.binomial(sum(counts.values()), points / 100)))
                counts = {"/": counts.get("/", 0) - extra, "O": counts.get("O", 0) + extra}
            file.write(json.dumps({**event, "counts": {"all": counts}}) + "\n")
    return onsets


def delays(above: dict[int, list[int]], onsets: dict[int, int]) -> list[float]:
    """School days to the first passage (1: on the first day), of schools quiet in the 10 days before."""
    out = []
    for urn, first in onsets.items():
        seen = above.get(urn, [])
        if not any(first - QUIET_DAYS <= d < first for d in seen):
            out.append(min((d - first + 1 for d in seen if d >= first), default=math.inf))
    return out


def main() -> None:
    """Run everything and write docs/evidence/new_york.md."""
    data = Path(os.environ["HEADWAY_DATA"]) / "nyc_2015_16"
    rows: list[dict[str, Any]] = []
    with gzip.open(data / "sessions.jsonl.gz", "rt", encoding="utf-8") as file:
        events = [json.loads(line) for line in file]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for rate in (0.5, 0.25, 0.1):
            seconds = replay(data, data / "sessions.jsonl.gz", work / "clean", rate)
            row: dict[str, Any] = {"run": f"as it is, nominal {rate}", "seconds": round(seconds, 1)}
            for chart, kind, name in (("level", "level_drop", "C"), ("target", "off_trajectory", "T")):
                above, days, schools = passages(work / "clean", rate, chart)
                row[f"{name} first passages a school-year"] = round(-math.log(1 - len(above) / schools) * 190 / days, 3)
                row[f"{name} openings a school-year"] = round(openings(work / "clean", kind) / schools * 190 / days, 3)
            rows.append({**row, "C median delay, days": "", "C found in 20 / 40 days": "", "schools with a drop": ""})
        for points in (2, 3):
            found: list[float] = []
            for seed in (1, 2):
                onsets = with_drops(events, points, seed, work / "dropped.jsonl.gz")
                seconds = replay(data, work / "dropped.jsonl.gz", work / "dropped", 0.5)
                above, _, _ = passages(work / "dropped", 0.5, "level")
                dates = sorted({e["attendance_date"] for e in events})
                found += delays(above, {u: dates.index(d) for u, d in onsets.items()})
            rows.append(
                {
                    "run": f"drops of {points} points, nominal 0.5, seeds 1 and 2",
                    "seconds": round(seconds, 1),
                    "C first passages a school-year": "",
                    "C openings a school-year": "",
                    "T first passages a school-year": "",
                    "T openings a school-year": "",
                    "C median delay, days": float(np.median(found)),
                    "C found in 20 / 40 days": f"{np.mean(np.array(found) <= 20):.0%} / {np.mean(np.array(found) <= 40):.0%}",
                    "schools with a drop": len(found),
                }
            )
    notes = [
        "1,545 real schools, 155 school days, one mark a day; seconds are of the whole command, history included.",
        "T passes more often than its nominal rate, because many of these schools really moved over the summer.",
    ]
    write("new_york", "New York 2015-16", "HEADWAY_DATA=... python -m benchmarks.new_york", rows, notes)


if __name__ == "__main__":
    main()
