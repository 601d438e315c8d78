"""Dashboards: the files are those that the code makes, over declared metrics alone, and every panel explains itself."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # PyYAML comes without types

from deploy.monitoring.dashboards import DASHBOARDS, Panel, as_json, files
from streams.metric_list import METRICS
from tests.unit.test_alert_rules import MONITORING, ROOT, RULES

PANELS = [(one.name, panel) for one in DASHBOARDS for panel in one.panels]
UNITS = {"short", "s", "cps", "reqps", "percentunit", "none"}
EVERY = {m.name for m in METRICS} | {f"{m.name}_bucket" for m in METRICS if m.kind == "histogram"}


def test_the_files_are_what_the_code_makes() -> None:
    made = files()
    assert {path.name: path.read_text("utf-8") for path in made} == {path.name: text for path, text in made.items()}
    assert {path.name for path in (MONITORING / "grafana/dashboards").iterdir()} == {path.name for path in made}


@pytest.mark.parametrize(("_", "panel"), PANELS, ids=[f"{name}: {panel.title}" for name, panel in PANELS])
def test_every_panel_has_a_unit_a_sentence_a_runbook_and_declared_metrics(_: str, panel: Panel) -> None:
    assert panel.unit in UNITS
    assert panel.means.endswith(".")
    assert len(panel.means) > 15
    headings = re.findall("^## (.+)$", (ROOT / "docs/runbooks.md").read_text("utf-8"), re.MULTILINE)
    assert panel.runbook in headings
    for _legend, query in panel.queries:
        assert set(re.findall(r"headway_[a-z_]+", query)) <= EVERY


def test_every_metric_and_every_rule_can_be_seen() -> None:
    shown = " ".join(query for _, panel in PANELS for _, query in panel.queries)
    assert {m.name for m in METRICS if m.name not in shown} == set()
    assert {rule["alert"] for rule in RULES} <= {panel.runbook for _, panel in PANELS}


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.name)
def test_panels_do_not_overlap_and_have_their_own_numbers(dashboard: Any) -> None:
    made = as_json(dashboard)
    places = [panel["gridPos"] for panel in made["panels"]]
    for a, b in combinations(places, 2):
        assert a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"] or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
    assert len({panel["id"] for panel in made["panels"]}) == len(places)
    assert json.loads(json.dumps(made)) == made


def test_what_is_provisioned_is_where_the_compose_file_puts_it() -> None:
    folder = MONITORING / "grafana/provisioning"
    (provider,) = yaml.safe_load((folder / "dashboards/headway.yml").read_text("utf-8"))["providers"]
    (source,) = yaml.safe_load((folder / "datasources/headway.yml").read_text("utf-8"))["datasources"]
    assert (provider["options"]["path"], source["type"]) == ("/var/lib/grafana/dashboards", "prometheus")
