"""What an analyst reads: aggregates of at least ten schools, over all hubs. No school, no case, and no smaller group is ever in them.

Class T may be counted among others in such an aggregate (casework.md section 3); what is figured of fewer schools is left out, and so
is the whole where leaving one group out would give that group back.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from casebook import tables as t
from casebook.scope import Role, consenting
from schemas.acknowledgement import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

    from sqlalchemy.engine import Connection

    from casebook.scope import Scope

__all__ = ["SCHOOLS_LEAST", "Group", "Rates", "group_rates", "size_band", "without_small"]

SCHOOLS_LEAST = 10
_PHASES = ("primary", "secondary", "special", "alternative")


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
    """All schools, then by phase, size and region. Only an analyst's scope is answered; three statements."""
    if scope.role is not Role.ANALYST:
        return Group("all", None), {}
    s, c = t.school.c, t.case_.c
    there = consenting(scope.today)
    schools = connection.execute(sa.select(s.urn, s.phase, s.roll, s.region).where(s.urn.in_(there))).all()
    opened = c.state["opened_as_of"].as_string()
    statement = sa.select(c.urn, c.kind, c.status, c.outcome).where(c.urn.in_(there), opened.between(first.isoformat(), last.isoformat()))
    cases = defaultdict(list)
    for row in connection.execute(statement):
        cases[row.urn].append((row.kind, row.status, row.outcome))
    whole = _rates([s.urn for s in schools], cases)
    splits: dict[str, Callable[[Any], str]] = {
        "phase": lambda row: str(row.phase),
        "size": lambda row: size_band(row.phase, row.roll),
        "region": lambda row: str(row.region),
    }
    out = {}
    for name, of in splits.items():
        members = defaultdict(list)
        for row in schools:
            members[of(row)].append(row.urn)
        shown = without_small({group: len(urns) for group, urns in members.items()})
        out[name] = tuple(Group(g, _rates(members[g], cases) if g in shown else None) for g in sorted(members))
    return Group("all", whole if len(schools) >= SCHOOLS_LEAST else None), out


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


def size_band(phase: str, roll: int | None) -> str:
    """The strata of the thresholds (detection.md 1.8)."""
    if phase not in _PHASES[:2]:
        return "special and alternative"
    if roll is None:
        return f"{phase}, roll unknown"
    if phase == "primary":
        return "primary under 150" if roll < 150 else "primary 150 to 299" if roll < 300 else "primary 300 and over"
    return "secondary under 800" if roll < 800 else "secondary 800 and over"


def _rates(urns: Sequence[int], cases: Mapping[int, Sequence[tuple[str, str, str | None]]]) -> Rates:
    held = [case for urn in urns for case in cases.get(urn, ())]
    attendance = [(status, outcome) for kind, status, outcome in held if kind == "attendance"]
    outcomes = Counter(outcome for _, outcome in attendance if outcome is not None)
    return Rates(
        len(urns),
        len(attendance),
        sum(outcomes.values()),
        outcomes[str(Verdict.NOT_REAL)],
        outcomes[str(Verdict.KNEW_ALREADY)],
        sum(status == "withdrawn" for status, _ in attendance),
        len(held) - len(attendance),
    )
