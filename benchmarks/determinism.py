"""1,000 seeds of small years: shuffled, doubled, split, partitioned, corrected late, with checkpoints deleted at random.

usage: python -m benchmarks.determinism [--seeds 1000] [--log FILE]
Runs `tests/simulation/test_determinism.py` over so many seeds (about 40 minutes for 1,000 on one core) and writes
docs/evidence/determinism.md; with --log it takes the output of such a run instead.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.evidence import write

TESTS = {
    "order, repeats, 1, 4 and 12 partitions, blocks of 1, 7 and 15 days": "every output byte for byte, but `read` and `duplicate`",
    "the same winners with another history of arrival; known then and now": "readings and state digest",
    "each close against the replay from day one, checkpoints deleted at random": "every reading, at a quarter of the closes",
}


def run(seeds: int) -> str:
    """What pytest printed."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "tests/simulation/test_determinism.py"]
    return subprocess.run(
        command, env={**os.environ, "HEADWAY_SEEDS": str(seeds), "HEADWAY_WHOLE_YEARS": "10"}, capture_output=True, text=True, check=False
    ).stdout


def main() -> None:
    """Run or read, and write the page; exit 1 if a seed failed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=1000)
    arguments.add_argument("--log", type=Path)
    given = arguments.parse_args()
    printed = given.log.read_text("utf-8") if given.log else run(given.seeds)
    counted = re.findall(r"(?:(\d+) failed, )?(\d+) passed", printed)
    if not counted:
        raise SystemExit(f"no closing line of a test run:\n{printed[-2000:]}")
    failed, passed = sum(int(f or 0) for f, _ in counted), sum(int(p) for _, p in counted)
    rows = [
        {"what is done to a year": done, "what must be equal": equal, "seeds": f"{given.seeds} and 10 whole years"}
        for done, equal in TESTS.items()
    ]
    notes = [
        f"{passed} passed, {failed} failed; a failure prints its seed.",
        "A small year has 5 to 40 school days and 4 to 40 schools, drifts, an area's shock, silence, closures, late corrections.",
        "A whole year has 190 school days and 20 schools.",
    ]
    write("determinism", "Determinism", f"python -m benchmarks.determinism --seeds {given.seeds}", rows, notes)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
