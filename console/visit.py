"""What a page is given, and what it gives back: values, so that a page can be tried without a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from casebook.scope import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime

    from casebook.directory import Person
    from casebook.scope import Scope
    from console.desk import Desk

__all__ = ["ANYONE", "EVERY_ROLE", "HUB", "Answered", "Download", "NotHere", "Page", "SeeOther", "Shown", "Visit"]

ANYONE: frozenset[Role] = frozenset()
"""Who may open a page without signing in: everybody."""
EVERY_ROLE = frozenset(Role)
HUB = frozenset({Role.COORDINATOR, Role.HUB_LEAD})


class NotHere(Exception):
    """There is no such thing, or it is not this person's: the answer is the same."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to a page that the person may open. scope: what they may see, which every query takes; kept: what they had typed
    when their sign-in ended."""

    desk: Desk
    person: Person
    scope: Scope
    now: datetime
    today: date
    path: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    kept: Mapping[str, str] = field(default_factory=dict)

    def case_id(self) -> UUID:
        """The case in the path; raises NotHere for what is no id."""
        try:
            case = UUID(self.path["case"])
        except ValueError:
            raise NotHere from None
        if str(case) != self.path["case"]:
            raise NotHere  # One page, one address.
        return case

    def urn(self) -> int:
        """The school in the path; raises NotHere for what is no URN."""
        said = self.path["urn"]
        if not said.isascii() or not said.isdecimal() or len(said) > 9:
            raise NotHere
        return int(said)


@dataclass(frozen=True, slots=True)
class Shown:
    """A page by the name of its template; `given` holds plain values, drawn by then."""

    template: str
    given: Mapping[str, object]
    status: int = 200


@dataclass(frozen=True, slots=True)
class SeeOther:
    """After something was done: to a page of ours, by GET."""

    address: str


@dataclass(frozen=True, slots=True)
class Download:
    """A file of rows; `console.csv_files` makes it safe for spreadsheets."""

    name: str
    rows: Sequence[Sequence[object]]


Answered = Shown | SeeOther | Download


@dataclass(frozen=True, slots=True)
class Page:
    """One row of the route table. who: roles that may open it (ANYONE: everybody); menu: its words there; form_at: for POST, the
    address of the page that holds the form, with the path's parameters, where typed text goes back to."""

    name: str
    path: str
    show: Callable[[Visit], Answered]
    who: frozenset[Role]
    method: str = "GET"
    menu: str = ""
    part_of: str = ""
    form_at: str = ""

    def form_page(self, parameters: Mapping[str, object]) -> str:
        """Where the form stands that is sent here."""
        return self.form_at.format(**parameters) if self.form_at else self.path.format(**parameters)
