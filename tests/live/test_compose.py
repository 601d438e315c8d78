"""`docker-compose.yml`, loaded by Compose's own library and run without containers: its Kafka settings, commands, environment and
health checks, with other addresses. What only a container shows (the images, users, read-only files) is not shown here.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.main import get_command

from deploy.kafka.broker import PROPERTIES, Broker
from streams.command import app
from streams.live_settings import LiveSettings
from tests.live.brokers import REQUIRED, skipped_where_missing
from tests.live.fleet import HEADWAY

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
HEALTHY_SECONDS_MAX = 60.0
OURS = ("topics", "closer", "worker")
INSIDE, METRICS = "kafka:19092", "9100"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """Every service, as Compose reads the file."""
    if (go := shutil.which("go")) is None:
        missing = "go is not there: it builds the program that loads the file as Compose does"
        if os.environ.get(REQUIRED):
            pytest.fail(missing)
        pytest.skip(missing)
    command = [go, "run", ".", str(ROOT / "docker-compose.yml")]
    done = subprocess.run(command, cwd=ROOT / "deploy" / "compose_check", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def seconds(text: str) -> float:
    """1m30s."""
    minutes, _, rest = text.rpartition("m")
    return 60 * float(minutes or 0) + float(rest.rstrip("s") or 0)


def test_there_is_a_broker_its_topics_a_closer_and_two_workers(services: dict[str, Any]) -> None:
    assert set(services) == {"kafka", *OURS}
    assert services["worker"]["deploy"]["replicas"] == 2
    assert services["kafka"]["image"] == "apache/kafka:4.3.1"


def test_the_broker_is_of_the_version_that_the_tests_run_on(services: dict[str, Any]) -> None:
    version = services["kafka"]["image"].rpartition(":")[2]
    assert f"<artifactId>kafka_2.13</artifactId><version>{version}</version>" in (ROOT / "deploy/kafka/pom.xml").read_text("utf-8")


def test_the_broker_has_every_setting_that_the_tests_broker_has(services: dict[str, Any]) -> None:
    ours = {line.partition("=")[0] for line in PROPERTIES.splitlines()} - {"broker.heartbeat.interval.ms", "broker.session.timeout.ms"}
    assert ours <= {line.partition("=")[0] for line in kafka_properties(services["kafka"]["environment"], "", 0).splitlines()}


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_and_its_value_is_valid(services: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = services[name]["environment"]
    fields = {f"HEADWAY_{field.upper()}" for field in LiveSettings.model_fields}
    assert set(given) <= fields
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    assert LiveSettings().kafka == INSIDE


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one_of_headways(services: dict[str, Any], name: str) -> None:
    (command,) = services[name]["command"]
    assert command in get_command(app).commands  # type: ignore[attr-defined]  # a group's commands


@pytest.mark.parametrize("name", OURS)
def test_what_is_ours_is_built_here_and_runs_with_as_little_as_it_needs(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert (service["user"], service["read_only"]) == ("10001:10001", True)
    assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert service["build"]["dockerfile"] == "deploy/image/Dockerfile"
    assert not service.get("ports")
    assert not service.get("privileged")


def test_the_image_runs_as_the_same_user_and_holds_nothing_but_the_packages() -> None:
    lines = (ROOT / "deploy/image/Dockerfile").read_text("utf-8").splitlines()
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]
    assert lines.index("USER 10001:10001") > max(i for i, line in enumerate(lines) if line.startswith("FROM "))
    assert [line.rpartition(" ")[2] for line in lines if line.startswith("COPY ") and "--from" not in line][-3:] == [
        "schemas",
        "models",
        "streams",
    ]
    assert (ROOT / ".dockerignore").read_text("utf-8").splitlines()[1] == "*"


def test_nothing_is_reached_from_another_machine(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports") or ()]
    assert [(port["host_ip"], port["published"]) for port in published] == [("127.0.0.1", "9092")]


def test_a_process_waits_for_the_topics_and_has_time_to_stop(services: dict[str, Any]) -> None:
    assert services["topics"]["depends_on"]["kafka"]["condition"] == "service_healthy"
    for name in ("closer", "worker"):
        assert services[name]["depends_on"]["topics"]["condition"] == "service_completed_successfully"
        assert seconds(services[name]["stop_grace_period"]) > 75, "Faust takes 60 s to stop when the broker is gone"
        assert services[name]["healthcheck"]["test"][:2] == ["CMD", "python"]


def kafka_properties(given: dict[str, str], inside: str, outside: int) -> str:
    """What the image makes of its environment (KAFKA_A_B is a.b), at addresses of this machine."""
    places = {
        "1@kafka:29093": "1@127.0.0.1:{controller}",
        "INSIDE://:19092": f"INSIDE://{inside}",
        "INSIDE://kafka:19092": f"INSIDE://{inside}",
        "OUTSIDE://:9092": f"OUTSIDE://127.0.0.1:{outside}",
        "OUTSIDE://127.0.0.1:9092": f"OUTSIDE://127.0.0.1:{outside}",
        "CONTROLLER://:29093": "CONTROLLER://127.0.0.1:{controller}",
        "/var/lib/kafka/data": "{data}",
    }
    lines = []
    for name, value in given.items():
        here = ",".join(places.get(part, part) for part in value.split(","))
        lines.append(f"{name.removeprefix('KAFKA_').lower().replace('_', '.')}={here}\n")
    return "".join(lines)


@pytest.fixture
def kafka(services: dict[str, Any], tmp_path: Path) -> Iterator[Broker]:
    """A broker with the settings of the file, found healthy by the file's own check."""
    given = dict(services["kafka"]["environment"])
    with skipped_where_missing():
        broker = Broker(tmp_path / "kafka", listeners=kafka_properties(given, "127.0.0.1:{port}", free_port()))
    with broker:
        broker.start()
        kind, check = services["kafka"]["healthcheck"]["test"]
        assert (kind, check) == ("CMD-SHELL", f"/opt/kafka/bin/kafka-broker-api-versions.sh --bootstrap-server {INSIDE} > /dev/null")
        asked = broker.run("org.apache.kafka.tools.BrokerApiVersionsCommand", "--bootstrap-server", broker.bootstrap)
        assert asked.returncode == 0, asked.stderr
        yield broker


