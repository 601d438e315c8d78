"""What a replay writes, each file whole or not at all, readable by its owner only (they hold targets in another form)."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from models.digests import school_digests, state_digest
from models.false_alerts import expected_false_alerts
from models.parameters import PHASES
from models.readings import CONDITIONS, NOTHING, rows
from models.thresholds import CHARTS
from schemas.reading import READING_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from models.course import Course
    from models.parameters import Budget, Parameters
    from streams.replay import Input, Replayed

__all__ = ["summary", "whole_file", "write_all"]

_GROUP = 1000
_REACH = {"50": 674_490, "80": 1_281_552, "95": 1_959_964}
"""Millionths of a standard deviation on each side that hold so many per cent of a normal law."""
_RATIOS = {
    "expected_ratio",
    "common_effect_logit",
    "residual_z",
    "statistic_target",
    "statistic_level",
    "statistic_year_group",
    "once_in_school_years_target",
    "once_in_school_years_level",
    "once_in_school_years_year_group",
    "p_target",
}
_COUNTS = {"possible_sessions", "absences", "charted_possible_sessions", "charted_absences"}


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file of mode 0600 that appears under its name only when it is complete."""
    beside = path.with_name(f".{path.name}.part")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def write_all(out: Path, done: Replayed, held: Input, parameters: Parameters) -> dict[str, Any]:
    """readings.csv, alerts.jsonl, rejects.jsonl, parameters.json and, last, summary.json; the summary."""
    out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(1) as beside, whole_file(out / "readings.csv") as file:
        written = beside.submit(_write_readings, file, done.courses, done.budget)
        said = summary(done, held, parameters)
        written.result()
    with whole_file(out / "alerts.jsonl") as file:
        file.writelines(alert.to_line() + b"\n" for alert in done.alerts)
    with whole_file(out / "rejects.jsonl") as file:
        file.writelines(held.rejects[key].to_line() + b"\n" for key in sorted(held.rejects))
    with whole_file(out / "parameters.json") as file:
        file.write(parameters.to_json().encode() + b"\n")
    with whole_file(out / "summary.json") as file:
        file.write(json.dumps(said, indent=2, sort_keys=True).encode() + b"\n")
    return said


def summary(done: Replayed, held: Input, parameters: Parameters) -> dict[str, Any]:
    """The counts of `contracts.md` section 5 and the state digest."""
    accepted, winning = len(done.arranged.rows), int(done.arranged.wins.sum())
    opened = {(a.kind, a.alert_id) for a in done.alerts}
    years = [(course.model, course.panel) for course in done.courses]
    winners = done.arranged.rows[done.arranged.wins]
    digests = school_digests(done.batch, winners, done.urns, years, done.budget)
    return {
        "read": held.read,
        "accepted": accepted,
        "duplicate": held.read - accepted - len(held.rejects),
        "superseded": accepted - winning,
        "legacy_codes": int(done.tally.legacy[done.arranged.rows].sum()),
        "rejected": dict(sorted(Counter(str(r.reason) for r in held.rejects.values()).items())),
        "unknown_school": done.unknown_school,
        "outside_calendar": done.outside_calendar,
        "schools": len(done.urns),
        "days_closed": done.days_closed,
        "closes": done.closes,
        "alerts": dict(sorted(Counter(str(kind) for kind, _ in opened).items())),
        "alert_records": dict(sorted(Counter(f"{a.kind} {a.state}" for a in done.alerts).items())),
        "withheld": dict(sorted(done.withheld.items())),
        "false_alerts": _false_alerts(done),
        "interval_coverage": _coverage(done),
        f"alarms_per_{'hub' if done.budget.of_a_hub else 'school'}_year": {
            "T": done.budget.target,
            "C": done.budget.level,
            "G": done.budget.year_group,
        },
        "parameters": {"source": parameters.source, "digest": parameters.digest},
        "state_digest": state_digest(done.urns, (school.digest for school in digests)),
    }


def _false_alerts(done: Replayed) -> dict[str, dict[str, float]]:
    """By chart: how many the budget leaves on schools on track, and how many alerts were opened, true ones among them."""
    charts = {a.alert_id: a.chart[0] for a in done.alerts if a.chart is not None}
    opened = Counter(charts.values())
    years = [expected_false_alerts(course.model, done.budget) for course in done.courses]
    expected = {chart: round(math.fsum(year[chart] for year in years), 6) for chart in CHARTS}
    return {"expected": expected, "opened": {chart: opened[chart] for chart in CHARTS}}


def _coverage(done: Replayed) -> dict[str, dict[str, float]]:
    """By phase, the share of scored school days whose innovation lay in the 50, 80 and 95 % interval of the predictive law."""
    found = [course.model.outlook.covered(tuple(_REACH.values())) for course in done.courses]
    inside, scored = np.zeros((len(_REACH), len(PHASES)), np.int64), np.zeros(len(PHASES), np.int64)
    for held, days in found:
        inside, scored = inside + held, scored + days
    return {
        phase: {cover: round(int(inside[row, f]) / int(scored[f]), 6) for row, cover in enumerate(_REACH)}
        for f, phase in enumerate(PHASES)
        if scored[f]
    }


def _write_readings(file: IO[bytes], courses: Iterable[Course], budget: Budget) -> None:
    """Rows by (URN, date); the columns of later models are there and empty."""
    courses = tuple(courses)
    file.write((",".join(READING_COLUMNS) + "\n").encode())
    options = pa_csv.WriteOptions(include_header=False, quoting_style="none")
    schools = len(courses[0].deployment.urn) if courses else 0
    for first in range(0, schools, _GROUP):
        part = slice(first, min(first + _GROUP, schools))
        tables = [_table(course, budget, part) for course in courses]
        table = pa.concat_tables(tables)
        if len(tables) > 1:
            table = table.sort_by([("urn", "ascending"), ("attendance_date", "ascending")])
        pa_csv.write_csv(table, file, options)


def _table(course: Course, budget: Budget, part: slice) -> pa.Table:
    held = rows(course.model, course.panel, budget, part)
    planned = course.deployment.planned[: course.model.through + 1, part].T
    flat = held[planned]
    urn = np.broadcast_to(course.deployment.urn[part][:, None], planned.shape)[planned]
    return pa.table([_column(name, flat, urn) for name in READING_COLUMNS], names=list(READING_COLUMNS))


def _column(name: str, flat: NDArray[Any], urn: NDArray[Any]) -> pa.Array:
    if name == "urn":
        return pa.array(urn)
    if name == "attendance_date":
        return pa.array(flat[name].astype("datetime64[D]"))
    if name in _COUNTS:
        return pa.array(np.ascontiguousarray(flat[name]))
    if name == "absence_ratio":
        possible = flat["possible_sessions"]
        return pa.array(np.round(flat["absences"] / np.maximum(possible, 1), 6), mask=possible == 0)
    if name in _RATIOS:
        return pa.array(flat[name] / 1e6, mask=flat[name] == NOTHING)
    if name == "condition":
        return pa.DictionaryArray.from_arrays(pa.array(flat[name].astype(np.int8)), pa.array([str(c) for c in CONDITIONS])).cast(
            pa.string()
        )
    return pa.nulls(len(flat))
