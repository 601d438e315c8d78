"""The case page, and the forms on it. Opening it leaves a row in the school's ledger before anything is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casebook.case_state import CaseKind, CaseStatus, NotPossible
from casebook.casework import Changed, newest_close
from casebook.directory import names_of, people_of
from casebook.inbox import area_events, past_cases
from casebook.pages_case_days import days_of_case
from casebook.scope import NotThere
from console import case_views as views
from console import case_words as words
from console.case_actions import actions, do
from console.case_chart import case_chart
from console.forms import Wrong, filled
from console.series import path_series
from console.visit import SeeOther, Shown
from schemas.alert import AlertState
from schemas.calendar import academic_year, academic_year_starts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casebook.inbox import AlertThen
    from casebook.looks import OpenedCase
    from console.forms import Action
    from console.visit import Answered, Visit
    from schemas.alert import Alert

__all__ = ["act_on_case", "show_case"]

_LIVE = {AlertState.OPENED, AlertState.UPDATED}
_NOTICES = {
    "take": "The case is yours.",
    "give_back": "You gave the case back.",
    "assign": "The case is assigned.",
    "note": "Your note is kept.",
    "reason": "The reason is kept.",
    "snooze": "The case sleeps.",
    "wake": "The case is awake.",
    "close": "The case is closed. The charts take it in at tonight's close.",
    "reopen": "The case is open again.",
    "refer": "You asked for a referral. It stands once a second named person asks too.",
    "take_back_referral": "The referral is taken back.",
}


def show_case(visit: Visit) -> Answered:
    """GET."""
    kept = visit.kept
    verb = kept.get("sent_to", "").rpartition("/")[2]
    return _page(visit, notice=_NOTICES.get(visit.query.get("done", ""), ""), typed=(verb, kept) if verb else None)


def act_on_case(visit: Visit) -> Answered:
    """POST of one verb; what cannot be done comes back with the words as typed."""
    case, verb = visit.case_id(), visit.path["verb"]
    try:
        do(visit, case, verb)
    except Wrong as wrong:
        return _page(visit, typed=(verb, visit.form), wrong=wrong, status=422)
    except Changed:
        said = "Something has happened to this case since you opened it. Look at it again; what you typed is still here"
        return _page(visit, typed=(verb, visit.form), wrong=Wrong("words", said), status=409)
    except NotPossible as error:
        return _page(visit, typed=(verb, visit.form), wrong=Wrong("words", str(error).capitalize()), status=409)
    return SeeOther(f"/cases/{case}?done={verb}")


def _page(
    visit: Visit, *, notice: str = "", typed: tuple[str, Mapping[str, str]] | None = None, wrong: Wrong | None = None, status: int = 200
) -> Shown:
    opened = visit.desk.looks.open_case(visit.scope, visit.case_id(), visit.now)
    alert, others = _leading(opened)
    with visit.desk.database.read() as db:
        _, newest = newest_close(db)
        first = academic_year_starts(academic_year(alert.as_of))
        here = path_series(days_of_case(db, visit.scope, opened, first, newest))
        areas = area_events(db, visit.scope, first) if visit.scope.acts else ()
        past = past_cases(db, visit.scope, opened.case.urn)
        people = {e.event.actor for e in opened.history} | {opened.case.holder or "", *opened.case.referred_by}
        people |= {c.ending.by for c in past if c.ending is not None and c.ending.by is not None}
        names = names_of(db, people)
        colleagues = [(p.person, p.name) for p in people_of(db, visit.person.scope, visit.today)] if visit.scope.acts else []
    address = f"/cases/{opened.case.case_id}"
    done = actions(opened.case, address, visit.person.person, colleagues, visit.today) if visit.scope.acts else ()
    if typed is not None:
        done = tuple(_refilled(action, *typed, wrong) for action in done)
    errors = {} if wrong is None or typed is None else {f"{typed[0]}-{wrong.field}": wrong.words}
    view = views.CaseView(
        back="/" if not visit.scope.acts else "/inbox",
        school=opened.school.name,
        school_address=f"/schools/{opened.school.urn}",
        school_facts=views.school_facts(opened.school),
        headline=words.headline(alert),
        tags=views.tags(opened.case, opened.school, visit.person.person, names, visit.today, newest),
        problems=_problems(opened),
        howmuch=words.size_words(alert) or (),
        chart=case_chart(here, alert, [(a.record.opened_on, a.record.as_of) for a in areas]),
        chart_caption="Each dot is a school day. Below, how strong the evidence is: a case opens above the limit.",
        answers=views.answers(alert, others, here, own=not visit.scope.acts),
        memory=views.memory(opened.case, past, names),
        history=views.history(opened.history, names),
        actions=done,
        seen=newest.isoformat(),
        version=str(opened.case.version),
        doubts=views.doubts(alert),
        receipt=views.receipt(alert, opened.case),
        then_address=f"{address}/then-and-now",
    )
    return Shown("case.html", {"case": view, "notice": notice, "errors": errors}, status)


def _refilled(action: Action, verb: str, given: Mapping[str, str], wrong: Wrong | None) -> Action:
    return filled(action, given, wrong) if action.name == verb else action


def _leading(opened: OpenedCase) -> tuple[Alert, list[Alert]]:
    """The newest record with evidence of the strongest alert, and those of the case's other open alerts."""
    newest: dict[object, AlertThen] = {}
    for record in opened.records:
        if AlertState(record.state) in _LIVE or record.alert_id not in newest:
            newest[record.alert_id] = record
    first = opened.case.leading
    if first.alert_id not in newest:
        raise NotThere("there is no such case")
    urn = opened.case.urn
    others = [newest[line.alert_id] for line in opened.case.open_lines if line.alert_id != first.alert_id and line.alert_id in newest]
    return views.alert_of(newest[first.alert_id], urn), [views.alert_of(record, urn) for record in others]


def _problems(opened: OpenedCase) -> tuple[str, ...]:
    case = opened.case
    out = []
    if case.status is CaseStatus.WITHDRAWN and case.ending is not None:
        out.append(f"Withdrawn: {case.ending.reason}. What was said of this school is taken back; the history stays.")
    if case.status is CaseStatus.OPEN and not case.open_lines and case.kind is CaseKind.ATTENDANCE:
        out.append("What opened this case is over. Whoever holds it says how it ended.")
    return tuple(out)
