"""Who may see which school: the one place. Every query about schools or cases takes a Scope and joins `Scope.urns`.

A coordinator and a hub lead see the schools of their hub that consent today; a school's own people see their school; an analyst and
ops see no school at all (an analyst gets aggregates, `casebook.aggregates`). A school outside the scope is not there: the answer
is the one for a URN that nobody has. The engine's own work uses `EVERYTHING`, which no person can be given.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import sqlalchemy as sa

from casebook import tables as t
from schemas.errors import HeadwayError

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy.engine import Connection

__all__ = ["EVERYTHING", "NotThere", "Role", "Scope", "consenting"]


class Role(StrEnum):
    """What a person is here. scope of a coordinator and a hub lead: the hub; of a school: its URN; of the others: empty."""

    COORDINATOR = "coordinator"
    HUB_LEAD = "hub_lead"
    SCHOOL = "school"
    ANALYST = "analyst"
    OPS = "ops"


class NotThere(HeadwayError):
    """There is no such school or case, or it is not this person's: it cannot be told which."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What one person sees on one day, in one role. `of`: the hub, or the school's URN."""

    person: str
    role: Role
    of: str
    today: date

    @property
    def acts(self) -> bool:
        """Whether this person may do something to a case."""
        return self.role in {Role.COORDINATOR, Role.HUB_LEAD}

    @property
    def sees_class_t(self) -> bool:
        """Whether targets, and what gives them away, may be shown to this person (casework.md section 3)."""
        return self.role in {Role.COORDINATOR, Role.HUB_LEAD, Role.SCHOOL}

    def urns(self) -> sa.Select[tuple[int]]:
        """The URNs in scope, as a subquery of one column."""
        if self.role is Role.SCHOOL:
            own = int(self.of) if self.of.isascii() and self.of.isdecimal() else -1
            return sa.select(t.school.c.urn).where(t.school.c.urn == own)
        hub = self.of if self.acts else None
        return consenting(self.today).where(t.membership.c.hub == hub) if hub is not None else sa.select(t.school.c.urn).where(sa.false())

    def here(self, column: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
        """That a row's URN is in scope."""
        return column.in_(self.urns())

    def check(self, connection: Connection, urn: int) -> None:
        """Raises NotThere unless the school is in scope."""
        if connection.execute(self.urns().where(self._column() == urn)).first() is None:
            raise NotThere("there is no such school")

    def _column(self) -> sa.Column[int]:
        return t.membership.c.urn if self.acts else t.school.c.urn


class _Everything(Scope):
    """The engine's own scope."""

    __slots__ = ()

    def urns(self) -> sa.Select[tuple[int]]:
        """All there are."""
        return sa.select(t.school.c.urn)


def consenting(today: date) -> sa.Select[tuple[int]]:
    """URNs of the schools that consent to some hub on a day."""
    m = t.membership.c
    return sa.select(m.urn).where(m.until_version.is_(None), m.consent_from <= today, sa.or_(m.consent_to.is_(None), m.consent_to >= today))


def EVERYTHING(today: date) -> Scope:  # noqa: N802 (as a constant, but for its day)
    """The scope of the engine's own work: feeds, digests, exports. Never a person's."""
    return _Everything("", Role.OPS, "", today)
