"""The chart of a case: absence by school day against what was expected, and the statistic that opened the case."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from console.figures import drawn
from console.line_chart import Band, Line, LineChart, Mark, Strip, draw
from schemas.alert import AlertKind
from streams.demo_words import figure as of_evidence
from streams.demo_words import full_date

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from console.figures import Figure
    from console.series import Series
    from models.numbers import Floats
    from schemas.alert import Alert

__all__ = ["case_chart"]

_LEVEL_STEPS, _LEVEL_MOST = 60, 4.0


def case_chart(here: Series, alert: Alert, areas: Sequence[tuple[date, date]]) -> Figure | None:
    """A T, C or G alert's chart, None without any day. areas: first and last day of area alerts. It shows class T."""
    if not here.days or alert.chart is None:
        return None
    expected, words = _expected(here, alert)
    statistic = {"T": here.statistic_target, "C": here.statistic_level}.get(alert.chart, here.statistic_year_group)
    limit = of_evidence(alert, "decision_interval")
    lines = [Line("dots", "a school day", here.absent), Line("mean", "mean of five days", here.mean)]
    if words:
        lines.insert(0, Line("expected", words, expected))
    marks = []
    for kind, said, when in (("onset", "about since", alert.onset_about), ("opened", "case opened", alert.opened_on)):
        place = None if when is None else here.place(when)
        if place is not None:
            marks.append(Mark(kind, said, place))
    chart = LineChart(here.days, tuple(lines), tuple(marks), _bands(here, areas), Strip(statistic, limit) if limit > 0 else None)
    title = "Absence by school day"
    said = _description(here, alert, expected, words)
    return drawn(
        "chart",
        title,
        said,
        lambda width, uid: draw(chart, width, uid, title, said),
        tuple((line.kind, line.words) for line in lines),
        ("Day", "Absent", "Mean of five days", *(("Expected",) if words else ()), "Strength of the evidence"),
        tuple(_rows(here, expected if words else None, statistic)),
    )


def _expected(here: Series, alert: Alert) -> tuple[Floats, str]:
    """What was expected, per cent, and its words; for C moved to the school's own level, as the alert's evidence has it."""
    if alert.chart == "T":
        return here.expected, "expected on the path to the target, with what the whole area did"
    if alert.kind is AlertKind.LEVEL_DROP:
        return _at_own_level(here, alert), "expected at its own recent level, with what the whole area did"
    return np.full(len(here.days), np.nan), ""


def _at_own_level(here: Series, alert: Alert) -> Floats:
    """The expected ratios moved by one number of logits, so that they give the alert's expected absences from onset to opening."""
    first = here.place(alert.onset_about or alert.opened_on) or 0
    span = [i for i in range(first, len(here.days)) if here.days[i] <= alert.as_of and not math.isnan(here.absent[i])]
    span = [i for i in span if not math.isnan(here.expected[i])]
    wanted = of_evidence(alert, "expected_absences")
    possible = np.array([here.possible[i] for i in span], float)
    logit = np.log(here.expected / np.maximum(100.0 - here.expected, 1e-9))
    low, high = -_LEVEL_MOST, _LEVEL_MOST
    if not span or not 0 < wanted < possible.sum():
        return here.expected
    for _ in range(_LEVEL_STEPS):
        middle = (low + high) / 2
        total = float((possible / (1.0 + np.exp(-(logit[span] + middle)))).sum())
        low, high = (middle, high) if total < wanted else (low, middle)
    out: Floats = 100.0 / (1.0 + np.exp(-(logit + low)))
    return out


def _bands(here: Series, areas: Sequence[tuple[date, date]]) -> tuple[Band, ...]:
    out = []
    for first, last in areas:
        inside = [i for i, day in enumerate(here.days) if first <= day <= last]
        if inside:
            out.append(Band(inside[0], inside[-1]))
    return tuple(out)


def _description(here: Series, alert: Alert, expected: Floats, words: str) -> str:
    """The chart in one breath, for those who do not see it."""
    onset = here.place(alert.onset_about or alert.opened_on)
    before, since = (here.absent[:onset], here.absent[onset:]) if onset is not None else (here.absent, here.absent[:0])
    said = [f"Absence in per cent by school day, from {full_date(here.days[0])} to {full_date(here.days[-1])}."]
    if len(before) and not np.isnan(before).all():
        said.append(f"Before about {full_date(here.days[onset or 0])} it averages {np.nanmean(before):.1f} %.")
    if len(since) and not np.isnan(since).all():
        against = f", where {np.nanmean(expected[onset:]):.1f} % was expected" if words and not np.isnan(expected[onset:]).all() else ""
        said.append(f"Since then it averages {np.nanmean(since):.1f} %{against}.")
    limit = of_evidence(alert, "decision_interval")
    if limit > 0:
        said.append(f"The strength of the evidence passed its limit of {limit:.1f} on {full_date(alert.opened_on)}.")
    return " ".join(said)


def _rows(here: Series, expected: Floats | None, statistic: Floats) -> list[tuple[str, ...]]:
    mean = here.mean
    return [
        (
            day.isoformat(),
            _per_cent(here.absent[i]),
            _per_cent(mean[i]),
            *((_per_cent(expected[i]),) if expected is not None else ()),
            "–" if math.isnan(statistic[i]) else f"{statistic[i]:.1f}",
        )
        for i, day in enumerate(here.days)
    ]


def _per_cent(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1f} %"
