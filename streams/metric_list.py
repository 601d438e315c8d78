"""Every metric of Headway, declared once: code, documentation and alert rules are checked against this list.

Labels are bounded: no metric has one for a school, and none says what follows from a target. So alerts that a target gives count
together with a school's others as `school`, and figures that rest on expected paths are given for ten schools or more.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from models.guards import Verdict
from schemas.reject import RejectReason

__all__ = [
    "ALERT_KINDS",
    "CASES",
    "CHANNELS",
    "COVERAGE",
    "METRICS",
    "PHASES",
    "STATES",
    "WAITING",
    "WITHHELD",
    "Metric",
    "Process",
    "declared",
    "table",
]

Process = Literal["serve", "worker", "closer", "casebook", "deliver", "console"]
_ALL: tuple[Process, ...] = ("serve", "worker", "closer", "casebook", "deliver", "console")
_CLOSING: tuple[Process, ...] = ("serve", "closer")
_DATABASE: tuple[Process, ...] = ("serve", "casebook", "deliver", "console")
_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_PROVISIONAL_SECONDS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0, 10.0, 30.0)
_CLOSE_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

PHASES = ("primary", "secondary", "special")
"""By number in a deployment; alternative provision counts as special."""
ALERT_KINDS = ("area", "data", "school", "sudden")
WITHHELD = ("already open", "hold-off", "end of year", "warming up", "not scored", "other")
"""`models.policy.Withheld`, and whatever else withholds."""
WAITING = "waiting"
CASES = (WAITING, "taken", "snoozed")
"""waiting: nobody has taken it."""
CHANNELS = ("chat", "log", "mail")
"""log: back to the engine."""
STATES = ("waiting", "sending", "failed")
OUTCOMES = ("sent", "put_off", "refused", "dropped")
COVERAGE = {"0.5": 0.674490, "0.8": 1.281552, "0.95": 1.959964}
"""Interval of the predictive law -> where it ends, in standard deviations."""


class Metric(NamedTuple):
    """name: as Prometheus shows it. unit: what one is. labels: name -> its values, or what bounds them. buckets: upper bounds."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    help: str
    processes: tuple[Process, ...]
    labels: tuple[tuple[str, tuple[str, ...] | str], ...] = ()
    buckets: tuple[float, ...] = ()


_REASONS = ("reason", tuple(sorted(RejectReason)))
_AREA_PHASE = (("area", "areas of schools.csv"), ("phase", PHASES))

