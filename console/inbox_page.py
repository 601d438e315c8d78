"""The inbox: what is new, the strongest first; area events folded into one line each; what the hub has agreed to bear."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from casebook.directory import names_of
from casebook.inbox import area_events, inbox
from casebook.pages_budget import hub_figures, term_of
from console import case_views as views
from console.views import AreaLine, Budget, InboxView, Tag
from console.visit import SeeOther, Shown
from schemas.acknowledgement import Verdict
from schemas.alert import AlertState
from streams.demo_words import full_date

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from casebook.inbox import AreaEvent, InboxCase
    from casebook.pages_budget import HubFigures, Term
    from console.views import CaseLine
    from console.visit import Answered, Visit

__all__ = ["area_line", "show_inbox"]

OPEN_MOST = 10
"""Open cases that a coordinator can look after (product.md 2.3)."""
_AREA_DAYS = timedelta(days=28)
_VIEWS = (("", "All that wait"), ("mine", "With me"), ("enhanced", "Enhanced support only"), ("asleep", "Snoozed"))


def show_inbox(visit: Visit) -> Answered:
    """GET; `show` narrows it."""
    asked = visit.query.get("show", "")
    if asked not in dict(_VIEWS):
        return SeeOther("/inbox")
    with visit.desk.database.read() as db:
        held = inbox(db, visit.scope, visit.now, enhanced_only=asked == "enhanced")
        day = held.as_of or visit.today
        term = term_of(db, day)
        figures = hub_figures(db, visit.scope, term)
        areas = area_events(db, visit.scope, day - _AREA_DAYS)
        names = names_of(db, {line.case.holder for line in (*held.cases, *held.data_cases) if line.case.holder is not None})
    me = visit.person.person
    shown = [line for line in held.cases if _wanted(line, asked, me)]
    data = [line for line in held.data_cases if _wanted(line, asked, me)]
    view = InboxView(
        hub=visit.person.scope,
        as_of="No school day has been closed yet." if held.as_of is None else f"The newest closed school day is {full_date(day)}.",
        budget=_budget(figures, term),
        cases=tuple(_line(line, me, names, visit.today, held.as_of) for line in shown),
        areas=tuple(area_line(event) for event in areas),
        data_cases=tuple(_line(line, me, names, visit.today, held.as_of) for line in data),
        filters=tuple((words, f"/inbox?show={name}" if name else "/inbox", name == asked) for name, words in _VIEWS),
        waiting=_waiting(held.cases, held.as_of, me),
    )
    return Shown("inbox.html", {"inbox": view})


def area_line(event: AreaEvent) -> AreaLine:
    """One area alert in one line."""
    record = event.record
    over = record.state in {AlertState.CLOSED, AlertState.WITHDRAWN}
    until = f" to {full_date(record.as_of)}" if over else ", and it goes on"
    cases = "No case of this hub opened" if not event.cases else f"{event.cases} case{'s' * (event.cases > 1)} of this hub opened"
    tag = Tag("Withdrawn", "orange") if record.state == AlertState.WITHDRAWN else Tag("Over" if over else "Now", "grey" if over else "blue")
    return AreaLine(
        f"/areas/{record.alert_id}",
        f"{event.area}: absence up across the area from {full_date(record.opened_on)}{until}",
        f"{cases} while it stood. What hit everybody is taken out of every school's figures.",
        (tag,),
    )


def _wanted(line: InboxCase, asked: str, me: str) -> bool:
    if asked == "mine":
        return line.case.holder == me
    if asked == "asleep":
        return line.asleep
    return not line.asleep


def _line(line: InboxCase, me: str, names: Mapping[str, str], today: date, newest: date | None) -> CaseLine:
    tags = list(views.tags(line.case, line.school, me, names, today, newest))
    if line.inhibited:
        tags.append(Tag("Registers in doubt", "orange"))
    if line.silenced:
        tags.append(Tag("Silenced", "grey"))
    return views.case_line(line, tuple(tags))


def _budget(figures: HubFigures, term: Term) -> Budget:
    judged = sum(figures.judged.values())
    real = judged - figures.judged.get(Verdict.NOT_REAL, 0)
    said = f"{real} of {judged} judged cases had something behind them" if judged else "no case of this term is judged yet"
    knew = figures.judged.get(Verdict.KNEW_ALREADY, 0)
    return Budget(
        term.name,
        f"{figures.expected_false:.1f}",
        str(figures.judged.get(Verdict.NOT_REAL, 0)),
        said + (f", {knew} were known already" if knew else ""),
        f"{figures.open_cases} of at most {OPEN_MOST}",
        figures.open_cases > OPEN_MOST,
    )


def _waiting(cases: tuple[InboxCase, ...], newest: date | None, me: str) -> str:
    """What the morning holds, in one sentence."""
    awake = [line for line in cases if not line.asleep]
    new = sum(line.case.opened_as_of == newest and line.case.holder is None for line in awake)
    mine = sum(line.case.holder == me for line in awake)
    if not awake:
        return "Nothing waits."
    parts = [f"{len(awake)} case{'s' * (len(awake) > 1)} wait{'s' * (len(awake) == 1)}"]
    if new:
        parts.append(f"{new} {'are' if new > 1 else 'is'} new since the last closed day")
    if mine:
        parts.append(f"{mine} {'are' if mine > 1 else 'is'} with you")
    return ", ".join(parts) + "."
