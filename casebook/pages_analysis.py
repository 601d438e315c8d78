"""What an analyst reads: aggregates of at least ten schools, over all hubs. No school, no case, and no smaller group is ever in them.

Class T may be counted among others in such an aggregate (casework.md section 3); what is figured of fewer schools is left out, and so
is the whole where leaving one group out would give that group back.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from casebook import tables as t
from casebook.scope import Role, consenting
from schemas.acknowledgement import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from sqlalchemy.engine import Connection

    from casebook.scope import Scope

__all__ = ["SCHOOLS_LEAST", "Group", "Rates", "forecast_coverage", "group_rates", "size_band", "without_small"]

SCHOOLS_LEAST = 10
NORMAL_90 = 1.645
_SAMPLE, _SPREAD, _PRIME = 400, 7_919, 10_007
_Stratum = tuple[str, str, str]
"""Phase, size band, region."""
_Sort = tuple[str, str, str | None]
"""A case's kind, status and outcome."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Schools of a group and what they had in a period: cases about attendance opened, judged by people, withdrawn; data cases."""

    schools: int
    cases: int
    judged: int
    not_real: int
    knew_already: int
    withdrawn: int
    data_cases: int

    @property
    def a_school(self) -> float:
        """Cases a school."""
        return self.cases / self.schools

    @property
    def precision(self) -> float | None:
        """Share of the judged cases that had something behind them; None where none was judged."""
        return (self.judged - self.not_real) / self.judged if self.judged else None


@dataclass(frozen=True, slots=True)
class Group:
    """A named group; rates None: fewer than ten schools, or hidden because it would give such a group away."""

    name: str
    rates: Rates | None


def group_rates(connection: Connection, scope: Scope, first: date, last: date) -> tuple[Group, dict[str, tuple[Group, ...]]]:
    """All schools, then by phase, size and region. Only an analyst's scope is answered; two statements, added up by the database."""
    if scope.role is not Role.ANALYST:
        return Group("all", None), {}
    s, c = t.school.c, t.case_.c
    there = consenting(scope.today)
    strata = (s.phase, size_band(), s.region)
    counted = sa.select(*strata, sa.func.count()).where(s.urn.in_(there)).group_by(*strata)
    schools = {(phase, band, region): int(n) for phase, band, region, n in connection.execute(counted)}
    opened = c.state["opened_as_of"].as_string().between(first.isoformat(), last.isoformat())
    grouped = (*strata, c.kind, c.status, c.outcome)
    joined = sa.select(*grouped, sa.func.count()).join_from(t.case_, t.school, s.urn == c.urn)
    cases: dict[_Stratum, Counter[_Sort]] = defaultdict(Counter)
    for phase, band, region, kind, status, outcome, n in connection.execute(joined.where(s.urn.in_(there), opened).group_by(*grouped)):
        cases[phase, band, region][kind, status, outcome] += int(n)
    sizes = {name: _sizes(schools, place) for place, name in enumerate(("phase", "size", "region"))}
    shown = {name: without_small(held) for name, held in sizes.items()}
    shown["size"] = _within_phases(schools, shown["phase"])
    out = {}
    for place, (name, held) in enumerate(sizes.items()):
        of = {one: [stratum for stratum in schools if stratum[place] == one] for one in held}
        out[name] = tuple(Group(one, _rates(of[one], schools, cases) if one in shown[name] else None) for one in sorted(held))
    whole = _rates(list(schools), schools, cases)
    return Group("all", whole if whole.schools >= SCHOOLS_LEAST else None), out


