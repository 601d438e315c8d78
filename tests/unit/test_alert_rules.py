"""Alert rules: Prometheus's own tools accept them, each fires and falls silent, and a real Prometheus evaluates them to data."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml  # type: ignore[import-untyped]  # pre-commit and mkdocs bring it, without types

from casebook.casebook_metrics import CasebookMetrics
from console.page_metrics import PageMetrics
from models.parameters import BUDGET
from streams import clock
from streams.close_metrics import CloseMetrics
from streams.metric_list import METRICS
from streams.metrics import Metrics
from tests.serving import eventually, options, register, running
from tests.unit.test_delivery import Office
from tests.unit.test_metrics import closed_day

if TYPE_CHECKING:
    from collections.abc import Callable

    from casebook.database import Database

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "deploy/monitoring"
RULES: list[dict[str, Any]] = yaml.safe_load((MONITORING / "rules.yml").read_text("utf-8"))["groups"][0]["rules"]
CASES: list[dict[str, Any]] = yaml.safe_load((MONITORING / "rules_test.yml").read_text("utf-8"))["tests"]
NAMES = sorted({name for rule in RULES for name in re.findall(r"headway_[a-z_]+", rule["expr"])})


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        if os.environ.get("HEADWAY_REQUIRE_PROMETHEUS"):
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed (Debian: prometheus, prometheus-alertmanager)")
    return found


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("promtool", ["check", "rules", "rules.yml"]),
        ("promtool", ["test", "rules", "rules_test.yml"]),
        ("promtool", ["check", "config", "prometheus.yml"]),
        ("amtool", ["check-config", "alertmanager.yml"]),
    ],
    ids=lambda part: part if isinstance(part, str) else part[0] + " " + part[-1],
)
def test_their_own_tools_accept_the_files(tool: str, given: list[str]) -> None:
    done = subprocess.run([program(tool), *given], cwd=MONITORING, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_is_tried_firing_and_silent() -> None:
    for rule in RULES:
        tried = [t for case in CASES for t in case["alert_rule_test"] if t["alertname"] == rule["alert"]]
        assert {bool(t["exp_alerts"]) for t in tried} == {True, False}, rule["alert"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_rule_has_its_runbook(rule: dict[str, Any]) -> None:
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall("^## (.+)$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    assert anchor in [heading.lower() for heading in headings]
    assert rule["labels"]["severity"] in {"page", "ticket"}


def test_rules_are_over_declared_metrics() -> None:
    assert set(NAMES) <= {metric.name for metric in METRICS}


@pytest.mark.slow
def test_a_real_prometheus_evaluates_every_rule_to_data(tmp_path: Path, database: Database) -> None:
    prometheus, metrics = program("prometheus"), Metrics("serve")
    CloseMetrics(metrics, BUDGET).closed(closed_day(57))
    Office(database, mail=None)  # A message that waits since September.
    CasebookMetrics(database, metrics, clock.now, lambda moment: moment.date()).read()
    PageMetrics(metrics, clock.monotonic_seconds).answered("inbox")(200)
    with running(options(tmp_path, metrics_port=0), clock.now, metrics) as serving, socket.socket() as taken:
        assert serving.health is not None
        httpx.post(f"{serving.url}/v1/registers", json=register())
        target = f"127.0.0.1:{serving.health.port}"
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(MONITORING / "rules.yml")],
            "scrape_configs": [{"job_name": "headway", "static_configs": [{"targets": [target]}]}],
        }
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        taken.close()
        files = [f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/series"]
        with subprocess.Popen(
            [prometheus, *files, f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                api = f"http://127.0.0.1:{port}/api/v1"
                for name in NAMES:
                    eventually(has_data(api, name))
                eventually(lambda: all(rule["health"] == "ok" for rule in rules(api)))
                states = {rule["name"]: rule["state"] for rule in rules(api)}
                assert set(states) == {rule["alert"] for rule in RULES}
                eventually(
                    lambda: {r["name"] for r in rules(api) if r["state"] == "pending"} == {"HeadwayRegistersMissing", "HeadwayMessagesWait"}
                )
            finally:
                process.terminate()


def has_data(api: str, query: str) -> Callable[[], bool]:
    def look() -> bool:
        with suppress(httpx.HTTPError):  # While it starts it refuses, or answers 503 in plain text.
            said = httpx.get(f"{api}/query", params={"query": query}).raise_for_status().json()
            return bool(said.get("data", {}).get("result"))
        return False

    return look


def rules(api: str) -> list[dict[str, Any]]:
    groups = httpx.get(f"{api}/rules").json()["data"]["groups"]
    return [rule for group in groups for rule in group["rules"]]
