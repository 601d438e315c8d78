"""What a hub has agreed to bear, and what it has had: false alerts expected and found this term, how people judged its cases."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import sqlalchemy as sa

from casebook import tables as t
from models.parameters import BUDGET
from schemas.calendar import academic_year, academic_year_starts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

    from casebook.scope import Scope

__all__ = ["HubFigures", "Term", "hub_figures", "term_of"]

_STARTS = ((9, "autumn term"), (1, "spring term"), (4, "summer term"))
_WEEKEND = 5


@dataclass(frozen=True, slots=True)
class Term:
    """A third of a school year. share: the part of the year's school days that this term has had, the day included."""

    name: str
    first: date
    last: date
    share: float


@dataclass(frozen=True, slots=True)
class HubFigures:
    """Of the cases about attendance of this term. expected_false: by the budget; judged: by outcome; withdrawn: corrections."""

    schools: int
    open_cases: int
    opened: int
    expected_false: float
    judged: dict[str, int]
    withdrawn: int


def term_of(connection: Connection, day: date) -> Term:
    """The term that a day lies in: September to December, January to March, April to August, as hubs count; schools' own dates
    differ by days."""
    begins = academic_year_starts(academic_year(day))
    ends = begins.replace(year=begins.year + 1)
    starts = [begins if month == begins.month else date(ends.year, month, 1) for month, _ in _STARTS]
    at = max(i for i, start in enumerate(starts) if start <= day)
    after = starts[at + 1] if at + 1 < len(starts) else ends
    c = t.calendar.c
    rows = connection.execute(sa.select(c.kind, c.first_date, c.last_date).where(c.scope == "all")).all()
    open_days = _weekdays((r.first_date, r.last_date) for r in rows if r.kind == "term")
    open_days -= _weekdays((r.first_date, r.last_date) for r in rows if r.kind == "closed")
    year = [n for n in open_days if begins.toordinal() <= n < ends.toordinal()]
    had = [n for n in year if starts[at].toordinal() <= n <= min(day.toordinal(), after.toordinal() - 1)]
    return Term(_STARTS[at][1], starts[at], date.fromordinal(after.toordinal() - 1), len(had) / len(year) if year else 0.0)


def hub_figures(connection: Connection, scope: Scope, term: Term) -> HubFigures:
    """Three statements, whatever the number of cases."""
    c = t.case_.c
    schools = connection.execute(sa.select(sa.func.count()).select_from(scope.urns().subquery())).scalar_one()
    mine = (scope.here(c.urn), c.kind == "attendance")
    open_cases = connection.execute(sa.select(sa.func.count()).where(*mine, c.status == "open")).scalar_one()
    opened_on = c.state["opened_as_of"].as_string()
    this_term = opened_on.between(term.first.isoformat(), term.last.isoformat())
    rows = connection.execute(
        sa.select(c.status, c.outcome, sa.func.count().label("cases")).where(*mine, this_term).group_by(c.status, c.outcome)
    ).all()
    judged, opened, withdrawn = Counter[str](), 0, 0
    for row in rows:
        opened += row.cases
        withdrawn += row.cases if row.status == "withdrawn" else 0
        if row.outcome is not None:
            judged[row.outcome] += row.cases
    rate = BUDGET.target + BUDGET.level + BUDGET.year_group
    return HubFigures(schools, open_cases, opened, rate * schools * term.share, dict(judged), withdrawn)


def _weekdays(spans: Iterable[tuple[date, date]]) -> set[int]:
    return {n for first, last in spans for n in range(first.toordinal(), last.toordinal() + 1) if date.fromordinal(n).weekday() < _WEEKEND}
