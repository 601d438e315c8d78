"""Simulated counts as codes: how a school's absences and presences are filed, in the sizes of domain.md section 6.

Shares are of the first full week of 2024/25, for the codes that matter here; special schools have no published G, N, U and L:
secondary's G, N and U, primary's L. There is no study leave and no educational activity.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.simulator import GROUPS, SimulatedYear
from schemas.codes import CODE_IDS

__all__ = ["CODE_COLUMNS", "LATE", "NO_REASON", "PRESENT", "Counts", "split_codes"]

Counts = np.ndarray[Any, np.dtype[np.int16]]

CODE_COLUMNS = ("/", "L", "M", "C", "I", "G", "N", "O", "U")
r"""The columns of the split, in the order of the code table; the first is ``\`` in the afternoon."""
PRESENT, LATE, NO_REASON = CODE_COLUMNS.index("/"), CODE_COLUMNS.index("L"), CODE_COLUMNS.index("N")

_ABSENT = CODE_COLUMNS[2:]
_SHARES = (
    {"I": 1.66, "O": 0.62, "G": 0.58, "C": 0.32, "M": 0.23, "N": 0.18, "U": 0.11},
    {"I": 2.13, "O": 1.76, "C": 0.41, "G": 0.40, "M": 0.31, "N": 0.24, "U": 0.17},
    {"I": 3.17, "O": 2.02, "C": 1.71, "M": 0.91, "G": 0.40, "N": 0.24, "U": 0.17},
)
LATE_SHARE = np.array([0.79 / 95.71, 2.32 / 93.76, 0.79 / 95.71])
"""Late among those present."""

if [CODE_IDS[c] for c in CODE_COLUMNS] != sorted(CODE_IDS[c] for c in CODE_COLUMNS):  # pragma: no cover - a table out of order
    raise ImportError("CODE_COLUMNS must stand in the order of the code table")


def split_codes(year: SimulatedYear, seed: int | None = None) -> Counts:
    """Pupils by code, int16 (schools, days, 2, 7, codes of CODE_COLUMNS); absences and presences add up to `year`'s exactly.

    Every absent pupil draws a code by the phase's shares, every present one whether late; `seed` defaults to the year's.
    """
    rng = np.random.default_rng(np.random.SeedSequence(year.seed if seed is None else seed, spawn_key=(2_000, year.start_year)))
    cumulative = np.array([np.cumsum([row[c] for c in _ABSENT]) / sum(row.values()) for row in _SHARES])
    schools, days = year.absences.shape[:2]
    counts = np.zeros((schools, days, 2, GROUPS, len(CODE_COLUMNS)), np.int16)
    phase = year.schools.phase
    for d in range(days):
        absent = year.absences[:, d]
        cell = np.repeat(np.arange(absent.size), absent.ravel())
        limits = cumulative[phase[cell // (2 * GROUPS)], :-1]
        code = (rng.random(len(cell))[:, None] >= limits).sum(axis=1)
        filed = np.bincount(cell * len(_ABSENT) + code, minlength=absent.size * len(_ABSENT))
        counts[:, d, :, :, 2:] = filed.reshape(schools, 2, GROUPS, len(_ABSENT))
        present = year.schools.groups[:, None, :] - absent
        late = rng.binomial(present, LATE_SHARE[phase][:, None, None])
        counts[:, d, :, :, LATE] = late
        counts[:, d, :, :, PRESENT] = present - late
    return counts
