"""Coordinators are told what is new, once, at the right time, without a figure or a name."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from casebook import events as e
from casebook import tables as t
from casebook.directory import Deputy, Person
from casebook.letters import letter
from casebook.scope import Role
from casebook.silences import silence
from casebook.telling import Telling, TellingTimes
from schemas.acknowledgement import Verdict
from schemas.alert import AlertKind, AlertState
from tests.casebooks import FIRST, HUB_A, HUB_B, Book, alert, day

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from casebook.close_application import AppliedClose
    from casebook.database import Database

URN = HUB_A[0]
LINK = "https://desk.example.org/"
C, DATA, SUDDEN = AlertKind.LEVEL_DROP, AlertKind.DATA, AlertKind.SUDDEN
OPENED, UPDATED, WITHDRAWN = AlertState.OPENED, AlertState.UPDATED, AlertState.WITHDRAWN


class Told:
    """A book whose closes tell people; amy is revoked, so that hub A has one coordinator: ann."""

    def __init__(self, database: Database, *, chat: bool = False) -> None:
        self.book = Book(database, applied=self._at_close)
        self.telling = Telling(database, self.book.ledger, TellingTimes(ZoneInfo("Europe/London")), LINK, chat=chat)
        self.book.directory.revoke("amy", "test", self.book.now)

    def _at_close(self, connection: Connection, close: AppliedClose) -> None:
        self.telling.at_close(connection, close, self.book.now)

    def morning(self, n: int) -> int:
        """The digests of the n-th day, at 07:30 in London."""
        self.book.at(n, 6)
        woke = self.telling.wake_due(self.book.now)
        return self.telling.make_digests(self.book.now) + 0 * woke

    def messages(self) -> list[Any]:
        with self.book.database.read() as connection:
            return list(connection.execute(sa.select(t.outbox).where(t.outbox.c.channel != "log").order_by(t.outbox.c.number)).all())

    def said(self) -> list[tuple[str, str | None, dict[str, int]]]:
        return [(one.class_, one.recipient, one.body["cases"]) for one in self.messages()]


@pytest.fixture
def told(database: Database) -> Told:
    return Told(database)


def test_a_new_case_waits_for_the_digest_and_is_told_once(told: Told) -> None:
    told.book.close(20, alert(URN, C, OPENED, 20, 20), alert(HUB_A[1], C, OPENED, 20, 20), alert(HUB_B[0], C, OPENED, 20, 20))
    assert told.messages() == []
    assert told.telling.make_digests(told.book.at(21, 5)) == 0, "06:30 in London is too early"
    assert told.morning(21) == 2
    assert told.said() == [("digest", "ann", {"opened": 2}), ("digest", "bob", {"opened": 1})]
    assert told.messages()[0].body["waiting"] == 2
    assert told.messages()[0].directory_version == 2
    assert told.morning(21) == 0
    assert told.morning(22) == 0
    told.book.close(22, alert(URN, C, UPDATED, 20, 22, rank=20.0))
    assert told.morning(23) == 0, "stronger is no news while nobody waits for it"


def test_a_service_that_was_down_or_started_anew_tells_nothing_twice(told: Told, database: Database) -> None:
    told.book.close(20, alert(URN, C, OPENED, 20, 20))
    assert told.morning(21) == 1
    again = Telling(database, told.book.ledger, TellingTimes(ZoneInfo("Europe/London")), LINK)
    assert again.make_digests(told.book.now) == 0
    assert again.make_digests(told.book.at(22, 7)) == 0


def test_what_happens_after_half_past_seven_waits_for_the_next_working_day(told: Told) -> None:
    assert told.morning(20) == 0  # A Friday.
    told.book.close(20, alert(URN, C, OPENED, 20, 20))
    assert told.telling.make_digests(told.book.now + timedelta(minutes=5)) == 0
    assert told.telling.make_digests(told.book.at(20, 6) + timedelta(days=1)) == 0, "a Saturday"
    assert told.morning(21) == 1


def test_a_snoozed_case_that_woke_is_told_at_once_and_not_again(told: Told) -> None:
    told.book.close(20, alert(URN, C, OPENED, 20, 20))
    told.morning(21)
    case = told.book.case(URN)
    told.book.work.snooze(told.book.scope(), case.case_id, case.version, told.book.now, e.Snooze(until_worse=True))
    told.book.close(21, alert(URN, C, UPDATED, 20, 21, rank=24.0))
    assert told.said()[1:] == [("note", "ann", {"woke": 1})]
    assert told.morning(22) == 0


def test_a_snooze_until_a_day_wakes_that_morning_and_is_told(told: Told) -> None:
    told.book.close(20, alert(URN, C, OPENED, 20, 20))
    told.morning(21)
    case = told.book.case(URN)
    told.book.work.snooze(told.book.scope(), case.case_id, case.version, told.book.now, e.Snooze(until=day(23)))
    assert told.morning(22) == 0
    assert told.said()[1:] == []
    assert told.morning(23) == 0
    assert told.said()[1:] == [("note", "ann", {"woke": 1})]
    assert told.telling.wake_due(told.book.now) == 0
    assert told.book.case(URN).snooze is None


def test_a_sudden_session_that_opens_a_case_is_told_at_once_together_with_what_else_cannot_wait(told: Told) -> None:
    told.book.close(20, alert(HUB_A[1], C, OPENED, 20, 20))
    told.morning(21)
    case = told.book.case(HUB_A[1])
    told.book.work.snooze(told.book.scope(), case.case_id, case.version, told.book.now, e.Snooze(until_worse=True))
    sudden = [alert(URN, SUDDEN, UPDATED, 20, 21)]
    told.book.close(21, *sudden, alert(HUB_A[1], C, UPDATED, 20, 21, rank=24.0))
    ((class_, to, cases),) = told.said()[1:]
    assert (class_, to, cases) == ("note", "ann", {"opened": 1, "sudden": 1, "woke": 1})
    assert letter(class_, {"cases": cases, "link": LINK}).text.splitlines()[:2] == [
        "1 snoozed case woke.",
        "1 case opened on sudden absence.",
    ]


def test_what_is_caught_up_with_a_day_later_is_no_emergency(told: Told) -> None:
    control, said = told.book.records(20, [alert(URN, SUDDEN, UPDATED, 20, 20)])
    told.book.feed.take(e_arrival(told.book, control, said))
    told.book.at(23)
    told.book.feed.apply()
    assert told.messages() == []
    assert told.morning(24) == 1


def e_arrival(book: Book, control: Any, said: Any) -> Any:
    from casebook.feed import Arrival

    return Arrival(control=book.numbered(control), alerts=said)


@pytest.mark.parametrize("quiet", ["snoozed", "registers", "silenced", "closed", "no consent"])
def test_what_is_quiet_is_not_told(told: Told, quiet: str) -> None:
    data = [alert(URN, DATA, OPENED, 20, 20)] if quiet == "registers" else []
    told.book.close(20, alert(URN, C, OPENED, 20, 20), *data)
    book, now = told.book, told.book.at(20, 20)
    case = next(one for one in book.cases(URN) if one.kind == "attendance")
    if quiet == "snoozed":
        book.work.snooze(book.scope(), case.case_id, case.version, now, e.Snooze(until=day(30)))
    elif quiet == "silenced":
        silence(book.database, book.scope(), {"urn": str(URN), "kind": "level_drop"}, "known", now + timedelta(days=9), now, case.case_id)
    elif quiet == "closed":
        book.work.close(book.scope(), case.case_id, case.version, now, Verdict.HANDLED, day(20))
    elif quiet == "no consent":
        book.directory.withdraw_consent(URN, "hub A", day(20), "lea", now)
    assert told.morning(21) == (1 if quiet == "registers" else 0)
    assert [cases for _, _, cases in told.said()] == ([{"opened": 1}] if quiet == "registers" else [])


def test_whoever_took_a_case_or_was_told_of_it_hears_that_it_was_withdrawn(told: Told) -> None:
    told.book.close(20, alert(URN, C, OPENED, 20, 20), alert(HUB_A[1], C, OPENED, 20, 20))
    told.morning(21)
    told.book.close(21, alert(URN, C, WITHDRAWN, 20, 21), alert(HUB_A[2], C, OPENED, 21, 21))
    told.book.close(22, alert(HUB_A[2], C, WITHDRAWN, 21, 22))
    assert told.morning(23) == 1
    assert told.said()[1:] == [("digest", "ann", {"withdrawn": 1})], "of the one that nobody heard of nothing is said"


def test_what_somebody_holds_is_news_to_them_alone(told: Told) -> None:
    told.book.directory.grant(Person("amy", "Amy", "amy@example.org", Role.COORDINATOR, "hub A", FIRST), "test", told.book.now)
    told.book.close(20, alert(URN, C, OPENED, 20, 20))
    told.morning(21)
    case = told.book.case(URN)
    told.book.work.take(told.book.scope("amy"), case.case_id, case.version, told.book.now)
    told.book.close(21, alert(URN, AlertKind.OFF_TRAJECTORY, OPENED, 21, 21))
    told.morning(22)
    assert told.said()[2:] == [("digest", "amy", {"joined": 1})]


def test_a_deputy_is_sent_the_digests_of_their_days(told: Told) -> None:
    told.book.directory.name_deputy(Deputy("hub A", "ann", "lea", day(21), day(21)), told.book.now)
    told.book.close(20, alert(URN, C, OPENED, 20, 20))
    told.morning(21)
    told.book.close(21, alert(HUB_A[1], C, OPENED, 21, 21))
    told.morning(22)
    assert [to for _, to, _ in told.said()] == ["lea", "ann"]
    assert told.said()[1][2] == {"opened": 1}, "what the deputy was told is not told again"


def test_no_message_holds_a_figure_a_school_or_a_target(database: Database) -> None:
    told = Told(database, chat=True)
    told.book.close(20, *[alert(urn, AlertKind.OFF_TRAJECTORY, OPENED, 20, 20, rank=931.734) for urn in HUB_A])
    told.morning(21)
    assert {one.channel for one in told.messages()} == {"mail", "chat"}
    for one in told.messages():
        words = letter(one.class_, one.body)
        whole = json.dumps([one.key, one.body, *words])
        for secret in ("931", "School", "10000", "93.17", "trajectory", "path", "%"):
            assert secret not in whole
        assert words.subject == "Headway: 5 cases wait"
        assert LINK in words.text
