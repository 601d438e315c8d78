"""Years in which nothing is wrong, and how high each school's charts rise in them: what thresholds are made of.

Every year is simulated and scored by the very engine whose thresholds are wanted. A school's peak is its largest statistic
on a scored day after warm-up, the last 10 days included: the chart passes a limit in that year exactly when the peak does.
(detection.md 1.8)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.simulated_panel import panel_of, score_year
from models.simulator import make
from models.thresholds import CHARTS

if TYPE_CHECKING:
    from models.close import YearModel
    from models.numbers import Floats, Ints
    from models.parameters import Parameters
    from models.simulator import NoiseLaw

__all__ = ["YEAR_AREAS", "YEAR_SCHOOLS", "NullYears", "Peaks", "null_year", "peaks_of", "year_seed"]

YEAR_SCHOOLS, YEAR_AREAS = 400, 10
"""Of one simulated year, as in detection.md section 2."""


@dataclass(frozen=True, slots=True)
class NullYears:
    """What every null year of one calibration is told: its seed, constants, charts; and the noise, None the shipped law."""

    seed: int
    parameters: Parameters
    charts: tuple[str, ...] = CHARTS
    noise: NoiseLaw | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Peaks:
    """Of n school-years: the band's number, and the largest statistic of each chart, (n,) each."""

    band: Ints
    peaks: dict[str, Floats]

    def __len__(self) -> int:
        return len(self.band)


def year_seed(seed: int, number: int) -> int:
    """The simulator's seed for year `number` of a calibration; it follows from nothing else."""
    state = np.random.SeedSequence(seed, spawn_key=(1_800, number)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def null_year(plan: NullYears, number: int) -> Peaks:
    """One year with nothing planted, scored."""
    year = make(year_seed(plan.seed, number), YEAR_SCHOOLS, areas=YEAR_AREAS, noise=plan.noise)
    model = score_year(year, panel_of(year, groups="G" in plan.charts), plan.parameters)
    return Peaks(model.band, {chart: peaks_of(model, chart) for chart in plan.charts})


def peaks_of(model: YearModel, chart: str) -> Floats:
    """Each school's largest statistic of a chart in a scored year, (schools,); -inf where no day counts."""
    groups = model.year_groups
    if chart == "G" and not groups.used:
        return np.full(len(model.band), -np.inf)
    statistic = {"T": model.target_statistic, "C": model.level_statistic, "G": groups.statistic}[chart]
    on = groups.scored if chart == "G" else model.scored
    if chart != "T":
        on = on & ~model.warming_up
    out: Floats = np.where(on, statistic, -np.inf).max(axis=0)
    return out
