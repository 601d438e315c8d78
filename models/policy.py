"""The alert policy: what is said at the close of a day, given what was said before, with a reason for each alert kept or withheld.

Everything that can open, update, close, withdraw or withhold an alert lives here. `decide` is one step of a left fold over
the closes: it judges the closed day alone, and remembers nothing but what was published. (detection.md 1.8)
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models import sudden_alerts
from models.changed_registers import in_words
from models.evidence import Evidence, chart_evidence, onset_day
from models.guards import Verdict
from models.said import Key, Line, key_of
from models.second_opinion import second_opinions
from models.thresholds import limit, once_in_school_years, rarity
from models.year_group_counts import series_key
from models.year_group_evidence import group_days, leading_cell, leading_year_group, year_group_grounds
from schemas.alert import Alert, AlertKind, AlertState, alert_id
from schemas.codes import YEAR_GROUP_IDS

if TYPE_CHECKING:
    from models.attribution import Attributor
    from models.close import Acknowledged, YearModel
    from models.numbers import Bools, Floats, Ints
    from models.parameters import Budget
    from models.said import Said

__all__ = ["Close", "Withheld", "decide"]

HOLD_OFF_SCHOOL_DAYS = 10
NO_OPENING_LAST_DAYS = 10
CLOSES_AFTER_DAYS = 10
SILENT_DAYS = 5
_WITHDRAW_MARGIN = 0.7
_KINDS = {"T": AlertKind.OFF_TRAJECTORY, "C": AlertKind.LEVEL_DROP, "G": AlertKind.YEAR_GROUP}
_CHARTLESS = {"area": AlertKind.AREA, "data": AlertKind.DATA, "sudden": AlertKind.SUDDEN}
_DEFECTS = {Verdict.MISSING: "silent", Verdict.PARTIAL: "partial", Verdict.IMPLAUSIBLE: "implausible", Verdict.ALL_PRESENT: "all present"}
_EPOCH = date(1970, 1, 1)


class Withheld(StrEnum):
    """Why a chart above its limit said nothing new."""

    ALREADY_OPEN = "already open"
    HOLD_OFF = "hold-off"
    END_OF_YEAR = "end of year"
    WARMING_UP = "warming up"
    NOT_SCORED = "not scored"


@dataclass(frozen=True, slots=True)
class Close:
    """What one close says: the alerts in publishing order, and how many charts above the limit were withheld, by reason."""

    alerts: tuple[Alert, ...]
    withheld: Counter[str]


class _Say(NamedTuple):
    """The makings of alert records at one close."""

    model: YearModel
    day: int
    said: Said
    attributor: Attributor | None

    @property
    def today(self) -> date:
        return self.date_of(self.day)

    def date_of(self, day: int) -> date:
        return _EPOCH + timedelta(days=int(self.model.deployment.days[day]))

    def day_of(self, when: date) -> int:
        return int(np.searchsorted(self.model.deployment.days, (when - _EPOCH).days))

    def about(self, key: Key) -> Ints:
        """The schools (indices) that something is said of: one, or an area's."""
        here = self.model.deployment
        return np.flatnonzero(here.urn == key.urn if key.area is None else here.area == here.areas.index(key.area)).astype(np.int32)

    def grounds(self, chart: str, school: int, h: float, onset: int, named: str | None = None) -> tuple[Evidence, dict[str, float] | None]:
        """Evidence and attribution of one school's T, C or G from an onset to today. named: the year group to speak of (for G)."""
        if named is not None:
            seen = group_days(self.model, school, named, range(self.day + 1))
            evidence, whole = year_group_grounds(self.model, school, named, seen.since(onset), self.day, h)
            return evidence, whole if self.attributor is None else self.attributor.year_group_parts(school, named, onset, seen).attribution
        evidence = chart_evidence(self.model, chart, school, self.day, h, onset)
        if self.attributor is None:
            return evidence, None
        parts = self.attributor.parts(chart, school, onset)
        return {**evidence, "leading_cell": parts.leading}, parts.attribution

    def alert(
        self, key: Key, state: AlertState, line: Line, reason: str, evidence: Evidence, attribution: dict[str, float] | None = None
    ) -> Alert:
        kind = _KINDS.get(key.chart) or _CHARTLESS[key.chart]
        chart = None if key.chart not in _KINDS else f"G:{line.named}" if key.chart == "G" else key.chart
        year = self.model.deployment.academic_year
        return Alert(
            alert_id=alert_id(kind, chart, key.urn if key.area is None else key.area, year, line.opened_on),
            urn=key.urn,
            area=key.area,
            kind=kind,
            chart=chart,
            state=state,
            opened_on=line.opened_on,
            as_of=self.today,
            onset_about=line.onset,
            once_in_school_years=line.rank if chart else None,
            evidence=evidence,
            attribution=attribution,
            reason=reason,
        )

    def opening(
        self,
        key: Key,
        rank: float,
        onset: date | None,
        reason: str,
        evidence: Evidence,
        attribution: dict[str, float] | None = None,
        named: str | None = None,
    ) -> Alert:
        if self.attributor is not None:
            evidence = {**evidence, "known_until": self.attributor.standing.known_until(self.about(key), self.day)}
        line = Line(self.today, rank, open=True, onset=onset, hold_off_from=None, named=named)
        alert = self.alert(key, AlertState.OPENED, line, reason, evidence, attribution)
        return alert.model_copy(update={"reason": "reopened"}) if str(alert.alert_id) in self.said.opened else alert


