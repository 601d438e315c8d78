"""Kills while a script of arrivals is closed: at random instants, and at named points of a close; then nothing may be missing.

Two workers and a closer run all the time; whoever is killed is started again at once under its name. The embedded runner is the
judge of what should have been said.
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from models.parameters import Parameters
from streams import clock, topology
from streams.close_command import ask
from streams.kafka_logs import KafkaLogs
from streams.live_closer import LiveCloser
from tests.live.conformance import Arrival, produce, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np

    from schemas.control import Requested
    from tests.live.fleet import Fleet, Running

__all__ = ["AFTER_A_REJECT", "POINTS", "Campaign", "Kill", "seconds_to_work_again"]

POINTS = (
    "requested",
    "reading",
    "snapshot",
    "scored",
    "before decided",
    "decided",
    "rejects published",
    "half the alerts",
    "alerts published",
    "before completed",
)
"""Where a closer can be stopped; `streams.closer` and `streams.kafka_logs` name them."""

AFTER_A_REJECT = "a reject published, its offset not committed"
"""Where a worker is killed: Faust commits once a second."""
AT_POINT = [sys.executable, "-m", "tests.live.closer_at_point"]
WORKERS = ("worker-a", "worker-b")
CLOSER = "closer-a"
CLOSED_SECONDS_MAX = 180.0


@dataclass(frozen=True)
class Kill:
    """One kill: who, where (a point's name, or the seconds after the close was asked for), and how long until the close stood."""

    victim: str
    where: str
    working_again_seconds: float


@dataclass
class Campaign:
    """Plays arrivals, one close each, with one kill each."""

    fleet: Fleet
    folder: Path
    kills: list[Kill] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._up: dict[str, Running] = {}
        for name in WORKERS:
            self._up[name] = self.fleet.start("worker", name=name)
        self._up[CLOSER] = self.fleet.start("closer", name=CLOSER)
        for one in self._up.values():
            one.ready()
        self._asker = LiveCloser(self.fleet.settings, KafkaLogs(self.fleet.settings), Parameters(), clock.now)

    def at_random(self, arrival: Arrival, rng: np.random.Generator) -> None:
        """Somebody is killed some time after the close was asked for."""
        victim = str(rng.choice([*WORKERS, CLOSER, CLOSER]))
        after = float(rng.uniform(0, 1.5))

        def strike(began: threading.Event) -> float:
            began.wait()
            time.sleep(after)
            self._up[victim].kill()
            killed = time.monotonic()
            self._up[victim] = self.fleet.start(victim.partition("-")[0], name=victim)
            return killed

        self._close(arrival, strike, victim, f"{after:.2f} s")

    def at_point(self, arrival: Arrival, point: str, times: int = 1) -> None:
        """The closer is killed at a named point; raises when it never came there."""
        reached = self.folder / "reached"
        reached.unlink(missing_ok=True)
        self._up[CLOSER].kill()
        mined = self.fleet.start(
            "closer",
            name=CLOSER,
            program=AT_POINT,
            environment={"HEADWAY_TEST_KILL_AT": f"{point}:{times}", "HEADWAY_TEST_REACHED": str(reached)},
        )

        def strike(began: threading.Event) -> float:
            began.wait()
            mined.exit_code(CLOSED_SECONDS_MAX)
            killed = time.monotonic()
            self._up[CLOSER] = self.fleet.start("closer", name=CLOSER)
            return killed

        self._close(arrival, strike, CLOSER, point)
        if not reached.exists() or reached.read_text("utf-8") != point:
            raise AssertionError(f"the point {point!r} was never reached:\n{mined.tail()}")

    def at_reject(self, arrival: Arrival) -> None:
        """Both workers are killed as soon as a reject of this arrival stands in its topic."""
        settings = self.fleet.settings
        before = len(whole(settings, topology.REJECTS))
        for name in WORKERS:
            self._up[name].ready()

        def strike(_: threading.Event) -> float:
            deadline = time.monotonic() + CLOSED_SECONDS_MAX
            while len(whole(settings, topology.REJECTS)) == before:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no reject came:\n{self._up[WORKERS[0]].tail()}")
                time.sleep(0.05)
            for name in WORKERS:
                self._up[name].kill()
            killed = time.monotonic()
            for name in WORKERS:
                self._up[name] = self.fleet.start("worker", name=name)
            return killed

        self._close(Arrival(arrival.day, [b"{bad", *arrival.registers], arrival.acknowledgements), strike, "workers", AFTER_A_REJECT)

    def _close(self, arrival: Arrival, strike: Callable[[threading.Event], float], victim: str, where: str) -> None:
        settings, began = self.fleet.settings, threading.Event()
        killed: list[float] = []
        hand = threading.Thread(target=lambda: killed.append(strike(began)))
        hand.start()
        produce(settings, topology.REGISTERS, arrival.registers)
        produce(settings, topology.ACKNOWLEDGEMENTS, arrival.acknowledgements)
        request = ask(self._asker, arrival.day)
        began.set()
        hand.join()
        self._completed(request)
        self.kills.append(Kill(victim, where, max(0.0, time.monotonic() - killed[0])))

    def _completed(self, request: Requested) -> None:
        deadline = time.monotonic() + CLOSED_SECONDS_MAX
        while request.close_id not in {held.close_id for held, _ in self._asker.chain.completed}:
            if time.monotonic() > deadline:
                raise TimeoutError(f"close {request.number} never came:\n{self._up[CLOSER].tail()}")
            time.sleep(0.2)
            self._asker.catch_up()


def seconds_to_work_again(kills: Sequence[Kill], share: float) -> float:
    """The given share of all kills was over after so many seconds."""
    ordered = sorted(kill.working_again_seconds for kill in kills)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
