"""A user's own files as a year to plant drifts in, and what the alert policy would have opened in it as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.backtest.trial import History
from models.course import Course
from models.panel import arrange
from models.parameters import BUDGET, Budget, Parameters
from models.school_cells import Registers
from schemas.alert import AlertState
from schemas.errors import BadContents
from streams.replay import Reference, Year, deployments, learn_history, read_input, split_years

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streams.progress import Progress

__all__ = ["OwnYear", "openings", "read_year", "the_history"]


class OwnYear(NamedTuple):
    """The newest academic year of the user's files with all its registers, and what earlier years teach."""

    year: Year
    registers: Registers
    parameters: Parameters


def read_year(reference: Reference, sessions: Sequence[Path], history: Sequence[Path], bar: Progress) -> OwnYear:
    """The newest academic year of the files with all its registers, and what the earlier years teach.

    Raises BadContents if no register lies in a year that the calendar has a term for.
    """
    parameters = Parameters()
    if history:
        parameters = learn_history(reference, history, parameters, processes=1, progress=bar.reading(history, "history"), scored=sessions)
    store = read_input(sessions, processes=1, progress=bar.reading(sessions, "registers")).store
    batch, tally = store.batch(), store.tally()
    urns = np.array([s.urn for s in reference.schools], np.int32)
    arranged = arrange(batch)
    years, _, _ = split_years(batch, arranged, tally, deployments(reference, batch.day), urns)
    held = [year for year in years if len(year.revisions)]
    if not held:
        raise BadContents(
            "holds no register of a known school on a planned day", file=str(sessions[0]), remedy="Check schools and calendar"
        )
    return OwnYear(held[-1], Registers(batch, arranged.rows), parameters)


def the_history(own: OwnYear) -> History:
    """The year as it stands at its end: path and panel."""
    course = Course(own.year.deployment, own.parameters, BUDGET)
    course.close(len(own.year.deployment.days) - 1, own.year.revisions, None, own.registers)
    return History(own.year.deployment, course.model.path, course.panel)


def openings(own: OwnYear, rate: float) -> dict[str, float]:
    """Alerts opened a school-year of 190 days under the policy, every chart at one nominal rate, by kind of alert.

    Every school day is closed on what is known at the end, as `replay --known now` does.
    """
    course = Course(own.year.deployment, own.parameters, Budget.of_rate(rate))
    days, schools = own.year.deployment.planned.shape
    none = own.year.revisions.only(np.zeros(0, np.int64))
    count: dict[str, int] = {}
    for day in range(days):
        close = course.close(day, none if day else own.year.revisions, None, own.registers)
        for alert in close.alerts:
            if alert.state is AlertState.OPENED and alert.urn is not None:
                count[alert.kind.value] = count.get(alert.kind.value, 0) + 1
    return {kind: round(n / schools * 190 / days, 6) for kind, n in sorted(count.items())}
