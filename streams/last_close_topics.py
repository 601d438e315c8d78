"""What a worker needs of the last close, from the topics: reference data, parameters, and the readings that the close published.

Before the first close it is the reference data alone. A path is laid for the sessions that the history sent; a school that
changed in this year which sessions it sends has a slightly other path until its close (provisional readings only).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from models import common_effect
from models.deployment import lay_path
from models.foresight import Footing, Outset, Outsets
from schemas.calendar import academic_year
from streams.closer import deployed
from streams.provisional import LastClose

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.deployment import Deployment, Path
    from models.parameters import Parameters
    from streams.replay import Reference

__all__ = ["Base"]

_EPOCH = date(1970, 1, 1)


class _Reading(msgspec.Struct):
    """What an overlay needs of a closed reading (`streams.closed_readings`)."""

    urn: int
    slow_level_logit: float | None
    effect_logit: float | None
    shrinkage: tuple[float, float]
    footing: Footing | None = None


_READING = msgspec.json.Decoder(_Reading)


@dataclass(slots=True)
class _Year:
    deployment: Deployment
    path: Path
    days: dict[str, int]


class Base:
    """Reference data and the newest close's readings; `last_close` gives both to an overlay. Any thread may be given what it made."""

    def __init__(self, reference: Reference, parameters: Parameters) -> None:
        self.reference, self._parameters = reference, parameters
        self._index = {int(school.urn): i for i, school in enumerate(reference.schools)}
        self._known = set(reference.calendar.academic_years())
        self._years: dict[str, _Year] = {}

    def last_close(self, today: date, day: date | None = None, readings: Iterable[bytes] = ()) -> LastClose:
        """day, readings: closed last, and what was published of it. today: without a close its academic year says which schools there are.

        Takes a second for a nation, so not in an event loop.
        """
        name = academic_year(day or today)
        here = self._year(name if name in self._known else min(self._known)).deployment
        slow, effect, footing = dict[int, float](), dict[int, float](), dict[int, Footing | None]()
        shrinkage = (common_effect.T1_START, common_effect.T2_START)
        for line in readings:
            said = _READING.decode(line)
            footing[said.urn] = said.footing
            slow[said.urn], effect[said.urn], shrinkage = said.slow_level_logit or 0.0, said.effect_logit or 0.0, said.shrinkage
        closed = -1 if day is None else int(np.searchsorted(here.days, (day - _EPOCH).days))
        outsets = {name: self._outsets(name, closed, [footing.get(urn) for urn in here.urn.tolist()])} if name in self._known else {}
        return LastClose(
            day="" if day is None else day.isoformat(),
            schools={urn: (int(here.phase[i]), int(here.area[i])) for urn, i in self._index.items()},
            areas=len(here.areas),
            eta_star=self._eta,
            slow_level=lambda urn: slow.get(urn, 0.0),
            last_effect=lambda urn: effect.get(urn, 0.0),
            sigma_u=self._parameters.sigma_u,
            shrinkage=shrinkage,
            outset=lambda urn, day: self._outset(outsets, urn, day),
        )

    def _outsets(self, name: str, closed: int, footings: list[Footing | None]) -> Outsets:
        year = self._year(name)
        return Outsets(year.deployment, year.path, self._parameters, closed, footings)

    def _outset(self, outsets: dict[str, Outsets], urn: int, day: str) -> Outset | None:
        """What the predictive law of a school's day starts from; `outsets` grows by academic years that have no close yet."""
        at = self._place(urn, day)
        if at is None:
            return None
        name, d, school = at
        if name not in outsets:
            outsets[name] = self._outsets(name, -1, [])
        return outsets[name].on(school, d)

    def _year(self, name: str) -> _Year:
        if name not in self._years:
            here = deployed(self.reference, name)
            sent = np.array([self._parameters.sessions_sent.get(int(u), 3) for u in here.urn], np.int32)
            path = lay_path(here, np.broadcast_to(sent, here.planned.shape).copy(), self._parameters)
            days = {(_EPOCH + timedelta(days=int(d))).isoformat(): i for i, d in enumerate(here.days)}
            self._years[name] = _Year(here, path, days)
        return self._years[name]

    def _eta(self, urn: int, day: str) -> float | None:
        at = self._place(urn, day)
        return None if at is None else float(self._year(at[0]).path.eta[at[1], at[2]])

    def _place(self, urn: int, day: str) -> tuple[str, int, int] | None:
        """Academic year, deployment day and school index; None when that is no school day of the school."""
        name = academic_year(date.fromisoformat(day))
        school = self._index.get(urn)
        if school is None or name not in self._known:
            return None
        year = self._year(name)
        at = year.days.get(day)
        return None if at is None or not year.deployment.planned[at, school] else (name, at, school)