METRICS = (
    # Of every process
    Metric("headway_last_progress_timestamp_seconds", "gauge", "seconds", "When something was last done.", _ALL),
    Metric("headway_lag_records", "gauge", "records", "Records that wait: for a worker, for the disk, for the close that is open.", _ALL),
    Metric("headway_not_ready_reasons", "gauge", "reasons", "Reasons that /ready names; 0 is well.", _ALL),
    Metric("headway_clock_timestamp_seconds", "gauge", "seconds", "What this process takes for now, at the scrape.", _ALL),
    # Registers in
    Metric("headway_registers_total", "counter", "registers", "Valid and refused registers taken in, repeats too.", ("serve", "worker")),
    Metric("headway_registers_duplicate_total", "counter", "registers", "Registers that were held already.", ("serve",)),
    Metric("headway_registers_rejected_total", "counter", "registers", "Registers refused, by reason.", ("serve", "worker"), (_REASONS,)),
    Metric("headway_requests_total", "counter", "requests", "Requests to take registers in.", ("serve",), (("status", "HTTP statuses"),)),
    Metric("headway_request_seconds", "histogram", "seconds", "From a request to its answer.", ("serve",), buckets=_REQUEST_SECONDS),
    Metric(
        "headway_provisional_seconds",
        "histogram",
        "seconds",
        "From a register's append to its provisional reading's.",
        ("worker",),
        buckets=_PROVISIONAL_SECONDS,
    ),
    Metric("headway_partitions_owned", "gauge", "partitions", "Partitions of the register log that are this worker's.", ("worker",)),
    Metric("headway_recovery_seconds", "gauge", "seconds", "From the newest assignment until all of it was read.", ("worker",)),
    # Closes
    Metric("headway_leads", "gauge", "closers", "1 for the closer that closes, 0 for one that follows.", _CLOSING),
    Metric("headway_closes_total", "counter", "closes", "Closes this process completed.", _CLOSING),
    Metric("headway_close_failures_total", "counter", "closes", "Attempts to close that failed.", _CLOSING),
    Metric("headway_close_seconds", "histogram", "seconds", "From the beginning of a close to its end.", _CLOSING, buckets=_CLOSE_SECONDS),
    Metric("headway_close_timestamp_seconds", "gauge", "seconds", "When the newest close was completed.", _CLOSING),
    # The newest close of this process: data health
    Metric("headway_registers_expected", "gauge", "registers", "Registers the calendar expects of the closed day.", _CLOSING, _AREA_PHASE),
    Metric("headway_registers_received", "gauge", "registers", "Of these, received at its close.", _CLOSING, _AREA_PHASE),
    Metric(
        "headway_schools",
        "gauge",
        "schools",
        "Schools by what their closed day is.",
        _CLOSING,
        (("data", tuple(v.name.lower() for v in Verdict)),),
    ),
    # What is said
    Metric(
        "headway_alerts_total",
        "counter",
        "alerts",
        "Alert records published.",
        _CLOSING,
        (("kind", ALERT_KINDS), ("state", ("closed", "opened", "updated", "withdrawn"))),
    ),
    Metric(
        "headway_alerts_withheld",
        "gauge",
        "charts",
        "Charts above the limit that said nothing new at the newest close.",
        _CLOSING,
        (("reason", WITHHELD),),
    ),
    Metric("headway_alarms_expected_total", "counter", "alarms", "False alarms the budget allows for the days closed.", _CLOSING),
    Metric(
        "headway_coverage_ratio",
        "gauge",
        "ratio",
        "Schools whose closed day lies inside this interval of its predictive law; well calibrated, the two are equal.",
        _CLOSING,
        (("interval", tuple(COVERAGE)),),
    ),
    Metric(
        "headway_coverage_lately_ratio",
        "gauge",
        "ratio",
        "The same by phase over about the last twenty closes of this process, exponentially weighted (River's EWMean).",
        _CLOSING,
        (("phase", PHASES), ("interval", tuple(COVERAGE))),
    ),
    Metric(
        "headway_area_effect_logit",
        "gauge",
        "logit",
        "What an area of ten schools or more has in common on the closed day.",
        _CLOSING,
        (("area", "areas of schools.csv"),),
    ),
    # People: the casebook, what leaves it, the console
    Metric("headway_database_answers", "gauge", "databases", "1 when the casebook's database was read last, 0 when it was not.", _DATABASE),
    Metric(
        "headway_cases_open",
        "gauge",
        "cases",
        "Open cases; waiting: nobody has taken them.",
        _DATABASE,
        (("hub", "hubs of the directory"), ("kind", ("attendance", "data")), ("standing", CASES)),
    ),
    Metric(
        "headway_case_waits_since_timestamp_seconds",
        "gauge",
        "seconds",
        "When the oldest open case was opened that nobody has taken; no series where there is none.",
        _DATABASE,
        (("hub", "hubs of the directory"),),
    ),
    Metric(
        "headway_outbox_messages",
        "gauge",
        "messages",
        "What waits in the outbox, is being sent, or was given up.",
        _DATABASE,
        (("channel", CHANNELS), ("state", STATES)),
    ),
    Metric(
        "headway_outbox_waits_since_timestamp_seconds",
        "gauge",
        "seconds",
        "When the oldest message was written that has not left; no series where there is none.",
        _DATABASE,
        (("channel", CHANNELS),),
    ),
    Metric(
        "headway_messages_total",
        "counter",
        "messages",
        "Attempts to send, by what became of them.",
        ("serve", "deliver"),
        (("channel", ("chat", "mail")), ("outcome", OUTCOMES)),
    ),
    Metric(
        "headway_pages_total",
        "counter",
        "requests",
        "Requests to the console, by the page's name.",
        ("serve", "console"),
        (("page", "pages of the route table"), ("status", "HTTP statuses")),
    ),
    Metric(
        "headway_page_seconds",
        "histogram",
        "seconds",
        "From a request for a page to its answer.",
        ("serve", "console"),
        buckets=_REQUEST_SECONDS,
    ),
)


def declared(process: Process) -> tuple[Metric, ...]:
    """What this process shows."""
    return tuple(metric for metric in METRICS if process in metric.processes)


def table() -> str:
    """The list as it stands in docs/metrics.md."""
    rows = ["| metric | type | unit | labels | of | means |", "|---|---|---|---|---|---|"]
    for m in METRICS:
        labels = ", ".join(f"`{name}`" + (f" ({values})" if isinstance(values, str) else "") for name, values in m.labels) or "–"
        rows.append(f"| `{m.name}` | {m.kind} | {m.unit} | {labels} | {', '.join(m.processes)} | {m.help} |")
    return "\n".join(rows) + "\n"
