"""kill -9 of a real `headway serve` while registers are posted: what was answered is in the log, and nothing is there twice.

A failure names its seed; ``HEADWAY_SEED=7 pytest tests/simulation/test_kill_serve.py`` runs that one again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from streams.sqlite_log import EmbeddedLogs
from tests.serving import judge, register

ROOT = Path(__file__).parents[2]
REGISTERS, REPEATS, SENDERS = 200, 20, 4
SEEDS = [int(os.environ["HEADWAY_SEED"])] if "HEADWAY_SEED" in os.environ else range(int(os.environ.get("HEADWAY_KILLS", "6")))


def _started(log: Path) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "tests.serving_process", str(log)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    if process.stdout is None:
        raise RuntimeError("the process has no output")
    return process, process.stdout.readline().strip()


def _registers(seed: int) -> list[dict[str, Any]]:
    """Distinct registers, some of them sent twice, in random order."""
    chance = np.random.default_rng(seed)
    said = [register(100_000 + n % 12, revision=n, absent=int(chance.integers(60))) for n in range(REGISTERS)]
    said += [said[i] for i in chance.choice(REGISTERS, REPEATS, replace=False)]
    return [said[i] for i in chance.permutation(len(said))]


class _Sent:
    """What was acknowledged, by canonical bytes; sets `enough` when as many answers came as it was told."""

    def __init__(self, kill_after: int) -> None:
        self.positions: dict[bytes, set[int]] = {}
        self.enough, self._guard, self._left = threading.Event(), threading.Lock(), kill_after

    def post(self, client: httpx.Client, events: list[dict[str, Any]]) -> None:
        """One request; what it answers counts, and a connection that died answers nothing."""
        try:
            answer = client.post("/v1/registers", json=events if len(events) > 1 else events[0])
        except httpx.TransportError:
            return
        results = answer.json()["events"] if len(events) > 1 else [answer.json()]
        with self._guard:
            for event, result in zip(events, results, strict=True):
                self.positions.setdefault(judge(json.dumps(event).encode()), set()).add(result["position"])
            self._left -= 1
            if self._left <= 0:
                self.enough.set()


def _requests(seed: int) -> list[list[dict[str, Any]]]:
    chance, events, out = np.random.default_rng(seed + 1), _registers(seed), []
    while events:
        size = int(chance.choice([1, 1, 1, 2, 5]))
        out.append(events[:size])
        events = events[size:]
    return out


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_every_answered_register_is_in_the_log_once_after_kill_9(tmp_path: Path, seed: int) -> None:
    log = tmp_path / "headway.db"
    requests = _requests(seed)
    sent = _Sent(kill_after=int(np.random.default_rng(seed + 2).integers(1, len(requests))))
    process, url = _started(log)
    with process, ThreadPoolExecutor(SENDERS) as pool, httpx.Client(base_url=url, timeout=20) as client:
        for events in requests:
            pool.submit(sent.post, client, events)
        assert sent.enough.wait(60), f"seed {seed}: too few answers"
        process.kill()
    assert process.returncode == -9

    logs = EmbeddedLogs(log)
    held = {body: position for position, body in logs.read_registers(0, logs.end_positions()["register"])}
    assert len(held) == logs.end_positions()["register"], f"seed {seed}: a register stands there twice"
    logs.close()
    for body, positions in sent.positions.items():
        assert positions == {held.get(body)}, f"seed {seed}: an answered register is lost or moved"

    process, url = _started(log)
    with process, httpx.Client(base_url=url, timeout=20) as client:
        again = client.post("/v1/registers", json=[event for events in requests for event in events]).json()
        process.kill()
    assert again["accepted"] == REGISTERS + REPEATS
    logs = EmbeddedLogs(log)
    bodies = [body for _, body in logs.read_registers(0, logs.end_positions()["register"])]
    logs.close()
    assert len(bodies) == len(set(bodies)) == REGISTERS
    assert set(bodies) == {judge(json.dumps(event).encode()) for event in _registers(seed)}
    assert [at["position"] for at in again["events"]] == [bodies.index(judge(json.dumps(e).encode())) + 1 for r in requests for e in r]
