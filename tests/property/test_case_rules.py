"""A school's cases for any course of alerts and any work done on them: what always holds, and that deliveries do not matter."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid5

from hypothesis import given, settings
from hypothesis import strategies as st

from casebook import events as e
from casebook.case_actions import act
from casebook.case_rules import hear
from casebook.case_state import Case, CaseKind, CaseStatus, NotPossible, Place
from casebook.events import ENGINE, AlertSaid, Event, human_event_id
from casebook.history import alerts_in_order, fold
from schemas.acknowledgement import Verdict
from schemas.alert import AlertKind, AlertState

URN, FIRST = 100_001, date(2026, 9, 7)
SPACE = UUID(int=7)
KINDS = (AlertKind.OFF_TRAJECTORY, AlertKind.LEVEL_DROP, AlertKind.YEAR_GROUP, AlertKind.DATA, AlertKind.SUDDEN)
CHARTS = {AlertKind.OFF_TRAJECTORY: "T", AlertKind.LEVEL_DROP: "C", AlertKind.YEAR_GROUP: "G:7"}
LIVE = {AlertState.OPENED, AlertState.UPDATED}


def local(moment: datetime) -> date:
    return moment.date()


def at(close: int) -> datetime:
    return datetime(2026, 9, 7, 17, 30, tzinfo=UTC) + timedelta(days=close)


@dataclass
class Course:
    """A course of events as it was lived: alerts of each close, then what people did; and the state that came of it."""

    alerts: list[Event] = field(default_factory=list)
    lived: list[Event] = field(default_factory=list)
    cases: dict[UUID, Case] = field(default_factory=dict)
    refused: int = 0

    def hear(self, event: Event) -> None:
        outcome = hear(tuple(self.cases.values()), event)
        self.cases |= {case.case_id: case for case in outcome.changed}
        self.lived.append(event)

    def do(self, case: Case, said: e.Done, who: str, close: int) -> None:
        event = Event(
            event_id=human_event_id(case.case_id, case.version, said, who),
            urn=URN,
            place=Place(epoch=1, close_number=close),
            at=at(close) + timedelta(hours=1 + len(self.lived) % 5),
            actor=who,
            said=said,
            case_id=case.case_id,
        )
        open_ = [c for c in self.cases.values() if c.kind is case.kind and c.status is CaseStatus.OPEN and c.case_id != case.case_id]
        if isinstance(said, e.Reopen) and open_:
            return
        try:
            self.cases[case.case_id] = act(case, event, local(event.at))
        except NotPossible:
            self.refused += 1
        else:
            self.lived.append(event)


def done(draw: st.DrawFn, close: int) -> e.Done:
    day = FIRST + timedelta(days=close)
    closings = [e.Close(outcome=v, seen=day, reopens_until=day + timedelta(days=28)) for v in Verdict if v is not Verdict.RETRACTED]
    said: list[e.Done] = [
        e.Take(),
        e.GiveBack(),
        e.Assign(to="cleo"),
        e.Note(),
        e.Snooze(until_worse=True),
        e.Snooze(until=day + timedelta(days=9)),
        e.Wake(),
        *closings,
        e.Reopen(),
        e.Refer(),
        e.TakeBackReferral(),
    ]
    return draw(st.sampled_from(said))


@st.composite
def courses(draw: st.DrawFn) -> Course:
    """Up to twelve closes: at each, alerts open, go on or end as the engine would say it, and people do things."""
    out, standing = Course(), dict[AlertKind, tuple[UUID, date]]()
    for close in range(1, draw(st.integers(1, 12)) + 1):
        day = FIRST + timedelta(days=close)
        said: list[Event] = []
        for kind in draw(st.lists(st.sampled_from(KINDS), unique=True, max_size=3)):
            state = draw(st.sampled_from(AlertState)) if kind in standing else AlertState.OPENED
            state = AlertState.UPDATED if kind in standing and state is AlertState.OPENED else state
            alert, opened = standing.setdefault(kind, (uuid5(SPACE, f"{kind}|{day}"), day))
            if state not in LIVE:
                del standing[kind]
            rank, pupils = draw(st.floats(1, 1000)), draw(st.floats(0, 20))
            what = AlertSaid(
                alert_id=alert,
                kind=kind,
                chart=CHARTS.get(kind),
                state=state,
                opened_on=opened,
                as_of=day,
                rank=rank if kind in CHARTS else None,
                pupils_a_day=pupils if kind in CHARTS else None,
                leading_cell=draw(st.sampled_from(["year_group:7", "code:I", None])),
                reason=str(state),
                reopens_until=day + timedelta(days=4),
            )
            place = Place(epoch=1, close_number=close)
            said.append(Event(event_id=uuid5(alert, f"{close}|{state}"), urn=URN, place=place, at=at(close), actor=ENGINE, said=what))
        out.alerts += said
        for event in alerts_in_order(said):
            out.hear(event)
        for who in draw(st.lists(st.sampled_from(["ann", "bob"]), max_size=3)):
            if out.cases:
                case = draw(st.sampled_from(sorted(out.cases.values(), key=lambda c: str(c.case_id))))
                out.do(case, done(draw, close), who, close)
    return out


@settings(max_examples=300, deadline=None)
@given(courses())
def test_what_always_holds(course: Course) -> None:
    cases = course.cases.values()
    for kind in CaseKind:
        assert sum(case.kind is kind and case.status is CaseStatus.OPEN for case in cases) <= 1
    for case in cases:
        assert (case.ending is None) == (case.status is CaseStatus.OPEN)
        if case.status is CaseStatus.WITHDRAWN:
            assert all(line.state is AlertState.WITHDRAWN for line in case.lines)
            assert case.ending is not None
            assert case.ending.reason
        if case.status is CaseStatus.OPEN and case.holder is None and not case.reopened:
            assert case.open_lines, "what is over and nobody holds closes by itself"
        assert case.referred == (len(case.referred_by) == 2)
        assert len(set(case.referred_by)) == len(case.referred_by)
        assert len({line.alert_id for line in case.lines}) == len(case.lines)
        assert all((line.kind is AlertKind.DATA) == (case.kind is CaseKind.DATA) for line in case.lines)


@settings(max_examples=150, deadline=None)
@given(courses())
def test_every_alert_that_is_not_sudden_stands_in_a_case_of_its_kind(course: Course) -> None:
    held = {line.alert_id for case in course.cases.values() for line in case.lines}
    said = [event.said for event in course.alerts if isinstance(event.said, AlertSaid)]
    assert {one.alert_id for one in said if one.kind is not AlertKind.SUDDEN} <= held


@settings(max_examples=200, deadline=None)
@given(courses())
def test_the_history_folds_to_the_same_cases_whatever_is_delivered_twice(course: Course) -> None:
    twice = [event for event in course.lived for _ in (0, 1)]
    assert fold(course.lived, local) == course.cases
    assert fold(twice, local) == course.cases
    assert fold([*course.lived, *course.lived], local) == course.cases


@settings(max_examples=200, deadline=None)
@given(courses(), st.data())
def test_alerts_may_come_in_any_order_and_any_number_of_times(course: Course, data: st.DataObject) -> None:
    mixed = data.draw(st.permutations([*course.alerts, *course.alerts[: len(course.alerts) // 2]]))
    assert [event.event_id for event in alerts_in_order(mixed)] == [event.event_id for event in course.lived if event.actor == ENGINE]


@settings(max_examples=200, deadline=None)
@given(courses(), st.sampled_from(["ann", "bob"]))
def test_give_back_restores_what_was_before_take(course: Course, who: str) -> None:
    for case in list(course.cases.values()):
        if case.status is not CaseStatus.OPEN or case.holder is not None:
            continue
        key, place = uuid5(case.case_id, "t"), Place(epoch=1, close_number=99)
        take = Event(event_id=key, urn=URN, place=place, at=at(99), actor=who, said=e.Take(), case_id=case.case_id)
        taken = act(case, take, local(take.at))
        back = act(taken, take.model_copy(update={"said": e.GiveBack()}), local(take.at))
        same = {"version", "changed_at", "taken_by"}
        assert back.model_dump(exclude=same) == case.model_dump(exclude=same)
        assert taken.snooze is None