def healthy(service: dict[str, Any], port: str, process: subprocess.Popen[bytes]) -> bool:
    """Whether the file's own health check passes, with this machine's Python and this process's port."""
    kind, program, *given = service["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")
    check = [sys.executable, *(part.replace(f":{METRICS}/", f":{port}/") for part in given)]
    until = time.monotonic() + HEALTHY_SECONDS_MAX
    while time.monotonic() < until and process.poll() is None:
        if subprocess.run(check, capture_output=True, check=False).returncode == 0:
            return True
        time.sleep(0.5)
    return False


@pytest.mark.timeout(300)
def test_the_services_work_together(services: dict[str, Any], kafka: Broker, tmp_path: Path) -> None:
    outer = {name: value for name, value in os.environ.items() if not name.startswith("HEADWAY_")}
    here = {"HEADWAY_KAFKA": kafka.bootstrap, "HEADWAY_METRICS_HOST": "127.0.0.1"}

    def command(*given: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*HEADWAY, *given], env=outer | here, cwd=tmp_path, capture_output=True, text=True, check=False)

    made = subprocess.run([*HEADWAY, *services["topics"]["command"]], env=outer | services["topics"]["environment"] | here, check=False)
    assert made.returncode == 0
    assert command("simulate", "--out=files", "--days=5", "--seed=7", "--layout=jsonl").returncode == 0
    with ExitStack() as stack:
        running: list[tuple[str, str, subprocess.Popen[bytes]]] = []
        for i, name in enumerate(["closer", *["worker"] * services["worker"]["deploy"]["replicas"]]):
            port, folder = str(free_port()), tmp_path / f"{name}-{i}"
            folder.mkdir()
            mine = services[name]["environment"] | here | {"HEADWAY_METRICS_PORT": port, "HEADWAY_STATE_DIR": str(folder)}
            assert set(mine) == set(services[name]["environment"]) | set(here)
            log = stack.enter_context((tmp_path / f"{name}-{i}.log").open("wb"))
            process = subprocess.Popen([*HEADWAY, *services[name]["command"]], env=outer | mine, cwd=folder, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.kill)
            running.append((name, port, process))
        for name, port, process in running:
            assert healthy(services[name], port, process), f"{name} is alive before there is reference data"
        assert command("reference", "publish", *(f"--{n}=files/{n}.csv" for n in ("schools", "targets", "calendar"))).returncode == 0
        assert command("produce", "files/sessions.jsonl").returncode == 0
        day = max(json.loads(line)["attendance_date"] for line in (tmp_path / "files/sessions.jsonl").read_bytes().splitlines())
        closed = command("close", "--day", day, "--ahead", "--wait", "--json")
        assert json.loads(closed.stdout)["number"] == 1, closed.stderr
        for name, _, process in running:
            process.terminate()
            assert process.wait(seconds(services[name]["stop_grace_period"])) == 0, name
