"""What a worker needs of the last close, from the topics: reference data, parameters, and the readings that the close published.

Before the first close it is the reference data alone. A path is laid for the sessions that the history sent; a school that
changed in this year which sessions it sends has a slightly other path until its close (provisional readings only).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from models import common_effect
from models.deployment import lay_path
from schemas.calendar import academic_year
from streams.closer import deployed
from streams.provisional import LastClose

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.deployment import Deployment
    from models.numbers import Floats
    from models.parameters import Parameters
    from streams.replay import Reference

__all__ = ["Base"]

_EPOCH = date(1970, 1, 1)


@dataclass(slots=True)
class _Year:
    deployment: Deployment
    eta: Floats
    days: dict[str, int]


@dataclass
class Base:
    """Reference data and the newest close's readings; `last_close` gives both to an overlay."""

    reference: Reference
    parameters: Parameters
    day: str = ""
    _years: dict[str, _Year] = field(default_factory=dict)
    _readings: dict[int, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._index = {int(school.urn): i for i, school in enumerate(self.reference.schools)}
        self._known = set(self.reference.calendar.academic_years())

    def closed(self, day: date, lines: Iterable[bytes]) -> None:
        """A close was completed; the readings that it published."""
        self.day = day.isoformat()
        for line in lines:
            said = json.loads(line)
            self._readings[said["urn"]] = said

    def last_close(self, today: date) -> LastClose:
        """today: where there has been no close yet, its academic year says which schools there are."""
        name = academic_year(date.fromisoformat(self.day) if self.day else today)
        here = self._year(name if name in self._known else min(self._known)).deployment
        shrinkage = next((tuple(said["shrinkage"]) for said in self._readings.values()), (common_effect.T1_START, common_effect.T2_START))
        return LastClose(
            day=self.day,
            schools={urn: (int(here.phase[i]), int(here.area[i])) for urn, i in self._index.items()},
            areas=len(here.areas),
            eta_star=self._eta,
            slow_level=lambda urn: self._of(urn, "slow_level_logit"),
            last_effect=lambda urn: self._of(urn, "effect_logit"),
            sigma_u=self.parameters.sigma_u,
            shrinkage=(float(shrinkage[0]), float(shrinkage[1])),
        )

    def _of(self, urn: int, name: str) -> float:
        said = self._readings.get(urn)
        return 0.0 if said is None or said[name] is None else float(said[name])

    def _year(self, name: str) -> _Year:
        if name not in self._years:
            here = deployed(self.reference, name)
            sent = np.array([self.parameters.sessions_sent.get(int(u), 3) for u in here.urn], np.int32)
            eta = lay_path(here, np.broadcast_to(sent, here.planned.shape).copy(), self.parameters).eta
            days = {(_EPOCH + timedelta(days=int(d))).isoformat(): i for i, d in enumerate(here.days)}
            self._years[name] = _Year(here, eta, days)
        return self._years[name]

    def _eta(self, urn: int, day: str) -> float | None:
        name = academic_year(date.fromisoformat(day))
        school = self._index.get(urn)
        if school is None or name not in self._known:
            return None
        year = self._year(name)
        at = year.days.get(day)
        return None if at is None or not year.deployment.planned[at, school] else float(year.eta[at, school])
