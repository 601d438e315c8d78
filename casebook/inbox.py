"""What a hub's people read: the inbox, one case, one school. Values, in scope, by a fixed number of queries whatever there is.

Whoever opens a case or a school leaves a row in its ledger, written before anything is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from casebook import tables as t
from casebook.case_rules import inhibits
from casebook.case_state import Case, CaseKind, Place
from casebook.events import Event, said_from_json
from casebook.scope import NotThere
from casebook.silences import silenced, silences_now

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from casebook.scope import Scope
    from casebook.silences import Silence

__all__ = [
    "AlertThen",
    "AreaEvent",
    "CaseInbox",
    "HistoryEntry",
    "InboxCase",
    "SchoolFacts",
    "area_events",
    "case_page",
    "history_of",
    "inbox",
    "past_cases",
    "school_facts",
    "schools",
]


@dataclass(frozen=True, slots=True)
class SchoolFacts:
    """A school as the reference data name it, and its membership of the hub that looks. support: regional or enhanced."""

    urn: int
    name: str
    phase: str
    region: str
    local_authority: str
    roll: int | None
    hub: str
    support: str


@dataclass(frozen=True, slots=True)
class AlertThen:
    """An alert record as it was published, with its evidence: as known then."""

    record_id: UUID
    alert_id: UUID
    close_number: int
    kind: str
    chart: str | None
    state: str
    opened_on: date
    as_of: date
    onset_about: date | None
    once_in_school_years: float | None
    evidence: dict[str, Any]
    attribution: dict[str, float] | None
    reason: str


@dataclass(frozen=True, slots=True)
class InboxCase:
    """One line: the case, its school, the newest record of its leading alert, the last words written, and what keeps it quiet.

    asleep: snoozed today; inhibited: the school's registers are no measurement; silenced: a silence covers all its open alerts.
    """

    case: Case
    school: SchoolFacts
    leading: AlertThen | None
    last_words: str
    asleep: bool
    inhibited: bool
    silenced: bool


@dataclass(frozen=True, slots=True)
class AreaEvent:
    """An area alert by its newest record. cases: how many of the scope's cases opened since it began."""

    record: AlertThen
    area: str
    cases: int


@dataclass(frozen=True, slots=True)
class CaseInbox:
    """All of it: cases by rank (data cases apart), and the newest closed day (None before the first)."""

    as_of: date | None
    cases: tuple[InboxCase, ...]
    data_cases: tuple[InboxCase, ...]


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One event with its words. redacted: there were words, and they are gone."""

    event: Event
    effects: tuple[str, ...]
    words: str
    redacted: bool


def inbox(connection: Connection, scope: Scope, now: datetime, *, enhanced_only: bool = False, limit: int = 1_000) -> CaseInbox:
    """The open cases, the strongest first; at most `limit` of each kind."""
    as_of = connection.execute(sa.select(sa.func.max(t.close_.c.day)).where(t.close_.c.applied_at.is_not(None))).scalar()
    silences = silences_now(connection, scope.of, now) if scope.acts else ()
    rows = connection.execute(_open_cases(scope, enhanced_only=enhanced_only)).all()
    cases = [(Case.model_validate(row.state), row) for row in rows]
    inhibited = {case.urn for case, _ in cases if inhibits(case)}
    words = _last_words(connection, scope)
    lines = [_line(case, row, words, silences, inhibited, scope.today) for case, row in cases]
    attendance = [line for line in lines if line.case.kind is CaseKind.ATTENDANCE]
    data = [line for line in lines if line.case.kind is CaseKind.DATA]
    return CaseInbox(as_of, tuple(attendance[:limit]), tuple(data[:limit]))


def case_page(
    connection: Connection, scope: Scope, case_id: UUID
) -> tuple[Case, SchoolFacts, tuple[AlertThen, ...], tuple[HistoryEntry, ...]]:
    """A case, its school, all its alert records as they were published, its history; raises NotThere. Call it behind
    `Looks.open_case`, which leaves the row in the ledger."""
    statement = _schools(scope).add_columns(t.case_.c.state).join(t.case_, t.case_.c.urn == t.school.c.urn)
    row = connection.execute(statement.where(t.case_.c.case_id == case_id)).first()
    if row is None:
        raise NotThere("there is no such case")
    case = Case.model_validate(row.state)
    a = t.alert_record.c
    wanted = sa.select(t.alert_record).where(a.alert_id.in_([line.alert_id for line in case.lines]))
    records = connection.execute(wanted.order_by(a.epoch, a.close_number, a.record_id)).all()
    return case, _facts(row), tuple(_then(one) for one in records), history_of(connection, scope, case_id)


def history_of(connection: Connection, scope: Scope, case_id: UUID) -> tuple[HistoryEntry, ...]:
    """What happened to a case, oldest first."""
    statement = (
        sa.select(t.event, t.free_text.c.words, t.free_text.c.redacted_at)
        .outerjoin(t.free_text, t.free_text.c.event_id == t.event.c.event_id)
        .where(t.event.c.case_id == case_id, scope.here(t.event.c.urn))
        .order_by(t.event.c.number)
    )
    return tuple(_entry(row) for row in connection.execute(statement))


def past_cases(connection: Connection, scope: Scope, urn: int) -> tuple[Case, ...]:
    """All cases of a school, the newest first."""
    c = t.case_.c
    statement = sa.select(c.state).where(c.urn == urn, scope.here(c.urn)).order_by(c.opened_at.desc(), c.case_id)
    return tuple(Case.model_validate(state) for state in connection.execute(statement).scalars())


def school_facts(connection: Connection, scope: Scope, urn: int) -> SchoolFacts:
    """One school in scope; raises NotThere."""
    row = connection.execute(_schools(scope).where(t.school.c.urn == urn)).first()
    if row is None:
        raise NotThere("there is no such school")
    return _facts(row)


def schools(connection: Connection, scope: Scope) -> tuple[SchoolFacts, ...]:
    """All in scope, by name."""
    return tuple(_facts(row) for row in connection.execute(_schools(scope).order_by(t.school.c.name, t.school.c.urn)))


def area_events(connection: Connection, scope: Scope, since: date) -> tuple[AreaEvent, ...]:
    """Area alerts of the scope's regions whose newest record is of `since` or later, the newest first."""
    a, s = t.alert_record.c, t.school.c
    regions = sa.select(s.region).where(scope.here(s.urn)).union(sa.select(s.hub).where(scope.here(s.urn)))
    statement = sa.select(t.alert_record).where(a.area.is_not(None), a.urn.is_(None), a.area.in_(regions), a.as_of >= since)
    newest: dict[UUID, Any] = {}
    for row in connection.execute(statement.order_by(a.epoch, a.close_number)):
        newest[row.alert_id] = row
    opened = sa.select(t.case_.c.state).where(scope.here(t.case_.c.urn), t.case_.c.kind == "attendance")
    days = [Case.model_validate(state).opened_as_of for state in connection.execute(opened).scalars()] if newest else []
    events = [AreaEvent(_then(row), row.area, sum(_within(row, day) for day in days)) for row in newest.values()]
    return tuple(sorted(events, key=lambda event: event.record.opened_on, reverse=True))


