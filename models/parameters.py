"""Every constant of the statistics in one value, with its source; what a history estimates replaces a shipped row.

Arrays of three are by phase: primary, secondary, special (alternative provision uses special's). The shipped constants
are the simulator's (detection.md 1.1); thresholds come from null years of the same charts (detection.md 1.8).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.errors import BrokenPromise

if TYPE_CHECKING:
    from models.numbers import Floats, Ints

__all__ = ["BANDS", "BUDGET", "PHASES", "Budget", "Parameters", "bands", "once_in_school_years"]

PHASES = ("primary", "secondary", "special")

BANDS: tuple[tuple[str, float, float, float, float, float, float], ...] = (
    # phase and roll; T: A, B; C: A, B; G: A, B of "first passages a school-year = A exp(-B statistic)" (detection.md 1.8)
    ("primary < 150", 6.5, 1.03, 9.4, 1.25, 111.0, 1.30),
    ("primary 150-299", 9.6, 1.15, 10.8, 1.27, 94.0, 1.22),
    ("primary 300+", 7.7, 1.07, 8.8, 1.21, 82.0, 1.24),
    ("secondary < 800", 7.4, 1.19, 9.0, 1.32, 65.0, 1.21),
    ("secondary 800+", 6.8, 1.16, 6.6, 1.23, 35.0, 1.07),
    ("special", 5.8, 1.08, 7.8, 1.30, 53.0, 1.45),
    ("all", 7.8, 1.11, 8.8, 1.24, 71.0, 1.20),
)

ONCE_IN_SCHOOL_YEARS_MAX = 1e9
"""A rank beyond this is published as this: nobody can tell such numbers apart."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Alarms per school-year that each chart may raise on schools on track.

    The default spends 2 false alerts per hub-term over 57 schools, 55 % on T, 15 % on C and 30 % on G.
    """

    target: float
    level: float
    year_group: float

    @classmethod
    def of_rate(cls, alarms_per_school_year: float) -> Budget:
        """Every chart at one nominal rate; the first-passage law holds for rates over 0 and up to .5."""
        if not 0 < alarms_per_school_year <= 0.5:
            raise BrokenPromise(f"alarms per school-year must lie over 0 and up to 0.5, not {alarms_per_school_year}")
        return cls(alarms_per_school_year, alarms_per_school_year, alarms_per_school_year)


BUDGET = Budget(target=0.55 * 3 * 2 / 57, level=0.15 * 3 * 2 / 57, year_group=0.30 * 3 * 2 / 57)


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the charts, the path and the common effect are told; see the table of detection.md 1.1."""

    sigma_u: tuple[float, ...] = (0.14, 0.12, 0.17)
    a_long: tuple[float, ...] = (0.12, 0.082, 0.17)
    b_long: tuple[float, ...] = (2.05, 2.1, 2.0)
    a_short: tuple[float, ...] = (0.023, 0.016, 0.041)
    b_short: tuple[float, ...] = (0.99, 0.94, 0.97)
    group_a_long: tuple[float, ...] = (0.50, 0.107, 0.46)
    group_b_long: tuple[float, ...] = (1.0, 2.24, 1.37)
    group_a_short: tuple[float, ...] = (0.184, 0.015, 0.122)
    group_b_short: tuple[float, ...] = (0.525, 1.045, 0.74)
    level: tuple[float, ...] = (0.0525, 0.0859, 0.1288)
    """Absence ratio for a school without a baseline: England 2024/25 (domain.md 9), or the history's medians."""
    season: tuple[tuple[float, ...], ...] | None = None
    """Per phase, 53 logits by ISO week 1..53; None: the shipped national table."""
    weekday: tuple[tuple[float, ...], ...] = ((0.06, 0.0, -0.02, 0.0, 0.13),) * 3
    holidays: tuple[bool, ...] = (True, True, True)
    """Per phase, add the shipped effects of days beside holidays; a history's season has them in its weeks."""
    sessions_sent: dict[int, int] = field(default_factory=dict)
    """What each school sent in the history: 1 AM, 2 PM, 3 both."""
    source: str = "shipped"

    @property
    def digest(self) -> str:
        """SHA-256 over all of it."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """The parameters file: JSON, keys sorted."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def of_json(cls, text: str) -> Parameters:
        """From a parameters file; raises ValueError for anything else."""
        said = json.loads(text)
        if not isinstance(said, dict) or said.keys() != {f.name for f in fields(cls)}:
            raise ValueError("not the fields of a parameters file")
        frozen = {name: _frozen(value) for name, value in said.items()}
        frozen["sessions_sent"] = {int(urn): int(bits) for urn, bits in said["sessions_sent"].items()}
        return cls(**frozen)

    def with_row(self, phase: int, **values: float) -> Parameters:
        """One phase's constants replaced."""
        changed = {}
        for name, value in values.items():
            row = list(getattr(self, name))
            row[phase] = value
            changed[name] = tuple(row)
        return replace(self, **changed)  # type: ignore[arg-type]


def _frozen(value: Any) -> Any:  # noqa: ANN401 (whatever JSON holds)
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def bands(phase: Ints, roll: Floats) -> Ints:
    """The row of `BANDS` for each school; a mainstream school without a roll (NaN) takes the row of all."""
    primary = np.where(roll < 150, 0, np.where(roll < 300, 1, 2))
    secondary = np.where(roll < 800, 3, 4)
    chosen = np.where(phase == 0, primary, secondary)
    chosen = np.where(np.isnan(roll), 6, chosen)
    return np.where(phase == 2, 5, chosen).astype(np.int32)


def _law(chart: str) -> tuple[Ints, Ints]:
    """A and B of one chart by row of `BANDS`."""
    table = np.array([row[1:] for row in BANDS], np.float64)
    first = 2 * "TCG".index(chart)
    return table[:, first], table[:, first + 1]


def once_in_school_years(statistic: Floats, band: Ints, chart: str) -> Floats:
    """X: on a school on track a signal this strong appears once in X school-years; published, so rounded to 6 decimals.

    The statistic is above the limit of rate R exactly when X >= 1 / R.
    """
    a, b = _law(chart)
    rank: Floats = np.minimum(np.exp(np.minimum(b[band] * statistic, 50.0)) / a[band], ONCE_IN_SCHOOL_YEARS_MAX)
    return rank.round(6)


def limit(rate: float, band: Ints, chart: str) -> Floats:
    """h: the decision interval of a chart that passes it `rate` times a school-year on schools on track."""
    a, b = _law(chart)
    out: Floats = np.log(a[band] / rate) / b[band]
    return out
