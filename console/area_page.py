"""The area page: what hit everybody, seen on the hub's own schools; all others are a count, of at least ten."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from casebook.inbox import area_events
from casebook.pages_area import hub_days, others_in, schools_touched
from console.figures import drawn
from console.inbox_page import area_line
from console.line_chart import Band, Line, LineChart, draw
from console.series import running_mean
from console.visit import NotHere, Shown
from streams.demo_words import full_date

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casebook.inbox import AreaEvent
    from casebook.pages_area import HubDay
    from console.figures import Figure
    from console.visit import Answered, Visit

__all__ = ["show_area", "show_areas"]

_BEFORE, _AFTER = timedelta(days=42), timedelta(days=28)
_OTHERS_LEAST = 10


def show_areas(visit: Visit) -> Answered:
    """The area events of this school year."""
    since = visit.today - timedelta(days=365)
    with visit.desk.database.read() as db:
        events = area_events(db, visit.scope, since)
    return Shown("areas.html", {"areas": [area_line(event) for event in events]})


def show_area(visit: Visit) -> Answered:
    """One area event; NotHere for one of another region."""
    try:
        wanted = UUID(visit.path["alert"])
    except ValueError:
        raise NotHere from None
    with visit.desk.database.read() as db:
        found = [e for e in area_events(db, visit.scope, visit.today - timedelta(days=730)) if e.record.alert_id == wanted]
        if not found:
            raise NotHere
        event = found[0]
        first, last = event.record.opened_on, event.record.as_of
        days = hub_days(db, visit.scope, first - _BEFORE, last + _AFTER)
        touched = schools_touched(db, visit.scope, first, last)
        others = others_in(db, visit.scope, event.area)
    more = f"{others:,} schools of other hubs" if others >= _OTHERS_LEAST else "fewer than 10 schools of other hubs"
    given = {
        "line": area_line(event),
        "chart": _figure(days, event),
        "touched": touched,
        "others": f"The area has, beside this hub's schools, {more}: they are in the area's figure, and none is named here.",
        "said": _said(event),
    }
    return Shown("area.html", given)


def _said(event: AreaEvent) -> tuple[str, ...]:
    record = event.record
    out = [
        f"On {full_date(record.opened_on)} the schools of the area together were further above their usual absence than chance allows.",
        "An area event is not a case: nobody is asked to do anything about it, and it is taken out of what is expected of every school.",
    ]
    if event.cases:
        out.append("Cases that opened meanwhile stand on what is left after that.")
    return tuple(out)


def _figure(days: Sequence[HubDay], event: AreaEvent) -> Figure | None:
    """The hub's schools together, by day."""
    if not days:
        return None
    absent = np.array([100.0 * d.absences / d.possible if d.possible else np.nan for d in days])
    mean = running_mean(absent, [d.absences for d in days], [d.possible for d in days])
    inside = [i for i, d in enumerate(days) if event.record.opened_on <= d.day <= event.record.as_of]
    lines = (Line("dots", "a school day", absent), Line("mean", "mean of five days", mean))
    chart = LineChart(tuple(d.day for d in days), lines, (), (Band(inside[0], inside[-1]),) if inside else ())
    said = f"Absence of this hub's schools together, in per cent by school day, from {full_date(days[0].day)} to {full_date(days[-1].day)}."
    if inside:
        said += f" While the event stood it averages {np.nanmean(absent[inside]):.1f} %, over the whole stretch {np.nanmean(absent):.1f} %."
    title = "This hub's schools together"
    return drawn(
        "area",
        title,
        said,
        lambda width, uid: draw(chart, width, uid, title, said),
        tuple((line.kind, line.words) for line in lines),
        ("Day", "Absent", "Schools with registers"),
        tuple((d.day.isoformat(), f"{a:.1f} %", str(d.schools)) for d, a in zip(days, absent.tolist(), strict=True)),
    )
