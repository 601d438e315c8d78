"""How the demo says things to people: dates, sizes, kinds of alerts; the same words in the terminal and on the page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from models.policy import Withheld
from schemas.alert import AlertKind

if TYPE_CHECKING:
    from datetime import date

    from schemas.alert import Alert
    from streams.demo_findings import Findings, Story
    from streams.demo_hub import PlantedDrift, PlantedEvent, PlantedStretch

__all__ = [
    "FOUND_BY",
    "FOUND_BY_BRIEFLY",
    "WITHHELD",
    "brief_date",
    "drift_words",
    "event_words",
    "figure",
    "found_by",
    "found_words",
    "full_date",
    "kind_words",
    "missed_words",
    "pupils",
    "school_days",
    "signed",
    "state_words",
    "stretch_words",
    "table_date",
    "withheld_words",
    "year_words",
]

FOUND_BY = {
    AlertKind.OFF_TRAJECTORY: "below the path to its target (T)",
    AlertKind.LEVEL_DROP: "below its own recent level (C)",
    AlertKind.YEAR_GROUP: "lower in one year group than in the rest of the school (G)",
    AlertKind.AREA: "a common effect over the hub",
    AlertKind.SUDDEN: "one session far above what the day let expect",
}
FOUND_BY_BRIEFLY = {
    AlertKind.OFF_TRAJECTORY: "target path (T)",
    AlertKind.LEVEL_DROP: "own level (C)",
    AlertKind.YEAR_GROUP: "year group (G)",
    AlertKind.AREA: "area alert",
    AlertKind.SUDDEN: "sudden",
}
WITHHELD = {
    Withheld.ALREADY_OPEN: "the school's alert is open already: nothing new to say",
    Withheld.HOLD_OFF: "its last alert opened fewer than 10 school days before",
    Withheld.END_OF_YEAR: "the last 10 days of the year open nothing",
    Withheld.WARMING_UP: "the chart is still learning the school's own level",
    Withheld.NOT_SCORED: "no usable register that day",
}
"""Why a chart above its limit says nothing, for a reader who has not seen the policy."""


def brief_date(when: date) -> str:
    """``11 Jan``."""
    return f"{when.day} {when:%b}"


def table_date(when: date) -> str:
    """``11 Jan 2027``."""
    return f"{when.day} {when:%b %Y}"


def full_date(when: date) -> str:
    """``11 January 2027``."""
    return f"{when.day} {when:%B %Y}"


def figure(alert: Alert, name: str) -> float:
    """A number of the evidence; 0 where it is empty."""
    value = alert.evidence.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def pupils(count: float) -> str:
    """Pupils a day: whole ones from 10 up, one decimal below.

    >>> pupils(12.6), pupils(4.04), pupils(1.0)
    ('13 pupils', '4.0 pupils', '1.0 pupils')
    """
    return f"{count:.0f} pupils" if abs(count) >= 9.95 else f"{count:.1f} pupils"


def signed(value: float) -> str:
    """One decimal with its sign, a true minus and no minus zero.

    >>> signed(1.26), signed(-0.31), signed(-0.01)
    ('+1.3', '−0.3', '0.0')
    """
    text = f"{value:+.1f}"
    return "0.0" if text in {"+0.0", "-0.0"} else text.replace("-", "−")


def school_days(count: int | None) -> str:
    """A delay: 1 is the same day."""
    if count is None:
        return "–"
    return "the same day" if count == 1 else f"{count} school days"


def year_words(group: str) -> str:
    """A year group as people say it.

    >>> year_words("8"), year_words("R"), year_words("N2")
    ('Year 8', 'Reception', 'Nursery 2')
    """
    return "Reception" if group == "R" else f"Nursery {group[1:]}" if group.startswith("N") else f"Year {group}"


def found_by(alert: Alert) -> str:
    """Briefly, which chart spoke; of G also for whom."""
    group = alert.evidence.get("year_group")
    return f"{year_words(group)} (G)" if isinstance(group, str) else FOUND_BY_BRIEFLY[alert.kind]


def drift_words(drift: PlantedDrift, *, brief: bool = False) -> str:
    """``3 points, from one day to the next``, briefly ``3 points, step`` or ``4 points, Year 8``."""
    if brief:
        return f"{drift.size_points:g} points, {year_words(drift.year_group) if drift.year_group else drift.kind}"
    if drift.year_group:
        return f"{drift.size_points:g} points in {year_words(drift.year_group)}, from one day to the next"
    how = "sliding over 30 school days" if drift.kind == "ramp" else "from one day to the next"
    return f"{drift.size_points:g} points, {how}"


def event_words(event: PlantedEvent) -> str:
    """The event with its length and its size as odds; a spell is what any simulated area may have."""
    what = "shock" if event.kind == "shock" else "mild spell"
    days = event.last_day - event.first_day + 1
    return f"{what}, {days} days, odds of absence × {math.exp(event.logits):.1f}"


def stretch_words(stretch: PlantedStretch) -> str:
    """What became of the registers."""
    days = f"{stretch.last_day - stretch.first_day + 1} days"
    said = {"outage": f"never sent, {days}", "silent": f"held back for {days}, then sent", "all present": f"“all present” for {days}"}
    return said[stretch.kind]


def kind_words(alert: Alert) -> str:
    """What an alert says, as a phrase."""
    if alert.kind is AlertKind.DATA:
        return alert.reason
    return FOUND_BY[alert.kind]


def missed_words(found: Findings) -> str:
    """``Missed: none of 6 drops, 1 of 2 ...``, without its first word."""
    return ", ".join(f"{missed or 'none'} of {planted} planted {what}" for what, (missed, planted) in found.missed.items()) + "."


def found_words(found: Findings) -> str:
    """How many drops were found and how fast."""
    middle, (missed, planted) = found.median_school_days, found.missed["drops"]
    after = "" if middle is None else f", after a median of {middle:g} school days; day 1 is the drop's first"
    return f"{planted - missed} of {planted} drops{after}."


def state_words(story: Story) -> str:
    """What became of an alert."""
    if story.ended_on is None:
        return "open at the end of the year"
    return f"{story.state} on {full_date(story.ended_on)}: {story.end_reason}"


def withheld_words(key: str) -> tuple[str, str]:
    """Chart and reason of a withheld signal, from the key that `decide` counts it under."""
    chart, _, reason = key.partition(": ")
    return chart, WITHHELD.get(Withheld(reason), reason)
