"""The demo's year closed again, day by day, up to the evening on which its last drop was found: what the console then stands on.

The same engine on the same files as `headway demo`; here a close also hears what the simulated people said of the one before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from casebook.feed import Arrival
from casebook.feed_records import PublishedAlert, PublishedReading
from models import ENGINE_VERSION
from models.batch import canonical
from models.course import Course
from models.readings import CONDITIONS, NOTHING, rows
from models.school_cells import Registers
from schemas.alert import record_id
from schemas.control import CloseCompleted, Decided, Requested
from schemas.reading import READING_COLUMNS
from streams.acknowledgements import Acknowledgements
from streams.replay import Known, deployments, midnight_after, schedule, split_years

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.demo import Demo

__all__ = ["DemoClose", "DemoYear", "stands_on"]

_EPOCH = date(1970, 1, 1)
_ZONE = ZoneInfo("Europe/London")
_CLOSED_AT = time(17, 30)
_MILLION = 1e6


@dataclass(frozen=True, slots=True)
class DemoClose:
    """One close as a feed takes it in."""

    number: int
    day: date
    at: datetime
    arrival: Arrival


def stands_on(demo: Demo) -> date:
    """The day of the last planted drop that was found; without any, the last school day."""
    found = [f.story.opening.opened_on for f in demo.findings.drifts if f.story is not None]
    return max(found, default=demo.hub.planted.days[-1])


class DemoYear:
    """Closes in order; `said` is heard by the closes that come after."""

    def __init__(self, demo: Demo, last: date) -> None:
        """last: the newest day to be closed."""
        done = demo.done
        self.said = Acknowledgements()
        self._demo, self._last = demo, last
        here = deployments(demo.reference, done.batch.day)
        years, _, _ = split_years(done.batch, done.arranged, done.tally, here, done.urns)
        self._year = next(year for year in years if len(year.revisions))
        self._course = Course(self._year.deployment, demo.parameters, done.budget)

    def closes(self) -> Iterator[DemoClose]:
        """One close after the other; the readings of all days come with the last one."""
        done, here = self._demo.done, self._year.deployment
        last = int(np.searchsorted(here.days, (self._last - _EPOCH).days))
        registers = Registers(done.batch, done.arranged.rows)
        previous, position = None, 0
        for number, (day, new, _) in enumerate(schedule(self._year, last, Known.THEN, _ZONE, self.said)[:-1], 1):
            said = self.said.known_before(midnight_after(int(here.days[day]), _ZONE), here)
            close = self._course.close(day, self._year.revisions.only(new), said, registers)
            when = _EPOCH + timedelta(days=int(here.days[day]))
            at = datetime.combine(when, _CLOSED_AT, _ZONE).astimezone(UTC)
            alerts = [PublishedAlert(record_id(a.alert_id, number, a.state), number, a.to_line()) for a in close.alerts]
            control, previous = self._control(number, previous, when, at, len(alerts), position)
            position += len(control)
            readings = list(self._readings(number)) if day == last else []
            yield DemoClose(number, when, at, Arrival(control=control, alerts=alerts, readings=readings))

    def registers(self) -> Iterator[bytes]:
        """Every register that had been recorded by then, canonical."""
        done, cut = self._demo.done, midnight_after((self._last - _EPOCH).days, _ZONE)
        for row in done.arranged.rows.tolist():
            if int(done.batch.recorded_at[row]) < cut:
                yield canonical(done.batch, row)

    def _control(
        self, number: int, previous: str | None, day: date, at: datetime, alerts: int, position: int
    ) -> tuple[list[tuple[int, bytes]], str]:
        """Requested, decided, completed."""
        request = Requested(
            previous=previous,
            number=number,
            day=day,
            positions={"register": number},
            reference_version=self._demo.reference.version,
            parameters_digest=self._demo.parameters.digest,
            engine_version=ENGINE_VERSION,
        )
        records = (
            request,
            Decided(close_id=request.close_id, digest="", counts={"alerts": alerts}),
            CloseCompleted(close_id=request.close_id, state_digest="", at=at),
        )
        return [(position + i, record.to_line()) for i, record in enumerate(records, 1)], request.close_id

    def _readings(self, number: int) -> Iterator[PublishedReading]:
        """Of every school and planned day, as the newest close sees them."""
        model, here = self._course.model, self._year.deployment
        table = rows(model, self._course.panel, self._demo.done.budget, slice(0, len(here.urn)))
        names = table.dtype.names or ()
        for i, urn in enumerate(here.urn.tolist()):
            for d in np.flatnonzero(here.planned[: model.through + 1, i]).tolist():
                yield PublishedReading(number, _reading(urn, _EPOCH + timedelta(days=int(here.days[d])), table[i, d], names))


def _reading(urn: int, day: date, row: Any, names: tuple[str, ...]) -> bytes:  # noqa: ANN401 (a row of `models.readings`)
    """Canonical JSON of one closed reading."""
    said: dict[str, object] = dict.fromkeys(READING_COLUMNS)
    for name in names:
        value = int(row[name])
        if name == "condition":
            said[name] = str(CONDITIONS[value])
        elif row.dtype[name].str == "<i8":
            said[name] = None if value == NOTHING else value / _MILLION
        else:
            said[name] = value
    possible = int(row["possible_sessions"])
    said["absence_ratio"] = round(int(row["absences"]) / possible, 6) if possible else None
    return json.dumps(said | {"urn": urn, "attendance_date": day.isoformat()}, sort_keys=True).encode()
