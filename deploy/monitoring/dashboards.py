"""The Grafana dashboards as data, and the files made of them: `python -m deploy.monitoring.dashboards` writes them anew.

Every panel has a unit, a sentence that says what it shows and when it is wrong, and a link to its runbook. Its queries are over
declared metrics alone (a test), and each is evaluated to data on a real Prometheus while a simulated week runs (another).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["DASHBOARDS", "Dashboard", "Panel", "as_json", "files"]

FOLDER = Path(__file__).parent / "grafana" / "dashboards"
_WIDTH, _HEIGHT, _ACROSS = 8, 8, 3
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_LEADS = "and on(instance) headway_leads == 1"
"""Of who leads: a closer that led before still shows what it closed last."""


class Panel(NamedTuple):
    """queries: legend -> expression. unit: Grafana's id of one. runbook: its heading on the page of runbooks."""

    title: str
    unit: str
    means: str
    runbook: str
    queries: tuple[tuple[str, str], ...]


class Dashboard(NamedTuple):
    """name: of its file and in its address."""

    name: str
    title: str
    panels: tuple[Panel, ...]


def _quantiles(metric: str, window: str = "$__rate_interval") -> tuple[tuple[str, str], ...]:
    each = f"sum by (le) (rate({metric}_bucket[{window}]))"
    return tuple((f"p{100 * q:g}", f"histogram_quantile({q}, {each})") for q in (0.5, 0.95, 0.99))


def _received(by: str) -> str:
    given = f"sum by ({by}) (headway_registers_received {_LEADS})" if by else f"sum(headway_registers_received {_LEADS})"
    return f"{given} / {given.replace('received', 'expected')}"


_SERVICE = (
    Panel("Processes", "short", "Processes that answer Prometheus, and those it knows. Fewer answer: one is down.", "HeadwayDown",
          (("answer", 'sum(up{job="headway"})'), ("known", 'count(up{job="headway"})'))),
    Panel("Reasons not to be ready", "short", "What /ready names. Zero is well.", "HeadwayNotReady",
          (("{{instance}}", "max by (instance) (headway_not_ready_reasons)"),)),
    Panel("Clock against Prometheus's", "s", "Seconds this process's clock is ahead. Over 30 either way: days are closed at the wrong time.", "HeadwayClock",
          (("{{instance}}", "headway_clock_timestamp_seconds - timestamp(headway_clock_timestamp_seconds)"),)),
    Panel("Registers in", "cps", "Registers taken in each second, refused ones and repeats too.", "HeadwayRegistersMissing",
          (("workers and serve", "sum(rate(headway_registers_total[$__rate_interval]))"),)),
    Panel("Registers refused", "cps", "By reason. More than one in twenty: the sender is broken.", "HeadwayRejects",
          (("{{reason}}", "sum by (reason) (rate(headway_registers_rejected_total[$__rate_interval]))"),)),
    Panel("Requests by status", "reqps", "Of the HTTP intake. 5xx: it cannot keep what is sent.", "HeadwayNotReady",
          (("{{status}}", "sum by (status) (rate(headway_requests_total[$__rate_interval]))"),)),
    Panel("Time of a request", "s", "Of the HTTP intake, from request to durable answer.", "HeadwayStalled", _quantiles("headway_request_seconds")),
    Panel("Time to a provisional reading", "s", "From a register's append to its reading's.", "HeadwayBehind", _quantiles("headway_provisional_seconds")),
    Panel("Lag", "short", "Records that wait. It rises in the two bursts of a morning and falls to zero again.", "HeadwayBehind",
          (("{{instance}}", "max by (instance) (headway_lag_records)"),)),
    Panel("Age of the last progress", "s", "Matters where records wait: two minutes then are a stall.", "HeadwayStalled",
          (("{{instance}}", "time() - max by (instance) (headway_last_progress_timestamp_seconds)"),)),
    Panel("Partitions owned", "short", "Of the register log, by worker; together they are all of them.", "HeadwayBehind",
          (("{{instance}}", "max by (instance) (headway_partitions_owned)"),)),
    Panel("Recovery", "s", "Time a worker took to read again what it was last given.", "HeadwayBehind",
          (("{{instance}}", "max by (instance) (headway_recovery_seconds)"),)),
    Panel("Time of a close", "s", "Over the last day.", "HeadwayCloseFails", _quantiles("headway_close_seconds", "1d")),
    Panel("Age of the newest close", "s", "A school day is closed at 17:30; on a Monday morning it is two days and a half.", "HeadwayNobodyCloses",
          (("newest", "time() - max(headway_close_timestamp_seconds)"),)),
    Panel("Who closes", "short", "One closer leads. None: nothing is closed.", "HeadwayNobodyCloses",
          (("lead", "sum(headway_leads)"),)),
    Panel("Closes", "short", "Done and failed in an hour. After a failure the last close stays published, and it is tried again.", "HeadwayCloseFails",
          (("failed: {{instance}}", "sum by (instance) (increase(headway_close_failures_total[1h]))"),
           ("done", "sum(increase(headway_closes_total[1h]))"))),
)  # fmt: skip

