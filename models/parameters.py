"""Every constant of the statistics in one value, with its source; what a history estimates replaces a shipped row.

Arrays of three are by phase: primary, secondary, special (alternative provision uses special's). The shipped constants
are the simulator's (detection.md 1.1); thresholds come from null years of the same charts (`models.thresholds`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from models.thresholds import SHIPPED, Laws
from schemas.errors import BrokenPromise

if TYPE_CHECKING:
    from models.deployment import Deployment
    from models.numbers import Floats

__all__ = ["BUDGET", "PHASES", "RATE_MAX", "SPLIT", "TERMS_A_YEAR", "Budget", "Parameters"]

PHASES = ("primary", "secondary", "special")

RATE_MAX = 0.5
"""Alarms per school-year up to which the law of first passages holds."""
TERMS_A_YEAR = 3
SPLIT = {"T": 0.55, "C": 0.15, "G": 0.30}
"""How the charts share a budget (detection.md 1.8)."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Alarms per school-year that each chart may raise on schools on track; with `of_a_hub`, that all schools of one hub may
    raise together in a year, so that each has an equal part.

    The default spends 2 false alerts per hub-term over 57 schools, 55 % on T, 15 % on C and 30 % on G.
    """

    target: float
    level: float
    year_group: float
    of_a_hub: bool = False

    def __post_init__(self) -> None:
        rates = (self.target, self.level, self.year_group)
        if not all(0 < rate < float("inf") for rate in rates) or (max(rates) > RATE_MAX and not self.of_a_hub):
            raise BrokenPromise(f"alarms per school-year must lie over 0 and up to {RATE_MAX}, not {rates}")

    @classmethod
    def of_rate(cls, alarms_per_school_year: float) -> Budget:
        """Every chart at one nominal rate; the first-passage law holds for rates over 0 and up to .5."""
        return cls(alarms_per_school_year, alarms_per_school_year, alarms_per_school_year)

    @classmethod
    def of_hub(cls, false_alerts_per_term: float, schools: int | None = None) -> Budget:
        """So many false alerts a term over a hub of so many schools; None: over as many as each school's own hub has.

        Exactly 3 B / H alarms per school-year, by linearity, whatever the dependence (detection.md 1.8).
        """
        a_year = TERMS_A_YEAR * false_alerts_per_term / (1 if schools is None else schools)
        return cls(SPLIT["T"] * a_year, SPLIT["C"] * a_year, SPLIT["G"] * a_year, of_a_hub=schools is None)

    def rates(self, chart: str, here: Deployment) -> Floats:
        """Alarms per school-year of chart T, C or G on each school, (schools,); never more than the law holds for."""
        rate = {"T": self.target, "C": self.level, "G": self.year_group}[chart]
        hub = here.hub_schools if self.of_a_hub else np.ones(len(here.urn))
        return np.minimum(rate / hub, RATE_MAX)

    @property
    def key(self) -> str:
        """All of it as text, for digests."""
        return f"{self.target!r} {self.level!r} {self.year_group!r}" + (" of a hub" if self.of_a_hub else "")


BUDGET = Budget.of_hub(false_alerts_per_term=2, schools=57)


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
    phi: tuple[float, ...] = (0.49, 0.62, 0.49)
    ar_share: tuple[float, ...] = (0.92, 0.90, 0.90)
    """The predictor's: how much of its memory a day keeps, and the share of the daily variance that the memory holds."""
    level: tuple[float, ...] = (0.0525, 0.0859, 0.1288)
    """Absence ratio for a school without a baseline: England 2024/25 (domain.md 9), or the history's medians."""
    season: tuple[tuple[float, ...], ...] | None = None
    """Per phase, 53 logits by ISO week 1..53; None: the shipped national table."""
    weekday: tuple[tuple[float, ...], ...] = ((0.06, 0.0, -0.02, 0.0, 0.13),) * 3
    holidays: tuple[bool, ...] = (True, True, True)
    """Per phase, add the shipped effects of days beside holidays; a history's season has them in its weeks."""
    thresholds: Laws = SHIPPED.laws
    """How rare each chart's statistic is on a school on track, by band (`models.thresholds`)."""
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
