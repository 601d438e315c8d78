"""A backtest that is killed outright leaves whole units and no process behind, and goes on to the same bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEADWAY = Path(sys.executable).with_name("headway")
SMALL = ["--school-count", "40", "--areas", "2", "--days", "80", "--methods", "T,C", "--null-years", "6", "--drift", "step:3@4"]


def started(out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([HEADWAY, "backtest", *SMALL, "--jobs", "2", "--out", str(out)], stdout=subprocess.PIPE)


def units(out: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (out / "units").glob("[!.]*")}


@pytest.mark.slow
def test_a_killed_backtest_leaves_nothing_running_and_goes_on(tmp_path: Path) -> None:
    whole = started(tmp_path / "whole")
    whole.communicate()
    assert whole.returncode == 0
    killed = started(tmp_path / "killed")
    while killed.poll() is None and not units(tmp_path / "killed"):
        try:
            killed.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    killed.kill()
    # The pool's processes hold this pipe too: it ends when the last of them does.
    killed.communicate()
    left = units(tmp_path / "killed")
    assert 0 < len(left) < 10
    again = started(tmp_path / "killed")
    again.communicate()
    assert again.returncode == 0
    assert units(tmp_path / "killed") == units(tmp_path / "whole")
    assert left.items() <= units(tmp_path / "whole").items()
