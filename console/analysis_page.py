"""The analyst's page: alert rates by kind of school, how people judged, expected against found; the weekly summary as a file.

Aggregates of at least ten schools only; no school and no case.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from casebook.pages_analysis import SCHOOLS_LEAST, forecast_coverage, group_rates
from casebook.pages_budget import term_of
from casebook.pages_weeks import newest_week, week_counts
from console.visit import Download, NotHere, Shown
from console.weekly_summary import weekly_rows
from models.parameters import BUDGET
from streams.demo_words import full_date

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casebook.pages_analysis import Group, Rates
    from console.visit import Answered, Visit

__all__ = ["show_analysis", "weekly_file"]

_NAMES = {"phase": "By phase", "size": "By size", "region": "By region"}
_WEEKS_BACK = 8
_HIDDEN = f"fewer than {SCHOOLS_LEAST} schools, or it would give such a group away"


def show_analysis(visit: Visit) -> Answered:
    """GET, of this term."""
    with visit.desk.database.read() as db:
        monday = newest_week(db)
        term = term_of(db, visit.today if monday is None else min(visit.today, monday + timedelta(days=6)))
        whole, splits = group_rates(db, visit.scope, term.first, term.last)
        coverage = None if monday is None else forecast_coverage(db, visit.scope, monday + timedelta(days=6))
    rate = BUDGET.target + BUDGET.level + BUDGET.year_group
    mondays = [] if monday is None else [monday - timedelta(days=7 * i) for i in range(_WEEKS_BACK)]
    given = {
        "term": term.name,
        "whole": None if whole.rates is None else (*_facts(whole.rates, rate * term.share), _calibration(coverage)),
        "tables": [(_NAMES[name], _rows(groups)) for name, groups in splits.items()],
        "budget": f"{rate * term.share:.3f}",
        "weeks": [(f"/analysis/weekly.csv?week={week.isoformat()}", f"Week from {full_date(week)}") for week in mondays],
        "hidden": _HIDDEN,
    }
    return Shown("analysis.html", given)


def weekly_file(visit: Visit) -> Answered:
    """The summary of one week."""
    try:
        asked = date.fromisoformat(visit.query.get("week", ""))
        monday = asked - timedelta(days=asked.weekday())
        _ = monday + timedelta(days=7)
    except (ValueError, OverflowError):
        raise NotHere from None
    with visit.desk.database.read() as db:
        counts = week_counts(db, visit.scope, monday)
    return Download(f"headway-week-{monday.isoformat()}.csv", weekly_rows(monday, counts))


def _facts(rates: Rates, expected_a_school: float) -> tuple[tuple[str, str], ...]:
    precision = "none is judged yet" if rates.precision is None else f"{100 * rates.precision:.0f} % of {rates.judged} judged"
    knew = "–" if not rates.judged else f"{100 * rates.knew_already / rates.judged:.0f} % of {rates.judged} judged"
    return (
        ("Schools that consent", f"{rates.schools:,}"),
        ("Cases opened", f"{rates.cases:,}, {rates.a_school:.3f} a school"),
        ("False alerts expected by now", f"{expected_a_school * rates.schools:.1f}, {expected_a_school:.3f} a school"),
        ("False alerts found by people", f"{rates.not_real:,}"),
        ("Had something behind them", precision),
        ("Knew already", knew),
        ("Withdrawn by corrections", f"{rates.withdrawn:,}"),
        ("Cases about registers", f"{rates.data_cases:,}"),
    )


def _calibration(coverage: tuple[int, int] | None) -> tuple[str, str]:
    named = "Inside the 9-in-10 forecast"
    if coverage is None or not coverage[1]:
        return named, "no forecast of ten schools yet"
    inside, read = coverage
    return named, f"{100 * inside / read:.0f} % of {read:,} school days of the last two weeks; 90 % would be right"


def _rows(groups: Sequence[Group]) -> list[tuple[str, ...]]:
    out = []
    for group in groups:
        r = group.rates
        if r is None:
            out.append((group.name, *(["–"] * 5)))
            continue
        precision = "–" if r.precision is None else f"{100 * r.precision:.0f} %"
        out.append((group.name, f"{r.schools:,}", f"{r.cases:,}", f"{r.a_school:.3f}", precision, f"{r.withdrawn:,}"))
    return out
