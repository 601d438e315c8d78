"""The demo's people, and what they did in the months before the morning on which the console stands. Everybody is made up."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from casebook import events as e
from casebook import tables as t
from casebook.case_state import Case, CaseKind, HumanReason
from casebook.directory import Directory, Membership, Person
from casebook.scope import Role, Scope
from schemas.acknowledgement import Acknowledgement, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from casebook.casework import Casework
    from casebook.database import Database
    from streams.acknowledgements import Acknowledgements
    from streams.demo import Demo

__all__ = ["COLLEAGUE", "COORDINATOR", "Colleague", "directory"]

COORDINATOR, COLLEAGUE = "demo-coordinator", "demo-colleague"
_ZONE = ZoneInfo("Europe/London")
_EVERY = 10
_DATA_AFTER, _JUDGED_AFTER, _TAKEN_AFTER = timedelta(days=2), timedelta(days=9), timedelta(days=4)
_SAID = (
    (HumanReason.ILLNESS_WAVE, "Rang the attendance lead. A stomach bug went through two year groups; they expect it to pass."),
    (HumanReason.TRANSPORT, "The bus company changed the route after half-term. The school is talking to the authority."),
    (HumanReason.SCHOOL_EVENT, "New attendance officer since January; first-day calls had stopped. They begin again on Monday."),
    (HumanReason.NOT_KNOWN, "The head has no explanation yet and will look at Fridays."),
)


def directory(database: Database, demo: Demo, now: datetime) -> None:
    """Who works here, and every school's consent; every tenth school has enhanced support, six in all."""
    hub = demo.reference.schools[0].hub
    urns = [int(school.urn) for school in demo.reference.schools]
    since = demo.hub.planted.days[0]
    people = [
        Person(COORDINATOR, "Ada Okafor", "ada.okafor@hub.example", Role.COORDINATOR, hub, since),
        Person(COLLEAGUE, "Ben Hughes", "ben.hughes@hub.example", Role.COORDINATOR, hub, since),
        Person("demo-lead", "Grace Mbeki", "grace.mbeki@hub.example", Role.HUB_LEAD, hub, since),
        Person("demo-school", "Sam Price", "office@school.example", Role.SCHOOL, str(urns[0]), since),
        Person("demo-analyst", "Ines Duarte", "ines.duarte@analysis.example", Role.ANALYST, "", since),
        Person("demo-ops", "Tom Reid", "tom.reid@operations.example", Role.OPS, "", since),
    ]
    members = [Membership(urn, hub, "enhanced" if i % _EVERY == 0 else "regional", since) for i, urn in enumerate(urns)]
    Directory(database).load(people, members, "demo", now)


class Colleague:
    """Works through the cases in the months before, by simple rules and never by what was planted: rings, notes, judges."""

    def __init__(self, database: Database, work: Casework, hub: str, said: Acknowledgements) -> None:
        """said: where the closes that come hear what was said."""
        self._database, self._work, self._hub, self._said, self._told = database, work, hub, said, 0

    def morning(self, day: date) -> None:
        """What is done on the morning after a close."""
        now = datetime.combine(day + timedelta(days=1), time(8, 40), _ZONE).astimezone(UTC)
        scope = Scope(COLLEAGUE, Role.COORDINATOR, self._hub, now.astimezone(_ZONE).date())
        for case in self._open():
            age = scope.today - case.opened_as_of
            if case.kind is CaseKind.DATA:
                if age >= _DATA_AFTER:
                    self._close(scope, case, now, day, Verdict.HANDLED, "Rang the office: the registers are being sent.")
            elif case.holder is None and age >= _TAKEN_AFTER:
                reason, words = _SAID[len(self._told_cases()) % len(_SAID)]
                taken = self._work.take(scope, case.case_id, case.version, now)
                self._work.reason(scope, taken.case_id, taken.version, now, e.Reason(reason=reason), words)
            elif case.holder == COLLEAGUE and age >= _JUDGED_AFTER and not case.open_lines:
                self._close(scope, case, now, day, Verdict.HANDLED, "Back where it was. Thank the attendance officer.")
        self._hear()

    def _open(self) -> Sequence[Case]:
        c = t.case_.c
        with self._database.read() as db:
            states = db.execute(sa.select(c.state).where(c.status == "open").order_by(c.opened_at, c.case_id)).scalars().all()
        return [Case.model_validate(state) for state in states]

    def _told_cases(self) -> Sequence[object]:
        with self._database.read() as db:
            return db.execute(sa.select(t.event.c.event_id).where(t.event.c.kind == "take")).scalars().all()

    def _close(self, scope: Scope, case: Case, now: datetime, seen: date, outcome: Verdict, words: str) -> None:
        self._work.close(scope, case.case_id, case.version, now, outcome, seen, words)

    def _hear(self) -> None:
        """What closing said, for the engine's next close."""
        o = t.outbox.c
        with self._database.read() as db:
            bodies = db.execute(sa.select(o.number, o.body).where(o.class_ == "acknowledgement", o.number > self._told).order_by(o.number))
            for number, body in bodies:
                self._said.held.append(Acknowledgement.model_validate_json(body["line"]))
                self._told = number
