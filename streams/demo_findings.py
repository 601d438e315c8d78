"""What was planted against what was found: a pure comparison of the truth with the published alerts.

T, C and G of one school are one case, as in the casebook: a new alert joins the open case, and within 20 school days of its
closing opens it again. A drop counts as found only by an alert that opened on or after its first day and was not withdrawn;
by one of a year group (G) only if that year group was planted.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from schemas.alert import Alert, AlertKind, AlertState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date
    from uuid import UUID

    from models.parameters import Budget
    from streams.demo_hub import Planted, PlantedDrift, PlantedEvent, PlantedStretch

__all__ = ["Case", "DriftFound", "EventFound", "Findings", "Story", "StretchFound", "compare", "expected_false_cases", "stories"]

CASE_REOPENS_SCHOOL_DAYS = 20
YEAR_DAYS = 190
_CHARTED = {AlertKind.OFF_TRAJECTORY, AlertKind.LEVEL_DROP, AlertKind.YEAR_GROUP}
_ENDS = {AlertState.CLOSED, AlertState.WITHDRAWN}


@dataclass(frozen=True, slots=True)
class Story:
    """One alert from its opening to what became of it. ended_on is None while it is open; strength only where a chart speaks."""

    opening: Alert
    state: AlertState
    ended_on: date | None
    end_reason: str | None
    updates: int

    @property
    def withdrawn(self) -> bool:
        """Whether it was taken back in the end."""
        return self.state is AlertState.WITHDRAWN


@dataclass(frozen=True, slots=True)
class Case:
    """The T, C and G alerts of one school that people would see as one piece of work, in order of opening."""

    urn: int
    stories: tuple[Story, ...]

    @property
    def opened_on(self) -> date:
        """The first opening."""
        return self.stories[0].opening.opened_on

    @property
    def withdrawn(self) -> bool:
        """Whether every one of its alerts was taken back."""
        return all(s.withdrawn for s in self.stories)


@dataclass(frozen=True, slots=True)
class DriftFound:
    """A planted drop and the alert that found it; school_days 1 is an alert on the drop's first day; None: missed, see `why`."""

    planted: PlantedDrift
    story: Story | None
    school_days: int | None
    why: str | None


@dataclass(frozen=True, slots=True)
class EventFound:
    """A planted event of the hub and its area alert, None: missed."""

    planted: PlantedEvent
    story: Story | None
    school_days: int | None