def _within(row: Any, day: date) -> bool:  # noqa: ANN401 (a row of `alert_record`)
    return bool(row.opened_on <= day <= row.as_of)


def _schools(scope: Scope) -> sa.Select[Any]:
    """Schools in scope with the membership under which they are seen (a school's own people: the newest)."""
    m, s = t.membership.c, t.school.c
    mine = (
        m.urn == s.urn,
        m.until_version.is_(None),
        m.consent_from <= scope.today,
        sa.or_(m.consent_to.is_(None), m.consent_to >= scope.today),
    )
    theirs = (*mine, m.hub == scope.of) if scope.acts else mine
    columns = (s.urn, s.name, s.phase, s.region, s.local_authority, s.roll, m.hub.label("member_of"), m.support)
    return sa.select(*columns).select_from(t.school).outerjoin(t.membership, sa.and_(*theirs)).where(scope.here(s.urn))


def _open_cases(scope: Scope, *, enhanced_only: bool) -> sa.Select[Any]:
    then = [column.label(f"then_{column.name}") for column in t.alert_record.columns]
    statement = (
        _schools(scope)
        .add_columns(t.case_.c.state, *then)
        .join(t.case_, t.case_.c.urn == t.school.c.urn)
        .outerjoin(t.alert_record, t.alert_record.c.record_id == t.case_.c.leading_record)
        .where(t.case_.c.status == "open")
        .order_by(t.case_.c.rank.desc().nulls_last(), t.case_.c.opened_at, t.case_.c.case_id)
    )
    return statement.where(t.membership.c.support == "enhanced") if enhanced_only else statement


def _last_words(connection: Connection, scope: Scope) -> dict[UUID, str]:
    """By case, the newest words that were written and not redacted."""
    e = t.event.c
    written = sa.select(e.case_id, sa.func.max(e.number).label("number")).join(t.free_text, t.free_text.c.event_id == e.event_id)
    open_ = sa.select(t.case_.c.case_id).where(t.case_.c.status == "open", scope.here(t.case_.c.urn))
    last = written.where(t.free_text.c.words.is_not(None), e.case_id.in_(open_)).group_by(e.case_id).subquery()
    statement = (
        sa.select(last.c.case_id, t.free_text.c.words)
        .join(t.event, t.event.c.number == last.c.number)
        .join(t.free_text, t.free_text.c.event_id == t.event.c.event_id)
    )
    return dict(connection.execute(statement).all())


def _line(case: Case, row: Any, words: dict[UUID, str], silences: Sequence[Silence], inhibited: set[int], today: date) -> InboxCase:  # noqa: ANN401 (a row of the query)
    return InboxCase(
        case=case,
        school=_facts(row),
        leading=None if row.then_record_id is None else _then(row, "then_"),
        last_words=words.get(case.case_id, ""),
        asleep=case.asleep(today),
        inhibited=case.kind is CaseKind.ATTENDANCE and case.urn in inhibited,
        silenced=silenced(case, silences),
    )


def _facts(row: Any) -> SchoolFacts:  # noqa: ANN401 (a row of the query)
    return SchoolFacts(
        row.urn, row.name, row.phase, row.region, row.local_authority, row.roll, row.member_of or "", row.support or "regional"
    )


def _then(row: Any, prefix: str = "") -> AlertThen:  # noqa: ANN401 (a row of `alert_record`)
    return AlertThen(**{name: getattr(row, prefix + name) for name in AlertThen.__slots__})


def _entry(row: Any) -> HistoryEntry:  # noqa: ANN401 (a row of `event` with its words)
    place = Place(epoch=row.epoch, close_number=row.close_number)
    event = Event(
        event_id=row.event_id, urn=row.urn, place=place, at=row.at, actor=row.actor, said=said_from_json(row.said), case_id=row.case_id
    )
    return HistoryEntry(event, tuple(row.effects), row.words or "", row.redacted_at is not None)
