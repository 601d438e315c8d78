"""A real Prometheus scrapes the embedded server and every live process while a week goes by: all that is declared has data, every
panel's query gives figures, every rule is evaluated; and a worker that is gone is seen."""

from __future__ import annotations

import json
import math
import socket
import subprocess
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml  # type: ignore[import-untyped]  # as in the unit test

from deploy.monitoring.dashboards import DASHBOARDS
from streams import topology
from streams.metric_list import Process, declared
from tests.live.conformance import produce
from tests.live.fleet import HEADWAY, Fleet
from tests.live.hub import DAY, SCHOOLS, publish_hub, register, until
from tests.live.test_worker import close
from tests.serving import eventually
from tests.unit.test_alert_rules import MONITORING, RULES, has_data, program, rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from streams.live_settings import LiveSettings
    from tests.live.fleet import Running
    from tests.live.hub import Said

pytestmark = pytest.mark.slow
WEEK = [date.fromisoformat(DAY) + timedelta(days=n) for n in range(5)]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def watching(folder: Path, ports: Sequence[int]) -> Iterator[str]:
    """The API of a Prometheus that scrapes these ports every second by the rules that are shipped."""
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(MONITORING / "rules.yml")],
        "scrape_configs": [{"job_name": "headway", "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")
    port = free_port()
    files = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/series"]
    with subprocess.Popen(
        [program("prometheus"), *files, f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield f"http://127.0.0.1:{port}/api/v1"
        finally:
            process.terminate()


def figures(api: str, query: str) -> Callable[[], bool]:
    """Whether a query gives at least one figure, over the last half minute where Grafana would choose the window."""

    def look() -> bool:
        with suppress(httpx.HTTPError):
            asked = {"query": query.replace("$__rate_interval", "2m")}
            said = httpx.get(f"{api}/query", params=asked).raise_for_status().json()["data"]["result"]
            return any(math.isfinite(float(one["value"][1])) for one in said)
        return False

    return look


def everybody(fleet: Fleet, folder: Path) -> tuple[list[Running], str, str]:
    """Two workers, a closer, casebook, delivery, console, the embedded server; where the last two take requests."""
    secret, casebook = folder / "secret", folder / "casebook.db"
    secret.write_text("hush\n", "utf-8")
    people = {"HEADWAY_CASEBOOK": str(casebook), "HEADWAY_MAILDIR": str(folder / "mail")}
    issuer = {"HEADWAY_OIDC_ISSUER": "https://issuer.example", "HEADWAY_OIDC_CLIENT_ID": "us"}
    console, serve, metrics = free_port(), free_port(), free_port()
    files = " ".join(f"--{name} {folder}/reference/{name}.csv" for name in ("schools", "targets", "calendar"))
    alone = f"exec {HEADWAY[0]} serve {files} --log {folder}/log.db --casebook {folder}/embedded.db --port {serve} --metrics-port {metrics}"
    running = [fleet.start("worker", name="worker-a"), fleet.start("worker", name="worker-b"), fleet.start("closer")]
    running.append(fleet.start("casebook", environment=people))
    running[-1].ready()  # It makes the database that the others open.
    running.append(fleet.start("deliver", environment=people))
    running.append(
        fleet.start(
            "console",
            environment=people | issuer | {"HEADWAY_OIDC_CLIENT_SECRET_FILE": str(secret)},
            program=["sh", "-c", f"exec {HEADWAY[0]} console --port {console}"],
        )
    )
    running.append(fleet.start("serve", program=["sh", "-c", alone]))
    running[-1].port = metrics
    return running, f"http://127.0.0.1:{console}", f"http://127.0.0.1:{serve}"


def a_week(settings: LiveSettings, console: str, serve: str) -> None:
    """Registers of both sessions, a broken one each day, pages, closes."""
    for n, day in enumerate(WEEK, start=1):
        lines = [register(urn, session, day=day.isoformat()) for urn in SCHOOLS for session in ("AM", "PM")]
        produce(settings, topology.REGISTERS, [*lines, b"no register"])
        until(settings, partial(_heard, n * len(SCHOOLS)))
        for line in (lines[0], lines[0], b'{"urn": 1}'):
            httpx.post(f"{serve}/v1/registers", content=line, headers={"content-type": "application/json"}, timeout=20)
        httpx.get(f"{console}/accessibility", timeout=20)
        close(settings, day.isoformat())


def test_while_a_week_goes_by_every_panel_has_figures_and_every_rule_is_well(settings: LiveSettings, topics: Any, tmp_path: Path) -> None:
    program("prometheus")
    publish_hub(settings, tmp_path / "reference")
    with Fleet(settings, tmp_path) as fleet:
        running, console, serve = everybody(fleet, tmp_path)
        for one in running:
            one.ready(120)
        with watching(tmp_path, [one.port for one in running]) as api:
            eventually(figures(api, "headway_registers_total"), 60)
            a_week(settings, console, serve)
            processes: tuple[Process, ...] = ("worker", "closer", "casebook", "deliver", "console")
            names = {m.name + ("_count" if m.kind == "histogram" else "") for p in processes for m in declared(p)}
            waits = {"headway_case_waits_since_timestamp_seconds", "headway_outbox_waits_since_timestamp_seconds"}  # Nothing does.
            for name in sorted(names - waits):
                eventually(has_data(api, name), 60)
            empty = [
                f"{dashboard.title}: {panel.title}: {query}"
                for dashboard in DASHBOARDS
                for panel in dashboard.panels
                for _, query in panel.queries
                if not _soon(figures(api, query))
            ]
            assert empty == []
            eventually(lambda: [r["health"] for r in rules(api)] == ["ok"] * len(RULES))
            assert not [r["name"] for r in rules(api) if r["state"] == "firing"], json.dumps(rules(api))
            running[0].kill()
            eventually(lambda: {"HeadwayDown"} <= {r["name"] for r in rules(api) if r["state"] == "pending"})


def _heard(readings: int, said: Said) -> bool:
    return len(said.latest) == readings


def _soon(look: Callable[[], bool]) -> bool:
    try:
        eventually(look, 15)
    except TimeoutError:
        return False
    return True
