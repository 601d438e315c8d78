"""Metrics: declared once, bounded, silent about schools and targets, the same number of series whatever the number of schools."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import httpx
import numpy as np
import pytest
from prometheus_client import generate_latest

from models.outlook import EMPTY
from models.panels import Panels
from models.parameters import BUDGET, Parameters
from models.policy import Withheld
from models.said import Said
from schemas.alert import AlertKind, AlertState
from schemas.reject import RejectReason
from streams import clock
from streams.close_metrics import CloseMetrics, by_reason, shown_kind
from streams.metric_list import ALERT_KINDS, METRICS, WITHHELD, Process, table
from streams.metrics import Metrics
from tests.deployments import deployment
from tests.serving import options, register, running

if TYPE_CHECKING:
    from models.panels import Closed

DOCS = Path(__file__).parents[2] / "docs"
LABELS = {"reason", "status", "area", "phase", "data", "kind", "state", "interval", "hub", "standing", "channel", "outcome", "page"}
BASE_UNITS = ("_total", "_seconds", "_ratio", "_logit")


def series(metrics: Metrics) -> set[str]:
    lines = generate_latest(metrics.registry).decode().splitlines()
    return {line.rpartition(" ")[0] for line in lines if not line.startswith("#") and "_created" not in line}


def closed_day(schools: int) -> Closed:
    """The first day of schools of three areas that sent nothing."""
    here = deployment(schools, 5, np.random.default_rng(1))
    panels = Panels(Parameters(), BUDGET)
    panels.refer(here.urn, {here.academic_year: here})
    return panels.close(here.academic_year, int(here.days[0]), {}, Said)


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_names_and_units_follow_prometheus(metric: Any) -> None:
    assert re.fullmatch(r"headway(_[a-z]+)+", metric.name)
    assert metric.help.endswith(".")
    assert (metric.kind == "counter") == metric.name.endswith("_total")
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert sorted(metric.buckets) == list(metric.buckets)
    if metric.unit in {"seconds", "ratio", "logit"}:
        assert metric.name.endswith(f"_{metric.unit}")
    assert {name for name, _ in metric.labels} <= LABELS


def test_the_page_says_what_the_code_declares() -> None:
    assert table() in (DOCS / "metrics.md").read_text("utf-8")


@pytest.mark.parametrize("process", get_args(Process))
def test_listed_labels_begin_at_nought(process: Process) -> None:
    text, intake = generate_latest(Metrics(process).registry).decode(), process in {"serve", "worker"}
    assert ('headway_registers_rejected_total{reason="not_json"} 0.0' in text) == intake
    assert text.count("headway_registers_rejected_total{") == (len(RejectReason) if intake else 0)


def test_what_is_not_declared_cannot_be_counted() -> None:
    with pytest.raises(KeyError):
        Metrics("worker").counter("headway_request_seconds")


def test_how_many_schools_are_off_their_path_to_a_target_is_not_shown() -> None:
    assert "off_trajectory" not in ALERT_KINDS
    assert {kind: shown_kind(kind) for kind in AlertKind if shown_kind(kind) == "school"} == dict.fromkeys(
        (AlertKind.LEVEL_DROP, AlertKind.OFF_TRAJECTORY, AlertKind.YEAR_GROUP), "school"
    )
    assert {shown_kind(kind) for kind in AlertKind} == set(ALERT_KINDS)
    declared = dict(next(m for m in METRICS if m.name == "headway_alerts_total").labels)
    assert set(declared["state"]) == {str(state) for state in AlertState}


def test_every_reason_to_withhold_has_a_name() -> None:
    assert {*map(str, Withheld), "other"} == set(WITHHELD)
    assert by_reason({"T: hold-off": 2, "C: hold-off": 3, "sudden: a reason of its own": 1}) == {"hold-off": 5, "other": 1}


def test_no_series_grows_with_the_number_of_schools() -> None:
    counted = {}
    for schools in (57, 24_000):
        metrics = Metrics("closer")
        watched = CloseMetrics(metrics, BUDGET)
        watched.closed(closed_day(schools))
        watched.attempted(0.2, True)
        counted[schools] = series(metrics)
    assert not [one for one in counted[24_000] if re.search(r"\d{6}", one)]
    assert abs(len(counted[24_000]) - len(counted[57])) <= 0.05 * len(counted[57]), counted[24_000] ^ counted[57]


def test_what_a_day_lacks_is_seen_by_area_and_phase() -> None:
    metrics = Metrics("closer")
    CloseMetrics(metrics, BUDGET).closed(closed_day(57))
    text = generate_latest(metrics.registry).decode()
    expected, received = (
        sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"headway_registers_{name}{{"))
        for name in ("expected", "received")
    )
    assert (expected, received) == (114, 0)
    assert 'headway_schools{data="missing"} 57.0' in text


def test_a_figure_of_few_schools_is_not_shown() -> None:
    metrics = Metrics("closer")
    watched = CloseMetrics(metrics, BUDGET)
    watched.closed(closed_day(57))
    assert [one for one in series(metrics) if "effect" in one]
    watched.closed(closed_day(9))
    assert not [one for one in series(metrics) if "effect" in one or "coverage" in one]


def test_coverage_is_watched_by_phase_over_the_last_closes() -> None:
    metrics = Metrics("closer")
    watched, day = CloseMetrics(metrics, BUDGET), closed_day(200)
    primaries = day.course.deployment.phase == 0
    assert primaries.sum() > 20

    def share(days: list[float]) -> float | None:
        for i, z in enumerate(days):
            day.course.model.outlook.residual_z[i] = np.where(primaries, round(z * 1e6), EMPTY)
            watched.closed(day._replace(day=i))
        return metrics.registry.get_sample_value("headway_coverage_lately_ratio", {"phase": "primary", "interval": "0.8"})

    assert share([0.5]) == 1.0
    assert share([0.5, 3.0]) == pytest.approx(0.95), "one close in about twenty"
    assert share([0.5, 3.0]) == pytest.approx(0.95), "closed again"
    labels = {"phase": "special", "interval": "0.8"}
    assert metrics.registry.get_sample_value("headway_coverage_lately_ratio", labels) is None


def test_a_day_that_is_closed_again_has_had_its_share_of_false_alarms() -> None:
    metrics = Metrics("closer")
    watched, day = CloseMetrics(metrics, BUDGET), closed_day(57)
    day.course.model.scored[day.day] = True
    watched.closed(day)
    once = metrics.registry.get_sample_value("headway_alarms_expected_total")
    watched.closed(day)
    assert once
    assert metrics.registry.get_sample_value("headway_alarms_expected_total") == once


def test_a_served_process_counts_what_it_takes(tmp_path: Path) -> None:
    with running(options(tmp_path, metrics_port=0), clock.now) as serving:
        assert serving.health is not None
        for body in (register(), register(), register(urn=100_001, attendance_date="yesterday")):
            httpx.post(f"{serving.url}/v1/registers", json=body)
        httpx.post(f"{serving.url}/v1/registers", content=b"?", headers={"content-type": "text/csv"})
        text = httpx.get(f"http://127.0.0.1:{serving.health.port}/metrics").text
        assert httpx.get(f"http://127.0.0.1:{serving.health.port}/ready").status_code == httpx.codes.OK
    said = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if not line.startswith("#")}
    assert said["headway_registers_total"] == 3
    assert said["headway_registers_duplicate_total"] == 1
    assert sum(value for name, value in said.items() if name.startswith("headway_registers_rejected_total{")) == 1
    assert said['headway_requests_total{status="200"}'] == 2
    assert said['headway_requests_total{status="415"}'] == 1
    assert said["headway_request_seconds_count"] == 4
    assert said["headway_lag_records"] == 0
    assert "100000" not in text
