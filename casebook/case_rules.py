"""What an alert does to a school's cases. Pure: (cases, event) -> cases and the effects, in the order of closes. (casework.md 2)

* A new alert joins the open case of its kind. Without one it reopens the newest case that ended at most 20 school days ago, unless
  a person closed that as *knew already* or *not real* and neither the rank doubled nor the leading cell changed. Later it opens
  a new case. A `sudden` alert opens a case when it is flagged a second time, and until then joins one at most.
* All alerts withdrawn: the case is withdrawn, whoever holds it. All over, not all withdrawn: it closes by itself as recovered,
  unless somebody holds it: who took it says how it ended.
* A snoozed case wakes when it worsens: since then the rank doubled, the size grew by half and by at least 1 pupil a day, or
  another fingerprint opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from casebook.case_state import Case, CaseKind, CaseStatus, Ending, Fingerprint, Line, Place, Size, case_id, fingerprint
from casebook.events import AlertSaid, Effect, Event
from schemas.acknowledgement import Verdict
from schemas.alert import AlertKind, AlertState
from schemas.errors import BrokenPromise

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Outcome", "hear", "inhibits", "leading_cell", "worse"]

_LIVE = {AlertState.OPENED, AlertState.UPDATED}
_GREW_BY, _GREW_PUPILS = 1.5, 1.0
_DOUBLED = 2.0


class Outcome(NamedTuple):
    """The cases that an event changed, and what it did; effects in the order in which they happened."""

    changed: tuple[Case, ...]
    effects: tuple[Effect, ...]
    case: Case | None = None
    """The case that the event belongs to."""


def hear(cases: Sequence[Case], event: Event) -> Outcome:
    """One alert record, given all cases of its school; what was heard before changes nothing."""
    said = event.said
    if not isinstance(said, AlertSaid):
        raise BrokenPromise(f"{said.what} is not said by the engine")
    kind = CaseKind.DATA if said.kind is AlertKind.DATA else CaseKind.ATTENDANCE
    own = _holding(cases, said)
    if said.state not in _LIVE:
        return Outcome((), ()) if own is None else _over(own, event, said)
    if own is not None and not _says_again(own, said):
        return _goes_on(own, event, said)
    here = next((case for case in cases if case.kind is kind and case.status is CaseStatus.OPEN), None)
    if here is not None:
        return _join(here, event, said)
    ended = [case for case in cases if case.kind is kind and case.ending is not None]
    newest = max(ended, key=_ended_at, default=None)
    if newest is not None and newest.ending is not None and said.as_of <= newest.ending.reopens_until:
        return _reopen(newest, newest.ending, event, said)
    if said.kind is AlertKind.SUDDEN and said.state is AlertState.OPENED:
        return Outcome((), ())
    return _open(kind, event, said)


def worse(baseline: dict[Fingerprint, Size], lines: Sequence[Line]) -> bool:
    """Whether any open alert is worse than when the case was put to sleep."""
    return any(_worse(baseline.get(line.fingerprint), line.size) for line in lines if line.open)


def inhibits(data: Case) -> bool:
    """Whether a case about registers keeps its school's attendance case from being told: what cannot be measured is not judged."""
    return data.kind is CaseKind.DATA and data.status is CaseStatus.OPEN and bool(data.open_lines)


def leading_cell(evidence: dict[str, float | int | str | None], attribution: dict[str, float] | None) -> str | None:
    """The part that an alert names first: as published, else the largest of its attribution."""
    named = evidence.get("leading_cell")
    if named is not None:
        return str(named)
    return max(attribution, key=lambda part: (attribution[part], part)) if attribution else None


def _holding(cases: Sequence[Case], said: AlertSaid) -> Case | None:
    """The case that holds the alert: the open one, else the newest."""
    holding = [case for case in cases if any(line.alert_id == said.alert_id for line in case.lines)]
    return max(holding, key=lambda case: (case.status is CaseStatus.OPEN, case.opened_at, str(case.case_id)), default=None)


def _worse(then: Size | None, now: Size) -> bool:
    if then is None:
        return True
    doubled = then.rank is not None and now.rank is not None and then.rank > 0 and now.rank >= _DOUBLED * then.rank
    was, is_ = then.pupils_a_day, now.pupils_a_day
    return doubled or (was is not None and is_ is not None and is_ >= _GREW_BY * was and is_ - was >= _GREW_PUPILS)


def _ended_at(case: Case) -> tuple[int, int, str]:
    if case.ending is None:
        raise BrokenPromise(f"case {case.case_id} has not ended")
    return case.ending.place.epoch, case.ending.place.close_number, str(case.case_id)


def _says_again(own: Case, said: AlertSaid) -> bool:
    """An opening of an alert whose case has ended: an opening that was withdrawn, or of an ended case, is new evidence."""
    return own.status is not CaseStatus.OPEN and said.state is AlertState.OPENED