_DATA_HEALTH = (
    Panel("Registers received", "percentunit", "Of those the calendar expects of the closed day. Under 95 %: somebody is late.", "HeadwayRegistersMissing",
          (("all", _received("")),)),
    Panel("By area", "percentunit", "One area low: ask its feed.", "HeadwayRegistersMissing", (("{{area}}", _received("area")),)),
    Panel("By phase", "percentunit", "One phase low: a supplier of its software, as a rule.", "HeadwayRegistersMissing", (("{{phase}}", _received("phase")),)),
    Panel("Registers missing", "short", "By area and phase, at the newest close.", "HeadwayRegistersMissing",
          (("{{area}}, {{phase}}",
            f"sum by (area, phase) (headway_registers_expected {_LEADS}) - sum by (area, phase) (headway_registers_received {_LEADS})"),)),
    Panel("Schools by what their day is", "short", "Only days that are fit to be scored are; the others say why not.", "HeadwayRegistersMissing",
          (("{{data}}", f"sum by (data) (headway_schools {_LEADS})"),)),
    Panel("Refused, of all taken in", "percentunit", "In six hours. Over 5 % in a thousand, workers and closes stop by themselves.", "HeadwayRejects",
          (("refused", "sum(increase(headway_registers_rejected_total[6h])) / sum(increase(headway_registers_total[6h]))"),)),
    Panel("Repeats", "short", "Registers that were held already, in an hour. Harmless; many mean a sender that never hears its answer.", "HeadwayRejects",
          (("held already", "sum(increase(headway_registers_duplicate_total[1h]))"),)),
)  # fmt: skip

_DETECTION = (
    Panel("Alerts of schools against the budget", "short",
          "Opened in 30 days, beside the false alarms that the budget leaves. Opened holds true ones too; far above it for weeks: look.",
          "More alerts than the budget",
          (("opened", 'sum(increase(headway_alerts_total{kind="school",state="opened"}[30d]))'),
           ("expected to be false", "sum(increase(headway_alarms_expected_total[30d]))"))),
    Panel("Alerts by kind", "short", "Opened in seven days. `school` is all charts of a school together.", "More alerts than the budget",
          (("{{kind}}", 'sum by (kind) (increase(headway_alerts_total{state="opened"}[7d]))'),)),
    Panel("What became of alerts", "short", "In seven days. Many withdrawn: registers were corrected after they were scored.", "HeadwayRegistersMissing",
          (("{{state}}", "sum by (state) (increase(headway_alerts_total[7d]))"),)),
    Panel("Withheld", "short", "Charts above their limit that said nothing new at the newest close, by reason.", "More alerts than the budget",
          (("{{reason}}", f"sum by (reason) (headway_alerts_withheld {_LEADS})"),)),
    Panel("Calibration", "percentunit", "Share of schools inside each interval of the predictive law: 0.8 of them belong inside `0.8`.", "Calibration is off",
          (("{{interval}}", f"max by (interval) (headway_coverage_ratio {_LEADS})"),
           ("{{phase}} {{interval}}, lately", f"max by (phase, interval) (headway_coverage_lately_ratio {_LEADS})"))),
    Panel("What areas have in common", "none", "In logits, of the closed day: weather, a strike, illness. It is taken out before schools are judged.",
          "Calibration is off", (("{{area}}", f"max by (area) (headway_area_effect_logit {_LEADS})"),)),
)  # fmt: skip

