"""The hub leads' page: who works for the hub, from when to when; granting, revoking, deputies. Each change is a version."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from casebook.case_state import NotPossible
from casebook.directory import Deputy, Person, deputies_of, memberships_now, people_now
from casebook.scope import Role
from console.forms import Wrong, a_choice, a_day, a_line
from console.people_words import ROLES
from console.visit import HUB, NotHere, SeeOther, Shown
from streams.demo_words import full_date

if TYPE_CHECKING:
    from console.visit import Answered, Visit

__all__ = ["act_on_people", "show_people", "show_roles"]

_EMAIL_MOST = 254
_YEARS = timedelta(days=3 * 366)
_NOTICES = {
    "grant": "The role is given.",
    "revoke": "The role is taken away, and its sign-ins have ended.",
    "deputy": "The deputy is named.",
}


def show_people(visit: Visit) -> Answered:
    """GET."""
    return _page(visit, notice=_NOTICES.get(visit.query.get("done", ""), ""))


def act_on_people(visit: Visit) -> Answered:
    """POST of `grant`, `revoke` or `deputy`."""
    verb = visit.path["verb"]
    try:
        match verb:
            case "grant":
                _grant(visit)
            case "revoke":
                _revoke(visit)
            case "deputy":
                _deputy(visit)
            case _:
                raise NotHere
    except Wrong as wrong:
        return _page(visit, wrong=wrong, verb=verb)
    except NotPossible as error:
        return _page(visit, wrong=Wrong("person", str(error).capitalize()), verb=verb)
    return SeeOther(f"/people?done={verb}")


def show_roles(visit: Visit) -> Answered:
    """The signed-in person's own roles."""
    with visit.desk.database.read() as db:
        mine = [p for p in people_now(db) if p.person == visit.person.person and _valid(p, visit)]
    lines = [(f"{p.role}|{p.scope}", f"{ROLES[p.role]}{f' of {p.scope}' if p.scope else ''}", _same(p, visit.person)) for p in mine]
    return Shown("roles.html", {"roles": lines})


def _valid(person: Person, visit: Visit) -> bool:
    return person.valid_from <= visit.today and (person.valid_to is None or person.valid_to >= visit.today)


def _same(one: Person, other: Person) -> bool:
    return (one.role, one.scope) == (other.role, other.scope)


def _grant(visit: Visit) -> None:
    form = visit.form
    name = a_line(form, "name", "a name")
    email = a_line(form, "email", "an e-mail address", _EMAIL_MOST)
    if "@" not in email or any(c.isspace() for c in email):
        raise Wrong("email", "Write an e-mail address, such as name@school.example")
    role = Role(a_choice(form, "role", [str(r) for r in HUB], "a role"))
    last = a_day(form, "valid_to", visit.today, visit.today + _YEARS) if form.get("valid_to", "").strip() else None
    with visit.desk.database.read() as db:
        known = next((p for p in people_now(db) if p.email.casefold() == email.casefold()), None)
    # Whoever is known keeps their name: it stands in the histories of other hubs too.
    who, called = (visit.desk.word(), name) if known is None else (known.person, known.name)
    person = Person(who, called, email, role, visit.person.scope, visit.today, last)
    visit.desk.directory.grant(person, visit.person.person, visit.now)


def _revoke(visit: Visit) -> None:
    who, _, role = visit.form.get("person", "").rpartition("|")
    if who == visit.person.person:
        raise Wrong("person", "Somebody else has to take your own role away")
    if role not in {str(r) for r in HUB}:
        raise Wrong("person", "Choose whose role is taken away")
    visit.desk.directory.revoke(who, visit.person.person, visit.now, Role(role), visit.person.scope)


def _deputy(visit: Visit) -> None:
    form = visit.form
    first = a_day(form, "first", visit.today, visit.today + _YEARS)
    last = a_day(form, "last", first, first + _YEARS)
    visit.desk.directory.name_deputy(Deputy(visit.person.scope, form.get("person", ""), form.get("deputy", ""), first, last), visit.now)


def _page(visit: Visit, *, notice: str = "", wrong: Wrong | None = None, verb: str = "") -> Shown:
    hub = visit.person.scope
    with visit.desk.database.read() as db:
        here = [p for p in people_now(db) if p.scope == hub and p.role in HUB]
        stand_in = deputies_of(db, hub, visit.today)
        members = memberships_now(db, hub)
    names = {p.person: p.name for p in here}
    lines = [
        (
            p.name,
            p.email,
            ROLES[p.role],
            full_date(p.valid_from) + (f" to {full_date(p.valid_to)}" if p.valid_to else ""),
            names.get(stand_in.get(p.person, ""), ""),
            f"{p.person}|{p.role}" if p.person != visit.person.person else "",
        )
        for p in here
    ]
    consents = [m for m in members if m.consent_from <= visit.today and (m.consent_to is None or m.consent_to >= visit.today)]
    given = {
        "hub": hub,
        "people": lines,
        "choices": sorted(names.items(), key=lambda pair: pair[1]),
        "consenting": len(consents),
        "enhanced": sum(m.support == "enhanced" for m in consents),
        "notice": notice,
        "wrong": None if wrong is None else (verb, wrong.field, wrong.words),
        "typed": visit.form if wrong is not None else {},
        "roles": [(str(role), ROLES[role]) for role in (Role.COORDINATOR, Role.HUB_LEAD)],
    }
    return Shown("people.html", given, 200 if wrong is None else 422)
