"""Small deployments and panels with random counts, for tests of the pure core."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from models.close import YearModel
from models.deployment import Deployment, expected_sessions, lay_path
from models.panel import Panel
from models.parameters import Parameters

if TYPE_CHECKING:
    from models.numbers import Floats, Ints

FIRST_DAY = 20_703  # Monday 2026-09-07


def school_days(count: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Monday to Friday from 7 September 2026, without holidays."""
    return np.array([FIRST_DAY + 7 * (i // 5) + i % 5 for i in range(count)], np.int32)


def deployment(schools: int, days: int, rng: np.random.Generator, *, areas: int = 3) -> Deployment:
    """Schools of all phases and areas with random rolls and targets; a few have no baseline."""
    phase = rng.choice(3, schools, p=[0.6, 0.3, 0.1]).astype(np.int32)
    baseline: Floats = rng.uniform(0.03, 0.2, schools)
    return Deployment(
        "2026/27",
        np.arange(schools, dtype=np.int32) + 100_000,
        phase,
        (np.arange(schools) % areas).astype(np.int32),
        tuple(f"area {j}" for j in range(areas)),
        rng.integers(60, 1500, schools).astype(float),
        baseline,
        np.where(rng.random(schools) < 0.2, np.nan, baseline * 0.97),
        school_days(days),
        np.ones((days, schools), bool),
    )


def panel(made: Deployment, rng: np.random.Generator, *, missing: float = 0.05) -> Panel:
    """Registers for most sessions, absences about the baseline with a common and an own wobble."""
    days, schools = made.planned.shape
    out = Panel(days, schools)
    roll = np.broadcast_to(made.roll.astype(int), (days, 2, schools))
    wobble = rng.normal(0, 0.25, (days, 1, schools)) + rng.normal(0, 0.2, (days, 1, 1))
    rate = np.clip(made.baseline * np.exp(wobble), 0.001, 0.9)
    sent = rng.random((days, 2, schools)) >= missing
    out.winner[:] = np.where(sent, 0, -1)
    out.possible[:] = np.where(sent, roll, 0)
    out.absences[:] = np.where(sent, np.maximum(rng.binomial(roll, np.broadcast_to(rate, roll.shape)), 1), 0)
    return out


def scored(made: Deployment, held: Panel, *, block_days: int = 15) -> YearModel:
    """A model with the path laid for what has been sent, not scored yet."""
    parameters = Parameters()
    sessions = expected_sessions(held.sent, np.zeros(len(made.urn), np.int32))
    return YearModel(made, parameters, lay_path(made, sessions, parameters), block_days)


def permuted(made: Deployment, order: Ints) -> Deployment:
    """The same schools in another order (their URNs, too, so they ascend no more: for the core alone)."""
    part = {name: getattr(made, name)[order] for name in ("urn", "phase", "area", "roll", "baseline", "target")}
    return replace(made, **part, planned=made.planned[:, order])


def permuted_panel(held: Panel, order: Ints) -> Panel:
    """The registers of the same schools in another order."""
    days, _, schools = held.winner.shape
    out = Panel(days, schools)
    for name in ("winner", "possible", "absences", "study_leave", "unmarked"):
        getattr(out, name)[:] = getattr(held, name)[:, :, order]
    return out
