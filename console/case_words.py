"""What an alert says, in words for a coordinator: how much, since when, area or school, where, how sure, what is new about it.

From the evidence that the alert was published with, and from nothing else; so the same alert always reads the same. Causes are
never guessed: the words stay with what marks can show.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from models.thresholds import rarity
from schemas.alert import AlertKind
from schemas.codes import CODES, CodeClass
from streams.demo_words import figure, full_date, pupils, signed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.alert import Alert

__all__ = [
    "DATA_WORDS",
    "KIND_WORDS",
    "Interval",
    "added_words",
    "area_words",
    "cell_words",
    "headline",
    "improving_words",
    "rarity_words",
    "second_opinion_words",
    "since_words",
    "size",
    "size_briefly",
    "size_words",
]

KIND_WORDS = {
    AlertKind.OFF_TRAJECTORY: "below the path to its target",
    AlertKind.LEVEL_DROP: "below its own recent level",
    AlertKind.YEAR_GROUP: "one year group against the rest of the school",
    AlertKind.SUDDEN: "one unusual session",
    AlertKind.DATA: "registers",
    AlertKind.AREA: "the whole area",
}
"""What a kind of alert is about."""

DATA_WORDS = {
    "silent": "No register has come for five school days",
    "partial": "Registers come in part only",
    "implausible": "Registers that cannot be right",
    "all present": "Everybody is marked present",
}
"""What is said of registers that are no measurement, by the engine's reason."""

SURENESS, NORMAL_90 = "9 times in 10", 1.645
WANDER = 24.0
"""Variance of a stretch's absences over the binomial one: 5 from day to day after the area's effect, 1.8 because one day is like
the next, 1.9 because mornings and afternoons miss the same pupils (domain.md 10), and 1.4 because the start is estimated too:
with it 9 in 10 of simulated drops lie within (docs/console.md)."""
ONSET_SCHOOL_DAYS = 8
"""How far the estimated start lies from the true one in half of the simulated drops, about (docs/console.md)."""
_CODES = {row.code: row for row in CODES}
_CLASSES = {CodeClass.AUTHORISED: "authorised absence", CodeClass.UNAUTHORISED: "unauthorised absence"}
_WEEKDAYS = {"Mon": "Mondays", "Tue": "Tuesdays", "Wed": "Wednesdays", "Thu": "Thursdays", "Fri": "Fridays"}
_SESSIONS = {"AM": "mornings", "PM": "afternoons"}
_OPINIONS = {"second_opinion_page_hinkley": "Page–Hinkley", "second_opinion_adwin": "ADWIN"}


class Interval(NamedTuple):
    """An estimate with its bounds."""

    middle: float
    low: float
    high: float


def size(alert: Alert) -> tuple[Interval, Interval] | None:
    """Pupils a day and points of attendance, each with a 90 % interval; None where the evidence has no size."""
    sessions, possible = figure(alert, "sessions"), figure(alert, "possible_sessions")
    if not sessions or not possible or "pupils_a_day" not in alert.evidence:
        return None
    expected = max(figure(alert, "expected_absences"), 1.0)
    spread = math.sqrt(WANDER * expected * max(1.0 - expected / possible, 0.0)) * NORMAL_90
    excess = figure(alert, "pupils_a_day") * sessions
    low, high = excess - spread, excess + spread
    return (
        Interval(excess / sessions, low / sessions, high / sessions),
        Interval(100 * excess / possible, 100 * low / possible, 100 * high / possible),
    )


def headline(alert: Alert) -> str:
    """One sentence without the school's name."""
    if alert.kind is AlertKind.DATA:
        return DATA_WORDS.get(alert.reason, f"Registers: {alert.reason}")
    if alert.kind is AlertKind.AREA:
        return f"Absence is up across {alert.area or 'the area'}: its schools together are further from where they should be than usual"
    about = pupils(figure(alert, "pupils_a_day"))
    if alert.kind is AlertKind.SUDDEN:
        return f"One session far outside what was to be expected, on {full_date(alert.opened_on)}"
    if alert.kind is AlertKind.YEAR_GROUP:
        return f"About {about} more absent each day in {_group(alert)} than the rest of the school would suggest"
    if alert.kind is AlertKind.LEVEL_DROP:
        return f"About {about} more absent each day than at its own recent level"
    return f"About {about} more absent each day than on the path to its target"


def size_words(alert: Alert) -> tuple[str, str] | None:
    """``13 pupils a day`` with its bounds, and the same in points of attendance."""
    sized = size(alert)
    if sized is None:
        return None
    a_day, points = sized
    low, high = (pupils(max(x, 0.0)) for x in (a_day.low, a_day.high))
    bounds = f"between {max(points.low, 0.0):.1f} and {points.high:.1f}"
    return (
        f"{pupils(a_day.middle)} a day, {SURENESS} between {low.removesuffix(' pupils')} and {high.removesuffix(' pupils')}",
        f"{points.middle:.1f} points of attendance, {bounds}, as of {full_date(alert.as_of)}",
    )


def size_briefly(alert: Alert) -> str:
    """``33 pupils a day (19 to 47)``."""
    sized = size(alert)
    if sized is None:
        return "–"
    low, high = (pupils(max(x, 0.0)).removesuffix(" pupils") for x in (sized[0].low, sized[0].high))
    return f"{pupils(sized[0].middle)} a day ({low} to {high})"


def since_words(alert: Alert) -> str:
    """About since when, and how far that may be off."""
    if alert.onset_about is None:
        return f"Since {full_date(alert.opened_on)}"
    days = int(figure(alert, "school_days"))
    over = f", {days} school days with registers since then" if days else ""
    return f"About {full_date(alert.onset_about)}{over}. Half the time the true start lies within {ONSET_SCHOOL_DAYS} school days of it."


