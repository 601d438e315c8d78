"""What a person may do to a case, and what becomes of it. Pure; what the case does not allow raises NotPossible with the reason.

Take, give back, assign, note, reason, snooze and refer never touch a chart: only closing with an outcome and reopening are told
to the engine (`acknowledgements`). A referral stands once two people have asked for it; no rule and no model ever does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from casebook import events as e
from casebook.case_rules import worse
from casebook.case_state import Case, CaseStatus, Ending, Holding, NotPossible, Snooze
from schemas.acknowledgement import Verdict
from schemas.errors import BrokenPromise

if TYPE_CHECKING:
    from datetime import date

    from casebook.events import Event

__all__ = ["act", "charts_answered"]


def act(case: Case, event: Event, today: date) -> Case:
    """The case after a person did something to it; `today`: the local date of the event."""
    said = event.said
    if isinstance(said, e.AlertSaid):
        raise BrokenPromise("an alert is heard, not done")
    return _done(case, event, said, today).model_copy(update={"version": case.version + 1, "changed_at": event.at})


def charts_answered(case: Case) -> tuple[str, ...]:
    """The charts of the case's open alerts, which closing it with an outcome acknowledges; none of a `data` or `sudden` alert."""
    return tuple(sorted({line.chart for line in case.open_lines if line.chart is not None}))


def _done(case: Case, event: Event, said: e.Done, today: date) -> Case:
    match said:
        case e.Note():
            return case
        case e.Reason():
            return case.model_copy(update={"last_reason": said.reason})
        case e.Snooze():
            return _snooze(case, event, said, today)
        case e.Wake():
            return _wake(case)
        case e.Close():
            return _close(case, event, said)
        case e.Reopen():
            return _reopen(case)
        case e.Refer():
            return _refer(case, event)
        case e.TakeBackReferral():
            return _take_back_referral(case)
        case _:
            return _held(case, event, said)


def _held(case: Case, event: Event, said: e.Take | e.GiveBack | e.Assign) -> Case:
    """Who looks after it."""
    _must_be_open(case)
    match said:
        case e.Take():
            return _take(case, event)
        case e.GiveBack():
            return _give_back(case, event)
        case e.Assign():
            return case.model_copy(update={"holder": said.to, "held_since": event.at, "before_take": None})
        case _:
            assert_never(said)


def _wake(case: Case) -> Case:
    if case.snooze is None:
        raise NotPossible("the case is not snoozed")
    return case.model_copy(update={"snooze": None})


def _refer(case: Case, event: Event) -> Case:
    if event.actor in case.referred_by:
        raise NotPossible("you have asked for it already: a second named person has to")
    return case.model_copy(update={"referred_by": (*case.referred_by, event.actor)})


def _take_back_referral(case: Case) -> Case:
    if not case.referred_by:
        raise NotPossible("nobody has asked for a referral")
    return case.model_copy(update={"referred_by": ()})


def _must_be_open(case: Case) -> None:
    if case.status is not CaseStatus.OPEN:
        raise NotPossible("the case is not open any more")


def _take(case: Case, event: Event) -> Case:
    if case.holder is not None:
        raise NotPossible("you hold it already" if case.holder == event.actor else "somebody else holds it: assign it to yourself")
    before = Holding(holder=case.holder, held_since=case.held_since, snooze=case.snooze)
    takers = case.taken_by if event.actor in case.taken_by else (*case.taken_by, event.actor)
    update = {"holder": event.actor, "held_since": event.at, "before_take": before, "snooze": None, "taken_by": takers}
    return case.model_copy(update=update)


def _give_back(case: Case, event: Event) -> Case:
    if case.holder != event.actor:
        raise NotPossible("you do not hold it")
    before = case.before_take or Holding(holder=None, held_since=None, snooze=None)
    asleep = before.snooze
    if asleep is not None and asleep.baseline is not None and worse(asleep.baseline, case.lines):
        asleep = None  # What it was to wake for has happened meanwhile.
    update = {"holder": before.holder, "held_since": before.held_since, "snooze": asleep, "before_take": None}
    return case.model_copy(update=update)


def _snooze(case: Case, event: Event, said: e.Snooze, today: date) -> Case:
    _must_be_open(case)
    if said.until is None and not said.until_worse:
        raise NotPossible("say until when: a date, or until it worsens")
    if said.until is not None and said.until <= today:
        raise NotPossible("the date must lie after today")
    baseline = {line.fingerprint: line.size for line in case.open_lines} if said.until_worse else None
    return case.model_copy(update={"snooze": Snooze(by=event.actor, event_id=event.event_id, until=said.until, baseline=baseline)})


def _close(case: Case, event: Event, said: e.Close) -> Case:
    _must_be_open(case)
    if said.outcome is Verdict.RETRACTED:
        raise NotPossible("say how it ended: handled, knew already or not real")
    ending = Ending(
        place=event.place,
        as_of=said.seen,
        reopens_until=said.reopens_until,
        outcome=said.outcome,
        by=event.actor,
        reason="closed by a person",
        rank=case.size.rank,
        leading_cell=case.leading.leading_cell,
    )
    return case.model_copy(update={"status": CaseStatus.CLOSED, "ending": ending, "snooze": None, "before_take": None})


def _reopen(case: Case) -> Case:
    if case.status is CaseStatus.OPEN:
        raise NotPossible("the case is open")
    update = {"status": CaseStatus.OPEN, "ending": None, "reopened": case.reopened + 1}
    return case.model_copy(update=update)
