"""The live runner on this machine, from nothing to alerts: broker, topics, reference data, two workers, a closer, a simulated hub.

    python -m deploy.live_demo [--days 60]

Everything runs as it would for a nation: real Apache Kafka, real processes. All of it is stopped and its directory deleted at the
end. The hub's term is produced as fast as it goes, a close asked for after each school day, and what is said then printed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.kafka.broker import Broker
from models.parameters import Parameters
from schemas.alert import Alert, AlertState
from streams import clock, topology
from streams.close_command import ask, wait_for
from streams.kafka_logs import KafkaLogs
from streams.kafka_publish import Outgoing, publish
from streams.live_closer import LiveCloser
from streams.live_settings import live_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADWAY = Path(sys.executable).with_name("headway")
PORTS = {"worker-1": 9101, "worker-2": 9102, "closer": 9103}
READY_SECONDS_MAX = 60


def main() -> None:
    """Play it, and stop everything whatever happens."""
    parser = argparse.ArgumentParser(description="The live runner on this machine, from nothing to alerts")
    parser.add_argument("--days", type=int, default=60, help="school days of the simulated hub")
    days = parser.parse_args().days
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = Path(tempfile.mkdtemp(prefix="headway-live-"))
    broker: Broker | None = None
    running: list[subprocess.Popen[bytes]] = []
    try:
        broker = Broker(folder / "kafka").start()
        print(f"Apache Kafka answers at {broker.bootstrap}")
        environment = os.environ | {"HEADWAY_KAFKA": broker.bootstrap, "HEADWAY_REPLICATION_FACTOR": "1", "HEADWAY_SCHEDULE": "false"}
        for command in (
            ["topics"],
            ["simulate", f"--out={folder}", f"--days={days}", "--layout=jsonl", "--shock", "--points=3"],
            ["reference", "publish", *(f"--{name}={folder / name}.csv" for name in ("schools", "targets", "calendar"))],
        ):
            print("$ headway", *(part.replace(str(folder), "DIR") for part in command), flush=True)
            subprocess.run([HEADWAY, *command], env=environment, check=True)
        running += [_started(name, port, folder, environment) for name, port in PORTS.items()]
        for name, port in PORTS.items():
            _wait_until_ready(name, port, folder)
        print("two workers and a closer are ready")
        _play(folder, broker.bootstrap)
    except KeyboardInterrupt:
        print("stopped")
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            process.wait(90)
        if broker is not None:
            broker.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print("everything is stopped")


def _started(name: str, port: int, folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    mine = dict(environment) | {"HEADWAY_METRICS_PORT": str(port), "HEADWAY_STATE_DIR": str(folder / name), "HEADWAY_INSTANCE_ID": name}
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen([HEADWAY, name.partition("-")[0]], env=mine, stdout=log, stderr=subprocess.STDOUT)


def _wait_until_ready(name: str, port: int, folder: Path) -> None:
    until = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < until:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2):
            return
        time.sleep(0.2)
    raise TimeoutError(f"{name} is not ready:\n{(folder / f'{name}.log').read_text('utf-8', 'replace')[-2000:]}")


def _play(folder: Path, bootstrap: str) -> None:
    """Each school day: its registers into the log, a close, and what it said."""
    settings = live_settings(kafka=bootstrap, replication_factor=1)
    by_day: dict[date, list[Outgoing]] = defaultdict(list)
    for line in (folder / "sessions.jsonl").read_bytes().splitlines():
        said = json.loads(line)
        by_day[date.fromisoformat(said["attendance_date"])].append(Outgoing(topology.REGISTERS, str(said["urn"]).encode(), line))
    logs = KafkaLogs(settings)
    asker = LiveCloser(settings, logs, Parameters(), clock.now)
    shown: set[bytes] = set()
    began = time.monotonic()
    for day in sorted(by_day):
        asyncio.run(publish(settings, by_day[day]))
        wait_for(asker, ask(asker, day), 120)
        for number, line in logs.alerts():
            alert = Alert.model_validate_json(line)
            if line not in shown and alert.state in {AlertState.OPENED, AlertState.WITHDRAWN}:
                who = f"area {alert.area}" if alert.urn is None else f"school {alert.urn}"
                print(f"{day}  close {number:3}  {who}: {alert.kind} {alert.state}", flush=True)
            shown.add(line)
    registers, seconds = sum(map(len, by_day.values())), time.monotonic() - began
    print(f"{registers:,} registers, {len(by_day)} closes, {seconds:.0f} s; state digest {asker.chain.completed[-1][1].state_digest}")


if __name__ == "__main__":
    main()
