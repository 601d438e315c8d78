"""What a history teaches about year groups: their contrasts and sampling variances, as `models.history` takes schools' residuals.

Of a phase with very many schools, some hundred evenly spaced by URN are enough: the constants are those of the phase.
(detection.md 1.1, 1.5)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.deployment import AM, PM
from models.year_group_counts import Series
from models.year_groups import contrast, split

if TYPE_CHECKING:
    from models.close import YearModel
    from models.numbers import Bools, Floats

__all__ = ["SCHOOLS_MOST", "year_group_residuals"]

SCHOOLS_MOST = 600
"""Schools of a phase that are looked at; their year groups are some thousand series."""


def year_group_residuals(model: YearModel, phase: int, absence: Floats) -> tuple[Floats, Floats, Bools] | None:
    """Contrast, sampling variance and whether it was measured, (days, series) each, of the year groups of one phase; None
    without any. absence: each school's own mean ratio, (schools,)."""
    groups, here = model.year_groups, model.deployment
    series = groups.counts.series
    schools = series.schools[here.phase[series.schools] == phase]
    if not len(schools):
        return None
    chosen = schools[:: -(-len(schools) // SCHOOLS_MOST)]
    mine = np.flatnonzero(np.isin(series.school, chosen))
    own = Series(series.key[mine])
    p0 = np.clip(absence, 1e-4, 0.95)[own.school]
    shape = (len(here.days), len(own))
    residual, variance, measured = np.zeros(shape), np.ones(shape), np.zeros(shape, bool)
    for d in range(len(here.days)):
        sheet = groups.counts.on(d)
        if sheet is None:
            continue
        bits = groups.counted[d]
        seen = split(own, sheet[:, mine], np.stack([bits & AM, bits & PM]) > 0)
        inverse_pupils = seen.registers * (1.0 / np.maximum(seen.possible, 1) + 1.0 / np.maximum(seen.rest_possible, 1))
        residual[d], variance[d] = contrast(seen), inverse_pupils / (1.05 * p0 * (1.0 - p0))
        measured[d] = seen.measured & model.scored[d][own.school]
    return residual, variance, measured
