"""Apache Kafka as one process, from Maven's jars: a broker for tests and for a laptop, no more.

    python -m deploy.kafka.broker [--port 9092] [--data DIR]

Needs Java 17 or newer, and Maven for the first start. The jars are kept in `.kafka/` beside the code, or where
HEADWAY_KAFKA_HOME says. One node in KRaft mode, broker and controller; what it holds stays in its directory.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Self

from deploy.kafka.jars import Unavailable, jars

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["PLAIN", "PROPERTIES", "Broker", "new_cluster_id"]

STARTED_SECONDS_MAX = 60
STOPPED_SECONDS_MAX = 30
STARTED = b"Kafka Server started"
"""Logged when the broker is registered and takes requests; its port is open before that."""
PLAIN = """\
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
"""
"""Listeners that ask nobody who he is; on the loopback address only."""
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
offsets.retention.minutes=129600
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""
"""One node; a broker that was killed is forgotten after three seconds, so that it may come back."""
_LOGGING = Path(__file__).resolve().with_name("log4j2.properties")


class Broker:
    """One broker, and a context manager that ends it; `start` again after `stop` or `kill` keeps its data and its ports."""

    def __init__(self, data: Path, *, port: int = 0, listeners: str = PLAIN, properties: str = "") -> None:
        """Port 0: any free one. listeners: lines of server.properties in which {port} and {controller} stand. properties: more lines."""
        self._libs, self._folder = jars(), data.absolute()
        self._running: list[subprocess.Popen[bytes]] = []
        self._held: list[socket.socket] = []
        self._end = weakref.finalize(self, _end, self._running, self._held)
        self.port, self.controller = self._hold(port), self._hold(0)
        self._folder.mkdir(parents=True, exist_ok=True)
        self.log = self._folder / "broker.log"
        self._before = 0
        lines = (PROPERTIES + listeners).format(port=self.port, controller=self.controller, data=self._folder / "logs")
        self._properties = self._folder / "server.properties"
        self._properties.write_text(lines + properties, "utf-8")

    @property
    def bootstrap(self) -> str:
        """host:port of its listener."""
        return f"127.0.0.1:{self.port}"

    def add(self, lines: str) -> None:
        """More lines of server.properties; they count from the next start on, before what was said."""
        with self._properties.open("a", encoding="utf-8") as file:
            file.write(lines)

    def format(self, *options: str, cluster_id: str | None = None) -> None:
        """Make the data directory; options of `StorageTool format`, such as --add-scram."""
        name = cluster_id or new_cluster_id()
        done = self.run("kafka.tools.StorageTool", "format", "-t", name, "-c", str(self._properties), *options)
        if done.returncode:
            raise Unavailable(f"the broker's directory {self._folder} cannot be made: {(done.stdout + done.stderr)[-500:]}")

    def run(self, tool: str, *given: str) -> subprocess.CompletedProcess[str]:
        """Run one of Kafka's own tools, by the name of its class."""
        return subprocess.run([*self._java("-Xmx256m"), tool, *given], capture_output=True, text=True, check=False)

    def start(self) -> Self:
        """Start and wait until it takes requests; `broker.log` in its directory has what it says."""
        self.launch()
        self.wait()
        return self

    def launch(self) -> None:
        """Start it."""
        if not (self._folder / "logs" / "meta.properties").exists():
            self.format()
        self._before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as out:
            process = subprocess.Popen(
                [*self._java("-Xmx512m"), "kafka.Kafka", str(self._properties)], stdout=out, stderr=subprocess.STDOUT, cwd=self._folder
            )
        self._running.append(process)

    def wait(self) -> None:
        """Until it takes requests."""
        until = time.monotonic() + STARTED_SECONDS_MAX
        while STARTED not in self._said():
            if any(process.poll() is not None for process in self._running) or time.monotonic() > until:
                self.kill()
                raise Unavailable(f"the broker did not start:\n{self._said()[-2000:].decode('utf-8', 'replace')}")
            time.sleep(0.1)

    def _said(self) -> bytes:
        """What it has logged since it was started."""
        with self.log.open("rb") as file:
            file.seek(self._before)
            return file.read()

    def stop(self) -> None:
        """SIGTERM; SIGKILL when that takes too long."""
        for process in self._running:
            process.terminate()
            try:
                process.wait(STOPPED_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    def kill(self) -> None:
        """SIGKILL."""
        for process in self._running:
            process.kill()
            process.wait()
        self._running.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        self._end()

    def _java(self, heap: str) -> list[str]:
        with_us = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []  # It never outlives who started it.
        return [*with_us, "java", heap, f"-Dlog4j2.configurationFile={_LOGGING}", "-cp", f"{self._libs}/*"]

    def _hold(self, port: int) -> int:
        """Bind a port of the loopback address and keep it (Linux): while the broker is down nobody else gets it, and no client
        that tries to reach it can be given the same port for its own end, and so reach itself."""
        one = socket.socket()
        self._held.append(one)
        if port:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # Connections that have just ended do not count.
        try:
            one.bind(("127.0.0.1", port))
        except OSError as error:
            self._end()
            raise Unavailable(f"port {port} is taken: name another, or stop what listens there") from error
        got = int(one.getsockname()[1])
        if sys.platform == "linux":
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # The broker asks for the same, and so may listen on it.
        else:
            one.close()
        return got


def new_cluster_id() -> str:
    """As `StorageTool random-uuid` makes it; none that could be taken for an option."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")


def _end(running: list[subprocess.Popen[bytes]], held: list[socket.socket]) -> None:
    for process in running:
        process.kill()
        process.wait()
    for one in held:
        one.close()


def main() -> None:
    """Run in the foreground until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Apache Kafka as one process, for a laptop")
    parser.add_argument("--port", type=int, default=9092, help="of 127.0.0.1; default 9092")
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "headway-kafka", help="its directory, kept")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Broker(given.data, port=given.port) as broker:
            broker.start()
            print(f"Kafka answers at {broker.bootstrap}; its data are in {given.data}. Ctrl-C stops it.", flush=True)
            signal.pause()
    except Unavailable as error:
        sys.exit(f"no Kafka: {error}")
    except KeyboardInterrupt:
        print("stopped")


if __name__ == "__main__":
    main()
