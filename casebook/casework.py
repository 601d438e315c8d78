"""What people do to cases, in the database: one click is one transaction that writes event, words, ledger row, case and outbox row.

Each says which version of the case the person saw; where something has happened since, nothing is done and they look again. The
same form sent twice does one thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from casebook import acknowledgements
from casebook import events as e
from casebook import tables as t
from casebook.case_actions import act, charts_answered
from casebook.case_state import Case, CaseStatus, NotPossible, Place
from casebook.case_store import insert_event, write_cases
from casebook.ledger import Entry, event_digest, text_digest
from casebook.school_days import SchoolDays
from casebook.scope import NotThere, Role
from schemas.errors import HeadwayError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from casebook.database import Database
    from casebook.ledger import Ledger
    from casebook.scope import Scope
    from schemas.acknowledgement import Verdict

__all__ = ["WORDS_MAX", "Casework", "Changed", "newest_close", "read_case"]

WORDS_MAX = 4_000


class Changed(HeadwayError):
    """Something has happened to the case since the person saw it: show it again."""


@dataclass(frozen=True, slots=True)
class _Tried:
    """One thing a person tries: on which case, in which version, when, with which words."""

    scope: Scope
    case: UUID
    version: int
    now: datetime
    words: str


class Casework:
    """Every verb a person has. words: free text, kept beside the history; `now`: UTC; scope.today: the local date."""

    def __init__(self, database: Database, ledger: Ledger, salt: Callable[[], str]) -> None:
        """salt: what nobody can guess, another one at every call."""
        self._database, self._ledger, self._salt = database, ledger, salt

    def take(self, scope: Scope, case: UUID, version: int, now: datetime, words: str = "") -> Case:
        """The person looks after it from now on."""
        return self._do(_Tried(scope, case, version, now, words), e.Take())

    def give_back(self, scope: Scope, case: UUID, version: int, now: datetime, words: str = "") -> Case:
        """As it was before they took it."""
        return self._do(_Tried(scope, case, version, now, words), e.GiveBack())

    def assign(self, scope: Scope, case: UUID, version: int, now: datetime, to: str, words: str = "") -> Case:
        """Somebody of the same hub looks after it; raises NotPossible for anybody else."""
        return self._do(_Tried(scope, case, version, now, words), e.Assign(to=to))

    def note(self, scope: Scope, case: UUID, version: int, now: datetime, words: str) -> Case:
        """Words for whoever comes after."""
        if not words.strip():
            raise NotPossible("write something")
        return self._do(_Tried(scope, case, version, now, words), e.Note())

    def reason(self, scope: Scope, case: UUID, version: int, now: datetime, reason: e.Reason, words: str = "") -> Case:
        """The one human reason."""
        return self._do(_Tried(scope, case, version, now, words), reason)

    def snooze(self, scope: Scope, case: UUID, version: int, now: datetime, snooze: e.Snooze, words: str = "") -> Case:
        """Out of sight until a day, until it worsens, or whichever comes first."""
        return self._do(_Tried(scope, case, version, now, words), snooze)

    def wake(self, scope: Scope, case: UUID, version: int, now: datetime, words: str = "") -> Case:
        """Back in sight."""
        return self._do(_Tried(scope, case, version, now, words), e.Wake())

    def close(self, scope: Scope, case: UUID, version: int, now: datetime, outcome: Verdict, seen: date, words: str = "") -> Case:
        """Done with; it is told to the engine, and takes effect at the next close. seen: the day of the close on the person's page."""
        tried = _Tried(scope, case, version, now, words)
        return self._do(tried, lambda connection, here: self._closing(connection, tried, here, outcome, seen))

    def reopen(self, scope: Scope, case: UUID, version: int, now: datetime, words: str = "") -> Case:
        """Not done with after all; what closing told the engine is retracted."""
        return self._do(_Tried(scope, case, version, now, words), e.Reopen())

    def refer(self, scope: Scope, case: UUID, version: int, now: datetime, words: str = "") -> Case:
        """The person asks for a referral; it stands once a second one does."""
        return self._do(_Tried(scope, case, version, now, words), e.Refer())

    def take_back_referral(self, scope: Scope, case: UUID, version: int, now: datetime, words: str = "") -> Case:
        """Nobody asks for it any more."""
        return self._do(_Tried(scope, case, version, now, words), e.TakeBackReferral())

    def _closing(self, connection: Connection, tried: _Tried, case: Case, outcome: Verdict, seen: date) -> e.Close:
        """Raises NotPossible for a close that nobody can have seen."""
        _, newest = newest_close(connection)
        if seen > newest or seen < case.opened_as_of:
            raise NotPossible("no close of that day has said anything of this case")
        until = SchoolDays.read(connection, [case.urn]).after(case.urn, max(newest, tried.scope.today))
        return e.Close(outcome=outcome, seen=seen, reopens_until=until)

    def _do(self, tried: _Tried, done: e.Done | Callable[[Connection, Case], e.Close]) -> Case:
        """The transaction; raises NotThere, Changed or NotPossible with nothing written."""
        if not tried.scope.acts:
            raise NotThere("there is no such case")
        if len(tried.words) > WORDS_MAX:
            raise NotPossible(f"write at most {WORDS_MAX:,} characters")
        with self._database.write() as connection:
            case = read_case(connection, tried.scope, tried.case)
            self._ledger.lock(connection, case.urn)
            case = read_case(connection, tried.scope, tried.case)
            said = done(connection, case) if callable(done) else done
            event_id = e.human_event_id(case.case_id, tried.version, said, tried.scope.person)
            if case.version != tried.version:
                if _stands(connection, event_id):
                    return case
                raise Changed("something has happened to this case since you opened it")
            if isinstance(said, e.Assign):
                _colleague(connection, tried.scope, said.to)
            if isinstance(said, e.Reopen):
                _alone(connection, case)
            place, _ = newest_close(connection)
            event = e.Event(
                event_id=event_id,
                urn=case.urn,
                place=place,
                at=tried.now,
                actor=tried.scope.person,
                said=said,
                case_id=case.case_id,
            )
            after = act(case, event, tried.scope.today)
            self._write(connection, tried, event)
            _tell_the_engine(self._database, connection, case, event)
            write_cases(self._database, connection, [after])
        return after

    def _write(self, connection: Connection, tried: _Tried, event: e.Event) -> None:
        words = tried.words.strip()
        salt = self._salt().encode() if words else b""
        digest = text_digest(salt, words) if words else None
        row = insert_event(connection, event, (e.Effect.DONE,), digest)
        if words:
            connection.execute(sa.insert(t.free_text).values(event_id=event.event_id, words=words, salt=salt))
        self._ledger.write(
            connection,
            Entry(
                urn=event.urn,
                at=event.at,
                actor=event.actor,
                role=str(tried.scope.role),
                action=event.said.what,
                case_id=event.case_id,
                event_id=event.event_id,
                event_sha256=event_digest(row),
                text_sha256=digest,
            ),
        )


