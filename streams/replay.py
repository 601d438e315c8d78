"""`headway replay`: whole files through the embedded runner, as fast as it can.

In a file the order of arrival is `recorded_at`: with `--known then` each school day is closed with what was recorded before
the next midnight, and the last day once more with everything; with `--known now` every day is closed on the final panel.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from models.course import Course, Revisions, place
from models.deploy import deploy
from models.history import learn
from models.panel import Arranged, Longs, Panel, Tally, arrange
from models.parameters import BUDGET, Budget, Parameters
from models.school_cells import Registers
from models.store import RegisterStore
from schemas.calendar import academic_year
from schemas.errors import BadContents, WrongUsage
from streams.sources import read_sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from models.batch import Batch
    from models.close import Acknowledged
    from models.deployment import Deployment
    from models.numbers import Ints
    from schemas.alert import Alert
    from schemas.calendar import Calendar
    from schemas.reject import Reject
    from schemas.school import School, Target
    from streams.acknowledgements import Acknowledgements

__all__ = [
    "Input",
    "Known",
    "Reference",
    "Replayed",
    "Year",
    "deployments",
    "learn_history",
    "read_input",
    "replay",
    "schedule",
    "split_years",
]

_EPOCH = date(1970, 1, 1)
_LATE_DAYS, _LATE_SHARE = 7, 0.5
_DAY_US = 86_400_000_000
_AHEAD_DAYS = 2
"""A register dated further ahead of its recording is a planned closure sent early, and no reason to close days to come."""


class Known(StrEnum):
    """What a close knows: what had been recorded by then, or all there is now."""

    THEN = "then"
    NOW = "now"


@dataclass(frozen=True, slots=True)
class Reference:
    """The reference files, read and checked: schools in order of URN."""

    schools: tuple[School, ...]
    targets: tuple[Target, ...]
    calendar: Calendar
    version: str = ""
    """SHA-256 over the three files."""
    calendar_file: str = "calendar"


@dataclass(slots=True)
class Input:
    """What register files held: every accepted register, the distinct rejects by SHA-256, and how many lines were read."""

    store: RegisterStore = field(default_factory=RegisterStore)
    rejects: dict[str, Reject] = field(default_factory=dict)
    read: int = 0
    rejected_lines: int = 0


def read_input(paths: Sequence[Path], *, processes: int, progress: Callable[[int], None]) -> Input:
    """Read register files, in bounded memory beside the registers themselves."""
    out = Input()
    for path in paths:
        for block in read_sessions(path, processes=processes, progress=progress):
            out.read += len(block.batch) + len(block.rejects)
            out.rejected_lines += len(block.rejects)
            out.store.add(block.batch)
            for reject in block.rejects:
                out.rejects.setdefault(reject.sha256, reject)
    return out


@dataclass(frozen=True, slots=True)
class Year:
    """The registers of one academic year that its deployment can score, in ascending rank, and when they were recorded."""

    deployment: Deployment
    revisions: Revisions
    recorded_at: np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class Replayed:
    """A whole replay: the courses, what was published, and what the summary counts."""

    courses: tuple[Course, ...]
    alerts: tuple[Alert, ...]
    withheld: Counter[str]
    closes: int
    days_closed: int
    arranged: Arranged
    batch: Batch
    tally: Tally
    unknown_school: int
    outside_calendar: int
    budget: Budget
    urns: Ints


def deployments(reference: Reference, days: Ints) -> list[Deployment]:
    """A deployment for each academic year that holds any of these days and has a term, in order."""
    years = {academic_year(_EPOCH + timedelta(days=int(d))) for d in _one_a_month(days)} & set(reference.calendar.academic_years())
    out = []
    for name in sorted(years):
        dates, planned = reference.calendar.planned(reference.schools, name)
        idle = np.flatnonzero(~planned.any(axis=1))
        if len(idle):
            urn = reference.schools[int(idle[0])].urn
            raise BadContents(
                f"school {urn} has no term in {name}",
                file=reference.calendar_file,
                remedy="Add a `term` row for scope `all`, its region, its local authority or the school itself",
            )
        out.append(deploy(reference.schools, reference.targets, name, dates, planned.T.copy()))
    return out


def _one_a_month(days: Ints) -> Ints:
    """A few days that touch every academic year of all given ones (a year begins with a month)."""
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    return np.unique(months).astype("datetime64[D]").astype(np.int64)


def split_years(batch: Batch, arranged: Arranged, tally: Tally, made: Sequence[Deployment], urns: Ints) -> tuple[list[Year], int, int]:
    """The registers of each deployment; how many are of an unknown school, and how many lie outside their calendar."""
    rows = arranged.rows
    known = np.isin(batch.urn[rows], urns)
    within = np.zeros(len(rows), bool)
    years = []
    for deployment in made:
        school, day, here = place(deployment, batch, rows)
        within |= here
        rank = np.flatnonzero(here)
        mine = rows[rank]
        sums = Tally(tally.possible[mine], tally.absences[mine], tally.study_leave[mine], tally.unmarked[mine], tally.legacy[mine])
        revisions = Revisions(rank.astype(np.int32), day[rank], batch.session[mine].astype(np.int32), school[rank], sums)
        years.append(Year(deployment, revisions, batch.recorded_at[mine]))
    return years, int((~known).sum()), int((known & ~within).sum())


def learn_history(
    reference: Reference,
    paths: Sequence[Path],
    parameters: Parameters,
    *,
    processes: int,
    progress: Callable[[int], None],
    scored: Sequence[Path] = (),
) -> Parameters:
    """Parameters from the registers of earlier years: the newest academic year that the files hold and the calendar knows.

    scored: the files that are to be scored with them; one of these as a history is refused, for a year knows its own alarms away.
    """
    if own := {path.resolve() for path in paths} & {path.resolve() for path in scored}:
        raise WrongUsage(f"{min(own)}: its own history. Name the registers of an earlier year with --history")
    store = read_input(paths, processes=processes, progress=progress).store
    batch, tally = store.batch(), store.tally()
    arranged = arrange(batch)
    made = deployments(reference, batch.day)
    if not made:
        raise BadContents(
            "no register of the history lies in an academic year that the calendar has a term for",
            file=str(paths[0]),
            remedy="Add the earlier year's `term` rows to the calendar",
        )
    urns = np.array([s.urn for s in reference.schools], np.int32)
    years, _, _ = split_years(batch, arranged, tally, made[-1:], urns)
    year = years[0]
    panel = Panel(len(year.deployment.days), len(urns))
    r = year.revisions
    panel.apply(r.rank, r.day, r.session, r.school, r.sums)
    winning = panel.winner[r.day, r.session, r.school] == r.rank
    panel.groups.take(batch, arranged.rows[r.rank[winning]], r.day[winning], r.session[winning], r.school[winning])
    return learn(year.deployment, panel, parameters)


def replay(
    reference: Reference,
    held: Input,
    parameters: Parameters,
    *,
    known: Known = Known.THEN,
    budget: Budget = BUDGET,
    zone: ZoneInfo,
    acknowledgements: Acknowledgements,
    block_days: int = 15,
    progress: Callable[[str, int, int], None],
) -> Replayed:
    """Close every school day from the first of each academic year to the last date accepted."""
    batch, tally = held.store.batch(), held.store.tally()
    arranged = arrange(batch)
    recorded, dated = batch.recorded_at[arranged.rows], batch.day[arranged.rows].astype(np.int64) * _DAY_US
    if known is Known.THEN:
        _refuse_export(recorded, dated)
    accepted = dated[dated <= recorded + _AHEAD_DAYS * _DAY_US] // _DAY_US
    urns = np.array([s.urn for s in reference.schools], np.int32)
    years, unknown, outside = split_years(batch, arranged, tally, deployments(reference, batch.day), urns)
    courses: list[Course] = []
    alerts: list[Alert] = []
    withheld, closes, days_closed = Counter[str](), 0, 0
    for year in years:
        if not len(year.revisions):
            continue
        course = Course(year.deployment, parameters, budget, block_days)
        last = max(int(np.searchsorted(year.deployment.days, accepted.max(initial=0), side="right")) - 1, int(year.revisions.day.min()))
        registers = Registers(batch, arranged.rows)
        closes_due = schedule(year, last, known, zone, acknowledgements)
        for done, (day, rows, said) in enumerate(closes_due, 1):
            close = course.close(day, year.revisions.only(rows), said, registers)
            alerts += close.alerts
            withheld += close.withheld
            progress(year.deployment.academic_year, done, len(closes_due))
        courses.append(course)
        closes += len(closes_due)
        days_closed += last + 1
    return Replayed(tuple(courses), tuple(alerts), withheld, closes, days_closed, arranged, batch, tally, unknown, outside, budget, urns)


def _refuse_export(recorded: Longs, dated: Longs) -> None:
    """`known then` means nothing for an export made in one go; moments of the distinct registers and their dates, microseconds."""
    late = recorded > dated + (_LATE_DAYS + 1) * _DAY_US
    if len(late) and late.mean() > _LATE_SHARE:
        raise WrongUsage(
            f"{late.mean():.0%} of the registers were recorded more than {_LATE_DAYS} days after their date: "
            "as in an export made in one go, what was known then cannot be told. Use --known now"
        )


def schedule(
    year: Year, last: int, known: Known, zone: ZoneInfo, acknowledgements: Acknowledgements
) -> list[tuple[int, Ints, Acknowledged]]:
    """Closes in order: the day, the registers (rows, ascending rank) that each takes in, and the acknowledgements it knows."""
    days = range(last + 1)
    none = np.zeros(0, np.int64)
    if known is Known.NOW:
        everything = acknowledgements.known_before(None, year.deployment)
        rows = np.arange(len(year.revisions))
        return [(d, rows if d == 0 else none, everything) for d in days]
    cuts = np.array([midnight_after(int(year.deployment.days[d]), zone) for d in days], np.int64)
    place = np.searchsorted(cuts, year.recorded_at, side="right")
    order = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[order], np.arange(last + 3))
    out = [(d, order[bounds[d] : bounds[d + 1]], acknowledgements.known_before(int(cuts[d]), year.deployment)) for d in days]
    out.append((last, order[bounds[last + 1] :], acknowledgements.known_before(None, year.deployment)))
    return out


def midnight_after(day: int, zone: ZoneInfo) -> int:
    """The local midnight that ends a day (days since 1970), in microseconds UTC since 1970."""
    local = datetime.combine(_EPOCH + timedelta(days=day + 1), time(), zone)
    return round(local.timestamp()) * 1_000_000
