"""200 kills, outages of 30 s and 5 min, ten minutes of workers that come and go, a soak of a school year, on a real broker.

usage: python -m benchmarks.live_faults [--kills 200] [--log FILE]
Runs `tests/live/test_faults.py` and the soak with these numbers (about an hour) and writes docs/evidence/live_faults.md; with
--log it takes the figures of such runs instead (HEADWAY_FAULTS_LOG), each written by a test as it passes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.evidence import write


def run(log: Path, tests: str, **numbers: object) -> str:
    """What pytest printed at the end."""
    environment = os.environ | {"HEADWAY_REQUIRE_KAFKA": "1", "HEADWAY_FAULTS_LOG": str(log)} | {k: str(v) for k, v in numbers.items()}
    files = ["tests/live/test_faults.py", "tests/live/test_soak.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", *files, "-k", tests]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout[-3000:], flush=True)
    return done.stdout.strip().splitlines()[-1]


def main() -> None:
    """Run and write the page."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--kills", type=int, default=200)
    arguments.add_argument("--log", type=Path)
    arguments.add_argument("--note", default="", help="what else a reader must know of these figures")
    given = arguments.parse_args()
    if given.log is not None:
        _page(given.log, given.kills, given.note)
        return
    log = Path(tempfile.mkdtemp(prefix="headway-faults-")) / "figures.jsonl"
    ends = [
        run(log, "gone", HEADWAY_OUTAGE_SECONDS=30),
        run(log, "two_closers"),
        run(log, "kills", HEADWAY_KILLS=given.kills),
        run(log, "come_and_go", HEADWAY_SCALE_SECONDS=600),
        run(log, "gone", HEADWAY_OUTAGE_SECONDS=300),
        run(log, "leaves_no_trace", HEADWAY_SOAK_DAYS=190),
    ]
    print("\n".join(ends))
    _page(log, given.kills, given.note)
    sys.exit(any("failed" in end or "error" in end for end in ends))


def _page(log: Path, kills: int, note: str) -> None:
    """The figures as a page."""
    rows = []
    for line in log.read_text("utf-8").splitlines() if log.exists() else ():
        figures = json.loads(line)
        what = figures.pop("what")
        where = figures.pop("where", {})
        rows.append({"fault": what, "measured": "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())})
        rows += [{"fault": f"of them: {name}", "measured": count} for name, count in where.items()]
    notes = [
        "After each fault the embedded runner, given the same records, said the same: digests, alerts and readings byte for byte, rejects.",
        *([note] if note else []),
    ]
    write("live_faults", "Faults of the live runner", f"python -m benchmarks.live_faults --kills {kills}", rows, notes)


if __name__ == "__main__":
    main()
