"""As known then, beside as known now: each alert with the evidence it was published with, and the same days as they stand today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from casebook.figures_read import readings_of
from console import case_words as words
from console.case_views import alert_of, school_facts
from console.visit import Shown
from schemas.alert import AlertState
from schemas.reading import Condition
from streams.demo_words import full_date

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casebook.figures_read import ClosedReading
    from casebook.inbox import AlertThen
    from console.visit import Answered, Visit
    from schemas.alert import Alert

__all__ = ["show_then"]

_UNMEASURED = {Condition.MISSING, Condition.PARTIAL, Condition.IMPLAUSIBLE, Condition.ALL_PRESENT, Condition.NO_SESSIONS}


@dataclass(frozen=True, slots=True)
class _Story:
    """One alert: a table with what was said when, and the same days now."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    end: str


def show_then(visit: Visit) -> Answered:
    """GET; opening it leaves a row in the ledger, as the case does."""
    opened = visit.desk.looks.open_case(visit.scope, visit.case_id(), visit.now)
    by_alert: dict[object, list[AlertThen]] = {}
    for record in opened.records:
        by_alert.setdefault(record.alert_id, []).append(record)
    stories = []
    for records in by_alert.values():
        alerts = [alert_of(record, opened.case.urn) for record in records]
        first, last = alerts[0], alerts[-1]
        with visit.desk.database.read() as db:
            since = first.onset_about or first.opened_on
            days = readings_of(db, visit.scope, opened.case.urn, since, first.as_of)
        stories.append(_story(alerts, first, last, days))
    given = {
        "back": f"/cases/{opened.case.case_id}",
        "school": opened.school.name,
        "facts": school_facts(opened.school),
        "stories": stories,
        "receipt": f"headway close --as-known {opened.case.opened_as_of.isoformat()}",
    }
    return Shown("then.html", given)


def _story(alerts: Sequence[Alert], first: Alert, last: Alert, days: Sequence[ClosedReading]) -> _Story:
    live = [a for a in alerts if a.state in {AlertState.OPENED, AlertState.UPDATED}] or [first]
    shown = [live[0], *([live[-1]] if len(live) > 1 else [])]
    columns = ["", *(f"As known on {full_date(a.as_of)}" for a in shown)]
    columns.append("The days to " + full_date(first.as_of) + ", as known now")
    measured = [d for d in days if Condition(d.condition) not in _UNMEASURED]
    now = {
        "absences": sum(d.charted_absences for d in measured),
        "possible_sessions": sum(d.charted_possible_sessions for d in measured),
        "school_days": len(measured),
    }
    rows = [
        ("How much", *(words.size_briefly(a) for a in shown), "–"),
        ("Since about", *(full_date(a.onset_about) if a.onset_about else "–" for a in shown), "–"),
    ]
    named = (("Absences", "absences"), ("Possible sessions", "possible_sessions"), ("School days with registers", "school_days"))
    rows += [(name, *(_number(a.evidence.get(key)) for a in shown), _number(now[key])) for name, key in named]
    rows.append(("Newest register", *(str(a.evidence.get("newest_register") or "–") for a in shown), "–"))
    end = ""
    if last.state is AlertState.WITHDRAWN:
        end = f"Withdrawn on {full_date(last.as_of)}: {last.reason}.{_changed(last)}"
    elif last.state is AlertState.CLOSED:
        end = f"Ended on {full_date(last.as_of)}: {last.reason}."
    title = f"{words.KIND_WORDS[first.kind].capitalize()}, opened {full_date(first.opened_on)}"
    return _Story(title, tuple(columns), tuple(rows), end)


def _changed(withdrawn: Alert) -> str:
    """The registers that a withdrawal names, latest first."""
    named = [word for word in str(withdrawn.evidence.get("changed_registers") or "").split(", ") if word]
    days = [f"{full_date(date.fromisoformat(day))} {session}" for day, _, session in (word.partition(" ") for word in named)]
    more = int(float(withdrawn.evidence.get("registers_changed") or 0)) - len(days)
    return "" if not days else f" Corrected or late: {'; '.join(days)}{f'; and {more:,} more' if more > 0 else ''}."


def _number(value: object) -> str:
    return f"{value:,.0f}" if isinstance(value, int | float) else "–"
