"""What a close says of itself to ops: data health, what was said and withheld, calibration. Counted once a close, with numpy.

Aggregates only. What rests on expected paths is given where ten schools or more stand behind it, and not at all below.
"""

from __future__ import annotations

from collections import Counter
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from models.coverage import Coverage
from models.guards import Verdict
from models.outlook import EMPTY
from streams.metric_list import ALERT_KINDS, COVERAGE, PHASES, WITHHELD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.panels import Closed
    from models.parameters import Budget
    from schemas.alert import AlertKind
    from streams.closer import Closer
    from streams.metrics import Metrics

__all__ = ["SCHOOLS_MIN", "CloseMetrics", "newest_close"]

SCHOOLS_MIN = 10
SCHOOL_DAYS_A_YEAR = 190


class CloseMetrics:
    """Told of each close that this process completed, and of each attempt."""

    def __init__(self, metrics: Metrics, budget: Budget) -> None:
        self._metrics, self._budget = metrics, budget
        self._days: set[int] = set()
        self._watched, self._watched_days = Coverage(schools_least=SCHOOLS_MIN), set[int]()
        self._shown: dict[str, set[tuple[str, ...]]] = {}

    def attempted(self, seconds: float, done: bool) -> None:  # noqa: FBT001 (as `streams.closing` calls it)
        """A close was carried out, or failed."""
        if done:
            self._metrics.counter("headway_closes_total").inc()
            self._metrics.histogram("headway_close_seconds").observe(seconds)
        else:
            self._metrics.counter("headway_close_failures_total").inc()

    def closed(self, closed: Closed) -> None:
        """What was published, and what it rests on."""
        self._data_health(closed)
        self._said(closed)
        self._calibration(closed)

    def _data_health(self, closed: Closed) -> None:
        model, here = closed.course.model, closed.course.deployment
        planned = here.planned[closed.day]
        expected = 2 * planned
        received = (closed.course.panel.sent_on(closed.day) & planned).sum(axis=0)
        place = here.area * len(PHASES) + here.phase
        present = np.bincount(place, minlength=len(here.areas) * len(PHASES))
        for name, values in (("headway_registers_expected", expected), ("headway_registers_received", received)):
            sums = np.bincount(place, values, len(present))
            named = np.flatnonzero(present).tolist()
            self._show(name, {(here.areas[i // len(PHASES)], PHASES[i % len(PHASES)]): float(sums[i]) for i in named})
        verdicts = np.bincount(model.verdict[closed.day], minlength=len(Verdict))
        self._show("headway_schools", {(verdict.name.lower(),): float(verdicts[verdict]) for verdict in Verdict})

    def _said(self, closed: Closed) -> None:
        for (kind, state), count in Counter((shown_kind(a.kind), str(a.state)) for a in closed.close.alerts).items():
            self._metrics.counter("headway_alerts_total").labels(kind, state).inc(count)
        withheld = by_reason(closed.close.withheld)
        self._show("headway_alerts_withheld", {(reason,): float(withheld.get(reason, 0)) for reason in WITHHELD})
        model, here = closed.course.model, closed.course.deployment
        day = int(here.days[closed.day])
        if day not in self._days:  # A day that is closed again has had its share.
            self._days.add(day)
            rates = sum(self._budget.rates(chart, here) for chart in ("T", "C", "G"))
            self._metrics.counter("headway_alarms_expected_total").inc(float((rates * model.scored[closed.day]).sum()) / SCHOOL_DAYS_A_YEAR)

    def _calibration(self, closed: Closed) -> None:
        model, here = closed.course.model, closed.course.deployment
        held = model.outlook.residual_z[closed.day]
        z = np.abs(held[held != EMPTY]) / 1e6
        intervals = COVERAGE if len(z) >= SCHOOLS_MIN else {}
        self._show("headway_coverage_ratio", {(name,): float((z <= end).mean()) for name, end in intervals.items()})
        if closed.day not in self._watched_days:  # A day that is closed again was watched the first time.
            self._watched_days.add(closed.day)
            self._watched.take(here.phase, np.where(held == EMPTY, nan, held / 1e6))
        enough = np.bincount(here.phase[held != EMPTY], minlength=len(PHASES)) >= SCHOOLS_MIN
        lately = {(one.phase, name): share for one in self._watched.held() for name, share in zip(COVERAGE, one.shares, strict=True)}
        self._show("headway_coverage_lately_ratio", {(f, name): r for (f, name), r in lately.items() if enough[PHASES.index(f)]})
        schools = np.bincount(here.area, minlength=len(here.areas))
        sums = np.bincount(here.area, model.effect[closed.day], len(here.areas))
        many = np.flatnonzero(schools >= SCHOOLS_MIN).tolist()
        self._show("headway_area_effect_logit", {(here.areas[i],): float(sums[i] / schools[i]) for i in many})

    def _show(self, name: str, values: Mapping[tuple[str, ...], float]) -> None:
        """These series and no others, never none of them in between."""
        gauge = self._metrics.gauge(name)
        for labels, value in values.items():
            gauge.labels(*labels).set(value)
        for labels in self._shown.get(name, set()).difference(values):
            gauge.remove(*labels)
        self._shown[name] = set(values)


def newest_close(closer: Closer) -> float:
    """When the newest close was completed, in seconds since 1970; not a number before the first."""
    completed = closer.chain.completed
    return completed[-1][1].at.timestamp() if completed else nan


def shown_kind(kind: AlertKind) -> str:
    """A school's charts are one kind: how many are off their path to a target is nobody's to see here."""
    return str(kind) if kind in ALERT_KINDS else "school"


def by_reason(withheld: Mapping[str, int]) -> dict[str, int]:
    """Of all charts together: `T: warming up` counts as `warming up`; what has no name here is `other`."""
    out: Counter[str] = Counter()
    for said, count in withheld.items():
        reason = said.rpartition(": ")[2]
        out[reason if reason in WITHHELD else "other"] += count
    return dict(out)
