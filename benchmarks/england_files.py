"""A year of England through `headway replay`, from files: wall time, processor time and peak memory of the whole command.

usage: python -m benchmarks.england_files [--schools 24000] [--work DIR]
Files are made once by `benchmarks.england_year` (five year groups of six codes, 480 bytes a JSON line) and kept in DIR.
The floor beside it: `json.loads` of each line and a dict, which checks nothing and scores nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.england_year import write_england
from benchmarks.evidence import write

HEADWAY = Path(sys.executable).with_name("headway")
_PEAK = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, used.ru_maxrss // 1024, used.ru_utime + used.ru_stime)
"""


def replay(sessions: Path, folder: Path, out: Path) -> dict[str, Any]:
    """One run of the command, measured from outside."""
    command = [str(HEADWAY), "replay", str(sessions), *(f"--{n}={folder / n}.csv" for n in ("schools", "targets", "calendar"))]
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", _PEAK, *command, f"--out={out}"], check=True, capture_output=True, text=True)
    code, peak, processor = done.stdout.split()
    if code != "0":
        raise SystemExit(done.stderr)
    wall = round(time.perf_counter() - begin, 1)
    return {"wall, s": wall, "processor, s": round(float(processor), 1), "peak of one process, MiB": int(peak)}


def floor(path: Path, lines_max: int) -> float:
    """Seconds per line of a plain loop."""
    held: dict[tuple[int, str, str], Any] = {}
    begin = time.perf_counter()
    with path.open("rb") as file:
        for count, line in enumerate(file, 1):
            event = json.loads(line)
            held[event["urn"], event["attendance_date"], event["session"]] = event["counts"]
            if count == lines_max:
                break
    return (time.perf_counter() - begin) / count


def main() -> None:
    """Measure and write docs/evidence/england.md."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--schools", type=int, default=24_000)
    arguments.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "headway-england")
    given = arguments.parse_args()
    rows = []
    plain = 0.0
    for layout, corrected in (("parquet", 0.0), ("jsonl", 0.0), ("parquet", 0.03)):
        folder = given.work / f"{layout}-{corrected}"
        sessions = folder / f"sessions.{layout}"
        if not sessions.exists():
            write_england(folder, schools=given.schools, days=190, layout=layout, corrected=corrected, seed=1)
        measured = replay(sessions, folder, given.work / "out")
        read = json.loads((given.work / "out" / "summary.json").read_text("utf-8"))["read"]
        name = {"parquet": "Parquet", "jsonl": "JSON lines, two processes read"}[layout]
        rows.append({"registers": f"{name}{', 3 % corrected on later days' if corrected else ''}", "read": read, **measured})
        if layout == "jsonl":
            plain = floor(sessions, 200_000)
            rows[-1]["ratio to json.loads and a dict"] = round(measured["wall, s"] / (plain * read), 2)
    for row in rows:
        row.setdefault("ratio to json.loads and a dict", "")
    notes = [
        f"{given.schools:,} schools, 190 days. The whole command: reading, merging, a close a day, readings.csv and digest.",
        f"The floor, json.loads and a dict in one process, takes {1e6 * plain:.1f} microseconds a line and only reads.",
        f"Goals (design.md section 7): Parquet 30 s, JSON lines 120 s, 4 GiB. Load average at the end {os.getloadavg()[0]:.1f}.",
    ]
    write("england", "A year of England from files", f"python -m benchmarks.england_files --schools {given.schools}", rows, notes)


if __name__ == "__main__":
    main()
