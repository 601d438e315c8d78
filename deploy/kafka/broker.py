"""Apache Kafka as one process, from Maven's jars: a broker for tests and for a laptop, no more.

    python -m deploy.kafka.broker [--port 9092] [--data DIR]

Needs Java 17 or newer, and Maven for the first start. The jars are kept in `.kafka/` beside the code, or where
HEADWAY_KAFKA_HOME says. One node in KRaft mode, broker and controller; what it holds stays in its directory.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
STARTED_SECONDS_MAX = 60
STOPPED_SECONDS_MAX = 30
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={listeners}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
offsets.retention.minutes=129600
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""


class Unavailable(Exception):
    """Java, Maven or the jars are not to be had; says which."""


def jars() -> Path:
    """The directory of Kafka's jars; fetched by Maven the first time."""
    home = Path(os.environ.get("HEADWAY_KAFKA_HOME") or HERE.parents[1] / ".kafka")
    libs = home / "libs"
    if shutil.which("java") is None:
        raise Unavailable("java is not there; install a Java runtime of version 17 or newer")
    if not (home / "complete").exists():
        if shutil.which("mvn") is None:
            raise Unavailable("mvn is not there; install Maven, or point HEADWAY_KAFKA_HOME to fetched jars")
        home.mkdir(parents=True, exist_ok=True)
        fetch = ["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), "dependency:copy-dependencies"]
        done = subprocess.run([*fetch, "-DincludeScope=runtime", f"-DoutputDirectory={libs}"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"Maven could not fetch Kafka's jars: {(done.stdout + done.stderr)[-500:]}")
        (home / "complete").touch()
    return libs


class Broker:
    """One broker; `start` again after `stop` or `kill` brings it back on the same data and ports."""

    def __init__(self, data: Path, *, port: int = 0, properties: str = "", listeners: str = "PLAINTEXT://127.0.0.1:{port}") -> None:
        """Port 0: any free one. properties: more lines of server.properties. listeners: may name further ones."""
        self.port, self._controller = port or _free_port(), _free_port()
        self._folder, self._libs = data, jars()
        self._process: subprocess.Popen[bytes] | None = None
        data.mkdir(parents=True, exist_ok=True)
        self.log = data / "broker.log"
        filled = _PROPERTIES.format(controller=self._controller, listeners=listeners.format(port=self.port), data=data / "logs")
        (data / "server.properties").write_text(filled + properties, "utf-8")

    @property
    def bootstrap(self) -> str:
        """host:port of the plain listener."""
        return f"127.0.0.1:{self.port}"

    def format(self, *options: str) -> None:
        """Make the data directory; options of `StorageTool format`, such as `--add-scram`."""
        tool = [*self._java("-Xmx256m"), "kafka.tools.StorageTool"]
        name = subprocess.run([*tool, "random-uuid"], capture_output=True, text=True, check=True).stdout.split()[-1]
        subprocess.run(
            [*tool, "format", "-t", name, "-c", str(self._folder / "server.properties"), *options], capture_output=True, check=True
        )

    def start(self) -> Broker:
        """Start and wait until it answers."""
        if not (self._folder / "logs" / "meta.properties").exists():
            self.format()
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [*self._java("-Xmx512m"), "kafka.Kafka", str(self._folder / "server.properties")],
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        until = time.monotonic() + STARTED_SECONDS_MAX
        while not _answers(self.port):
            if self._process.poll() is not None or time.monotonic() > until:
                raise Unavailable(f"the broker did not start:\n{self.log.read_text('utf-8', 'replace')[-2000:]}")
            time.sleep(0.1)
        return self

    def stop(self) -> None:
        """SIGTERM; SIGKILL when that takes too long."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOPPED_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _java(self, heap: str) -> list[str]:
        with_us = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []  # A broker never outlives who started it.
        return [*with_us, "java", heap, f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}", "-cp", f"{self._libs}/*"]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def main() -> None:
    """Run in the foreground until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Apache Kafka as one process, for a laptop")
    parser.add_argument("--port", type=int, default=9092)
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "headway-kafka")
    given = parser.parse_args()
    broker = Broker(given.data, port=given.port).start()
    print(f"Kafka answers at {broker.bootstrap}; its data are in {given.data}. Ctrl-C stops it.", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        broker.stop()


if __name__ == "__main__":
    main()
