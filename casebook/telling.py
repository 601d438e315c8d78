"""Who is told of what, and when: nothing without news, nothing twice, no figures and no school's name. (casework.md section 2)

At once: a snoozed case that woke, and a `sudden` session that opened a case at the close. All else waits for the digest of 07:30,
which says how many cases wait, and links. What an open data case inhibits, what is silenced and what sleeps is not told. All alerts
withdrawn: whoever took the case, or was told of it, is told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID, uuid5

import sqlalchemy as sa

from casebook import tables as t
from casebook.case_actions import act
from casebook.case_rules import inhibits
from casebook.case_state import Case, CaseKind, CaseStatus
from casebook.case_store import cases_of, insert_event, write_cases
from casebook.casework import newest_close
from casebook.directory import deputies_of, people_of, version_now
from casebook.events import ENGINE, Effect, Event, Wake
from casebook.outbox import message_id, put
from casebook.scope import Role, Scope
from casebook.silences import silenced, silences_now
from schemas.errors import BrokenPromise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    from sqlalchemy.engine import Connection

    from casebook.close_application import AppliedClose
    from casebook.database import Database
    from casebook.directory import Person
    from casebook.ledger import Ledger

__all__ = ["DIGEST", "NOTE", "Telling", "TellingTimes"]

DIGEST, NOTE = "digest", "note"
"""Classes of the outbox."""
_NEWS = {Effect.OPENED, Effect.JOINED, Effect.REOPENED, Effect.WOKE, Effect.WITHDRAWN}
_AT_ONCE = {Effect.SUDDEN, Effect.WOKE}
_NOT_LATER_THAN = timedelta(hours=24)
_BACK = timedelta(days=35)
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class TellingTimes:
    """When the digest is made: at `digest_at` on weekdays, and on that day not after `digest_until` (a service that was down)."""

    zone: ZoneInfo
    digest_at: time = time(7, 30)
    digest_until: time = time(16, 0)


class _News(NamedTuple):
    """An event that is news, with the case as it stands now."""

    event_id: UUID
    effects: frozenset[Effect]
    case: Case


class Telling:
    """Writes messages into the outbox; sends nothing itself."""

    def __init__(self, database: Database, ledger: Ledger, times: TellingTimes, link: str, *, chat: bool = False) -> None:
        """link: of the inbox; chat: whether the hubs have a chat hook."""
        self._database, self._ledger, self._times, self._link, self._chat = database, ledger, times, link, chat
        self._digested: date | None = None

    def at_close(self, connection: Connection, close: AppliedClose, now: datetime) -> None:
        """The immediate notes of a close, in its transaction; a close that is caught up with a day later makes none."""
        if now - close.completed_at > _NOT_LATER_THAN:
            return
        news = [
            _News(one.event.event_id, frozenset(one.effects), one.case)
            for one in close.heard
            if one.case is not None and _AT_ONCE & set(one.effects)
        ]
        self._note(connection, news, f"close {close.number} {close.completed_at.isoformat()}", now)

    def wake_due(self, now: datetime) -> int:
        """From the digest's time on, the cases whose day has come wake, and their hub is told; how many."""
        local = now.astimezone(self._times.zone)
        if local.time() < self._times.digest_at:
            return 0
        c = t.case_.c
        due = (c.status == str(CaseStatus.OPEN), c.snoozed_until <= local.date())
        with self._database.write() as connection:
            urns = sorted(set(connection.execute(sa.select(c.urn).where(*due)).scalars()))
            for urn in urns:
                self._ledger.lock(connection, urn)
            news = [
                self._wake(connection, case, now)
                for cases in cases_of(connection, urns).values()
                for case in cases
                if case.snooze is not None and not case.asleep(local.date())
            ]
            self._note(connection, news, f"wake {local.date()}", now)
        return len(news)

    def make_digests(self, now: datetime) -> int:
        """The digests that are due and not made yet, once a day; how many."""
        local = now.astimezone(self._times.zone)
        day, at = local.date(), local.time()
        if day == self._digested or local.weekday() >= _SATURDAY or not self._times.digest_at <= at <= self._times.digest_until:
            return 0
        until = datetime.combine(day, self._times.digest_at, self._times.zone)
        m = t.membership.c
        with self._database.write() as connection:
            hubs = sorted(set(connection.execute(sa.select(m.hub).where(m.until_version.is_(None))).scalars()))
            made = sum(self._digest(connection, hub, day, until, now) for hub in hubs)
        self._digested = day
        return made

    def _digest(self, connection: Connection, hub: str, day: date, until: datetime, now: datetime) -> int:
        """A hub's digests of one day."""
        news = _news(connection, hub, day, until)
        to = _recipients(connection, hub, day)
        if not news or not to:
            return 0
        quiet = _quiet(connection, hub, day, now)
        told = _told(connection, (one.case.case_id for one in news))
        made = 0
        for person, recipient in to:
            mine = [one for one in news if _is_news_to(one, person.person, told, quiet)]
            if mine:
                key = f"{day}|{recipient}"
                body = self._body(mine) | {"waiting": _waiting(connection, hub, day, quiet), "hub": hub}
                made += self._say(connection, DIGEST, key, hub, {person.person, recipient}, recipient, body, mine, now)
        return made

    def _note(self, connection: Connection, news: Sequence[_News], key: str, now: datetime) -> None:
        """One note a person about what cannot wait, whatever there is of it."""
        day = now.astimezone(self._times.zone).date()
        for hub, mine in _by_hub(connection, news, day).items():
            quiet = _quiet(connection, hub, day, now)
            told = _told(connection, (one.case.case_id for one in mine))
            for person, recipient in _recipients(connection, hub, day):
                said = [one for one in mine if _is_news_to(one, person.person, told, quiet)]
                if said:
                    body = self._body(said) | {"hub": hub}
                    self._say(connection, NOTE, f"{key}|{recipient}", hub, {person.person, recipient}, recipient, body, said, now)

    def _body(self, news: Sequence[_News]) -> dict[str, Any]:
        """Numbers of cases, and the link; nothing else ever."""
        number = Counter(effect for one in news for effect in one.effects)
        cases = {str(effect): number[effect] for effect in (*sorted(_NEWS), Effect.SUDDEN) if number[effect]}
        return {"cases": cases, "link": self._link}

    def _say(
        self,
        connection: Connection,
        class_: str,
        key: str,
        hub: str,
        persons: set[str],
        recipient: str,
        body: dict[str, Any],
        news: Sequence[_News],
        now: datetime,
    ) -> int:
        """Queue it for one person (and the hub's chat), and remember that they know."""
        version = version_now(connection)
        if not put(
            self._database,
            connection,
            class_=class_,
            key=key,
            channel="mail",
            body=body,
            at=now,
            recipient=recipient,
            directory_version=version,
        ):
            return 0
        rows = [
            {"person": person, "event_id": one.event_id, "message_id": message_id(class_, key)}
            for person in sorted(persons)
            for one in news
        ]
        self._database.insert_new(connection, t.told, rows)
        if self._chat:
            chat = key.rpartition("|")[0] + f"|chat {hub}"
            put(
                self._database,
                connection,
                class_=class_,
                key=chat,
                channel="chat",
                body=body,
                at=now,
                recipient=hub,
                directory_version=version,
            )
        return 1

    def _wake(self, connection: Connection, case: Case, now: datetime) -> _News:
        if case.snooze is None:
            raise BrokenPromise(f"case {case.case_id} is not snoozed")
        place, _ = newest_close(connection)
        event = Event(
            event_id=uuid5(case.snooze.event_id, "woke"), urn=case.urn, place=place, at=now, actor=ENGINE, said=Wake(), case_id=case.case_id
        )
        after = act(case, event, now.astimezone(self._times.zone).date())
        insert_event(connection, event, (Effect.WOKE,))
        write_cases(self._database, connection, [after])
        return _News(event.event_id, frozenset({Effect.WOKE}), after)


