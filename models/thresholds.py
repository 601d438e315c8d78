"""The thresholds of the charts: how rare a statistic is on a school on track, and which limit belongs to a rate.

First passages a school-year are A exp(-B h), one law for each phase and size band and each chart, from simulated years in
which nothing is wrong. The laws are data (`thresholds.toml`, or what `headway calibrate` wrote); this file reads them and
does the sums. (detection.md 1.8)
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from models.numbers import Floats, Ints

__all__ = [
    "BANDS",
    "CHARTS",
    "ONCE_IN_SCHOOL_YEARS_MAX",
    "SHIPPED",
    "Laws",
    "Thresholds",
    "bands",
    "limit",
    "once_in_school_years",
    "rarity",
    "read_thresholds",
]

CHARTS = ("T", "C", "G")
BANDS = ("primary < 150", "primary 150-299", "primary 300+", "secondary < 800", "secondary 800+", "special", "all")
"""Phase and roll; the position is the band's number."""

Laws = tuple[tuple[float, ...], ...]
"""A row for each band: A and B of T, of C and of G."""

ONCE_IN_SCHOOL_YEARS_MAX = 1e9
"""A rank beyond this is published as this: nobody can tell such numbers apart."""

_SAID_FROM, _SAID_UP_TO = 2.0, 1000.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """One table with what it was made by: the provenance as its file has it."""

    laws: Laws
    provenance: dict[str, Any]


def read_thresholds(text: str) -> Thresholds:
    """From a file of thresholds (TOML); raises ValueError that says what is wrong with it."""
    said = tomllib.loads(text)
    provenance, rows = said.get("provenance"), said.get("band")
    if not isinstance(provenance, dict) or not isinstance(rows, list):
        raise ValueError("no file of thresholds: it has no [provenance] or no [[band]]")  # noqa: TRY004 (a file's fault, as the others)
    names = tuple(row.get("name") for row in rows)
    if names != BANDS:
        raise ValueError(f"the bands are {', '.join(map(str, names))}, not {', '.join(BANDS)}, in this order")
    return Thresholds(tuple(_law(row) for row in rows), provenance)


def _law(row: dict[str, Any]) -> tuple[float, ...]:
    out = []
    for chart in CHARTS:
        of = row.get(chart)
        for name in ("A", "B"):
            value = of.get(name) if isinstance(of, dict) else None
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
                raise ValueError(f"band {row['name']}, chart {chart}: {name} is no number over 0")
            out.append(float(value))
    return tuple(out)


SHIPPED = read_thresholds(files("models").joinpath("thresholds.toml").read_text("utf-8"))
"""The table that comes with this version."""


def bands(phase: Ints, roll: Floats) -> Ints:
    """The number in `BANDS` of each school; a mainstream school without a roll (NaN) takes the row of all."""
    primary = np.where(roll < 150, 0, np.where(roll < 300, 1, 2))
    secondary = np.where(roll < 800, 3, 4)
    chosen = np.where(phase == 0, primary, secondary)
    chosen = np.where(np.isnan(roll), 6, chosen)
    return np.where(phase == 2, 5, chosen).astype(np.int32)


def _constants(laws: Laws, chart: str) -> tuple[Floats, Floats]:
    """A and B of one chart by band."""
    table, first = np.array(laws, np.float64), 2 * CHARTS.index(chart)
    return table[:, first], table[:, first + 1]


def once_in_school_years(laws: Laws, statistic: Floats, band: Ints, chart: str) -> Floats:
    """X: on a school on track a signal this strong appears once in X school-years; published, so rounded to 6 decimals.

    The statistic is above the limit of rate R exactly when X >= 1 / R.
    """
    a, b = _constants(laws, chart)
    rank: Floats = np.minimum(np.exp(np.minimum(b[band] * statistic, 50.0)) / a[band], ONCE_IN_SCHOOL_YEARS_MAX)
    return rank.round(6)


def limit(laws: Laws, rate: Floats | float, band: Ints, chart: str) -> Floats:
    """h: the decision interval of a chart that passes it `rate` times a school-year on schools on track."""
    a, b = _constants(laws, chart)
    out: Floats = np.log(a[band] / rate) / b[band]
    return out


def rarity(once: float | None) -> str | None:
    """How rare a signal is, in words; None where it is too common to say (below 2) or there is no rank.

    >>> rarity(12.4)
    'on a school on track, a signal this strong appears once in 12 school-years'
    """
    if once is None or once < _SAID_FROM:
        return None
    often = "more than 1,000" if once > _SAID_UP_TO else f"{once:,.0f}"
    return f"on a school on track, a signal this strong appears once in {often} school-years"
