"""Pages that belong to nobody's work: the first page of each role, the footer's pages, the state of the service for operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casebook.pages_state import state_of_service
from casebook.scope import Role
from console.people_words import moment_words
from console.visit import SeeOther, Shown
from streams.demo_words import full_date

if TYPE_CHECKING:
    from collections.abc import Callable

    from console.visit import Answered, Visit

__all__ = ["footer_page", "show_cookies", "show_first", "show_help", "show_state"]

_FIRST = {
    Role.COORDINATOR: "/inbox",
    Role.HUB_LEAD: "/inbox",
    Role.SCHOOL: "/school",
    Role.ANALYST: "/analysis",
    Role.OPS: "/state",
}
_WORDS = (
    ("Case", "what there is to look at about one school; its alerts are gathered in it"),
    ("Once in so many school-years", "how often a school that is on track would give a signal this strong by chance"),
    (
        "Snooze",
        "out of sight until a date, or until it worsens: its rank doubles, it grows by half and a pupil a day, or another alert opens",
    ),
    ("Knew already", "true, and nothing new to you; it is counted, and means that we should have been quieter"),
    ("Withdrawn", "a correction of registers took the cause away; the history stays"),
    ("Area", "the schools of a region; what happens to all of them is one line, and is taken out of every school's figures"),
)


def show_first(visit: Visit) -> Answered:
    """Where a role begins."""
    return SeeOther(_FIRST[visit.person.role])


def footer_page(template: str) -> Callable[[Visit], Answered]:
    """A page without any value of its own."""

    def show(_: Visit) -> Answered:
        return Shown(template, {})

    return show


def show_help(_: Visit) -> Answered:
    """Who helps, and what the words mean."""
    return Shown("help.html", {"words_explained": _WORDS})


def show_cookies(visit: Visit) -> Answered:
    """Each cookie by name."""
    name = visit.desk.cookie
    cookies = (
        (
            name,
            "that you are signed in; a random word, of which we keep a fingerprint",
            "when you sign out, or after 30 minutes without a click",
        ),
        (f"{name}-going", "the way to the issuer of identities and back", "after ten minutes"),
    )
    return Shown("cookies.html", {"cookies": cookies})


def show_state(visit: Visit) -> Answered:
    """For operators: whether the casebook follows. No school, no case, no figure."""
    with visit.desk.database.read() as db:
        state = state_of_service(db)
    rows = (
        ("Newest closed school day", "none yet" if state.newest_day is None else full_date(state.newest_day)),
        ("It became cases", "–" if state.applied_at is None else moment_words(state.applied_at)),
        ("Closes that wait to become cases", str(state.closes_waiting)),
        ("Messages that wait to leave", str(state.messages_waiting)),
        ("Messages that could not leave", str(state.messages_failed)),
        ("People signed in", str(state.signed_in)),
    )
    return Shown("state.html", {"rows": rows})