def forecast_coverage(connection: Connection, scope: Scope, last: date, days: int = 14) -> tuple[int, int] | None:
    """School days inside their 9-in-10 forecast, of how many, in the days up to `last`; of at most 400 schools, spread over all.
    None of fewer than ten schools, and to nobody but an analyst. Calibrated forecasts give nine in ten."""
    if scope.role is not Role.ANALYST:
        return None
    p, s = t.reading_path.c, t.school.c
    sample = sa.select(s.urn).where(s.urn.in_(consenting(scope.today))).order_by((s.urn * _SPREAD) % _PRIME, s.urn).limit(_SAMPLE)
    urns = list(connection.execute(sample).scalars())
    where = (p.urn.in_(urns), p.attendance_date.between(last - timedelta(days=days - 1), last), p.residual_z.is_not(None))
    inside = sa.func.sum(sa.case((sa.func.abs(p.residual_z) <= NORMAL_90, 1), else_=0))
    row = connection.execute(sa.select(sa.func.count(sa.distinct(p.urn)), sa.func.count(), inside).where(*where)).one()
    schools, read, held = (int(value or 0) for value in row)
    return (held, read) if schools >= SCHOOLS_LEAST else None


def without_small(sizes: Mapping[str, int]) -> frozenset[str]:
    """The groups that may be shown beside their whole: each has ten schools or more, and what is left out together has none or as
    many, so that nothing smaller follows by subtraction.

    >>> sorted(without_small({"primary": 40, "secondary": 15, "special": 3}))
    ['primary']
    >>> sorted(without_small({"primary": 40, "secondary": 15, "special": 0}))
    ['primary', 'secondary', 'special']
    """
    shown = {name for name, schools in sizes.items() if schools == 0 or schools >= SCHOOLS_LEAST}
    hidden = sum(schools for name, schools in sizes.items() if name not in shown)
    while 0 < hidden < SCHOOLS_LEAST and any(sizes[name] for name in shown):
        smallest = min((name for name in shown if sizes[name]), key=lambda name: (sizes[name], name))
        shown.remove(smallest)
        hidden += sizes[smallest]
    return frozenset(shown)


def _sizes(schools: Mapping[_Stratum, int], place: int) -> dict[str, int]:
    """Schools by phase, by size band or by region."""
    out: Counter[str] = Counter()
    for stratum, n in schools.items():
        out[stratum[place]] += n
    return dict(out)


def _within_phases(schools: Mapping[_Stratum, int], shown: frozenset[str]) -> frozenset[str]:
    """The size bands that may be shown beside these phases: a band lies within one phase, so what is left of a phase that is shown
    must not be small either; the phases that are not shown count as one."""
    wholes: dict[str, Counter[str]] = defaultdict(Counter)
    for (phase, band, _), n in schools.items():
        wholes[phase if phase in shown else ""][band] += n
    return frozenset(band for bands in wholes.values() for band in without_small(bands))


def size_band() -> sa.Case[str]:
    """The strata of the thresholds (detection.md 1.8), as a column; each lies within one phase."""
    s = t.school.c
    return sa.case(
        (s.phase.not_in(["primary", "secondary"]), s.phase),
        (s.roll.is_(None), s.phase + ", roll unknown"),
        (sa.and_(s.phase == "primary", s.roll < 150), "primary under 150"),
        (sa.and_(s.phase == "primary", s.roll < 300), "primary 150 to 299"),
        (s.phase == "primary", "primary 300 and over"),
        (s.roll < 800, "secondary under 800"),
        else_="secondary 800 and over",
    )


def _rates(strata: Sequence[_Stratum], schools: Mapping[_Stratum, int], cases: Mapping[_Stratum, Counter[_Sort]]) -> Rates:
    held: Counter[_Sort] = Counter()
    for stratum in strata:
        held.update(cases.get(stratum, {}))
    attendance = {(status, outcome): n for (kind, status, outcome), n in held.items() if kind == "attendance"}
    outcomes: Counter[str] = Counter()
    for (_, outcome), n in attendance.items():
        if outcome is not None:
            outcomes[outcome] += n
    total = sum(attendance.values())
    return Rates(
        sum(schools[stratum] for stratum in strata),
        total,
        sum(outcomes.values()),
        outcomes[str(Verdict.NOT_REAL)],
        outcomes[str(Verdict.KNEW_ALREADY)],
        sum(n for (status, _), n in attendance.items() if status == "withdrawn"),
        sum(held.values()) - total,
    )