def decide(
    model: YearModel, day: int, said: Said, budget: Budget, acknowledged: Acknowledged, attributor: Attributor | None = None
) -> Close:
    """Alerts at the close of deployment day `day`, which the model has been scored through; folds them into `said`.

    Without an attributor (the registers' cells are not to be had) alerts have no attribution, and no leading part to change.
    """
    say = _Say(model, day, said, attributor)
    if attributor is not None:
        held = ((key.chart, _school_index(say, key)) for key, line in said.lines.items() if line.open and key.chart in _KINDS)
        attributor.prepare([(chart, i) for chart, i in held if i is not None])
    withheld: Counter[str] = Counter()
    alerts = _areas(say)
    alerts += _charts(say, "T", model.target_statistic, budget, acknowledged, withheld)
    alerts += _charts(say, "C", model.level_statistic, budget, acknowledged, withheld)
    if model.year_groups.used or any(key.chart == "G" for key in said.lines):
        model.year_groups.make()
        alerts += _charts(say, "G", model.year_groups.statistic, budget, acknowledged, withheld)
    alerts += _sudden(say, withheld)
    alerts += _data(say)
    alerts = [alert if alert.state is not AlertState.WITHDRAWN else _with_what_changed(say, alert) for alert in alerts]
    alerts.sort(key=lambda a: (a.kind, a.urn if a.urn is not None else -1, a.area or "", a.opened_on, a.state))
    for alert in alerts:
        said.add(alert)
    return Close(tuple(alerts), withheld)


def _with_what_changed(say: _Say, alert: Alert) -> Alert:
    """A withdrawal that names the registers that changed since the opening."""
    if say.attributor is None:
        return alert
    known_until = say.said.lines[key_of(alert)].known_until
    changed = say.attributor.standing.changed(say.about(key_of(alert)), say.day_of(alert.opened_on), known_until)
    return alert.model_copy(update={"evidence": {**alert.evidence, **changed}, "reason": f"{alert.reason}; {in_words(changed)}"})


def _school_index(say: _Say, key: Key) -> int | None:
    urns = say.model.deployment.urn
    i = int(np.searchsorted(urns, key.urn or 0))
    return i if i < len(urns) and urns[i] == key.urn else None


def _charts(say: _Say, chart: str, statistic: Floats, budget: Budget, acknowledged: Acknowledged, withheld: Counter[str]) -> list[Alert]:
    model, day = say.model, say.day
    here, laws = model.deployment, model.parameters.thresholds
    rate = budget.rates(chart, here)
    rank = once_in_school_years(laws, statistic[day], model.band, chart)
    limits = limit(laws, rate, model.band, chart)
    above = (rank >= 1.0 / rate) & here.planned[day]
    has_path = model.has_path if chart == "T" else np.ones(len(here.urn), bool)
    above &= has_path
    out: list[Alert] = []
    were_open = set()
    for key, line in list(say.said.lines.items()):
        if key.chart != chart or not line.open:
            continue
        i = _school_index(say, key)
        if i is not None:
            were_open.add(i)
            out += _follow(say, key, line, i, statistic, float(limits[i]), float(rank[i]), acknowledged)
    for i in np.flatnonzero(above).tolist():
        key = Key(chart, int(here.urn[i]), None)
        why = Withheld.ALREADY_OPEN if i in were_open else _withhold(say, key, i, chart)
        if why is not None:
            withheld[f"{chart}: {why}"] += 1
            continue
        onset = onset_day(model, chart, i, day)
        against = "the path to the target" if not np.isnan(here.target[i]) else "the baseline: the school has no target"
        against = {"T": f", against {against}", "G": ", against the rest of the school"}.get(chart, "")
        named = leading_year_group(model, i, day) if chart == "G" else None
        evidence, attribution = say.grounds(chart, i, float(limits[i]), onset, named)
        if named is None:
            evidence |= second_opinions(model, i, day)
        reason = f"chart {chart} passed its decision interval{against}; {rarity(float(rank[i]))}"
        out.append(say.opening(key, float(rank[i]), say.date_of(onset), reason, evidence, attribution, named))
    return out