def area_words(alert: Alert) -> str:
    """What the area as a whole did between the onset and now."""
    sessions, possible = figure(alert, "sessions"), figure(alert, "possible_sessions")
    if alert.kind is AlertKind.YEAR_GROUP:
        return "The rest of the same school is the yardstick here, so what hit the whole school or area is taken out."
    if not sessions or not possible or "common_absences" not in alert.evidence:
        return "There is no figure for the area in this evidence."
    common = figure(alert, "common_absences")
    a_day, points = common / sessions, 100 * common / possible
    if abs(points) < 0.05:
        return "Nothing unusual: the other schools of the area were where they were expected to be."
    more = "more" if a_day > 0 else "fewer"
    return (
        f"About {pupils(abs(a_day))} a day {more} absent than usual ({signed(points)} points), as at the other schools of the area. "
        "It is taken out of the size."
    )


def cell_words(alert: Alert, *, codes: bool = False) -> list[str]:
    """The two parts that hold most of the excess: a year group, and a class of codes (for the school itself: a code).

    Nothing finer is said outside the school (casework.md section 3), and nothing at all of an excess that is none.
    """
    parts = alert.attribution or {}
    own = parts.get("own", figure(alert, "excess_absences"))
    if own <= 0:
        return []
    sessions = max(figure(alert, "sessions"), 1.0)
    by_code = {k: v for k, v in parts.items() if k.startswith("code:")} if codes else _by_class(parts)
    groups = {k: v for k, v in parts.items() if k.startswith("year_group:")}
    out = []
    for split in (groups, by_code):
        if len(split) > 1 or (split and split is groups and alert.kind is AlertKind.YEAR_GROUP):
            key = max(split, key=lambda k: split[k])
            if split[key] > 0:
                share = min(split[key] / own, 1.0)
                named = _cell(key)
                out.append(f"{named[0].upper()}{named[1:]}: {pupils(split[key] / sessions)} a day, {100 * share:.0f} % of the difference")
    return out


def improving_words(alert: Alert) -> str | None:
    """Year groups in which fewer are absent than expected while the school as a whole has more."""
    groups = {k: v for k, v in (alert.attribution or {}).items() if k.startswith("year_group:")}
    better = sorted((k for k, v in groups.items() if v < 0), key=lambda k: groups[k])[:2]
    if not better:
        return None
    return f"Fewer absent than expected: {' and '.join(_cell(k) for k in better)}. Ask what was done there."


def added_words(alert: Alert) -> list[str]:
    """What this says that the school's MIS and Monitor do not."""
    possible, sessions = figure(alert, "possible_sessions"), figure(alert, "sessions")
    if not possible or not sessions or "expected_absences" not in alert.evidence:
        return []
    seen, expected = (100 * figure(alert, name) / possible for name in ("absences", "expected_absences"))
    common = 100 * figure(alert, "common_absences") / possible
    against = {
        AlertKind.OFF_TRAJECTORY: "on the path to the target, for this time of year",
        AlertKind.YEAR_GROUP: "from the rest of the school",
    }.get(alert.kind, "at the school's own recent level, for this time of year")
    out = [f"The MIS shows {seen:.1f} % absence. Expected {against}: {expected:.1f} %."]
    if "common_absences" in alert.evidence and abs(common) >= 0.05:
        out.append(f"{signed(common)} points of that expectation are the area's, so the school is not blamed for them.")
    return out


def rarity_words(alert: Alert) -> str | None:
    """How often a school on track would give a signal this strong, as far as it may be said."""
    said = rarity(alert.once_in_school_years)
    return None if said is None else said[0].upper() + said[1:] + "."


def second_opinion_words(alert: Alert) -> list[str]:
    """What River's detectors say of the same days; they decide nothing."""
    out = []
    for name, words in _OPINIONS.items():
        if name in alert.evidence:
            when = alert.evidence[name]
            out.append(f"{words}: {'no change found this year' if when is None else f'a rise found on {when}'}.")
    return out


def _by_class(parts: Mapping[str, float]) -> dict[str, float]:
    """Codes added up by their class in law."""
    out: dict[str, float] = {}
    for key, excess in parts.items():
        kind, _, code = key.partition(":")
        if kind == "code" and code in _CODES and _CODES[code].kind in _CLASSES:
            name = f"class:{_CODES[code].kind}"
            out[name] = out.get(name, 0.0) + excess
    return out


def _group(alert: Alert) -> str:
    return _cell(f"year_group:{alert.evidence.get('year_group') or (alert.chart or '').removeprefix('G:')}")


def _cell(key: str) -> str:
    """A part of an attribution in words.

    >>> _cell("year_group:9"), _cell("year_group:R"), _cell("code:I"), _cell("weekday:Fri")
    ('Year 9', 'Reception', 'code I, illness (not appointments)', 'Fridays')
    """
    kind, _, name = key.partition(":")
    match kind:
        case "year_group":
            return {"R": "Reception", "N1": "Nursery, first year", "N2": "Nursery, second year", "all": "all year groups"}.get(
                name, f"Year {name}"
            )
        case "code":
            return f"code {name}, {_CODES[name].meaning}" if name in _CODES else f"code {name}"
        case "class":
            return _CLASSES[CodeClass(name)]
        case "weekday":
            return _WEEKDAYS.get(name, name)
        case "session":
            return _SESSIONS.get(name, name)
        case _:
            return name
