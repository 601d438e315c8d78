"""The school page; the path to the target on request, for a purpose, with its row in the ledger first; the list of schools."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from casebook.directory import names_of
from casebook.figures_read import readings_of, registers_of
from casebook.inbox import past_cases, school_facts, schools
from casebook.looks import Purpose
from console import school_views as views
from console.case_views import school_facts as facts_words
from console.forms import Field, Wrong, a_choice
from console.people_words import OUTCOMES, PURPOSES, ROLES, looked_words, moment_words, who
from console.series import path_series, series
from console.views import Entry
from console.visit import SeeOther, Shown
from schemas.calendar import academic_year, academic_year_starts
from streams.demo_words import full_date

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from casebook.case_state import Case
    from casebook.looks import LedgerRow
    from console.figures import Figure
    from console.visit import Answered, Visit

__all__ = ["own_school", "show_path", "show_school", "show_schools"]

_DAY = timedelta(days=1)
_PURPOSE = Field("purpose", "Why do you look at it?", "choice", tuple((str(p), words.capitalize()) for p, words in PURPOSES.items()))
_SEARCH_MOST = 100


def own_school(visit: Visit) -> Answered:
    """A school's people begin on their school's page."""
    return SeeOther(f"/schools/{visit.person.scope}")


def show_schools(visit: Visit) -> Answered:
    """The hub's schools by name: never by any figure."""
    asked = visit.query.get("q", "").strip()[:_SEARCH_MOST]
    with visit.desk.database.read() as db:
        held = schools(db, visit.scope)
    shown = [s for s in held if not asked or asked.casefold() in s.name.casefold() or asked == str(s.urn)]
    lines = [(f"/schools/{s.urn}", s.name, facts_words(s), s.support == "enhanced") for s in shown]
    return Shown("schools.html", {"schools": lines, "asked": asked, "total": len(held)})


def show_school(visit: Visit) -> Answered:
    """GET: everything but the path."""
    return _page(visit, visit.urn())


def show_path(visit: Visit) -> Answered:
    """POST: with a purpose from the list; the ledger's row is written first, and without it there is no path."""
    urn = visit.urn()
    try:
        purpose = Purpose(a_choice(visit.form, "purpose", [str(p) for p in Purpose], "why you look at it"))
    except Wrong as wrong:
        return _page(visit, urn, wrong=wrong)
    first, last = _this_year(visit.today)
    days = visit.desk.looks.see_path(visit.scope, urn, purpose, first, last, visit.now)
    here = path_series(days)
    known = [d.p_target for d in days if d.p_target is not None]
    chance = f"{100 * known[-1]:.0f} %" if known else ""
    return _page(visit, urn, path=views.path_figure(days, here), chance=chance, asked=True)


def _page(
    visit: Visit, urn: int, *, path: Figure | None = None, chance: str = "", asked: bool = False, wrong: Wrong | None = None
) -> Shown:
    targets = visit.desk.looks.open_school(visit.scope, urn, visit.now)
    first, last = _this_year(visit.today)
    before = first.replace(year=first.year - 1)
    exact = not visit.scope.acts
    with visit.desk.database.read() as db:
        school = school_facts(db, visit.scope, urn)
        readings = readings_of(db, visit.scope, urn, before, last)
        registers = registers_of(db, visit.scope, urn, first, last)
        read_before = [r for r in readings if r.attendance_date < first]
        registered_before = () if read_before else registers_of(db, visit.scope, urn, before, first - _DAY)
        past = past_cases(db, visit.scope, urn)
    ledger = visit.desk.looks.ledger(visit.scope, urn, 100)
    with visit.desk.database.read() as db:
        names = names_of(db, {row.actor for row in ledger})
    this_year = [r for r in readings if r.attendance_date >= first]
    given = {
        "school": school,
        "address": f"/schools/{urn}",
        "facts": facts_words(school),
        "back": "/schools" if visit.scope.acts else "",
        "years": views.years_figure(series(this_year), series(read_before), registered_before),
        "heat": views.heat_figure(registers, exact=exact),
        "received": views.received(this_year, registers),
        "counts": views.recent_counts(registers, exact=exact),
        "card": views.target_card(targets[0], school.roll) if targets else None,
        "path": path,
        "chance": chance,
        "asked": asked,
        "purpose": _PURPOSE,
        "purpose_error": "" if wrong is None else wrong.words,
        "cases": [_case_line(case) for case in past],
        "ledger": _ledger(ledger, names),
    }
    return Shown("school.html", given, 200 if wrong is None else 422)


def _this_year(today: date) -> tuple[date, date]:
    return academic_year_starts(academic_year(today)), today


def _case_line(case: Case) -> tuple[str, str]:
    ended = ""
    if case.ending is not None:
        ended = "withdrawn" if case.status == "withdrawn" else "recovered" if case.ending.outcome is None else OUTCOMES[case.ending.outcome]
    said = f"{'Registers' if case.kind == 'data' else 'Attendance'}, opened {full_date(case.opened_as_of)}"
    return f"/cases/{case.case_id}", f"{said}, {ended or 'open'}"


def _ledger(rows: Sequence[LedgerRow], names: Mapping[str, str]) -> tuple[Entry, ...]:
    roles = {str(role): words for role, words in ROLES.items()}
    return tuple(
        Entry(moment_words(row.at), row.at.isoformat(), f"{who(row.actor, names)} ({roles.get(row.role, row.role)})", looked_words(row))
        for row in rows
    )
