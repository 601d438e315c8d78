"""Cases from alerts to outcome, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from casebook import events as e
from casebook.case_state import CaseStatus, HumanReason, NotPossible
from casebook.case_store import events_of
from casebook.casework import Changed
from casebook.history import fold
from casebook.scope import NotThere
from schemas.acknowledgement import Verdict
from schemas.alert import AlertKind, AlertState
from tests.casebooks import HUB_A, HUB_B, Book, alert, day

if TYPE_CHECKING:
    from casebook.database import Database

URN = HUB_A[0]
T, C, G, DATA, SUDDEN = AlertKind.OFF_TRAJECTORY, AlertKind.LEVEL_DROP, AlertKind.YEAR_GROUP, AlertKind.DATA, AlertKind.SUDDEN
OPENED, UPDATED, CLOSED, WITHDRAWN = AlertState.OPENED, AlertState.UPDATED, AlertState.CLOSED, AlertState.WITHDRAWN


@pytest.fixture
def book(database: Database) -> Book:
    return Book(database)


def test_two_alerts_of_a_school_are_one_case_and_registers_are_another(book: Book) -> None:
    book.close(20, alert(URN, T, OPENED, 20, 20, rank=9.0))
    book.close(
        21, alert(URN, C, OPENED, 21, 21, rank=30.0), alert(URN, DATA, OPENED, 21, 21), alert(HUB_A[1], C, OPENED, 21, 21, rank=40.0)
    )
    found = book.inbox()
    assert [(line.case.urn, len(line.case.lines)) for line in found.cases] == [(HUB_A[1], 1), (URN, 2)]
    assert [line.case.urn for line in found.data_cases] == [URN]
    assert found.cases[1].inhibited, "what cannot be measured is not judged"
    assert not found.cases[0].inhibited
    assert found.cases[1].leading is not None
    assert found.cases[1].leading.once_in_school_years == 30.0
    assert found.as_of == day(21)


def test_everything_a_person_does_stands_in_the_history(book: Book) -> None:
    book.close(20, alert(URN, C, OPENED, 20, 20))
    book.at(21, 8)
    case, ann, now = book.case(URN), book.scope(), book.now
    case = book.work.take(ann, case.case_id, case.version, now, "I ring them")
    assert (case.holder, case.taken_by) == ("ann", ("ann",))
    case = book.work.reason(ann, case.case_id, case.version, now, e.Reason(reason=HumanReason.TRANSPORT))
    case = book.work.note(ann, case.case_id, case.version, now, "bus line 7 is gone")
    case = book.work.give_back(ann, case.case_id, case.version, now)
    assert (case.holder, case.last_reason) == (None, HumanReason.TRANSPORT)
    case = book.work.assign(ann, case.case_id, case.version, now, "amy")
    case = book.work.close(book.scope("amy"), case.case_id, case.version, now, Verdict.HANDLED, day(20))
    assert case.status is CaseStatus.CLOSED
    opened = book.looks.open_case(ann, case.case_id, now)
    assert [entry.event.said.what for entry in opened.history] == ["alert", "take", "reason", "note", "give_back", "assign", "close"]
    assert [entry.words for entry in opened.history if entry.words] == ["I ring them", "bus line 7 is gone"]
    assert book.inbox().cases == ()
    with book.database.read() as connection:
        again = fold(events_of(connection, URN), lambda moment: moment.date())
    assert again == {case.case_id: case}


def test_a_snoozed_case_wakes_when_it_worsens_and_not_before(book: Book) -> None:
    book.close(20, alert(URN, C, OPENED, 20, 20, rank=10.0, pupils=4.0))
    case = book.case(URN)
    book.at(21, 8)
    book.work.snooze(book.scope(), case.case_id, case.version, book.now, e.Snooze(until_worse=True))
    book.close(21, alert(URN, C, UPDATED, 20, 21, rank=19.9, pupils=5.9))
    assert book.inbox().cases[0].asleep
    (applied,) = book.close(22, alert(URN, C, UPDATED, 20, 22, rank=19.9, pupils=6.0))
    assert e.Effect.WOKE in applied.heard[0].effects
    assert not book.inbox().cases[0].asleep


def test_a_snooze_until_a_day_ends_on_that_day(book: Book) -> None:
    book.close(20, alert(URN, C, OPENED, 20, 20))
    case = book.case(URN)
    book.at(21, 8)
    with pytest.raises(NotPossible):
        book.work.snooze(book.scope(), case.case_id, case.version, book.now, e.Snooze(until=day(21)))
    book.work.snooze(book.scope(), case.case_id, case.version, book.now, e.Snooze(until=day(23)))
    book.at(22, 23)
    assert book.inbox().cases[0].asleep
    book.at(23, 0)
    assert not book.inbox().cases[0].asleep


def test_give_back_restores_the_snooze_that_was_before_unless_it_has_become_worse(book: Book) -> None:
    book.close(20, alert(URN, C, OPENED, 20, 20, rank=10.0))
    case, ann = book.case(URN), book.scope()
    book.at(21, 8)
    case = book.work.snooze(ann, case.case_id, case.version, book.now, e.Snooze(until_worse=True))
    case = book.work.take(ann, case.case_id, case.version, book.now)
    assert case.snooze is None
    assert book.work.give_back(ann, case.case_id, case.version, book.now).snooze is not None
    case = book.case(URN)
    book.work.take(ann, case.case_id, case.version, book.now)
    book.close(21, alert(URN, C, UPDATED, 20, 21, rank=20.0))
    case = book.case(URN)
    assert book.work.give_back(ann, case.case_id, case.version, book.now).snooze is None


@pytest.mark.parametrize(
    ("outcome", "after", "rank", "leading", "reopens"),
    [
        (Verdict.HANDLED, 20, 10.0, "year_group:7", True),
        (Verdict.HANDLED, 21, 10.0, "year_group:7", False),
        (Verdict.KNEW_ALREADY, 11, 19.9, "year_group:7", None),
        (Verdict.KNEW_ALREADY, 11, 20.0, "year_group:7", True),
        (Verdict.NOT_REAL, 11, 10.0, "code:I", True),
        (Verdict.NOT_REAL, 21, 10.0, "year_group:7", False),
    ],
    ids=["on the 20th day", "on the 21st", "nothing new in it", "twice as strong", "another cell", "judged long ago"],
)
def test_within_20_school_days_a_case_is_reopened_unless_it_was_judged_and_nothing_is_new(
    book: Book, outcome: Verdict, after: int, rank: float, leading: str, *, reopens: bool | None
) -> None:
    book.close(20, alert(URN, C, OPENED, 20, 20, rank=10.0))
    case = book.case(URN)
    book.at(21, 8)
    book.work.close(book.scope(), case.case_id, case.version, book.now, outcome, day(20))
    book.close(21, alert(URN, C, CLOSED, 20, 21, reason="acknowledged"))
    book.close(21 + after, alert(URN, C, OPENED, 21 + after, 21 + after, rank=rank, leading=leading))
    cases = book.cases(URN)
    assert len(cases) == (2 if reopens is False else 1)
    assert (cases[0].status is CaseStatus.OPEN) == (reopens is not None)
    assert cases[0].reopened == (reopens is True)


def test_all_alerts_withdrawn_withdraw_the_case_whoever_holds_it(book: Book) -> None:
    book.close(20, alert(URN, C, OPENED, 20, 20), alert(URN, T, OPENED, 20, 20))
    case = book.case(URN)
    book.at(21, 8)
    book.work.take(book.scope(), case.case_id, case.version, book.now)
    book.close(21, alert(URN, C, WITHDRAWN, 20, 21, reason="corrected registers"))
    assert book.case(URN).status is CaseStatus.OPEN
    book.close(22, alert(URN, T, WITHDRAWN, 20, 22, reason="corrected registers"))
    ending = book.case(URN).ending
    assert book.case(URN).status is CaseStatus.WITHDRAWN
    assert ending is not None
    assert ending.reason == "corrected registers"


@pytest.mark.parametrize("taken", [False, True])
def test_what_is_over_closes_by_itself_unless_somebody_holds_it(book: Book, *, taken: bool) -> None:
    book.close(20, alert(URN, DATA, OPENED, 20, 20, rank=None, pupils=None))
    case = book.case(URN)
    if taken:
        book.at(21, 8)
        book.work.take(book.scope(), case.case_id, case.version, book.now)
    book.close(21, alert(URN, DATA, CLOSED, 20, 21, reason="usable registers again"))
    assert book.case(URN).status is (CaseStatus.OPEN if taken else CaseStatus.CLOSED)


def test_one_sudden_session_is_no_case_and_a_second_flag_is(book: Book) -> None:
    book.close(20, alert(URN, SUDDEN, OPENED, 20, 20))
    assert book.inbox().cases == ()
    (applied,) = book.close(21, alert(URN, SUDDEN, UPDATED, 20, 21))
    assert applied.heard[0].effects == (e.Effect.OPENED, e.Effect.SUDDEN)
    assert len(book.inbox().cases) == 1


def test_a_referral_takes_two_people(book: Book) -> None:
    book.close(20, alert(URN, C, OPENED, 20, 20))
    case = book.case(URN)
    book.at(21, 8)
    case = book.work.refer(book.scope(), case.case_id, case.version, book.now)
    assert not case.referred
    with pytest.raises(NotPossible):
        book.work.refer(book.scope(), case.case_id, case.version, book.now)
    assert book.work.refer(book.scope("lea"), case.case_id, case.version, book.now).referred


def test_who_has_not_seen_the_newest_does_nothing_and_the_same_form_twice_does_one_thing(book: Book) -> None:
    book.close(20, alert(URN, C, OPENED, 20, 20))
    book.at(21, 8)
    case, now = book.case(URN), book.now
    taken = book.work.take(book.scope(), case.case_id, case.version, now)
    assert book.work.take(book.scope(), case.case_id, case.version, now) == taken
    with pytest.raises(Changed):
        book.work.take(book.scope("amy"), case.case_id, case.version, now)
    with pytest.raises(NotPossible):
        book.work.take(book.scope("amy"), case.case_id, taken.version, now)


@pytest.mark.parametrize("who", ["bob", "head", "ana", "ops"])
def test_nobody_else_sees_or_does_anything_in_a_hub(book: Book, who: str) -> None:
    book.close(20, alert(URN, C, OPENED, 20, 20))
    case, scope = book.case(URN), book.scope(who)
    if who != "head":
        assert book.inbox(who).cases == ()
        assert book.cases(URN, who) == ()
        with pytest.raises(NotThere):
            book.looks.open_case(scope, case.case_id, book.now)
    with pytest.raises(NotThere):
        book.work.take(scope, case.case_id, case.version, book.now)


def test_a_school_that_no_longer_consents_is_as_one_that_does_not_exist(book: Book) -> None:
    book.close(20, alert(URN, C, OPENED, 20, 20), alert(HUB_B[0], C, OPENED, 20, 20))
    case = book.case(URN)
    book.directory.withdraw_consent(URN, "hub A", book.now.date(), "lea", book.now)
    assert len(book.inbox().cases) == 1
    book.now += timedelta(days=1)
    assert book.inbox().cases == ()
    with pytest.raises(NotThere) as gone:
        book.looks.open_case(book.scope(), case.case_id, book.now)
    with pytest.raises(NotThere) as never:
        book.looks.open_case(book.scope(), HUB_B_CASE, book.now)
    assert str(gone.value) == str(never.value)


HUB_B_CASE = alert(HUB_B[0], C, OPENED, 20, 20).alert_id
