"""The broker that these tests run on: it answers when it says so, keeps data and ports through kills, and outlives nobody."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from deploy.kafka.broker import Broker
from deploy.kafka.jars import Unavailable, jars
from streams import topology
from streams.kafka_tools import LogReader, Sender
from streams.live_settings import LiveSettings
from streams.topics import declare
from tests.live.brokers import REQUIRED, skipped_where_missing

ROOT = Path(__file__).parents[2]
ENDED_SECONDS_MAX = 30.0


def ends(pid: int) -> bool:
    """Whether this process is gone before long."""
    until = time.monotonic() + ENDED_SECONDS_MAX
    while time.monotonic() < until:
        with suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.1)
                continue
        return True
    return False


def java_under(pid: int) -> int:
    """The Java process that this one started."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()
    return int(child)


def test_killed_or_stopped_it_comes_back_with_its_records_on_the_same_port(own_broker: Broker) -> None:
    settings, place = LiveSettings(kafka=own_broker.bootstrap, replication_factor=1), own_broker.bootstrap
    declare(settings)
    said: list[bytes] = []
    for how in (own_broker.kill, own_broker.stop, own_broker.kill):
        said.append(f"before {how.__name__} {len(said)}".encode())
        with Sender(settings) as sender:
            sender.send(topology.CONTROL, said[-1], None)
        how()
        assert own_broker.start().bootstrap == place
        with LogReader(settings) as reader:
            read = [record.value for _, records in reader.read(reader.bounds(topology.CONTROL)) for record in records]
        assert read == said
    assert len(declare(settings).stand) == len(topology.LOGS)


def test_a_second_broker_takes_other_ports_and_knows_nothing_of_the_first(own_broker: Broker, tmp_path: Path) -> None:
    with Broker(tmp_path / "second") as second:
        second.start()
        assert second.port != own_broker.port
        declare(LiveSettings(kafka=own_broker.bootstrap, replication_factor=1))
        assert len(declare(LiveSettings(kafka=second.bootstrap, replication_factor=1)).make) == len(topology.LOGS)


def test_a_port_that_is_taken_is_named(own_broker: Broker, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=f"port {own_broker.port} is taken"):
        Broker(tmp_path / "second", port=own_broker.port)


@pytest.mark.skipif(sys.platform != "linux", reason="a port is held on Linux only")
def test_while_it_is_down_its_port_is_given_to_nobody(own_broker: Broker) -> None:
    own_broker.kill()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", own_broker.port))
    own_broker.start()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_in_the_foreground_it_ends_with_who_started_it(tmp_path: Path, sent: signal.Signals) -> None:
    if sent is signal.SIGKILL and shutil.which("setpriv") is None:
        pytest.skip("only setpriv (util-linux) ends a broker whose starter was killed")
    with skipped_where_missing():
        free = Broker(tmp_path / "unused")
    with free:
        port = free.port
    command = [sys.executable, "-m", "deploy.kafka.broker", "--port", str(port), "--data", str(tmp_path / "kafka")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as starter:
        if starter.stdout is None:
            raise AssertionError
        assert starter.stdout.readline().startswith(f"Kafka answers at 127.0.0.1:{port}; ")
        java = java_under(starter.pid)
        declare(LiveSettings(kafka=f"127.0.0.1:{port}", replication_factor=1))
        starter.send_signal(sent)
        assert starter.wait(ENDED_SECONDS_MAX) == (-sent if sent is signal.SIGKILL else 0)
        assert ends(java)


def test_without_java_or_maven_the_missing_one_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HEADWAY_KAFKA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"^java is not there"):
        jars()
    (tmp_path / "java").symlink_to(sys.executable)
    with pytest.raises(Unavailable, match=r"^mvn is not there"):
        jars()


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        pytest.param({}, "1 skipped", id="skipped on a laptop"),
        pytest.param({REQUIRED: "1"}, "1 error", id="a failure in CI"),
    ],
)
def test_where_there_can_be_no_broker_the_tests_that_need_one_are(tmp_path: Path, given: dict[str, str], outcome: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in {REQUIRED, "HEADWAY_KAFKA", "PYTEST_ADDOPTS"}}
    one = "tests/live/test_topics.py::test_a_second_time_nothing_is_made"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", one],
        cwd=ROOT,
        env=environment | {"PATH": str(tmp_path), "HEADWAY_KAFKA_HOME": str(tmp_path)} | given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in done.stdout
    assert "java is not there: install a Java runtime of version 17 or newer" in done.stdout


def test_a_test_of_this_folder_is_slow(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("slow") is not None
