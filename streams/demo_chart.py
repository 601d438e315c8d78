"""The series behind one alert's chart, from the year as it was known at its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from models.guards import Verdict
from models.numbers import Bools, Floats, Ints, log_odds, ratio
from models.trajectory import solve
from models.year_group_evidence import group_days
from schemas.alert import AlertKind
from streams.demo_words import figure

if TYPE_CHECKING:
    from models.close import YearModel
    from streams.demo_findings import Story

__all__ = ["MEAN_DAYS", "AlertChart", "chart_of"]

MEAN_DAYS = 5
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class AlertChart:
    """One school's days (planned ones, in order), ratios of absence by day, (days,) each; NaN where there is no measurement.

    path: to the target; for chart C with the school's own level, as the alert took it. expected: path and common effect.
    For chart G all is the year group's; path: the rest of the school, expected: as far from it as the alert took for usual.
    actual, and its mean over the last 5 measured days. statistic with the decision interval of the opening. onset, opened,
    planted (None: nothing): positions; area: positions (first, last) of the days on which an area alert was open.
    """

    days: tuple[date, ...]
    absences: Ints
    possible: Ints
    path: Floats
    expected: Floats
    actual: Floats
    mean: Floats
    statistic: Floats
    decision_interval: float
    onset: int
    opened: int
    planted: int | None
    area: tuple[tuple[int, int], ...] = ()


def chart_of(model: YearModel, story: Story, planted_on: date | None, area: tuple[tuple[date, date], ...] = ()) -> AlertChart:
    """The chart of a T, C or G alert of this model's deployment; area: first and last dates of area alerts."""
    alert, here = story.opening, model.deployment
    school = int(np.searchsorted(here.urn, alert.urn or 0))
    rows = np.flatnonzero(here.planned[: model.through + 1, school])
    days = tuple(_EPOCH + timedelta(days=int(d)) for d in here.days[rows])
    place = {day: i for i, day in enumerate(days)}
    measured = model.verdict[rows, school] == Verdict.MEASURED
    absences, possible = (np.where(measured, a[rows, school], 0) for a in (model.absences, model.possible))
    onset = place.get(alert.onset_about or alert.opened_on, place[alert.opened_on])
    eta = model.path.eta[rows, school]
    statistic = model.level_statistic if alert.chart == "C" else model.target_statistic
    effect = model.effect[rows, school]
    if alert.kind is AlertKind.YEAR_GROUP:
        statistic = model.year_groups.statistic
        measured, absences, possible, eta = _year_group(model, school, str(alert.evidence["year_group"]), rows)
        effect = np.full(
            len(rows), _own_level(story, eta[onset : place[alert.opened_on] + 1], possible[onset : place[alert.opened_on] + 1])
        )
    elif alert.chart == "C":
        eta = eta + _own_level(story, eta[onset : place[alert.opened_on] + 1], possible[onset : place[alert.opened_on] + 1])
    actual = np.where(measured, absences / np.maximum(possible, 1), np.nan)
    return AlertChart(
        days=days,
        absences=absences,
        possible=possible,
        path=ratio(eta),
        expected=ratio(eta + effect),
        actual=actual,
        mean=_mean(absences, possible, measured),
        statistic=statistic[rows, school],
        decision_interval=figure(alert, "decision_interval"),
        onset=onset,
        opened=place[alert.opened_on],
        planted=place.get(planted_on) if planted_on is not None else None,
        area=tuple((place[first], place[last]) for first, last in area if first in place and last in place),
    )


def _year_group(model: YearModel, school: int, group: str, rows: Ints) -> tuple[Bools, Ints, Ints, Floats]:
    """Measured, absences and possible sessions of a year group on some days, and the logit of the rest of its school (NaN where
    not measured), (days,) each."""
    seen = group_days(model, school, group, range(model.through + 1))
    at = np.searchsorted(rows, seen.day)
    measured, rest = np.zeros(len(rows), bool), np.full(len(rows), np.nan)
    absences, possible = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    measured[at], absences[at], possible[at] = True, seen.absences, seen.possible
    k = np.array(seen.sessions)
    rest[at] = log_odds((np.array(seen.rest_absences) + k / 2) / (np.array(seen.rest_possible) + k))
    return measured, absences, possible, rest


def _own_level(story: Story, eta: Floats, possible: Ints) -> float:
    """The logits by which chart C had moved the path to the school's own level, or G stood from the rest by itself, from the
    alert's published evidence."""
    eta, possible = eta[possible > 0], possible[possible > 0]
    total = figure(story.opening, "possible_sessions")
    alone = figure(story.opening, "expected_absences") - figure(story.opening, "common_absences")
    if not possible.any() or not 0 < alone < total:
        return 0.0
    held = possible.astype(float)[:, None]
    return float(solve(eta[:, None], np.ones((len(eta), 1)), held, np.array([alone / total]))[0])


def _mean(absences: Ints, possible: Ints, measured: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Floats:
    """Absence ratio over each measured day and the 4 measured ones before it; NaN before there are 5, and on other days."""
    out = np.full(len(absences), np.nan)
    on = np.flatnonzero(measured)
    y, n = (np.concatenate([[0], np.cumsum(a[on])]) for a in (absences, possible))
    if len(on) >= MEAN_DAYS:
        out[on[MEAN_DAYS - 1 :]] = (y[MEAN_DAYS:] - y[:-MEAN_DAYS]) / np.maximum(n[MEAN_DAYS:] - n[:-MEAN_DAYS], 1)
    return out
