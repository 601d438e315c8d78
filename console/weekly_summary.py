"""The weekly summary in the DfE's wide layout (domain.md 11, b): a week by region and phase; counts of sessions by reason.

Only groups of at least ten schools, and none whose difference is a smaller group. A reason of which any such group, or any
difference of groups, has a count of 1 to 9 is marked `c` in the whole file, with as many others as keep its sum from giving it back.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from schemas.codes import CODES, CodeClass
from schemas.small_numbers import SMALL_MOST, CountTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from casebook.pages_weeks import WeekCount

__all__ = ["COLUMNS", "hidden_codes", "weekly_rows"]

_MARK = "c"
_CODES = [row for row in CODES if row.possible and not row.legacy]
_KINDS = (CodeClass.PRESENT, CodeClass.APPROVED, CodeClass.AUTHORISED, CodeClass.UNAUTHORISED)
_BY_KIND = {kind: [row.code for row in _CODES if row.kind is kind] for kind in _KINDS}
_SIGNS = {"/": "reason_present_am", "\\": "reason_present_pm"}
_PLACE = (
    "time_period",
    "time_identifier",
    "geographic_level",
    "country_code",
    "country_name",
    "region_name",
    "week_commencing",
    "education_phase",
)
_SUMS = (
    "num_schools",
    "enrolments",
    "present_sessions",
    "approved_educational_activity",
    "overall_attendance",
    "overall_absence",
    "authorised_absence",
    "unauthorised_absence",
    "late_sessions",
    "possible_sessions",
)
_SHARES = ("attendance_perc", "overall_absence_perc", "authorised_absence_perc", "unauthorised_absence_perc")


def _name(code: str, meaning: str) -> str:
    plain = re.sub("[^a-z]+", "_", re.split(r"[(,:]", meaning.lower())[0]).strip("_")
    return _SIGNS.get(code, f"reason_{code.lower()}_{plain}")


_REASONS = [(row.code, _name(row.code, row.meaning)) for row in _CODES]
COLUMNS = (*_PLACE, *_SUMS, *(name for _, name in _REASONS), *_SHARES)
"""The header."""

_Group = tuple[str, str]
"""Region and phase; empty: all."""


def weekly_rows(week: date, counts: Iterable[WeekCount]) -> list[tuple[object, ...]]:
    """Header and rows: England, then regions; each as a total and by phase. A group that may not be shown is marked throughout."""
    schools = list(counts)
    regions, phases = sorted({one.region for one in schools}), sorted({one.phase for one in schools})
    members: dict[_Group, list[WeekCount]] = defaultdict(list)
    for one in schools:
        for group in ((one.region, one.phase), (one.region, ""), ("", one.phase), ("", "")):
            members[group].append(one)
    shown = _shown(regions, phases, members)
    sums = {group: _sum_of(held) for group, held in members.items()}
    hidden = hidden_codes([*(sums[g] for g in shown), *_differences(regions, phases, shown, sums)])
    rows: list[tuple[object, ...]] = [COLUMNS]
    for region in ("", *regions):
        for phase in ("", *phases):
            group = (region, phase)
            if members.get(group):
                figures = _figures(members[group], sums[group], hidden) if group in shown else [_MARK] * (len(COLUMNS) - len(_PLACE))
                rows.append((*_place(week, group), *figures))
    return rows


def hidden_codes(groups: Sequence[Mapping[str, int]]) -> frozenset[str]:
    """Reasons, and classes of them by name, that no row may show, given the counts of every group and every difference of groups.

    Of each class either nothing is hidden, or at least two reasons that in every group together are no small number, or the class.
    """
    out: set[str] = set()
    for kind, codes in _BY_KIND.items():
        total = {code: sum(group.get(code, 0) for group in groups) for code in codes}
        gone = {code for code in codes if any(_small(group.get(code, 0)) for group in groups)}
        while gone and (len(gone) < 2 or any(_small(sum(group.get(c, 0) for c in gone)) for group in groups)):
            rest = sorted((code for code in codes if code not in gone), key=lambda code: (total[code], code))
            if not rest:
                out.add(str(kind))
                break
            gone.add(rest[0])
        out |= gone
    return frozenset(out)


def _small(count: int) -> bool:
    return 0 < count <= SMALL_MOST


def _shown(regions: Sequence[str], phases: Sequence[str], members: Mapping[_Group, Sequence[WeekCount]]) -> frozenset[_Group]:
    """Numbers of schools are held to the rule of small counts: 1 to 9 schools are not shown, nor what would give such a group back."""
    table = CountTable.of([[len(members.get((region, phase), ())) for phase in phases] for region in regions])
    out = {(region, phase) for i, region in enumerate(regions) for j, phase in enumerate(phases) if table.cells[i][j].value}
    out |= {(region, "") for i, region in enumerate(regions) if table.rows[i].value}
    out |= {("", phase) for j, phase in enumerate(phases) if table.columns[j].value}
    return frozenset(out | ({("", "")} if table.total.value else set()))


def _differences(
    regions: Sequence[str], phases: Sequence[str], shown: frozenset[_Group], sums: Mapping[_Group, Counter[str]]
) -> list[Counter[str]]:
    """What is left of each shown sum when every shown part is taken away."""
    lines = [((region, ""), [(region, phase) for phase in phases]) for region in ("", *regions)]
    lines += [(("", phase), [(region, phase) for region in regions]) for phase in ("", *phases)]
    out = []
    for whole, parts in lines:
        if whole in shown:
            rest = Counter(sums[whole])
            for part in parts:
                if part in shown:
                    rest.subtract(sums[part])
            out.append(rest)
    return out


def _sum_of(held: Sequence[WeekCount]) -> Counter[str]:
    out: Counter[str] = Counter()
    for one in held:
        out.update(one.counts)
    return out


def _figures(schools: Sequence[WeekCount], counts: Counter[str], hidden: frozenset[str]) -> list[object]:
    def of(kind: CodeClass) -> int | None:
        return None if str(kind) in hidden else sum(counts[code] for code in _BY_KIND[kind])

    present, approved, authorised, unauthorised = (of(kind) for kind in _KINDS)
    attendance, absence = _plus(present, approved), _plus(authorised, unauthorised)
    possible = _plus(attendance, absence)
    late = None if hidden & {"L", "U"} else counts["L"] + counts["U"]
    sums = [present, approved, attendance, absence, authorised, unauthorised, late, possible]
    reasons = [_MARK if code in hidden else counts[code] for code, _ in _REASONS]
    shares = [_share(part, possible) for part in (attendance, absence, authorised, unauthorised)]
    marked = [_MARK if value is None else value for value in sums]
    return [len(schools), sum(one.enrolments for one in schools), *marked, *reasons, *shares]


def _place(week: date, group: _Group) -> tuple[object, ...]:
    region, phase = group
    year, number, _ = week.isocalendar()
    level = "Regional" if region else "National"
    return (year, f"Week {number}", level, "E92000001", "England", region, week.isoformat(), phase.capitalize() if phase else "Total")


def _plus(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _share(part: int | None, whole: int | None) -> str:
    return _MARK if part is None or not whole else f"{100 * part / whole:.4f}"