def _line(event: Event, said: AlertSaid) -> Line:
    return Line(
        alert_id=said.alert_id,
        record_id=event.event_id,
        fingerprint=fingerprint(event.urn, said.kind, said.chart),
        kind=said.kind,
        chart=said.chart,
        state=said.state,
        opened_on=said.opened_on,
        as_of=said.as_of,
        size=Size(rank=said.rank, pupils_a_day=said.pupils_a_day),
        leading_cell=said.leading_cell,
        reason=said.reason,
    )


def _with(case: Case, event: Event, line: Line) -> Case:
    lines = tuple(line if held.alert_id == line.alert_id else held for held in case.lines)
    if line not in lines:
        lines = (*lines, line)
    return case.model_copy(update={"lines": lines, "version": case.version + 1, "changed_at": event.at})


def _open(kind: CaseKind, event: Event, said: AlertSaid) -> Outcome:
    case = Case(
        case_id=case_id(kind, event.event_id),
        urn=event.urn,
        kind=kind,
        status=CaseStatus.OPEN,
        opened_at=event.at,
        opened_as_of=said.as_of,
        changed_at=event.at,
        version=1,
        lines=(_line(event, said),),
    )
    sudden = (Effect.SUDDEN,) if said.kind is AlertKind.SUDDEN else ()
    return Outcome((case,), (Effect.OPENED, *sudden), case)


def _join(case: Case, event: Event, said: AlertSaid) -> Outcome:
    return _woken(_with(case, event, _line(event, said)), Effect.JOINED)


def _goes_on(case: Case, event: Event, said: AlertSaid) -> Outcome:
    """An alert that the case holds already is said again, stronger or otherwise."""
    after = _with(case, event, _line(event, said))
    return _woken(after, Effect.UPDATED) if case.status is CaseStatus.OPEN else Outcome((after,), (Effect.UPDATED,), after)


def _woken(case: Case, effect: Effect) -> Outcome:
    asleep = case.snooze
    if asleep is None or asleep.baseline is None or not worse(asleep.baseline, case.lines):
        return Outcome((case,), (effect,), case)
    case = case.model_copy(update={"snooze": None})
    return Outcome((case,), (effect, Effect.WOKE), case)


def _reopen(case: Case, ending: Ending, event: Event, said: AlertSaid) -> Outcome:
    """Within 20 school days of its end; `case` stays closed where a person has judged it and nothing is new."""
    after = _with(case, event, _line(event, said))
    judged = ending.outcome in {Verdict.KNEW_ALREADY, Verdict.NOT_REAL}
    doubled = (said.rank or 0.0) >= _DOUBLED * (ending.rank or 0.0) and said.rank is not None and ending.rank is not None
    told_before = ending.place.epoch < event.place.epoch and said.as_of <= ending.as_of
    waits = said.kind is AlertKind.SUDDEN and said.state is AlertState.OPENED
    if told_before or waits or (judged and not doubled and said.leading_cell == ending.leading_cell):
        return Outcome((after,), (Effect.NOT_REOPENED,), after)
    update = {"status": CaseStatus.OPEN, "ending": None, "reopened": case.reopened + 1, "holder": None, "held_since": None}
    after = after.model_copy(update={**update, "before_take": None, "snooze": None})
    sudden = (Effect.SUDDEN,) if said.kind is AlertKind.SUDDEN else ()
    return Outcome((after,), (Effect.REOPENED, *sudden), after)


def _over(case: Case, event: Event, said: AlertSaid) -> Outcome:
    """The engine closed or withdrew an alert of this case."""
    held = next(line for line in case.lines if line.alert_id == said.alert_id)
    line = held.model_copy(update={"state": said.state, "as_of": said.as_of, "reason": said.reason, "record_id": event.event_id})
    after = _with(case, event, line)
    if case.status is not CaseStatus.OPEN or after.open_lines:
        return Outcome((after,), (Effect.ENDED,), after)
    withdrawn = all(one.state is AlertState.WITHDRAWN for one in after.lines)
    if case.holder is not None and not withdrawn:
        return Outcome((after,), (Effect.ENDED,), after)
    ending = Ending(
        place=Place(epoch=event.place.epoch, close_number=event.place.close_number),
        as_of=said.as_of,
        reopens_until=said.reopens_until,
        outcome=None,
        by=None,
        reason=said.reason,
        rank=case.size.rank,
        leading_cell=case.leading.leading_cell,
    )
    status = CaseStatus.WITHDRAWN if withdrawn else CaseStatus.CLOSED
    after = after.model_copy(update={"status": status, "ending": ending, "snooze": None})
    return Outcome((after,), (Effect.ENDED, Effect.WITHDRAWN if withdrawn else Effect.RECOVERED), after)
