"""A casebook for tests: schools, people and memberships of two hubs, alerts made by hand, closes in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from casebook.casework import Casework
from casebook.directory import Directory, Membership, Person
from casebook.feed import Arrival, Feed
from casebook.feed_records import PublishedAlert
from casebook.inbox import inbox, past_cases
from casebook.ledger import Ledger
from casebook.looks import Looks
from casebook.scope import Role, Scope
from schemas.alert import Alert, AlertKind, AlertState, alert_id, record_id
from schemas.calendar import Calendar, CalendarKind, CalendarRow, academic_year
from schemas.control import CloseCompleted, Decided, Requested
from schemas.school import Phase, School, Target, Urn
from streams.replay import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection

    from casebook.case_state import Case
    from casebook.close_application import AppliedClose
    from casebook.database import Database
    from casebook.inbox import CaseInbox
    from schemas.control import AnyControlRecord

__all__ = ["CANARY", "FIRST", "HUB_A", "HUB_B", "KEY", "Book", "alert", "day", "reference", "salts"]

HUB_A, HUB_B = tuple(range(100_001, 100_006)), tuple(range(200_001, 200_006))
"""The schools of two hubs."""
FIRST = date(2026, 9, 7)
CANARY = 0.931734
KEY = b"k" * 32
_CHARTS = {AlertKind.OFF_TRAJECTORY: "T", AlertKind.LEVEL_DROP: "C", AlertKind.YEAR_GROUP: "G:7"}


def day(n: int) -> date:
    """The n-th school day, from 1; a term without holidays."""
    return FIRST + timedelta(days=7 * ((n - 1) // 5) + (n - 1) % 5)


def reference(hubs: Sequence[Sequence[int]] = (HUB_A, HUB_B)) -> Reference:
    """Schools of hubs A, B, …, each an area of its own; one term from 7 September to 17 July; a canary for a target."""
    schools, targets = [], []
    for name, urns in zip("ABCDEFGH", hubs, strict=False):
        for urn in urns:
            hub = f"hub {name}"
            schools.append(
                School(urn=Urn(urn), name=f"School {urn}", phase=Phase.PRIMARY, region=hub, local_authority="LA", hub=hub, roll=300)
            )
            targets.append(Target(urn=Urn(urn), academic_year="2026/27", baseline_attendance=0.925, target_attendance=CANARY))
    term = CalendarRow("all", CalendarKind.TERM, FIRST, date(2027, 7, 17))
    return Reference(tuple(schools), tuple(targets), Calendar((term,)), "version 1")


def alert(
    urn: int,
    kind: AlertKind,
    state: AlertState,
    opened: int,
    as_of: int,
    *,
    rank: float | None = 12.0,
    pupils: float | None = 3.0,
    leading: str | None = "year_group:7",
    chart: str | None = None,
    reason: str = "",
) -> Alert:
    """An alert as the engine would publish it; days count from 1."""
    chart = chart or _CHARTS.get(kind)
    evidence: dict[str, Any] = {"pupils_a_day": pupils, "leading_cell": leading, "possible_sessions": 6_000, "absences": 400}
    return Alert(
        alert_id=alert_id(kind, chart, urn, academic_year(day(opened)), day(opened)),
        urn=urn,
        area=None,
        kind=kind,
        chart=chart,
        state=state,
        opened_on=day(opened),
        as_of=day(as_of),
        onset_about=day(max(1, opened - 5)),
        once_in_school_years=rank if chart else None,
        evidence=evidence,
        attribution={"year_group:7": 80.0, "year_group:8": 20.0},
        reason=reason or str(state),
    )


def salts() -> Callable[[], str]:
    """Another one at every call, the same ones in every test."""
    numbers = count()
    return lambda: f"salt {next(numbers)}"


@dataclass
class Book:
    """One casebook with its feed, two hubs' people and the verbs they have. `close` says what a close says."""

    database: Database
    applied: Callable[[Connection, AppliedClose], None] = lambda *_: None
    now: datetime = datetime(2026, 9, 7, 17, 30, tzinfo=UTC)
    chain: list[Requested] = field(default_factory=list)
    made: Reference = field(default_factory=reference)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.database, KEY)
        self.feed = Feed(self.database, self.ledger, lambda: self.now, self.applied)
        self.work = Casework(self.database, self.ledger, salts())
        self.looks = Looks(self.database, self.ledger)
        self.directory = Directory(self.database)
        self.feed.follow("log 1")
        self.feed.refer(self.made)
        self.directory.load(*self.people(), "test", self.now)
        self._position = 0

    @staticmethod
    def people() -> tuple[list[Person], list[Membership]]:
        """Two coordinators and a lead of hub A, a coordinator of hub B, a head, an analyst, ops."""
        said = [
            ("ann", Role.COORDINATOR, "hub A"),
            ("amy", Role.COORDINATOR, "hub A"),
            ("lea", Role.HUB_LEAD, "hub A"),
            ("bob", Role.COORDINATOR, "hub B"),
            ("head", Role.SCHOOL, str(HUB_A[0])),
            ("ana", Role.ANALYST, ""),
            ("ops", Role.OPS, ""),
        ]
        people = [Person(who, who.title(), f"{who}@example.org", role, scope, FIRST) for who, role, scope in said]
        hubs = (("hub A", HUB_A), ("hub B", HUB_B))
        return people, [Membership(u, hub, "enhanced" if u == HUB_A[0] else "regional", FIRST) for hub, urns in hubs for u in urns]

    def scope(self, who: str = "ann", today: date | None = None) -> Scope:
        """What somebody sees."""
        person = next(one for one in self.people()[0] if one.person == who)
        return Scope(who, person.role, person.scope, today or self.now.date())

    def at(self, n: int, hour: int = 17) -> datetime:
        """A moment of the n-th school day; it is the time from now on."""
        self.now = datetime.combine(day(n), time(hour, 30), tzinfo=UTC)
        return self.now

    def records(self, n: int, alerts: Sequence[Alert]) -> tuple[list[AnyControlRecord], list[PublishedAlert]]:
        """The control records and the published alerts of the close of the n-th day, which follows the newest."""
        number = len(self.chain) + 1
        request = Requested(
            previous=self.chain[-1].close_id if self.chain else None,
            number=number,
            day=day(n),
            positions={"register": 0, "acknowledgement": 0},
            reference_version=self.made.version,
            parameters_digest="p",
            engine_version="1",
        )
        self.chain.append(request)
        decided = Decided(close_id=request.close_id, digest="d", counts={"alerts": len(alerts), "readings": 0})
        done = CloseCompleted(close_id=request.close_id, state_digest="s", at=self.at(n))
        said = [PublishedAlert(record_id(one.alert_id, number, one.state), number, one.to_line()) for one in alerts]
        return [request, decided, done], said

    def numbered(self, records: Sequence[AnyControlRecord]) -> list[tuple[int, bytes]]:
        """With their positions in the control log."""
        out = []
        for record in records:
            self._position += 1
            out.append((self._position, record.to_line()))
        return out

    def close(self, n: int, *alerts: Alert) -> list[AppliedClose]:
        """The close of the n-th day, fed and applied."""
        control, said = self.records(n, alerts)
        self.feed.take(Arrival(control=self.numbered(control), alerts=said))
        return self.feed.apply()

    def inbox(self, who: str = "ann") -> CaseInbox:
        """What somebody finds."""
        with self.database.read() as connection:
            return inbox(connection, self.scope(who), self.now)

    def case(self, urn: int, who: str = "ann") -> Case:
        """The newest case of a school."""
        with self.database.read() as connection:
            return past_cases(connection, self.scope(who), urn)[0]

    def cases(self, urn: int, who: str = "ann") -> tuple[Case, ...]:
        """All of them, the newest first."""
        with self.database.read() as connection:
            return past_cases(connection, self.scope(who), urn)
