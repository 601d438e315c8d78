"""Registers by year group for a small deployment, as a batch and as plain dicts, for tests of chart G."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from models.batch import Batch, pack
from models.course import Revisions
from models.panel import arrange, tally
from models.school_cells import Registers
from schemas.codes import CODE_IDS, YEAR_GROUP_IDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.deployment import Deployment

Cells = dict[str, dict[str, int]]
"""Year group -> code -> pupils."""


@dataclass(frozen=True)
class Register:
    """One revision of a register: school and day by their indices."""

    school: int
    day: int
    session: int
    counts: Cells
    revision: int = 0


def batch(made: Deployment, registers: Iterable[Register]) -> Batch:
    """The registers as a reader hands them over, in their order."""
    held = list(registers)
    cells = [sorted(pack(YEAR_GROUP_IDS[g], CODE_IDS[c], n) for g, row in r.counts.items() for c, n in row.items() if n) for r in held]
    return Batch(
        np.array([made.urn[r.school] for r in held], np.int32),
        np.array([made.days[r.day] for r in held], np.int32),
        np.array([r.session for r in held], np.uint8),
        np.array([r.revision for r in held], np.int32),
        np.zeros(len(held), np.int64),
        np.zeros(len(held), np.int32),
        np.cumsum([0, *map(len, cells)], dtype=np.int64),
        np.array([c for row in cells for c in row], np.uint32),
        ("test",),
    )


def revisions(made: Deployment, registers: Iterable[Register]) -> tuple[Revisions, Registers]:
    """The same in the total order, as a close takes them in, and where their cells are."""
    whole = batch(made, registers)
    rows = arrange(whole).rows
    return replace(Revisions.of(made, whole, tally(whole), rows), rank=np.arange(len(rows), dtype=np.int32)), Registers(whole, rows)


def year(made: Deployment, rng: np.random.Generator, *, drift: tuple[int, str, int, float] | None = None) -> list[Register]:
    """Two registers a school and day with a few gaps: 3 to 5 year groups, one of them tiny, study leave, sometimes no breakdown.

    drift: (school, year group, first day, factor on its absence).
    """
    days, schools = made.planned.shape
    out = []
    for s in range(schools):
        names = ["7", "8", "9", "10", "11"][: 3 + s % 3]
        share = int(made.roll[s]) // len(names)
        size = {g: 4 if s % 4 == 1 and g == "8" else share + 3 * i for i, g in enumerate(names)}
        lean = {g: float(np.exp(rng.normal(0, 0.2))) for g in names}
        for d in range(days):
            own = float(np.exp(rng.normal(0, 0.15)))
            for session in range(2):
                if rng.random() < 0.03:
                    continue
                counts: Cells = {}
                for g in names:
                    rate = float(made.baseline[s]) * lean[g] * own
                    if drift is not None and (s, g) == drift[:2] and d >= drift[2]:
                        rate *= drift[3]
                    absent = int(rng.binomial(size[g], min(rate, 0.9)))
                    leave = size[g] // 2 if g == "11" and d % 7 == 6 else 0
                    leave = min(leave, size[g] - absent)
                    counts[g] = {"/": size[g] - absent - leave, "I": absent // 2, "O": absent - absent // 2, "S": leave}
                if rng.random() < 0.04:
                    whole: dict[str, int] = {}
                    for row in counts.values():
                        for code, n in row.items():
                            whole[code] = whole.get(code, 0) + n
                    counts = {"all": whole}
                out.append(Register(s, d, session, counts))
    return out
