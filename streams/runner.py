"""The embedded runner: closes on the SQLite logs (`streams.closer`), and what the overlay needs of the last one.

What it does not imitate is rebalancing: it is one process and owns every partition.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from models.course import Course
from models.foresight import Outset, Outsets, footings
from schemas.calendar import academic_year
from schemas.errors import BadContents
from streams.close_logs import EmbeddedCloseLogs
from streams.closer import Closer
from streams.provisional import LastClose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from models.panels import Closed
    from models.parameters import Budget, Parameters
    from schemas.control import Requested
    from streams.replay import Reference
    from streams.sqlite_log import EmbeddedLogs

__all__ = ["EmbeddedRunner"]

_EPOCH = date(1970, 1, 1)


class EmbeddedRunner(Closer):
    """Closes on embedded logs; called from one thread (`streams.closing.CloseRunner`)."""

    def __init__(
        self, logs: EmbeddedLogs, reference: Reference, parameters: Parameters, budget: Budget, now: Callable[[], datetime]
    ) -> None:
        """Folds the control log; an open close of other rules is abandoned, unless it was decided: then BadContents."""
        self._courses: dict[str, Course] = {}
        super().__init__(EmbeddedCloseLogs(logs), reference, parameters, budget, now)
        open_ = self.chain.open
        if open_ is None or self.mine(open_):
            return
        if self.chain.decided is not None:
            raise BadContents(
                f"the close of {open_.day} was decided by other rules (engine {open_.engine_version}) and is not published",
                file="control log",
                remedy="Start that version with those files once, so that it completes",
            )
        self.abandon("the engine, the reference data or the parameters have changed")

    def compute(self, request: Requested) -> Closed:
        """As `Closer.compute`; the course is kept for the overlay."""
        closed = super().compute(request)
        self._courses[academic_year(request.day)] = closed.course
        return closed

    def last_close(self) -> LastClose:
        """What the overlay needs of the last close; before the first, of the reference data alone."""
        newest = self.chain.completed[-1][0] if self.chain.completed else None
        if newest is not None and academic_year(newest.day) not in self._courses and self.mine(newest):
            self.compute(newest)
        name = academic_year(newest.day) if newest is not None else min(self._deployments)
        course = self._course(name)
        model, here = course.model, course.deployment
        index = {int(u): i for i, u in enumerate(self._urns)}
        slow = model.slow_before(model.through + 1)
        effect = model.effect[model.through] if model.through >= 0 else np.zeros(len(self._urns))
        closed = model.through if newest is not None else -1
        outsets = {name: Outsets(here, model.path, self._parameters, closed, footings(model))}
        return LastClose(
            day=newest.day.isoformat() if newest is not None else "",
            schools={urn: (int(here.phase[i]), int(here.area[i])) for urn, i in index.items()},
            areas=len(here.areas),
            eta_star=lambda urn, day: self._eta(index, urn, day),
            slow_level=lambda urn: float(slow[index[urn]]),
            last_effect=lambda urn: float(effect[index[urn]]),
            sigma_u=self._parameters.sigma_u,
            shrinkage=model.shrinkage_before(model.through + 1),
            outset=lambda urn, day: self._outset(outsets, index, urn, day),
        )

    def _outset(self, outsets: dict[str, Outsets], index: Mapping[int, int], urn: int, day: str) -> Outset | None:
        """What the predictive law of a school's day starts from; `outsets` grows by academic years that have no close yet."""
        at = self._place(index, urn, day)
        if at is None:
            return None
        name, d, school = at
        if name not in outsets:
            outsets[name] = Outsets(self._deployments[name], self._course(name).model.path, self._parameters, -1, ())
        return outsets[name].on(school, d)

    def _course(self, name: str) -> Course:
        held = self._courses.get(name)
        return held or self._courses.setdefault(name, Course(self._deployments[name], self._parameters, self._budget))

    def _eta(self, index: Mapping[int, int], urn: int, day: str) -> float | None:
        at = self._place(index, urn, day)
        return None if at is None else float(self._course(at[0]).model.path.eta[at[1], at[2]])

    def _place(self, index: Mapping[int, int], urn: int, day: str) -> tuple[str, int, int] | None:
        """Academic year, deployment day and school index; None when that is no school day of the school."""
        when = date.fromisoformat(day)
        name = academic_year(when)
        if urn not in index or name not in self._deployments:
            return None
        here = self._deployments[name]
        number = (when - _EPOCH).days
        d = int(np.searchsorted(here.days, number))
        if d == len(here.days) or here.days[d] != number or not here.planned[d, index[urn]]:
            return None
        return name, d, index[urn]
