"""People and memberships: who works for which hub, which school consents to which, from when to when; in versions.

Every change is a version, kept with every send. A row stands from the version that brought it to the one that took it away, so
that what was known at any send can be told. Names and addresses are here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from casebook import tables as t
from casebook.case_state import NotPossible
from casebook.scope import Role, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime

    from sqlalchemy.engine import Connection

    from casebook.database import Database

__all__ = [
    "SUPPORT",
    "Deputy",
    "Directory",
    "Membership",
    "Person",
    "deputies_of",
    "memberships_now",
    "names_of",
    "people_now",
    "people_of",
    "roles_of",
    "scope_of",
    "version_now",
]

SUPPORT = ("regional", "enhanced")


@dataclass(frozen=True, slots=True)
class Person:
    """One role of one person; `person` is opaque and stays when the name goes. Valid on both dates; None: until further notice."""

    person: str
    name: str
    email: str
    role: Role
    scope: str
    valid_from: date
    valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """A school's consent to a hub; both dates belong to it."""

    urn: int
    hub: str
    support: str
    consent_from: date
    consent_to: date | None = None


@dataclass(frozen=True, slots=True)
class Deputy:
    """Who is sent the digests in whose place; both dates belong to it."""

    hub: str
    person: str
    deputy: str
    first_date: date
    last_date: date


_Changes = tuple[sa.Table, Sequence[Any], Sequence[dict[str, Any]]]
"""Of a table, the rows that go and the rows that come."""


class Directory:
    """Changes of people and memberships."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, people: Sequence[Person] | None, memberships: Sequence[Membership] | None, actor: str, now: datetime) -> int:
        """Whole lists in place of the former (None: as it was); the version. The same lists again are no new version."""
        with self._database.write() as connection:
            changes = []
            for table, rows in ((t.person, people), (t.membership, memberships)):
                if rows is not None:
                    wanted = [_row(one) for one in rows]
                    same = {_key(row) for row in wanted}
                    changes.append((table, [row for row in _standing(connection, table) if _key(_plain(row)) not in same], wanted))
            return self._change(connection, changes, actor, "import", now)

    def grant(self, person: Person, actor: str, now: datetime) -> int:
        """One more role; the version."""
        with self._database.write() as connection:
            return self._change(connection, [(t.person, [], [_row(person)])], actor, f"grant {person.role}", now)

    def revoke(self, person: str, actor: str, now: datetime, role: Role | None = None, scope: str | None = None) -> int:
        """All roles of a person, or one; whoever is signed in with it is signed out at once. Raises NotPossible where there is none."""
        with self._database.write() as connection:
            standing = _standing(connection, t.person)
            gone = [r for r in standing if r.person == person and role in {None, r.role} and scope in {None, r.scope}]
            if not gone:
                raise NotPossible(f"{person} has no such role")
            return self._change(connection, [(t.person, gone, [])], actor, f"revoke {role or 'all'}", now)

    def withdraw_consent(self, urn: int, hub: str, last_day: date, actor: str, now: datetime) -> int:
        """The school is the hub's up to and with this day. Raises NotPossible where it is not the hub's."""
        with self._database.write() as connection:
            gone = [r for r in _standing(connection, t.membership) if (r.urn, r.hub) == (urn, hub)]
            if not gone:
                raise NotPossible(f"{urn} is no member of {hub}")
            rows = [_plain(row) | {"consent_to": last_day} for row in gone]
            return self._change(connection, [(t.membership, gone, rows)], actor, "consent", now)

    def name_deputy(self, deputy: Deputy, now: datetime) -> None:
        """From then to then; both must work for the hub on the first day."""
        if deputy.last_date < deputy.first_date:
            raise NotPossible("the last day lies before the first")
        with self._database.write() as connection:
            there = {person.person for person in people_of(connection, deputy.hub, deputy.first_date)}
            if not {deputy.person, deputy.deputy} <= there or deputy.person == deputy.deputy:
                raise NotPossible("choose somebody else of your hub")
            row = {name: getattr(deputy, name) for name in Deputy.__slots__}
            connection.execute(sa.insert(t.deputy).values(**row, named_at=now))

    def end_deputy(self, hub: str, person: str, now: datetime) -> None:
        """Whoever stands in for this person does so no longer."""
        d = t.deputy.c
        with self._database.write() as connection:
            connection.execute(sa.update(t.deputy).where(d.hub == hub, d.person == person, d.ended_at.is_(None)).values(ended_at=now))

    def _change(self, connection: Connection, changes: Sequence[_Changes], actor: str, what: str, now: datetime) -> int:
        version = version_now(connection)
        todo = []
        for table, gone, rows in changes:
            away = {row.id for row in gone}
            kept = {_key(_plain(row)) for row in _standing(connection, table) if row.id not in away}
            fresh = {_key(row): row for row in rows if _key(row) not in kept}
            if away or fresh:
                todo.append((table, sorted(away), list(fresh.values())))
        if not todo:
            return version
        version += 1
        connection.execute(sa.insert(t.directory_version).values(version=version, at=now, actor=actor, what=what))
        for table, gone_ids, new in todo:
            for i in range(0, len(gone_ids), 5_000):
                block = table.c.id.in_(gone_ids[i : i + 5_000])
                connection.execute(sa.update(table).where(block).values(until_version=version))
            self._database.insert_new(connection, table, [row | {"from_version": version} for row in new])
        _sign_out_the_roleless(connection)
        return version


def version_now(connection: Connection) -> int:
    """The directory's newest version; 0 before the first."""
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(t.directory_version.c.version), 0))).scalar_one())


