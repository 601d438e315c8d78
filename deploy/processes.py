"""`docker-compose.yml` without containers: every service that is a program here runs as a process with the file's command,
environment and health check, at other addresses.

    python -m deploy.processes              until Ctrl-C
    python -m deploy.processes --check      until all are healthy and Prometheus reaches each, then stop them; exit 1 says who is not

The file is loaded by Compose's own library (Go). Kafka comes as Maven's jars, PostgreSQL, Prometheus and Alertmanager from the
system. What only a container shows is not shown: images, users, read-only files; Grafana and Mailpit are left out, and whatever
takes mail stands in for Mailpit.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

import yaml  # type: ignore[import-untyped]  # PyYAML comes without types

from deploy.kafka.broker import Broker
from deploy.secrets import make

__all__ = ["LEFT_OUT", "Processes", "kafka_properties", "loaded"]

ROOT = Path(__file__).parents[1]
LEFT_OUT = ("grafana", "mailpit")
"""No program of theirs is here."""
OURS = ("worker", "closer", "casebook", "deliver", "console")
HEALTHY_SECONDS_MAX = 120.0
_SETTINGS_OF_TESTS = ("broker.heartbeat.interval.ms", "broker.session.timeout.ms")
_HEADWAY = str(Path(sys.executable).with_name("headway"))


def loaded(file: Path = ROOT / "docker-compose.yml") -> dict[str, Any]:
    """Every service as Compose reads it."""
    command = ["go", "run", ".", str(file)]
    done = subprocess.run(command, cwd=ROOT / "deploy" / "compose_check", capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{file.name}: {done.stderr}")
    services: dict[str, Any] = json.loads(done.stdout)["services"]
    return services


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


class Running(NamedTuple):
    """One process. places: what stands in the file -> what stands for it here."""

    name: str
    service: dict[str, Any]
    process: subprocess.Popen[bytes]
    places: dict[str, str]
    log: Path


class Processes:
    """A context manager; `start` starts all in the order that the file asks for. Nothing is left when it ends."""

    def __init__(self, services: dict[str, Any], folder: Path, *, smtp: int | None = None) -> None:
        """smtp: a port of this machine where mail is taken."""
        self.services, self._folder, self._stack = services, folder, ExitStack()
        self.running: list[Running] = []
        self.ports = {name: free_port() for name in ("postgres", "prometheus", "alertmanager", "console", "outside")}
        self.secrets = folder / "secrets"
        make(self.secrets)
        for path in self.secrets.iterdir():
            path.chmod(0o644)
        self._smtp = smtp or free_port()
        self.broker: Broker | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self) -> None:
        """Kafka, topics, feed, PostgreSQL, ours, Prometheus, Alertmanager; each when what it waits for is there."""
        self._kafka()
        self.once("topics")
        self._postgres()
        self._start("closer")
        for _ in range(self.services["worker"]["deploy"]["replicas"]):
            self._start("worker")
        self.once("feed")
        self.wait_healthy(self._start("casebook"))
        self._start("deliver")
        self._start("console")
        self._prometheus()
        self._alertmanager()
        for one in self.running:
            self.wait_healthy(one)

    def once(self, name: str) -> None:
        """A service that ends: its command with its environment; raises unless it exits with 0."""
        service, folder = self.services[name], self._home(name)
        places = self._places(folder)
        command = [*(service["entrypoint"] or [_HEADWAY]), *service["command"]]
        mine = self._environment(service, places) | {"PATH": f"{Path(_HEADWAY).parent}:{os.environ['PATH']}"}
        subprocess.run([_placed(part, places) for part in command], env=_outer() | mine, cwd=folder, check=True)

    def wait_healthy(self, one: Running) -> None:
        """Until its own check passes; raises with the end of its log."""
        until = time.monotonic() + HEALTHY_SECONDS_MAX
        while time.monotonic() < until and one.process.poll() is None:
            if subprocess.run(_check(one), capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.5)
        log = "\n".join(one.log.read_text("utf-8", "replace").splitlines()[-20:])
        raise TimeoutError(f"{one.name} is not healthy (exit {one.process.poll()}):\n{log}")

    def metrics(self) -> list[str]:
        """host:port of every process of ours."""
        return [f"127.0.0.1:{one.places['9100']}" for one in self.running if one.name in OURS]

    def stop(self) -> dict[str, int]:
        """SIGTERM to ours, the newest first, within the time that the file gives; their exit codes."""
        codes = {}
        for one in reversed(self.running):
            if one.name in OURS:
                one.process.send_signal(signal.SIGTERM)
                codes[f"{one.name} {one.process.pid}"] = one.process.wait(90)
        return codes

    def _start(self, name: str) -> Running:
        folder = self._home(f"{name}-{len(self.running)}")
        places = self._places(folder) | {"9100": str(free_port())}
        command = [_HEADWAY, *self.services[name]["command"]]
        if name == "console":  # Its port is not in the file: it is the one that the file publishes.
            command += ["--port", str(self.ports["console"])]
        return self._run(name, [_placed(part, places) for part in command], folder, places)

    def _run(self, name: str, command: list[str], folder: Path, places: dict[str, str]) -> Running:
        path = folder / "log"
        log = self._stack.enter_context(path.open("wb"))
        environment = _outer() | self._environment(self.services[name], places)
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        self.running.append(Running(name, self.services[name], process, places, path))
        return self.running[-1]

    def _home(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir()
        return folder

    def _places(self, folder: Path) -> dict[str, str]:
        kafka = "" if self.broker is None else self.broker.bootstrap
        return {
            "kafka:19092": kafka,
            "postgres:5432": f"127.0.0.1:{self.ports['postgres']}",
            "/run/secrets": str(self.secrets),
            "/var/lib/headway": str(folder),
            "0.0.0.0": "127.0.0.1",  # noqa: S104 (what a container listens on becomes this machine's own address)
            "1025": str(self._smtp),
        }

    @staticmethod
    def _environment(service: dict[str, Any], places: dict[str, str]) -> dict[str, str]:
        return {name: _placed(value, places) for name, value in (service.get("environment") or {}).items()}

    def _kafka(self) -> None:
        given = dict(self.services["kafka"]["environment"])
        properties = kafka_properties(given, "127.0.0.1:{port}", self.ports["outside"])
        self.broker = self._stack.enter_context(Broker(self._folder / "kafka", listeners=properties))
        self.broker.start()
        asked = self.broker.run("org.apache.kafka.tools.BrokerApiVersionsCommand", "--bootstrap-server", self.broker.bootstrap)
        if asked.returncode:
            raise TimeoutError(f"kafka is not healthy: {asked.stderr}")

    def _postgres(self) -> None:
        given, folder = self.services["postgres"]["environment"], self._home("postgres")
        programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        who = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        password = folder / "password"
        shutil.copyfile(_placed(given["POSTGRES_PASSWORD_FILE"], self._places(folder)), password)
        if who:
            shutil.chown(folder, "postgres")
            shutil.chown(password, "postgres")
        data, user = str(folder / "data"), given["POSTGRES_USER"]
        made = [
            str(programs / "initdb"),
            "-D",
            data,
            "-U",
            user,
            "-A",
            "scram-sha-256",
            "--pwfile",
            str(password),
            "--no-sync",
            "-E",
            "UTF8",
        ]
        subprocess.run([*who, *made], check=True, stdout=subprocess.DEVNULL, cwd=folder)
        places = self._places(folder) | {"--username": f"--port={self.ports['postgres']} --host=127.0.0.1 --username"}
        options = ["-k", str(folder), "-p", str(self.ports["postgres"]), "-c", "listen_addresses=127.0.0.1"]
        one = self._run("postgres", [*who, str(programs / "postgres"), "-D", data, *options], folder, places)
        self._stack.callback(
            subprocess.run, [*who, str(programs / "pg_ctl"), "-D", data, "-m", "immediate", "stop"], cwd=folder, check=False
        )
        self.wait_healthy(one._replace(service=one.service | {"healthcheck": {"test": ["CMD", *_ready(self.ports["postgres"], user)]}}))
        secret = password.read_text("utf-8").strip()
        command = [str(programs / "createdb"), "-h", "127.0.0.1", "-p", str(self.ports["postgres"]), "-U", user, given["POSTGRES_DB"]]
        subprocess.run(command, env=os.environ | {"PGPASSWORD": secret}, check=True)

    def _prometheus(self) -> None:
        folder = self._home("prometheus")
        config = yaml.safe_load((ROOT / "deploy/monitoring/prometheus.yml").read_text("utf-8"))
        (job,) = config["scrape_configs"]
        (names,) = (found["names"] for found in job.pop("dns_sd_configs"))
        if set(names) != set(OURS):
            raise ValueError(f"prometheus.yml looks for {names}, and ours are {OURS}")
        job["static_configs"] = [{"targets": self.metrics()}]
        config["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{self.ports['alertmanager']}"]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")
        shutil.copyfile(ROOT / "deploy/monitoring/rules.yml", folder / "rules.yml")
        places = {"/etc/prometheus": str(folder), "=/prometheus": f"={folder}/data", "9090": str(self.ports["prometheus"])}
        command = ["prometheus", *(_placed(part, places) for part in self.services["prometheus"]["command"])]
        self._run("prometheus", [*command, f"--web.listen-address=127.0.0.1:{self.ports['prometheus']}"], folder, places)

    def _alertmanager(self) -> None:
        folder = self._home("alertmanager")
        places = {"/etc/alertmanager": str(ROOT / "deploy/monitoring"), "=/alertmanager": f"={folder}/data"}
        places["9093"] = str(self.ports["alertmanager"])
        program = shutil.which("alertmanager") or "prometheus-alertmanager"
        command = [program, *(_placed(part, places) for part in self.services["alertmanager"]["command"])]
        self._run("alertmanager", [*command, f"--web.listen-address=127.0.0.1:{self.ports['alertmanager']}"], folder, places)


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _ready(port: int, user: str) -> list[str]:
    return ["pg_isready", f"--host=127.0.0.1 --port={port}", f"--username={user}"]


def _outer() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("HEADWAY_") or name == "HEADWAY_KAFKA_HOME"}


def _placed(text: str, places: dict[str, str]) -> str:
    for there, here in places.items():
        text = text.replace(there, here)
    return text


def _check(one: Running) -> list[str]:
    """The file's own check, with this machine's Python, and what this process listens on."""
    kind, *given = one.service["healthcheck"]["test"]
    if kind != "CMD":
        raise ValueError(f"{one.name}: a health check of another kind: {kind}")
    parts = [part for whole in given for part in (_placed(whole, one.places).split() if "--" in whole else [_placed(whole, one.places)])]
    return [sys.executable if parts[0] == "python" else parts[0], *parts[1:]]


def _up(api: str) -> tuple[int, int]:
    """How many of Prometheus's targets it reaches, and how many there are."""
    with urllib.request.urlopen(f"{api}/targets", timeout=5) as answer:
        targets = json.load(answer)["data"]["activeTargets"]
    return sum(one["health"] == "up" for one in targets), len(targets)


def main() -> None:
    """Run them."""
    parser = argparse.ArgumentParser(description="The services of docker-compose.yml as processes")
    parser.add_argument("--check", action="store_true", help="stop when all are healthy")
    check = parser.parse_args().check
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="headway-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        services = loaded()
        with Processes(services, folder) as all_:
            all_.start()
            api, up, there = f"http://127.0.0.1:{all_.ports['prometheus']}/api/v1", 0, -1
            until = time.monotonic() + HEALTHY_SECONDS_MAX
            while up != there and time.monotonic() < until:
                with suppress(OSError):
                    up, there = _up(api)
                time.sleep(0.5)
            print(
                f"healthy: kafka, {', '.join(one.name for one in all_.running)}; Prometheus reaches {up} of {there}; left out: {LEFT_OUT}"
            )
            print(f"console http://127.0.0.1:{all_.ports['console']}, Prometheus http://127.0.0.1:{all_.ports['prometheus']}", flush=True)
            if not check:
                with suppress(KeyboardInterrupt):
                    threading.Event().wait()
            codes = all_.stop()
            print(f"stopped: {codes}")
    sys.exit(0 if up == there == len(all_.metrics()) and not any(codes.values()) else 1)


if __name__ == "__main__":
    main()
