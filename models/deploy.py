"""From reference values to the arrays of one academic year."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from models.deployment import Deployment
from schemas.school import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.numbers import Bools, Ints
    from schemas.school import School, Target

__all__ = ["deploy"]

_PHASE = {Phase.PRIMARY: 0, Phase.SECONDARY: 1, Phase.SPECIAL: 2, Phase.ALTERNATIVE: 2}


def deploy(schools: Sequence[School], targets: Sequence[Target], academic_year: str, days: Ints, planned: Bools) -> Deployment:
    """One academic year of these schools, given in order of URN; planned is (days, schools).

    An area is a region; where all schools belong to one hub, the hub. A target without a baseline gives the baseline.
    Schools that name no hub count as one hub.
    """
    hubs = Counter(s.hub for s in schools)
    names = [s.hub if len(hubs) == 1 and s.hub else s.region for s in schools]
    areas = tuple(sorted(set(names)))
    index = {name: i for i, name in enumerate(areas)}
    by_urn = {t.urn: t for t in targets if t.academic_year == academic_year}
    baseline, target = np.full(len(schools), np.nan), np.full(len(schools), np.nan)
    for i, school in enumerate(schools):
        row = by_urn.get(school.urn)
        if row is None:
            continue
        start, aim = row.baseline_attendance, row.target_attendance
        start = aim if start is None else start
        if start is not None:
            baseline[i] = min(max(1.0 - float(start), 1e-4), 0.95)
        if aim is not None:
            target[i] = min(max(1.0 - float(aim), 1e-4), 0.95)
    return Deployment(
        academic_year=academic_year,
        urn=np.array([s.urn for s in schools], np.int32),
        phase=np.array([_PHASE[s.phase] for s in schools], np.int32),
        area=np.array([index[n] for n in names], np.int32),
        areas=areas,
        roll=np.array([np.nan if s.roll is None else float(s.roll) for s in schools]),
        baseline=baseline,
        target=target,
        days=days,
        planned=planned,
        hubs=np.array([hubs[s.hub] for s in schools], np.int32),
    )
