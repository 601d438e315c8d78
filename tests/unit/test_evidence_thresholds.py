"""The figures of docs/evidence/thresholds.md on hand-made years."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks import thresholds
from models.thresholds import BANDS, SHIPPED, limit

ALL = len(BANDS) - 1


def a_year(share: float, schools: int = 100, band: int = 1) -> dict[str, np.ndarray]:
    """Schools of one band, of which this share passes T's limit at .5 by a hair."""
    h = limit(SHIPPED.laws, 0.5, np.array([band]), "T")[0]
    over = np.arange(schools) < round(share * schools)
    return {"band": np.full(schools, band), "T": np.where(over, h + 1e-9, h - 1e-9)}


def test_first_passages_are_minus_the_log_of_who_never_passed() -> None:
    years = [a_year(0.2), a_year(0.4)]
    figure = thresholds.passages(years, "T", 0.5)
    assert figure.value == pytest.approx(-math.log(0.7))
    assert figure.error == pytest.approx(0.1 / 0.7)
    assert str(figure) == f"{figure.value:.3f} ± {figure.error:.3f}"


def test_a_band_counts_its_own_schools_at_its_own_limit() -> None:
    years = [a_year(0.2, band=1), a_year(0.4, band=4)]
    assert thresholds.passages(years, "T", 0.5, 4).value == pytest.approx(-math.log(0.6), abs=1e-9)
    assert thresholds.passages(years, "T", 0.5, ALL).value == pytest.approx(-math.log(0.7))


def test_a_rate_far_off_its_name_is_told() -> None:
    """The table's own sampling error counts: 240,000 school-years made it, as many are fresh, so errors grow by the root of 2."""
    made = int(SHIPPED.provenance["school_years"])
    row = {"phase, roll": "all", "chart": "T", "school-years": made, "nominal 0.25": "0.250 ± 0.001", "nominal 0.1": "0.100 ± 0.001"}
    far, near = ({**row, "nominal 0.5": f"{rate:.3f} ± 0.001"} for rate in (0.503, 0.502))
    assert thresholds.off_nominal([far])[0].startswith("Of 3 nominal rates 1 lie")
    assert thresholds.off_nominal([near])[0].startswith("Of 3 nominal rates 0 lie")


def test_highest_over_lowest_is_taken_within_a_split() -> None:
    rows = [
        {
            "by": by,
            "schools": name,
            "alerts a school-year, default budget": f"{rate} ± 0.01",
            "alerts a school-year, .5 a chart": "1.00 ± 0.01",
        }
        for by, name, rate in (("size", "a", 0.1), ("size", "b", 0.16), ("phase", "c", 0.1), ("intake", "d", 0.1), ("region", "e", 0.3))
    ]
    assert [row["highest over lowest, default budget"] for row in thresholds.spread(rows)] == [1.6, 1.0, 1.0, 1.0]