def people_of(connection: Connection, hub: str, today: date) -> tuple[Person, ...]:
    """Who works for a hub on a day, by name."""
    p = t.person.c
    roles = p.role.in_([str(Role.COORDINATOR), str(Role.HUB_LEAD)])
    return tuple(_people(connection, (p.scope == hub, roles), today))


def roles_of(connection: Connection, today: date, *, person: str | None = None, email: str | None = None) -> tuple[Person, ...]:
    """The roles that a person has on a day, by their opaque id or their e-mail address (in whatever case it is written)."""
    p = t.person.c
    where = (p.person == person,) if person is not None else (sa.func.lower(p.email) == (email or "").strip().lower(), p.email != "")
    return tuple(_people(connection, where, today))


def names_of(connection: Connection, persons: Iterable[str]) -> dict[str, str]:
    """Names by opaque id, of those whom the directory still names."""
    p = t.person.c
    statement = sa.select(p.person, p.name).where(p.person.in_(sorted(set(persons)))).order_by(p.id)
    return dict(connection.execute(statement).all())


def deputies_of(connection: Connection, hub: str, today: date) -> dict[str, str]:
    """Who stands in for whom on a day: person -> deputy, the last named counts."""
    d = t.deputy.c
    there = (d.hub == hub, d.first_date <= today, d.last_date >= today, d.ended_at.is_(None))
    return dict(connection.execute(sa.select(d.person, d.deputy).where(*there).order_by(d.id)).all())


def memberships_now(connection: Connection, hub: str | None = None) -> tuple[Membership, ...]:
    """All that stand, of one hub or of all, whatever their dates."""
    rows = [row for row in _standing(connection, t.membership) if hub in {None, row.hub}]
    return tuple(Membership(row.urn, row.hub, row.support, row.consent_from, row.consent_to) for row in rows)


def people_now(connection: Connection) -> tuple[Person, ...]:
    """All that stand, whatever their dates."""
    return tuple(_person(row) for row in _standing(connection, t.person))


def scope_of(person: Person, today: date) -> Scope:
    """What a role lets its person see."""
    return Scope(person.person, person.role, person.scope, today)


def _people(connection: Connection, where: Sequence[sa.ColumnElement[bool]], today: date) -> list[Person]:
    p = t.person.c
    stands = (p.until_version.is_(None), p.valid_from <= today, sa.or_(p.valid_to.is_(None), p.valid_to >= today))
    rows = connection.execute(sa.select(t.person).where(*where, *stands).order_by(p.name, p.person, p.role)).all()
    return [_person(row) for row in rows]


def _person(row: Any) -> Person:  # noqa: ANN401 (a row of `person`)
    return Person(row.person, row.name, row.email, Role(row.role), row.scope, row.valid_from, row.valid_to)


def _standing(connection: Connection, table: sa.Table) -> list[Any]:
    return list(connection.execute(sa.select(table).where(table.c.until_version.is_(None)).order_by(table.c.id)).all())


def _row(one: Person | Membership) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__slots__} | ({"role": str(one.role)} if isinstance(one, Person) else {})


def _plain(row: Any) -> dict[str, Any]:  # noqa: ANN401 (a row of `person` or `membership`)
    return {name: value for name, value in row._mapping.items() if name not in {"id", "from_version", "until_version"}}  # noqa: SLF001 (documented)


def _key(row: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(row.items()))


def _sign_out_the_roleless(connection: Connection) -> None:
    """Nobody stays signed in with a role that they have no longer."""
    p, s = t.person.c, t.sign_in.c
    has = sa.select(p.id).where(p.person == s.person, p.role == s.role, p.scope == s.scope, p.until_version.is_(None))
    connection.execute(sa.delete(t.sign_in).where(~has.exists()))