@dataclass(frozen=True, slots=True)
class StretchFound:
    """A stretch of unusable registers and its data alert, None: missed."""

    planted: PlantedStretch
    story: Story | None
    school_days: int | None


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything the demo says about itself, missed ones first.

    false_cases: cases that opened on a school without a drop, or before it. single_days: data alerts of a planted
    all-present register outside the stretches. false_area, false_data: alerts that nothing planted explains.
    """

    drifts: tuple[DriftFound, ...]
    events: tuple[EventFound, ...]
    stretches: tuple[StretchFound, ...]
    false_cases: tuple[Case, ...]
    false_area: tuple[Story, ...]
    false_data: tuple[Story, ...]
    single_days: tuple[Story, ...]
    withdrawn: tuple[Story, ...]
    stories: tuple[Story, ...]
    withheld: dict[str, int]
    expected_false: float

    @property
    def missed(self) -> dict[str, tuple[int, int]]:
        """How many were missed of how many planted: drops, events of the whole hub, stretches of unusable registers."""
        groups: dict[str, Sequence[DriftFound | EventFound | StretchFound]] = {
            "drops": self.drifts,
            "events of the whole hub": self.events,
            "stretches of unusable registers": self.stretches,
        }
        return {name: (sum(f.story is None for f in group), len(group)) for name, group in groups.items()}

    @property
    def median_school_days(self) -> float | None:
        """The median delay of the drops that were found."""
        delays = [f.school_days for f in self.drifts if f.school_days is not None]
        return float(median(delays)) if delays else None


def expected_false_cases(budget: Budget, schools: int, days: int) -> float:
    """False alerts that the budget of T, C and G allows for so many school days: for 57 schools and a year 6, 2 a term."""
    return (budget.target + budget.level + budget.year_group) * schools * days / YEAR_DAYS


def stories(alerts: Iterable[Alert]) -> tuple[Story, ...]:
    """Published records gathered by alert, in order of opening; an alert that was opened again is one story."""
    records: dict[UUID, list[Alert]] = {}
    for alert in alerts:
        records.setdefault(alert.alert_id, []).append(alert)
    out = []
    for group in records.values():
        last = group[-1]
        ended = last.state in _ENDS
        updates = sum(a.state is AlertState.UPDATED for a in group)
        out.append(Story(group[0], last.state, last.as_of if ended else None, last.reason if ended else None, updates))
    return tuple(out)


def compare(planted: Planted, alerts: Sequence[Alert], withheld: Mapping[str, int], budget: Budget, schools: int) -> Findings:
    """The findings of one replayed hub-year."""
    told = stories(alerts)
    charted, area, data = (tuple(s for s in told if s.opening.kind in kinds) for kinds in (_CHARTED, {AlertKind.AREA}, {AlertKind.DATA}))
    onset = {d.urn: d.onset_day for d in planted.drifts}
    cases = _cases(planted, charted)
    drifts = [_drift(planted, d, [s for s in charted if s.opening.urn == d.urn]) for d in planted.drifts]
    events = [EventFound(e, *_within(planted, e.first_day, e.last_day, area)) for e in planted.events]
    stretches = [
        StretchFound(p, *_within(planted, p.first_day, p.last_day, [s for s in data if s.opening.urn == p.urn])) for p in planted.stretches
    ]
    found = [*(e.story for e in events), *(s.story for s in stretches)]
    explained = {story.opening.alert_id for story in found if story is not None}
    area_rest = [s for s in area if s.opening.alert_id not in explained and not _during(planted, s)]
    rest = [s for s in data if s.opening.alert_id not in explained]
    single = [s for s in rest if (s.opening.urn, planted.day(s.opening.opened_on)) in planted.all_present]
    return Findings(
        drifts=tuple(sorted(drifts, key=lambda f: (f.story is not None, f.planted.onset_day))),
        events=tuple(sorted(events, key=lambda f: (f.story is not None, f.planted.first_day))),
        stretches=tuple(sorted(stretches, key=lambda f: (f.story is not None, f.planted.first_day))),
        false_cases=tuple(c for c in cases if c.urn not in onset or planted.day(c.opened_on) < onset[c.urn]),
        false_area=tuple(area_rest),
        false_data=tuple(s for s in rest if s not in single),
        single_days=tuple(single),
        withdrawn=tuple(s for s in told if s.withdrawn),
        stories=told,
        withheld=dict(sorted(withheld.items())),
        expected_false=expected_false_cases(budget, schools, len(planted.days)),
    )


def _drift(planted: Planted, drift: PlantedDrift, told: Sequence[Story]) -> DriftFound:
    """The first lasting opening since the drop; otherwise why there is none."""
    told = [s for s in told if s.opening.kind is not AlertKind.YEAR_GROUP or s.opening.chart == f"G:{drift.year_group}"]
    later = [s for s in told if planted.day(s.opening.opened_on) >= drift.onset_day]
    lasting = [s for s in later if not s.withdrawn]
    if lasting:
        first = min(lasting, key=lambda s: (s.opening.opened_on, s.opening.chart or ""))
        return DriftFound(drift, first, planted.day(first.opening.opened_on) - drift.onset_day + 1, None)
    if later:
        return DriftFound(drift, None, None, "an alert opened and was withdrawn")
    before = [s for s in told if s.ended_on is None or planted.day(s.ended_on) >= drift.onset_day]
    return DriftFound(drift, None, None, "a false alert was open before it" if before else "no alert opened")


def _within(planted: Planted, first_day: int, last_day: int, told: Sequence[Story]) -> tuple[Story | None, int | None]:
    for story in told:
        day = planted.day(story.opening.opened_on)
        if first_day <= day <= last_day:
            return story, day - first_day + 1
    return None, None


def _during(planted: Planted, story: Story) -> bool:
    """Whether an area alert opened while something planted went on, as a further one of the same event."""
    day = planted.day(story.opening.opened_on)
    return any(e.first_day <= day <= e.last_day for e in planted.events)


def _cases(planted: Planted, told: Sequence[Story]) -> list[Case]:
    """Cases by school: an alert joins one that has an open alert, or whose last alert ended at most 20 school days before."""
    by_school: dict[int, list[list[Story]]] = defaultdict(list)
    for story in sorted(told, key=lambda s: s.opening.opened_on):
        mine = by_school[story.opening.urn or 0]
        if mine and _joins(planted, mine[-1], story):
            mine[-1].append(story)
        else:
            mine.append([story])
    return [Case(urn, tuple(case)) for urn, cases in sorted(by_school.items()) for case in cases]


def _joins(planted: Planted, case: Sequence[Story], story: Story) -> bool:
    ends = [s.ended_on for s in case]
    if any(end is None for end in ends):
        return True
    last = max(planted.day(end) for end in ends if end is not None)
    return planted.day(story.opening.opened_on) - last <= CASE_REOPENS_SCHOOL_DAYS
