"""A real Prometheus scrapes two workers and a closer: what each declares has data, and every rule is evaluated."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml  # type: ignore[import-untyped]  # as in the unit test

from streams import topology
from streams.metric_list import Process, declared
from tests.live.conformance import produce
from tests.live.fleet import Fleet
from tests.live.hub import DAY, SCHOOLS, publish_hub, register, until
from tests.live.test_worker import close
from tests.serving import eventually
from tests.unit.test_alert_rules import MONITORING, RULES, has_data, program, rules

if TYPE_CHECKING:
    from pathlib import Path

    from streams.live_settings import LiveSettings

pytestmark = pytest.mark.slow
PROCESSES: tuple[Process, ...] = ("worker", "closer")


def test_every_declared_metric_has_data_and_a_worker_that_is_gone_is_seen(settings: LiveSettings, topics: Any, tmp_path: Path) -> None:
    prometheus = program("prometheus")
    publish_hub(settings, tmp_path / "reference")
    with Fleet(settings, tmp_path) as fleet:
        running = [fleet.start("worker", name="worker-a"), fleet.start("worker", name="worker-b"), fleet.start("closer")]
        for one in running:
            one.ready()
        produce(settings, topology.REGISTERS, [register(urn) for urn in SCHOOLS])
        until(settings, lambda s: len(s.latest) == len(SCHOOLS))
        close(settings, DAY)
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(MONITORING / "rules.yml")],
            "scrape_configs": [{"job_name": "headway", "static_configs": [{"targets": [f"127.0.0.1:{one.port}" for one in running]}]}],
        }
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        files = [f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/series"]
        with subprocess.Popen(
            [prometheus, *files, f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                api = f"http://127.0.0.1:{port}/api/v1"
                names = {m.name + ("_count" if m.kind == "histogram" else "") for p in PROCESSES for m in declared(p)}
                for name in sorted(names):
                    eventually(has_data(api, name), 60)
                eventually(lambda: [r["health"] for r in rules(api)] == ["ok"] * len(RULES))
                running[0].kill()
                eventually(lambda: {"HeadwayDown"} <= {r["name"] for r in rules(api) if r["state"] == "pending"})
            finally:
                process.terminate()