def _scope(hub: str, day: date) -> Scope:
    """What the hub's people see."""
    return Scope("", Role.COORDINATOR, hub, day)


def _recipients(connection: Connection, hub: str, day: date) -> list[tuple[Person, str]]:
    """(person, who is sent it in their place) of a hub's coordinators; of its leads where it has none. Each recipient once."""
    people = people_of(connection, hub, day)
    told = [person for person in people if person.role is Role.COORDINATOR] or list(people)
    instead = deputies_of(connection, hub, day)
    out: dict[str, tuple[Person, str]] = {}
    for person in told:
        recipient = instead.get(person.person, person.person)
        out.setdefault(recipient, (person, recipient))
    return list(out.values())


def _news(connection: Connection, hub: str, day: date, until: datetime) -> list[_News]:
    """The events of the last weeks that are news, with their cases as they stand."""
    e = t.event.c
    here = (_scope(hub, day).here(e.urn), e.at > until - _BACK, e.at <= until, e.case_id.is_not(None), e.kind.in_(["alert", "wake"]))
    rows = connection.execute(sa.select(e.event_id, e.urn, e.case_id, e.effects).where(*here).order_by(e.number)).all()
    kept = [(row, frozenset(Effect(one) for one in row.effects) & _NEWS) for row in rows]
    kept = [(row, effects) for row, effects in kept if effects]
    cases = {case.case_id: case for held in cases_of(connection, (row.urn for row, _ in kept)).values() for case in held}
    return [_News(row.event_id, effects, cases[row.case_id]) for row, effects in kept]


