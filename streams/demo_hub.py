"""What the demo plants: a hub's school year with drops, a bad week for everybody, and registers as they really come.

Nothing here is tuned to the seed; another seed is another hub. What was planted is kept apart from the files that the
engine reads, and is only held against what was found.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from models.simulator import Drift, Shock, SimulatedYear, make
from models.simulator_defects import (
    all_present_registers,
    all_present_stretches,
    late_registers,
    missing_registers,
    provisional_codes,
    silent_schools,
)
from models.simulator_registers import Sent, clean_registers

__all__ = ["MIX", "Hub", "Planted", "PlantedDrift", "PlantedEvent", "PlantedStretch", "plant"]

MIX = (Drift("step", 3.0), Drift("step", 2.0), Drift("ramp", 3.0), Drift("year group", 4.0), Drift("step", 2.0), Drift("step", 3.0))
"""What the drifting schools do, in turn: of six, two drop by 3 points, two by 2, one slides by 3 over 30 school days, and one
year group of one drops by 4."""
DRIFTING_SHARE, ONE_SCHOOL_SILENT_DAYS = 0.10, 10
_STRETCHES = {"all present", "outage", "silent"}
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class PlantedDrift:
    """A school that loses attendance for good: how (`step`, `ramp`, `year group`), by how many points, from which school day
    (from 1), and which year group, if not all of them."""

    urn: int
    kind: str
    size_points: float
    onset_day: int
    year_group: str | None = None


@dataclass(frozen=True, slots=True)
class PlantedEvent:
    """What hits the whole hub: `shock` is the demo's, `block` is one that every simulated year may hold. Days from 1."""

    kind: str
    first_day: int
    last_day: int
    logits: float


@dataclass(frozen=True, slots=True)
class PlantedStretch:
    """Days of one school without usable registers: `outage` (never sent), `silent` (sent afterwards), `all present`."""

    urn: int
    kind: str
    first_day: int
    last_day: int


@dataclass(frozen=True, slots=True)
class Planted:
    """The truth about one hub-year. days: its school days in order; all_present: (urn, day from 1) with any such register."""

    days: tuple[date, ...]
    drifts: tuple[PlantedDrift, ...]
    events: tuple[PlantedEvent, ...]
    stretches: tuple[PlantedStretch, ...]
    all_present: frozenset[tuple[int, int]]
    late_registers: int
    missing_registers: int
    corrections: int

    def day(self, when: date) -> int:
        """The number of a school day, from 1.

        >>> Planted((date(2027, 1, 4), date(2027, 1, 5)), (), (), (), frozenset(), 0, 0, 0).day(date(2027, 1, 5))
        2
        """
        return self.days.index(when) + 1


@dataclass(frozen=True, slots=True)
class Hub:
    """A simulated year, what its schools send, and the truth about both."""

    year: SimulatedYear
    sent: Sent
    planted: Planted


def plant(seed: int, schools: int = 57, days: int = 190) -> Hub:
    """One hub (a single area) with a drop in a tenth of its schools, a shock of .6 logit for 5 days, and every defect."""
    year = make(seed, schools, days=days, areas=1, mix=MIX, share=DRIFTING_SHARE, shock=Shock())
    sent = all_present_stretches(year, all_present_registers(year, clean_registers(year)), share=1 / schools)
    sent = late_registers(year, provisional_codes(year, sent))
    corrections = int((sent.revision > 0).sum())
    sent = silent_schools(year, sent, share=1 / schools, silence_days=ONE_SCHOOL_SILENT_DAYS)
    sent = missing_registers(year, sent)
    return Hub(year, sent, _truth(year, sent, corrections))


def _year_group(year: SimulatedYear, school: int) -> str | None:
    """The name of the year group that drifts, None if the whole school does."""
    place = int(year.truth.drift_group[school])
    return year.schools.year_groups(school)[place] if place >= 0 else None


def _truth(year: SimulatedYear, sent: Sent, corrections: int) -> Planted:
    urn, truth = year.schools.urn.tolist(), year.truth
    events = [PlantedEvent("block", e.first_day, e.last_day, e.logits) for e in truth.blocks]
    if truth.shock is not None:
        events.append(PlantedEvent("shock", truth.shock.first_day, truth.shock.last_day, truth.shock.logits))
    numbers = {note.kind: int(note.number) for note in sent.notes if note.school < 0}
    marked = sent.rows(sent.all_present)
    return Planted(
        days=tuple(_EPOCH + timedelta(days=int(d)) for d in year.dates),
        drifts=tuple(
            PlantedDrift(urn[i], drift.kind, drift.size_points, int(truth.onset_day[i]), _year_group(year, i))
            for i, drift in enumerate(truth.drifts)
            if drift is not None
        ),
        events=tuple(sorted(events, key=lambda e: e.first_day)),
        stretches=tuple(
            PlantedStretch(urn[n.school], n.kind, n.first_day, n.last_day) for n in sent.notes if n.school >= 0 and n.kind in _STRETCHES
        ),
        all_present=frozenset((urn[s], d + 1) for s, d in zip(marked.school.tolist(), marked.day.tolist(), strict=True)),
        late_registers=numbers["late registers"],
        missing_registers=numbers["missing registers"],
        corrections=corrections,
    )
