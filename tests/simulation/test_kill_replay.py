"""`headway replay` killed with -9 at random instants: every file that stands is whole, and the next run says the same."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.streams_of_registers import line, small_year, write_reference

if TYPE_CHECKING:
    from pathlib import Path

OUTPUTS = ("readings.csv", "alerts.jsonl", "rejects.jsonl", "parameters.json", "summary.json")
KILLS = 8


@pytest.mark.slow
def test_a_replay_killed_at_any_instant_leaves_whole_files_and_starts_again(tmp_path: Path) -> None:
    year = small_year(11, days=40, schools=40)
    sessions = tmp_path / "sessions.jsonl"
    sessions.write_bytes(b"".join(line(e) for e in year.events) + b'{"urn": 1}\n')
    schools, targets, calendar = write_reference(year, tmp_path)
    out, clean = tmp_path / "out", tmp_path / "clean"
    command = [sys.executable, "-c", "from streams.command import main; main()", "replay", str(sessions)]
    command += [f"--schools={schools}", f"--targets={targets}", f"--calendar={calendar}"]
    begin = time.perf_counter()
    assert subprocess.run([*command, f"--out={clean}"], check=False, capture_output=True).returncode == 3
    whole = time.perf_counter() - begin
    said = {name: (clean / name).read_bytes() for name in OUTPUTS}
    assert {(clean / name).stat().st_mode & 0o777 for name in OUTPUTS} == {0o600}
    rng = np.random.default_rng(1)
    killed = 0
    for share in np.sort(rng.uniform(0.2, 1.0, KILLS)):
        process = subprocess.Popen([*command, f"--out={out}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=float(share) * whole)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
        for name in OUTPUTS:
            assert not (out / name).exists() or (out / name).read_bytes() == said[name], name
    assert killed > 0
    assert subprocess.run([*command, f"--out={out}"], check=False, capture_output=True).returncode == 3
    assert {name: (out / name).read_bytes() for name in OUTPUTS} == said
    assert json.loads(said["summary.json"])["rejected"] == {"missing_field": 1}
    assert sorted(p.name for p in out.iterdir()) == sorted(OUTPUTS)
