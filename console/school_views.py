"""The school page as values: this year and last by week, the heat map, registers received, recent counts, the target's card.

What is counted by code or year group passes through `schemas.small_numbers`; the school itself sees its own exact figures.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from console.figures import drawn
from console.heat_map import draw as draw_heat
from console.heat_map import heat_map
from console.line_chart import Line, LineChart, draw
from console.series import by_week
from schemas.codes import CODES, YEAR_GROUPS, CodeClass
from schemas.reading import Condition
from schemas.small_numbers import CountTable
from streams.demo_words import brief_date, full_date, pupils

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from casebook.figures_read import ClosedReading, RegisterReceived
    from casebook.looks import PathDay, TargetFacts
    from console.figures import Figure
    from console.series import Series

__all__ = ["CountsView", "TargetCard", "heat_figure", "path_figure", "received", "recent_counts", "target_card", "years_figure"]

_CLASS = {row.code: row.kind for row in CODES}
_POSSIBLE = {row.code for row in CODES if row.possible}
_PUPILS_LEAST = 0.05
_SHOWN = (CodeClass.AUTHORISED, CodeClass.UNAUTHORISED)
_CLASS_WORDS = {CodeClass.AUTHORISED: "Authorised absence", CodeClass.UNAUTHORISED: "Unauthorised absence"}
_ORDER = {name: i for i, name in enumerate(YEAR_GROUPS)}
_CONDITIONS = {
    Condition.MISSING: "not received",
    Condition.PARTIAL: "partial",
    Condition.IMPLAUSIBLE: "no measurement: implausible",
    Condition.ALL_PRESENT: "no measurement: everybody present",
    Condition.NO_SESSIONS: "no sessions",
}


@dataclass(frozen=True, slots=True)
class CountsView:
    """Counts of a period by year group and class of code, as they may be seen."""

    period: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


@dataclass(frozen=True, slots=True)
class TargetCard:
    """Class T. What the target is, who supplied it, and what it means."""

    academic_year: str
    rows: tuple[tuple[str, str], ...]


def years_figure(now: Series, before: Series, registers: Sequence[RegisterReceived] = ()) -> Figure | None:
    """Absence by week of this school year, and of the last at the same weeks: by its readings, else by its registers."""
    this, last = by_week(now), by_week(before) or _weeks_of(registers)
    if not this:
        return None
    weeks = sorted(this)
    shift = _year_shift(weeks[0], last)
    here = np.array([_rate(this[week]) for week in weeks])
    there = np.array([_rate(last.get(week.fromordinal(week.toordinal() - shift))) for week in weeks])
    lines = [Line("mean", "this school year", here)]
    if not np.isnan(there).all():
        lines.append(Line("last", "last school year, the same weeks", there))
    chart = LineChart(tuple(weeks), tuple(lines))
    said = f"Absence in per cent by week, from {full_date(weeks[0])}. This year it averages {np.nanmean(here):.1f} %"
    said += (
        f", last year in the same weeks {np.nanmean(there[~np.isnan(here)]):.1f} %."
        if len(lines) > 1
        else "; there are no figures of last year."
    )
    return drawn(
        "years",
        "Absence by week",
        said,
        lambda width, uid: draw(chart, width, uid, "Absence by week", said),
        tuple((line.kind, line.words) for line in lines),
        ("Week from", "This year", *(("Last year",) if len(lines) > 1 else ())),
        tuple(
            (week.isoformat(), _per_cent(a), *((_per_cent(b),) if len(lines) > 1 else ()))
            for week, a, b in zip(weeks, here.tolist(), there.tolist(), strict=True)
        ),
    )


def heat_figure(registers: Sequence[RegisterReceived], *, exact: bool) -> Figure | None:
    """Absence by week and year group, None where registers name no year groups. exact: for the school itself."""
    absent: dict[tuple[str, date], int] = defaultdict(int)
    possible: dict[tuple[str, date], int] = defaultdict(int)
    for register in registers:
        day = register.attendance_date
        week = day.fromordinal(day.toordinal() - day.weekday())
        for group, codes in register.counts.items():
            for code, count in codes.items():
                possible[group, week] += count if code in _POSSIBLE else 0
                absent[group, week] += count if _CLASS.get(code) in _SHOWN else 0
    groups = sorted({group for group, _ in possible if group != "all"}, key=_ORDER.__getitem__)
    weeks = sorted({week for _, week in possible})
    if not groups or not weeks:
        return None
    heat = heat_map(
        groups,
        weeks,
        [[absent[g, w] for w in weeks] for g in groups],
        [[possible[g, w] for w in weeks] for g in groups],
        exact=exact,
    )
    hidden = sum(c.value is None for row in heat.absences.cells for c in row)
    said = f"Absence in per cent by week and year group, {len(weeks)} weeks and {len(groups)} year groups."
    if hidden:
        said += f" {hidden} cells have a point in their place: they rest on fewer than 10 absences, or would give such a cell away."
    return drawn(
        "heat",
        "Absence by week and year group",
        said,
        lambda width, uid: draw_heat(heat, width, uid, "Absence by week and year group", said),
        (),
        ("Week from", *(_group(g) for g in groups)),
        heat.rows(),
    )


def received(readings: Sequence[ClosedReading], registers: Sequence[RegisterReceived], count: int = 10) -> tuple[tuple[str, ...], ...]:
    """The newest school days: day, morning, afternoon, as the last close judged them."""
    by_day: dict[date, dict[str, RegisterReceived]] = defaultdict(dict)
    for register in registers:
        by_day[register.attendance_date][register.session] = register
    newest = [r for r in readings if r.condition != Condition.NO_SESSIONS][-count:]
    return tuple(
        (
            brief_date(r.attendance_date),
            _arrived(by_day[r.attendance_date].get("AM")),
            _arrived(by_day[r.attendance_date].get("PM")),
            _CONDITIONS.get(Condition(r.condition), "measured"),
        )
        for r in reversed(newest)
    )


def recent_counts(registers: Sequence[RegisterReceived], *, exact: bool, days: int = 10) -> CountsView | None:
    """Absences of the newest days by year group and class, with their sums."""
    newest = sorted({r.attendance_date for r in registers})[-days:]
    totals: dict[tuple[str, CodeClass], int] = defaultdict(int)
    for register in registers:
        if register.attendance_date in newest:
            for group, codes in register.counts.items():
                for code, count in codes.items():
                    totals[group, _CLASS.get(code, CodeClass.UNMARKED)] += count
    groups = sorted({group for group, _ in totals}, key=_ORDER.__getitem__)
    if not newest or not groups:
        return None
    table = CountTable.of([[totals[g, kind] for kind in _SHOWN] for g in groups], exact=exact)
    rows = [(_group(g), *(str(c) for c in cells), str(total)) for g, cells, total in zip(groups, table.cells, table.rows, strict=True)]
    rows.append(("All", *(str(c) for c in table.columns), str(table.total)))
    note = (
        "Pupil-sessions." if exact else "Pupil-sessions. Counts under 10 are not shown outside the school, nor what would give them away."
    )
    period = f"{full_date(newest[0])} to {full_date(newest[-1])}"
    return CountsView(period, ("Year group", *(_CLASS_WORDS[k] for k in _SHOWN), "Absent in all"), tuple(rows), note)


def target_card(facts: TargetFacts, roll: int | None) -> TargetCard:
    """Class T; the caller has left the row in the ledger."""
    rows = []
    base, target = facts.baseline_attendance, facts.target_attendance
    rows.append(("Attendance it is measured from", "not given" if base is None else f"{100 * base:.1f} %"))
    rows.append(("Target", "none: this school has no target" if target is None else f"{100 * target:.1f} % attendance over the year"))
    if target is not None and base is not None and roll:
        more = roll * (target - base)
        named = f"about {pupils(abs(more))} a day {'more' if more > 0 else 'fewer'} in school than in the baseline"
        rows.append(("What that means", named if abs(more) >= _PUPILS_LEAST else "as many in school as in the baseline"))
    rows.append(("Supplied with", f"the reference data {facts.reference_version[:12]}, standing since {full_date(facts.since.date())}"))
    rows.append(
        ("What would change it", "only whoever supplies it can explain or change an official target; Headway takes it as it is given")
    )
    return TargetCard(facts.academic_year, tuple(rows))


def path_figure(days: Sequence[PathDay], here: Series) -> Figure | None:
    """Class T: absence by day, with what is expected on the path to the target and what the area did."""
    if not here.days or np.isnan(here.expected).all():
        return None
    lines = (
        Line("expected", "expected on the path to the target, with what the whole area did", here.expected),
        Line("dots", "a school day", here.absent),
        Line("mean", "mean of five days", here.mean),
    )
    chart = LineChart(here.days, lines)
    known = [d.p_target for d in days if d.p_target is not None]
    said = f"Absence in per cent by school day against what was expected on the path to the target, to {full_date(here.days[-1])}."
    if known:
        said += f" The chance of reaching the target, as the last close sees it: {100 * known[-1]:.0f} %."
    mean = here.mean
    return drawn(
        "path",
        "The path to the target",
        said,
        lambda width, uid: draw(chart, width, uid, "The path to the target", said),
        tuple((line.kind, line.words) for line in lines),
        ("Day", "Absent", "Mean of five days", "Expected"),
        tuple(
            (day.isoformat(), _per_cent(here.absent[i]), _per_cent(mean[i]), _per_cent(here.expected[i])) for i, day in enumerate(here.days)
        ),
    )


def _weeks_of(registers: Sequence[RegisterReceived]) -> dict[date, tuple[int, int]]:
    """Absences and possible sessions by the Monday of their week, as registers count them."""
    out: dict[date, tuple[int, int]] = {}
    for register in registers:
        day = register.attendance_date
        monday = day.fromordinal(day.toordinal() - day.weekday())
        absences, possible = out.get(monday, (0, 0))
        for codes in register.counts.values():
            for code, count in codes.items():
                possible += count if code in _POSSIBLE else 0
                absences += count if _CLASS.get(code) in _SHOWN else 0
        out[monday] = (absences, possible)
    return {monday: held for monday, held in out.items() if held[1]}


def _year_shift(first: date, last: Mapping[date, tuple[int, int]]) -> int:
    """Days between a week of this year and the same of last year: 52 weeks, or 53 where last year began a week earlier."""
    if not last:
        return 364
    begins = min(last)
    return min((364, 371), key=lambda days: abs(first.toordinal() - days - begins.toordinal()))


def _rate(held: tuple[int, int] | None) -> float:
    return float("nan") if held is None or not held[1] else 100.0 * held[0] / held[1]


def _per_cent(value: float) -> str:
    return "–" if value != value else f"{value:.1f} %"  # noqa: PLR0124 (NaN is not itself)


def _arrived(register: RegisterReceived | None) -> str:
    if register is None:
        return "not received"
    arrived = date.fromisoformat(register.recorded_at[:10])
    if register.revision:
        return f"corrected {brief_date(arrived)}"
    return "received" if arrived == register.attendance_date else f"late, {brief_date(arrived)}"


def _group(name: str) -> str:
    return {"R": "Reception", "N1": "Nursery 1", "N2": "Nursery 2", "all": "All year groups"}.get(name, f"Year {name}")