def read_case(connection: Connection, scope: Scope, case: UUID) -> Case:
    """One case in scope; raises NotThere."""
    statement = sa.select(t.case_.c.state).where(t.case_.c.case_id == case, scope.here(t.case_.c.urn))
    state = connection.execute(statement).scalar()
    if state is None:
        raise NotThere("there is no such case")
    return Case.model_validate(state)


def newest_close(connection: Connection) -> tuple[Place, date]:
    """The newest close that cases have seen: its place and its day. Raises NotPossible before the first."""
    c = t.close_.c
    statement = sa.select(c.epoch, c.number, c.day).where(c.applied_at.is_not(None))
    found = connection.execute(statement.order_by(c.day.desc(), c.epoch.desc(), c.number.desc()).limit(1)).first()
    if found is None:
        raise NotPossible("no day has been closed yet")
    return Place(epoch=found.epoch, close_number=found.number), found.day


def _stands(connection: Connection, event_id: UUID) -> bool:
    return connection.execute(sa.select(t.event.c.number).where(t.event.c.event_id == event_id)).first() is not None


def _colleague(connection: Connection, scope: Scope, person: str) -> None:
    """Raises NotPossible unless this person works for the same hub today."""
    p = t.person.c
    today = (p.until_version.is_(None), p.valid_from <= scope.today, sa.or_(p.valid_to.is_(None), p.valid_to >= scope.today))
    same = (p.person == person, p.scope == scope.of, p.role.in_([str(Role.COORDINATOR), str(Role.HUB_LEAD)]))
    if connection.execute(sa.select(p.id).where(*today, *same)).first() is None:
        raise NotPossible("choose somebody of your hub")


def _alone(connection: Connection, case: Case) -> None:
    """Raises NotPossible when another case of the school is open: there is one at most."""
    c = t.case_.c
    other = sa.select(c.case_id).where(c.urn == case.urn, c.kind == str(case.kind), c.status == "open", c.case_id != case.case_id)
    if connection.execute(other).first() is not None:
        raise NotPossible("the school has a newer case that is open: go on there")


def _tell_the_engine(database: Database, connection: Connection, before: Case, event: e.Event) -> None:
    """The only two things that reach a chart."""
    if isinstance(event.said, e.Close):
        acknowledgements.acknowledge(database, connection, event, charts_answered(before), event.said.seen, event.said.outcome)
    elif isinstance(event.said, e.Reopen) and before.status is CaseStatus.CLOSED:
        c = t.event.c
        closing = sa.select(c.event_id).where(c.case_id == before.case_id, c.kind == "close").order_by(c.number.desc()).limit(1)
        if before.ending is not None and before.ending.by is not None and (found := connection.execute(closing).scalar()) is not None:
            acknowledgements.retract(database, connection, event, found)