def _withhold(say: _Say, key: Key, school: int, chart: str) -> Withheld | None:
    """The first rule that forbids an opening today; None if it may open."""
    model, day = say.model, say.day
    if not _scored(model, chart)[day, school]:
        return Withheld.NOT_SCORED
    if chart != "T" and model.warming_up[day, school]:
        return Withheld.WARMING_UP
    planned = model.deployment.planned[:, school]
    if planned[day + 1 :].sum() < NO_OPENING_LAST_DAYS:
        return Withheld.END_OF_YEAR
    if _held_off(say, key, planned):
        return Withheld.HOLD_OFF
    return None


def _scored(model: YearModel, chart: str) -> Bools:
    """The days that a chart's statistic speaks of, (days, schools)."""
    return model.year_groups.scored if chart == "G" else model.scored


def _held_off(say: _Say, key: Key, planned: Bools) -> bool:
    """Whether the last opening that was not withdrawn is fewer than 10 of the school's days back."""
    line = say.said.lines.get(key)
    if line is None or line.hold_off_from is None:
        return False
    return int(planned[say.day_of(line.hold_off_from) + 1 : say.day + 1].sum()) < HOLD_OFF_SCHOOL_DAYS


def _follow(
    say: _Say, key: Key, line: Line, school: int, statistic: Floats, h: float, rank: float, acknowledged: Acknowledged
) -> list[Alert]:
    """What becomes of an open alert today: withdrawn, closed, updated or nothing new."""
    fate = _fate(say, key, line, school, statistic, h, rank, acknowledged)
    if fate is None:
        return []
    state, reason = fate
    now = replace(line, rank=rank) if state is AlertState.UPDATED else line
    named = (leading_year_group(say.model, school, say.day) or line.named) if key.chart == "G" else None
    return [say.alert(key, state, now, reason, *say.grounds(key.chart, school, h, _onset(say, key, line, school), named))]


def _onset(say: _Say, key: Key, line: Line, school: int) -> int:
    """The onset as it was published; should none have been, as it stands today."""
    return say.day_of(line.onset) if line.onset is not None else onset_day(say.model, key.chart, school, say.day)


def _fate(
    say: _Say, key: Key, line: Line, school: int, statistic: Floats, h: float, rank: float, acknowledged: Acknowledged
) -> tuple[AlertState, str] | None:
    scored, day = _scored(say.model, key.chart), say.day
    opened = say.day_of(line.opened_on)
    counts = scored[opened : day + 1, school].copy()
    counts[0] = True  # a corrected opening day that is no measurement any more carries the statistic of the day before
    values = statistic[opened : day + 1, school][counts]
    place = "TCG".index(key.chart)
    subject = school if line.named is None else series_key(school, YEAR_GROUP_IDS[line.named])
    if any(opened <= d <= day and subject in subjects[place] for d, subjects in acknowledged.items()):
        return AlertState.CLOSED, "acknowledged"
    if bool((values < h - _WITHDRAW_MARGIN).all()):
        return AlertState.WITHDRAWN, "corrected registers: below half the strength on the opening day and ever since"
    if len(values) > CLOSES_AFTER_DAYS and bool((values[-CLOSES_AFTER_DAYS:] < h / 3).all()):
        return AlertState.CLOSED, f"{CLOSES_AFTER_DAYS} days below a third of the decision interval"
    if scored[day, school] and rank >= 2 * line.rank:
        return AlertState.UPDATED, "twice as strong"
    leading = _leading(say, key, line, school) if scored[day, school] and statistic[day, school] >= h else None
    if leading is not None and leading != line.leading:
        return AlertState.UPDATED, f"the leading part is now {leading}"
    return None


