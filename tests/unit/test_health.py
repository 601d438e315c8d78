"""The metrics port: alive by real lag and progress, ready with named reasons, answering while the rest of the process is busy."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client import generate_latest

from schemas.errors import WrongUsage
from streams.health import Health, Watchdog
from streams.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class _Clock:
    seconds: float = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def watchdog(clock: _Clock) -> Watchdog:
    return Watchdog(clock, lambda: 1.7e9 + clock(), stalled_seconds=120)


REASONS: list[str] = []


@pytest.fixture
def health(watchdog: Watchdog) -> Iterator[Health]:
    REASONS.clear()
    made = Health("127.0.0.1", 0, watchdog, lambda: list(REASONS), Metrics("worker"))
    yield made
    made.close()


def get(health: Health, path: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{health.port}{path}", timeout=5)


def test_nothing_waits_so_doing_nothing_is_no_fault(clock: _Clock, watchdog: Watchdog) -> None:
    clock.seconds += 1_000
    watchdog.waits(0)
    clock.seconds += 119
    assert watchdog.stalled() is None


@pytest.mark.parametrize(("seconds", "red"), [(119.9, False), (120.0, False), (120.1, True)])
def test_records_wait_and_nothing_is_done(seconds: float, red: bool, clock: _Clock, watchdog: Watchdog) -> None:
    watchdog.waits(5)
    clock.seconds += seconds
    assert (watchdog.stalled() is not None) == red
    watchdog.progressed()
    assert watchdog.stalled() is None


def test_what_was_read_in_bulk_but_never_delivered_is_a_fault_all_the_same(clock: _Clock, watchdog: Watchdog) -> None:
    clock.seconds += 130
    watchdog.waits(0, 7)
    stalled = watchdog.stalled()
    assert stalled is not None
    assert stalled.startswith("7 records wait")


def test_live_turns_red_and_green_again(clock: _Clock, watchdog: Watchdog, health: Health) -> None:
    assert get(health, "/live").json() == {"status": "ok", "reasons": []}
    watchdog.waits(3)
    clock.seconds += 121
    answer = get(health, "/live")
    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert answer.json() == {"status": "unavailable", "reasons": ["3 records wait and nothing was done for 121 s"]}
    watchdog.waits(0)
    assert get(health, "/live").status_code == httpx.codes.OK


def test_ready_names_every_reason(health: Health) -> None:
    assert get(health, "/ready").status_code == httpx.codes.OK
    REASONS.extend(["no reference data", "partitions 3 are being read"])
    answer = get(health, "/ready")
    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert answer.json()["reasons"] == REASONS


def test_metrics_are_of_its_own_registry(health: Health, watchdog: Watchdog, clock: _Clock) -> None:
    metrics = Metrics("worker")
    metrics.counter("headway_registers_total").inc()
    assert b"headway_registers_total 1.0" in generate_latest(metrics.registry)
    watchdog.waits(12)
    lines = get(health, "/metrics").text.splitlines()
    assert "headway_registers_total 0.0" in lines
    assert "headway_lag_records 12.0" in lines
    said = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}
    assert said["headway_last_progress_timestamp_seconds"] == 1.7e9 + clock()
    assert not [line for line in lines if line.startswith("python_")]
    assert get(health, "/").status_code == httpx.codes.NOT_FOUND


@pytest.mark.slow
def test_it_answers_while_the_process_is_busy(health: Health) -> None:
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            sum(range(10_000))

    hands = [threading.Thread(target=busy) for _ in range(2)]
    for hand in hands:
        hand.start()
    try:
        assert all(get(health, path).status_code == httpx.codes.OK for path in ("/live", "/ready", "/metrics"))
    finally:
        stop.set()
        for hand in hands:
            hand.join()


def test_a_client_that_says_nothing_holds_nobody_up(health: Health) -> None:
    with socket.create_connection(("127.0.0.1", health.port)):
        assert get(health, "/live").status_code == httpx.codes.OK


def test_a_port_that_is_taken_is_a_wrong_setting(health: Health, watchdog: Watchdog) -> None:
    with pytest.raises(WrongUsage, match="HEADWAY_METRICS_PORT"):
        Health("127.0.0.1", health.port, watchdog, list, Metrics("worker"))
