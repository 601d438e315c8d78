"""`docker-compose.yml`, loaded by Compose's own library and run without containers by `deploy/processes.py`: its commands,
environment and health checks, with other addresses. What only a container shows (images, users, read-only files) is not shown.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from typer.main import get_command

from casebook import tables as t
from casebook.database import Database
from casebook.settings import CasebookSettings
from console.command import app
from console.settings import ConsoleSettings
from deploy.image.sbom import bill
from deploy.kafka.broker import PROPERTIES
from deploy.processes import LEFT_OUT, OURS, Processes, kafka_properties, loaded
from deploy.secrets import NAMES, make
from streams.live_settings import LiveSettings
from tests.live.brokers import REQUIRED, skipped_where_missing
from tests.live.fleet import HEADWAY
from tests.serving import eventually
from tests.unit.test_alert_rules import program

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
BUILT = ("topics", "feed", *OURS)
OTHERS = {"kafka", "postgres", "prometheus", "alertmanager", *LEFT_OUT}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """Every service, as Compose reads the file."""
    if shutil.which("go") is None:
        missing = "go is not there: it builds the program that loads the file as Compose does"
        if os.environ.get(REQUIRED):
            pytest.fail(missing)
        pytest.skip(missing)
    return loaded()


def seconds(text: str) -> float:
    """1m30s."""
    minutes, _, rest = text.rpartition("m")
    return 60 * float(minutes or 0) + float(rest.rstrip("s") or 0)


def test_there_is_a_broker_its_topics_a_closer_and_two_workers(services: dict[str, Any]) -> None:
    assert set(services) == {*BUILT, *OTHERS}
    assert services["worker"]["deploy"]["replicas"] == 2
    assert services["kafka"]["image"] == "apache/kafka:4.3.1"


def test_the_broker_is_of_the_version_that_the_tests_run_on(services: dict[str, Any]) -> None:
    version = services["kafka"]["image"].rpartition(":")[2]
    assert f"<artifactId>kafka_2.13</artifactId><version>{version}</version>" in (ROOT / "deploy/kafka/pom.xml").read_text("utf-8")


def test_the_broker_has_every_setting_that_the_tests_broker_has(services: dict[str, Any]) -> None:
    ours = {line.partition("=")[0] for line in PROPERTIES.splitlines()} - {"broker.heartbeat.interval.ms", "broker.session.timeout.ms"}
    assert ours <= {line.partition("=")[0] for line in kafka_properties(services["kafka"]["environment"], "", 0).splitlines()}


@pytest.mark.parametrize("name", BUILT)
def test_every_variable_is_a_setting_and_its_value_is_valid(services: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = services[name]["environment"]
    kinds = (LiveSettings, CasebookSettings, ConsoleSettings)
    fields = {f"HEADWAY_{field.upper()}" for kind in kinds for field in kind.model_fields}
    assert set(given) <= fields
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    assert [kind() for kind in kinds]
    assert given.get("HEADWAY_KAFKA", "kafka:19092") == "kafka:19092"


@pytest.mark.parametrize("name", BUILT)
def test_every_command_is_one_of_headways(services: dict[str, Any], name: str) -> None:
    command = services[name]["command"][0].split()[0 if name != "feed" else 1]
    assert command in get_command(app).commands  # type: ignore[attr-defined]  # a group's commands


@pytest.mark.parametrize("name", BUILT)
def test_what_is_ours_is_built_here_and_runs_with_as_little_as_it_needs(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert (service["user"], service["read_only"]) == ("10001:10001", True)
    assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert service["build"]["dockerfile"] == "deploy/image/Dockerfile"
    assert not service.get("privileged")


def test_the_image_runs_as_the_same_user_and_holds_nothing_but_the_packages() -> None:
    lines = (ROOT / "deploy/image/Dockerfile").read_text("utf-8").splitlines()
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]
    assert lines.index("USER 10001:10001") > max(i for i, line in enumerate(lines) if line.startswith("FROM "))
    assert [line.rpartition(" ")[2] for line in lines if line.startswith("COPY ") and "--from" not in line][-6:] == [
        "schemas",
        "models",
        "streams",
        "casebook",
        "console",
        "./",
    ]
    assert (ROOT / ".dockerignore").read_text("utf-8").splitlines()[1] == "*"


def test_nothing_is_reached_from_another_machine(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports") or ()]
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}
    assert {port["published"] for port in published} == {"9092", "8025", "8090", "9090", "9093", "3000"}


def test_a_process_waits_for_the_topics_and_has_time_to_stop(services: dict[str, Any]) -> None:
    assert services["topics"]["depends_on"]["kafka"]["condition"] == "service_healthy"
    assert services["casebook"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    for name in ("closer", "worker", "casebook"):
        assert services[name]["depends_on"]["topics"]["condition"] == "service_completed_successfully"
    for name in OURS:
        assert seconds(services[name]["stop_grace_period"]) > 75, "Faust takes 60 s to stop when the broker is gone"
        assert services[name]["healthcheck"]["test"][:2] == ["CMD", "python"]


def test_secrets_are_made_once_and_only_their_owner_enters(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    assert {path.name for path in make(folder)} == set(NAMES)
    before = {path.name: path.read_text("utf-8") for path in folder.iterdir()}
    assert make(folder) == []
    assert {path.name: path.read_text("utf-8") for path in folder.iterdir()} == before
    assert folder.stat().st_mode & 0o777 == 0o700
    assert min(len(text) for text in before.values()) > 43


def test_the_bill_of_materials_names_everything_that_is_installed() -> None:
    made = bill()
    names = {one["name"] for one in made["components"]}
    assert (made["bomFormat"], made["specVersion"], made["metadata"]["component"]["name"]) == ("CycloneDX", "1.6", "headway")
    locked = {line.split("==")[0] for line in (ROOT / "requirements/runtime.lock").read_text("utf-8").splitlines() if "==" in line}
    assert {"faust-streaming", "sqlalchemy"} <= names & locked
    assert all(one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}" for one in made["components"])


@pytest.fixture
def processes(services: dict[str, Any], tmp_path: Path) -> Iterator[Processes]:
    for name in ("prometheus", "amtool"):
        program(name)
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:2]:  # PostgreSQL is another user.
        parent.chmod(0o755)
    with skipped_where_missing(), Processes(services, tmp_path) as all_:
        all_.start()
        yield all_


@pytest.mark.timeout(420)
def test_the_services_work_together_from_a_register_to_the_console(processes: Processes, tmp_path: Path) -> None:
    assert {one.name for one in processes.running} == {*OURS, *OTHERS} - {"kafka", *LEFT_OUT}
    assert processes.broker is not None
    here = {"HEADWAY_KAFKA": processes.broker.bootstrap}
    lines = (tmp_path / "feed/feed/sessions.jsonl").read_bytes().splitlines()
    day = max(json.loads(line)["attendance_date"] for line in lines)
    command = [*HEADWAY, "close", "--day", day, "--ahead", "--wait", "--json"]
    closed = subprocess.run(command, env=os.environ | here, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert closed.returncode == 0, closed.stderr
    number = json.loads(closed.stdout)["number"]  # 1, or 2 where the schedule was quicker.
    password = SecretStr((processes.secrets / "casebook-password").read_text("utf-8").strip())
    database = Database(f"postgresql://headway@127.0.0.1:{processes.ports['postgres']}/headway", password)
    try:
        eventually(lambda: _applied(database) >= number, 60)
    finally:
        database.close()
    with urllib.request.urlopen(f"http://127.0.0.1:{processes.ports['console']}/accessibility", timeout=20) as page:
        assert page.status == 200
    assert set(processes.stop().values()) == {0}


def _applied(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(sa.select(t.feed.c.applied)).scalar() or 0)