def _leading(say: _Say, key: Key, line: Line, school: int) -> str | None:
    """The part that an open alert above its limit should name; of G, the year group that leads."""
    if key.chart == "G":
        group = leading_year_group(say.model, school, say.day)
        return None if group is None else leading_cell(group)
    return None if say.attributor is None else say.attributor.leading(key.chart, school, _onset(say, key, line, school))


def _areas(say: _Say) -> list[Alert]:
    model, day = say.model, say.day
    out = []
    for j, area in enumerate(model.deployment.areas):
        key = Key("area", None, area)
        line = say.said.lines.get(key)
        value, bound = float(model.area_effect[day, j]), float(model.area_limit[day, j])
        evidence: Evidence = {"area_effect_logit": value, "limit_logit": bound if np.isfinite(bound) else None}
        if line is not None and line.open:
            opened = say.day_of(line.opened_on)
            if not model.area_on[opened, j] or model.area_effect[opened, j] <= model.area_limit[opened, j]:
                out.append(say.alert(key, AlertState.WITHDRAWN, line, "corrected registers: no common effect that day", evidence))
            elif not model.area_on[day, j]:
                out.append(say.alert(key, AlertState.CLOSED, line, "the common effect fell below half its limit", evidence))
        elif model.area_on[day, j] and value > bound:
            out.append(say.opening(key, 0.0, say.today, "a common effect over the area", evidence))
    return out


def _sudden(say: _Say, withheld: Counter[str]) -> list[Alert]:
    """One session far outside its predictive law (`models.sudden_alerts`)."""
    held = ((_school_index(say, key), line) for key, line in say.said.lines.items() if key.chart == "sudden" and line.open)
    lines = {i: line for i, line in held if i is not None}
    out = []
    for one in sudden_alerts.sayings(say.model, say.day, {i: say.day_of(line.opened_on) for i, line in lines.items()}, withheld):
        key, line = Key("sudden", int(say.model.deployment.urn[one.school]), None), lines.get(one.school)
        if line is None:
            out.append(say.opening(key, 0.0, None, one.reason, one.evidence))
        else:
            out.append(say.alert(key, one.state, line, one.reason, one.evidence))
    return out


def _data(say: _Say) -> list[Alert]:
    """Registers that are no measurement: silent for 5 days running, partial, implausible, all present."""
    model, day = say.model, say.day
    here, verdict = model.deployment, model.verdict
    out, were_open = [], set()
    for key, line in list(say.said.lines.items()):
        i = _school_index(say, key) if key.chart == "data" and line.open else None
        if i is None:
            continue
        were_open.add(i)
        now = Verdict(int(verdict[day, i]))
        opened = say.day_of(line.opened_on)
        evidence: Evidence = {"registers_today": now.name.lower()}
        if _defect(model, opened, i) is None:
            out.append(say.alert(key, AlertState.WITHDRAWN, line, "the registers have come or were corrected", evidence))
        elif now is Verdict.MEASURED:
            out.append(say.alert(key, AlertState.CLOSED, line, "usable registers again", evidence))
    for i in np.flatnonzero(np.isin(verdict[day], [int(v) for v in _DEFECTS]) & here.planned[day]).tolist():
        key = Key("data", int(here.urn[i]), None)
        defect = None if i in were_open else _defect(model, day, i)
        if defect is not None and not _held_off(say, key, here.planned[:, i]):
            out.append(say.opening(key, 0.0, None, f"registers: {defect}", {"registers_today": Verdict(int(verdict[day, i])).name.lower()}))
    return out


def _defect(model: YearModel, day: int, school: int) -> str | None:
    """The data rule that holds for a school on a day; silence needs 5 of its school days running."""
    verdict = Verdict(int(model.verdict[day, school]))
    if verdict is Verdict.MISSING:
        planned = np.flatnonzero(model.deployment.planned[: day + 1, school])[-SILENT_DAYS:]
        silent = len(planned) == SILENT_DAYS and bool(np.all(model.verdict[planned, school] == Verdict.MISSING))
        return "silent" if silent else None
    return _DEFECTS.get(verdict)
