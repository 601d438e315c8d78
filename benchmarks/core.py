"""The engine's core, without files: a year of England, one close in June, and what an event costs from 57 to 24,000 schools.

usage: python -m benchmarks.core [--schools 24000]
Beside it, in the same run: the same statistics in plain Python (`tests/restated.py`, a dict and a loop; its common effect is
worked out by leaving each school out, so the two charts are timed alone) and River's detectors, one per school in a loop.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from river import drift

from benchmarks.evidence import write
from models.course import Course, Revisions
from models.deployment import Deployment
from models.panel import Tally
from models.parameters import BUDGET, Parameters
from tests import restated

if TYPE_CHECKING:
    from models.numbers import Ints

DAYS = 190


def deployment(schools: int) -> Deployment:
    """Schools of all phases in ten areas, 190 days."""
    rng = np.random.default_rng(1)
    phase = rng.choice(3, schools, p=[0.68, 0.26, 0.06]).astype(np.int32)
    roll = np.where(phase == 0, rng.integers(100, 600, schools), rng.integers(400, 1600, schools)).astype(float)
    days = np.array([20_703 + 7 * (i // 5) + i % 5 for i in range(DAYS)], np.int32)
    baseline = rng.uniform(0.04, 0.15, schools)
    return Deployment(
        "2026/27",
        np.arange(schools, dtype=np.int32) + 100_000,
        phase,
        (np.arange(schools) % 10).astype(np.int32),
        tuple(f"area {j}" for j in range(10)),
        roll,
        baseline,
        baseline * 0.98,
        days,
        np.ones((DAYS, schools), bool),
    )


def registers(made: Deployment) -> list[Revisions]:
    """Two registers a school and day, by day."""
    rng = np.random.default_rng(2)
    schools = len(made.urn)
    out = []
    for d in range(DAYS):
        pupils = np.tile(made.roll.astype(np.int32), 2)
        rate = made.baseline * np.exp(rng.normal(0, 0.2, schools))
        morning = rng.binomial(pupils[:schools], rate)
        stayed = rng.binomial(morning, 0.9 + 0.1 * rate)
        afternoon = stayed + rng.binomial(pupils[:schools] - morning, 0.1 * rate)
        absences = np.concatenate([morning, afternoon]).astype(np.int32)
        none = np.zeros(2 * schools, np.int32)
        out.append(
            Revisions(
                np.arange(2 * schools, dtype=np.int32) + d * 2 * schools,
                np.full(2 * schools, d, np.int32),
                np.repeat(np.array([0, 1], np.int32), schools),
                np.tile(np.arange(schools, dtype=np.int32), 2),
                Tally(pupils, absences, none, none, none.astype(bool)),
            )
        )
    return out


def joined(days: list[Revisions]) -> Revisions:
    """All registers at once."""

    def sums(name: str) -> Ints:
        return np.concatenate([getattr(r.sums, name) for r in days])

    def column(name: str) -> Ints:
        return np.concatenate([getattr(r, name) for r in days])

    total = Tally(sums("possible"), sums("absences"), sums("study_leave"), sums("unmarked"), sums("legacy"))
    return Revisions(column("rank"), column("day"), column("session"), column("school"), total)


def year(made: Deployment, days: list[Revisions]) -> tuple[float, Course]:
    """Seconds for a year of closes, a day at a time, path included."""
    begin = time.perf_counter()
    course = Course(made, Parameters(), BUDGET)
    for d, taken in enumerate(days):
        course.close(d, taken)
    return time.perf_counter() - begin, course


def june(made: Deployment, everything: Revisions) -> float:
    """Seconds for the last close computed from day one."""
    begin = time.perf_counter()
    Course(made, Parameters(), BUDGET).close(DAYS - 1, everything)
    return time.perf_counter() - begin


def plain_charts(schools: int) -> float:
    """Seconds per school-day of both charts in plain Python."""
    rng = np.random.default_rng(3)
    charts = [
        (
            restated.Chart(restated.deltas(0.06, (0.01, 0.02)), own_level=False),
            restated.Chart(restated.deltas(0.06, (0.01, 0.02, 0.03)), own_level=True),
        )
        for _ in range(schools)
    ]
    noise = rng.normal(0, 0.3, (DAYS, schools)).tolist()
    begin = time.perf_counter()
    for row in noise:
        for e, (t, c) in zip(row, charts, strict=True):
            t.take(e, 0.1, 0.2, 0.05)
            c.take(e, 0.1, 0.2, 0.05)
            t.statistic()
            c.statistic()
    return (time.perf_counter() - begin) / (DAYS * schools)


def river_loop(schools: int) -> float:
    """Seconds per school-day of River's ADWIN and PageHinkley, one of each per school."""
    rng = np.random.default_rng(4)
    detectors: list[tuple[Any, Any]] = [(drift.ADWIN(), drift.PageHinkley()) for _ in range(schools)]
    rates = rng.normal(0.06, 0.02, (DAYS, schools)).tolist()
    begin = time.perf_counter()
    for row in rates:
        for x, (adwin, hinkley) in zip(row, detectors, strict=True):
            adwin.update(x)
            hinkley.update(x)
    return (time.perf_counter() - begin) / (DAYS * schools)


def main() -> None:
    """Measure and write docs/evidence/core.md."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--schools", type=int, default=24_000)
    most = arguments.parse_args().schools
    floor, river = plain_charts(57), river_loop(57)
    rows = []
    for schools in (57, 500, 2_000, 8_000, most):
        made = deployment(schools)
        days = registers(made)
        seconds, course = year(made, days)
        once = june(made, joined(days))
        per_day = seconds / (DAYS * schools)
        rows.append(
            {
                "schools": schools,
                "year of closes, s": round(seconds, 2),
                "a school day, ms": round(1000 * seconds / DAYS, 1),
                "microseconds an event": round(1e6 * per_day / 2, 2),
                "June close from day one, s": round(once, 2),
                "ratio to plain Python charts": round(per_day / floor, 3),
                "ratio to River in a loop": round(per_day / river, 3),
            }
        )
        del course, days
    notes = [
        f"Plain Python, both charts alone: {1e6 * floor:.1f} microseconds a school-day.",
        f"River's ADWIN and PageHinkley on the raw rate, one each per school in a loop: {1e6 * river:.1f} microseconds a school-day.",
        "Ours includes guards, path, common effect, both charts and the alert policy; a ratio under 1 is faster.",
        "Small deployments pay numpy's overhead per day; from some thousand schools the cost of an event is flat.",
    ]
    write("core", "The core: a year of closes", f"python -m benchmarks.core --schools {most}", rows, notes)


if __name__ == "__main__":
    main()