def _by_hub(connection: Connection, news: Sequence[_News], day: date) -> dict[str, list[_News]]:
    """News by the hubs to which the schools consent on a day."""
    m = t.membership.c
    urns = sorted({one.case.urn for one in news})
    stands = (m.until_version.is_(None), m.consent_from <= day, sa.or_(m.consent_to.is_(None), m.consent_to >= day))
    out: dict[str, list[_News]] = defaultdict(list)
    for urn, hub in connection.execute(sa.select(m.urn, m.hub).where(m.urn.in_(urns), *stands).order_by(m.hub)):
        out[hub] += [one for one in news if one.case.urn == urn]
    return out


def _quiet(connection: Connection, hub: str, day: date, now: datetime) -> set[UUID]:
    """The hub's open cases that nobody is told of for now: asleep, inhibited by the school's registers, silenced."""
    cases = _open(connection, hub, day)
    silences = silences_now(connection, hub, now)
    inhibited = {case.urn for case in cases if inhibits(case)}
    return {
        case.case_id
        for case in cases
        if case.asleep(day) or silenced(case, silences) or (case.kind is CaseKind.ATTENDANCE and case.urn in inhibited)
    }


def _open(connection: Connection, hub: str, day: date) -> list[Case]:
    c = t.case_.c
    statement = sa.select(c.state).where(c.status == str(CaseStatus.OPEN), _scope(hub, day).here(c.urn))
    return [Case.model_validate(state) for state in connection.execute(statement).scalars()]


def _waiting(connection: Connection, hub: str, day: date, quiet: set[UUID]) -> int:
    return sum(case.case_id not in quiet for case in _open(connection, hub, day))


def _told(connection: Connection, cases: Iterable[UUID]) -> dict[str, set[UUID]]:
    """By person, the events and the cases that they have been told of."""
    e = t.event.c
    statement = sa.select(t.told.c.person, e.event_id, e.case_id).join(t.event, e.event_id == t.told.c.event_id)
    out: dict[str, set[UUID]] = defaultdict(set)
    for person, event_id, case in connection.execute(statement.where(e.case_id.in_(sorted(set(cases))))):
        out[person] |= {event_id, case}
    return out


def _is_news_to(one: _News, person: str, told: dict[str, set[UUID]], quiet: set[UUID]) -> bool:
    """Whether a person is to be told of it now."""
    case = one.case
    if one.event_id in told[person]:
        return False
    if Effect.WITHDRAWN in one.effects:
        return case.status is CaseStatus.WITHDRAWN and (person in case.taken_by or case.case_id in told[person])
    return case.status is CaseStatus.OPEN and case.case_id not in quiet and case.holder in {None, person}
