"""Runs the units of a backtest and keeps each that is done, so that it can be stopped at any moment and goes on where it was.

A unit is one year of one scenario, a file of its own that appears whole or not at all. Processes share nothing: a unit's seed
follows from its name alone, so their number and their order change no byte.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from models.backtest.trial import History, Plan, Trial, run, run_on_history
from schemas.errors import WrongUsage
from streams.finished_units import finish as finish_units
from streams.finished_units import load as load_units
from streams.outputs import whole_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from models.backtest.scenario import Scenario

__all__ = ["Unit", "Work", "finish", "load", "units"]

PLAN_FILE, UNITS_FOLDER = "plan.json", "units"


@dataclass(frozen=True, slots=True)
class Unit:
    """One year (or draw) of one scenario."""

    scenario: Scenario
    year: int

    @property
    def file(self) -> str:
        """Its name in the folder of finished units."""
        return f"{self.scenario.name.replace(':', '-')}-{self.year:04d}.npz"


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What any unit of a backtest needs; no history means the simulator."""

    plan: Plan
    history: History | None = None

    def digest(self) -> str:
        """SHA-256 of all that the bytes of a unit follow from, but for this program itself; thresholds only enter the tables."""
        told = asdict(self.plan)
        told["parameters"] = replace(self.plan.parameters, thresholds=()).digest
        sha = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode())
        if self.history is not None:
            here, panel = self.history.deployment, self.history.panel
            for array in (here.urn, here.days, here.planned, self.history.path.eta, panel.winner, panel.possible, panel.absences):
                sha.update(np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()

    def trial(self, unit: Unit) -> Trial:
        """The unit, computed."""
        if self.history is None:
            return run(self.plan, unit.scenario, unit.year)
        return run_on_history(self.plan, self.history, unit.scenario, unit.year)


def units(wanted: Mapping[Scenario, int]) -> list[Unit]:
    """Every unit of so many years of each scenario, in this order."""
    return [Unit(scenario, year) for scenario, years in wanted.items() for year in range(years)]


def finish(work: Work, todo: Sequence[Unit], out: Path, *, jobs: int, progress: Callable[[int, int], None]) -> None:
    """Compute the units that are not in `out` yet. Whatever stops this, what is in `out` is whole.

    Raises WrongUsage if `out` holds another backtest.
    """
    folder = out / UNITS_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    _claim(work, out)
    finish_units({unit.file: unit for unit in todo}, work.trial, folder, jobs=jobs, done=progress)


def _claim(work: Work, out: Path) -> None:
    """Write down whose units lie here, or refuse to mix them with others'."""
    plan, digest = out / PLAN_FILE, work.digest()
    if plan.exists():
        try:
            held = json.loads(plan.read_text("utf-8"))["digest"]
        except (ValueError, KeyError, TypeError):
            held = None
        if held != digest:
            raise WrongUsage(
                f"--out {out}: holds another backtest. Name another directory, or repeat that one's arguments to go on with it"
            )
        return
    with whole_file(plan) as file:
        file.write(json.dumps({"digest": digest, "seed": work.plan.seed}, indent=1).encode() + b"\n")


def load(todo: Sequence[Unit], out: Path) -> dict[Scenario, tuple[Trial, ...]]:
    """The finished units by scenario, in order of years."""
    found: dict[Scenario, list[Trial]] = {}
    for unit, trial in zip(todo, load_units(out / UNITS_FOLDER, (unit.file for unit in todo)), strict=True):
        found.setdefault(unit.scenario, []).append(trial)
    return {scenario: tuple(trials) for scenario, trials in found.items()}