_DELIVERY = (
    Panel("Open cases", "short", "By hub and who has them.", "HeadwayMessagesWait",
          (("{{hub}}: {{standing}}", "sum by (hub, standing) (max by (hub, kind, standing) (headway_cases_open))"),)),
    Panel("How long the oldest waits to be taken", "s", "By hub; a matter of its coordinators, and of ops where they were not told.", "HeadwayMessagesWait",
          (("{{hub}}", "(time() - min by (hub) (headway_case_waits_since_timestamp_seconds)) or 0 * max by (hub) (headway_cases_open)"),)),
    Panel("Outbox", "short", "Messages by channel and state; `log` is what goes back to the engine.", "HeadwayMessagesWait",
          (("{{channel}}: {{state}}", "max by (channel, state) (headway_outbox_messages)"),)),
    Panel("Age of the oldest message", "s", "Of those that have not left. Over half an hour: nobody hears of anything.", "HeadwayMessagesWait",
          (("{{channel}}", "(time() - min by (channel) (headway_outbox_waits_since_timestamp_seconds)) or 0 * max by (channel) (headway_outbox_messages)"),)),
    Panel("Attempts to send", "cps", "By outcome. Refused: an address or the sender's right to send.", "HeadwayMessagesGivenUp",
          (("{{channel}}: {{outcome}}", "sum by (channel, outcome) (rate(headway_messages_total[$__rate_interval]))"),)),
    Panel("The casebook's database", "short", "1: it was read in the last ten seconds.", "HeadwayDatabase",
          (("{{instance}}", "min by (instance) (headway_database_answers)"),)),
    Panel("Pages by status", "reqps", "Of the console. 5xx: what people try fails.", "HeadwayConsoleErrors",
          (("{{status}}", "sum by (status) (rate(headway_pages_total[$__rate_interval]))"),)),
    Panel("Time of a page", "s", "Of the console, from request to answer.", "HeadwayConsoleErrors", _quantiles("headway_page_seconds")),
)  # fmt: skip

DASHBOARDS = (
    Dashboard("service", "Headway: service", _SERVICE),
    Dashboard("data-health", "Headway: data health", _DATA_HEALTH),
    Dashboard("detection", "Headway: detection quality", _DETECTION),
    Dashboard("delivery", "Headway: cases and delivery", _DELIVERY),
)


def as_json(one: Dashboard) -> dict[str, Any]:
    """As Grafana reads it (schema 41; newer ones migrate it as it is loaded)."""
    datasource = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    docs = {"name": "docs", "label": "Where the documentation is", "type": "textbox", "query": "https://docs.example"}
    return {
        "uid": f"headway-{one.name}",
        "title": one.title,
        "tags": ["headway"],
        "schemaVersion": 41,
        "editable": False,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "timezone": "Europe/London",
        "templating": {"list": [datasource, docs]},
        "links": [{"type": "dashboards", "tags": ["headway"], "title": "Headway", "asDropdown": True}],
        "panels": [_panel(number, panel) for number, panel in enumerate(one.panels)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    anchor = panel.runbook.lower().replace(" ", "-")
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.means,
        "datasource": _DATASOURCE,
        "gridPos": {"x": number % _ACROSS * _WIDTH, "y": number // _ACROSS * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "custom": {"fillOpacity": 0, "showPoints": "never"}}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}},
        "links": [{"title": f"Runbook: {panel.runbook}", "url": f"${{docs}}/runbooks/#{anchor}", "targetBlank": True}],
        "targets": [
            {"refId": chr(ord("A") + n), "datasource": _DATASOURCE, "expr": expr, "legendFormat": legend}
            for n, (legend, expr) in enumerate(panel.queries)
        ],
    }


def files() -> dict[Path, str]:
    """What each file holds."""
    return {FOLDER / f"{one.name}.json": json.dumps(as_json(one), indent=1) + "\n" for one in DASHBOARDS}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, "utf-8")
