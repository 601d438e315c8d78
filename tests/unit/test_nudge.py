"""The weekly nudge: who hears what, and every reason for silence."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.nudge import Kind, Noticed, Sent, Silence, Week, decide_nudge
from models.nudge_release import DataGate, Hold, Message, Stage, Standing, held_by
from models.nudge_week import SchoolTerms, Silent, silent_at

FIRST = date(2026, 11, 2)
TERM = frozenset(FIRST + timedelta(days=i) for i in range(33) if i % 7 < 5)  # five whole weeks, to Friday 4 December
MONDAY = datetime(2026, 11, 9, 8, 0, tzinfo=UTC)
OPEN = DataGate(20, 20, 100, 100)
CLEAR = Standing((Stage.RELEASED,), OPEN, disputed=False, consent=True)
DROP = Noticed(Kind.LEVEL, "", date(2026, 10, 20), 4.0)
WEEK = Week(CLEAR, SchoolTerms((TERM,)), (DROP,), ())


def test_a_new_change_at_its_hour_is_told() -> None:
    assert decide_nudge(MONDAY, WEEK).tell == DROP
    assert decide_nudge(MONDAY, WEEK).held == ()


def test_nothing_new_to_say_is_silence_until_it_has_grown_by_half_and_a_pupil() -> None:
    told = replace(WEEK, sent=(Sent((2026, 45), DROP, answered=True),))
    assert decide_nudge(MONDAY, told).held == (Silence.NOTHING_NEW,)
    for size, speaks in ((5.9, False), (6.0, True)):
        assert (decide_nudge(MONDAY, replace(told, noticed=(replace(DROP, pupils_a_day=size),))).tell is not None) is speaks


def test_three_unanswered_weeks_stop_it_and_ask_the_hub_to_ring() -> None:
    other = replace(DROP, first_date=date(2026, 9, 7))
    unanswered = tuple(Sent((2026, week), other, answered=False) for week in (40, 41, 42))
    stopped = decide_nudge(MONDAY, replace(WEEK, sent=unanswered))
    assert stopped.held == (Silence.UNANSWERED,)
    assert stopped.ring
    assert decide_nudge(MONDAY, replace(WEEK, sent=unanswered[1:])).tell == DROP
    assert decide_nudge(MONDAY, replace(WEEK, sent=(*unanswered, replace(unanswered[0], answered=True)))).tell == DROP


def test_a_week_has_one_nudge() -> None:
    other = replace(DROP, first_date=date(2026, 9, 7))
    assert decide_nudge(MONDAY, replace(WEEK, sent=(Sent((2026, 46), other, answered=True),))).held == (Silence.SENT_THIS_WEEK,)
    assert decide_nudge(MONDAY, replace(WEEK, sent=(Sent((2026, 45), other, answered=True),))).tell == DROP


def test_the_policy_can_see_no_target_nor_anything_made_from_one() -> None:
    """Each record the policy is given has these fields and no others: a new one must be judged here first."""
    seen = {record: {field.name for field in fields(record)} for record in (Week, Noticed, Sent, Standing, SchoolTerms)}
    assert seen == {
        Week: {"standing", "terms", "noticed", "sent"},
        Noticed: {"kind", "year_group", "first_date", "pupils_a_day"},
        Sent: {"week", "noticed", "answered"},
        Standing: {"stages", "gate", "disputed", "consent"},
        SchoolTerms: {"terms", "quiet_weeks"},
    }
    assert set(Kind) == {Kind.LEVEL, Kind.YEAR_GROUP}


def test_the_largest_change_is_told_whatever_the_order() -> None:
    small = Noticed(Kind.YEAR_GROUP, "9", FIRST, 2.0)
    assert {decide_nudge(MONDAY, replace(WEEK, noticed=order)).tell for order in ((small, DROP), (DROP, small))} == {DROP}


@pytest.mark.parametrize(
    ("moment", "why"),
    [
        (datetime(2026, 11, 9, 7, 29, tzinfo=UTC), Silent.NOT_ITS_HOUR),
        (datetime(2026, 11, 9, 9, 0, tzinfo=UTC), Silent.NOT_ITS_HOUR),
        (datetime(2026, 11, 10, 8, 0, tzinfo=UTC), Silent.NOT_ITS_DAY),
        (datetime(2026, 11, 14, 8, 0, tzinfo=UTC), Silent.OUT_OF_TERM),
        (datetime(2026, 12, 2, 8, 0, tzinfo=UTC), Silent.END_OF_TERM),
    ],
)
def test_the_calendar_says_why_it_is_silent(moment: datetime, why: Silent) -> None:
    assert why in silent_at(moment, WEEK.terms)


def test_after_a_closed_monday_it_is_tuesday_and_two_days_are_no_week() -> None:
    tuesday = MONDAY + timedelta(days=1)
    four = TERM - {date(2026, 11, 9)}
    assert silent_at(tuesday, SchoolTerms((four,))) == ()
    assert silent_at(tuesday, SchoolTerms((four - {date(2026, 11, 11)},))) == ()
    assert silent_at(tuesday, SchoolTerms((four - {date(2026, 11, 11), date(2026, 11, 12)},))) == (Silent.SHORT_WEEK,)
    assert silent_at(MONDAY, SchoolTerms((TERM,), frozenset({date(2026, 11, 9)}))) == (Silent.QUIET_WEEK,)


def test_the_hour_is_local_on_summer_time_too() -> None:
    summer = SchoolTerms((frozenset(date(2026, 6, 1) + timedelta(days=i) for i in range(33) if i % 7 < 5),))
    assert silent_at(datetime(2026, 6, 8, 6, 30, tzinfo=UTC), summer) == ()
    assert silent_at(datetime(2026, 6, 8, 8, 0, tzinfo=UTC), summer) == (Silent.NOT_ITS_HOUR,)


@pytest.mark.parametrize(
    ("gate", "shut"),
    [
        (DataGate(95, 100, 100, 100), False),
        (DataGate(94, 100, 100, 100), True),
        (DataGate(100, 100, 94, 100), True),
        (DataGate(0, 0, 100, 100), True),
        (DataGate(20, 20, 100, 100, 10, 10_000), False),
        (DataGate(20, 20, 100, 100, -11, 10_000), True),
    ],
)
def test_the_data_gate_on_both_sides_of_its_limits(gate: DataGate, shut: bool) -> None:
    assert gate.shut is shut


TABLE = {
    Message.DIGEST: "no no no no",
    Message.DIGEST_OF_DATA: "no no yes no",
    Message.NUDGE: "no no no no",
    Message.DATA_NOTE: "no no yes yes",
    Message.DISPUTE_ANSWER: "yes yes yes yes",
    Message.RECALL_NOTICE: "yes yes yes yes",
}


@pytest.mark.parametrize("message", list(Message))
def test_what_may_leave_is_the_table_and_nothing_leaves_without_consent(message: Message) -> None:
    shut = DataGate(0, 20, 100, 100)
    columns = (
        replace(CLEAR, stages=(Stage.RELEASED, Stage.SHADOW)),
        replace(CLEAR, stages=(Stage.PAUSED, Stage.RELEASED)),
        replace(CLEAR, gate=shut),
        replace(CLEAR, disputed=True),
    )
    assert ["no" if held_by(message, standing) else "yes" for standing in columns] == TABLE[message].split()
    assert held_by(message, CLEAR) == ()
    assert held_by(message, replace(CLEAR, consent=False)) == (Hold.NO_CONSENT,)
    assert held_by(Message.NUDGE, replace(CLEAR, stages=())) == (Hold.SHADOW,)


@given(
    stages=st.lists(st.sampled_from([*Stage, *[Stage.RELEASED] * 6]), max_size=4).map(tuple),
    received=st.integers(17, 20),
    disputed=st.booleans(),
    quiet=st.booleans(),
    hours=st.integers(-24 * 10, 24 * 40) | st.sampled_from([0, 168, 336]),
)
def test_none_is_sent_while_paused_disputed_gated_quiet_or_out_of_term(
    stages: tuple[Stage, ...], received: int, disputed: bool, quiet: bool, hours: int
) -> None:
    moment = MONDAY + timedelta(hours=hours)
    monday = moment.date() - timedelta(days=moment.weekday())
    standing = Standing(stages, DataGate(received, 20, 100, 100), disputed=disputed, consent=True)
    decision = decide_nudge(moment, replace(WEEK, standing=standing, terms=SchoolTerms((TERM,), frozenset({monday} if quiet else ()))))
    forbidden = not stages or set(stages) != {Stage.RELEASED} or received < 19 or disputed or quiet or moment.date() not in TERM
    assert (decision.tell is None) == bool(decision.held)
    if forbidden:
        assert decision.tell is None
    elif hours in {0, 168, 336}:
        assert decision.tell == DROP
