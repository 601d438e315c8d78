"""The demo's page: one self-contained HTML file with a chart for every T, C and G alert. No script, nothing from elsewhere.

It shows paths to targets, which the product shows to few; here every school is made up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from models import ENGINE_VERSION
from models.thresholds import rarity
from schemas.alert import AlertKind
from streams import demo_words as words
from streams.demo_chart import AlertChart, chart_of
from streams.demo_drawing import draw
from streams.svg import NARROW, WIDE, swatch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from schemas.alert import Alert
    from streams.demo import Demo
    from streams.demo_findings import Findings, Story

__all__ = ["render"]


@dataclass(frozen=True, slots=True)
class _Card:
    """One T, C or G alert as the page tells it; the drawings are markup, all else is plain text."""

    uid: str
    school: str
    chart: str
    headline: str
    found_by: str
    found_by_briefly: str
    size: str
    points: str
    since: str
    opened: str
    opened_briefly: str
    others: str
    lines: tuple[str, str]
    columns: tuple[str, str]
    area: str
    rarity: str | None
    target: str
    state: str
    truth: str
    false: bool
    withdrawn: bool
    receipt: tuple[tuple[str, str], ...]
    wide: Markup
    narrow: Markup
    rows: tuple[tuple[str, ...], ...]


class _Says(NamedTuple):
    """How the page speaks of a chart: what its size is held against, who else there is, and its two lines."""

    against: str
    others: str
    lines: tuple[str, str]
    columns: tuple[str, str]


_HUB = "with the hub's common effect"
_SAYS = {
    "T": _Says("on the path to its target", "What the area did", ("path to the target", _HUB), ("Path", "With common effect")),
    "C": _Says("at its own recent level", "What the area did", ("own recent level", _HUB), ("Own level", "With common effect")),
    "G": _Says(
        "by its usual distance from the rest of the school",
        "What the rest of the school did",
        ("rest of the school", "as far from the rest as it usually is"),
        ("Rest of the school", "Usual"),
    ),
}


def render(demo: Demo) -> str:
    """The whole page, HTML that is well-formed XML too."""
    environment = Environment(
        loader=PackageLoader("streams"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    found = demo.findings
    return environment.get_template("demo.html.j2").render(
        demo=demo,
        found=found,
        planted=demo.hub.planted,
        cards=tuple(_cards(demo)),
        short=[s for s in found.stories if not s.opening.chart],
        missed=[f for f in found.drifts if f.story is None],
        truth_of=_short_truths(found),
        names=demo.names,
        swatches={name: Markup(swatch(name)) for name in ("path", "expected", "mean", "dots")},  # noqa: S704 - our own drawing
        words=words,
        version=ENGINE_VERSION,
    )


def _short_truths(found: Findings) -> dict[str, str]:
    """What was planted behind each area, data and sudden alert, by alert id."""
    out = {str(s.opening.alert_id): "another one of the same event" for s in found.stories if s.opening.kind is AlertKind.AREA}
    out |= {str(s.opening.alert_id): "nothing: a false alert" for s in (*found.false_area, *found.false_data)}
    sudden = (s for s in found.stories if s.opening.kind is AlertKind.SUDDEN)
    out |= {str(s.opening.alert_id): "nothing; a single session, outside the budget" for s in sudden}
    out |= {str(s.opening.alert_id): "that day's registers said “all present”" for s in found.single_days}
    out |= {str(f.story.opening.alert_id): words.event_words(f.planted) for f in found.events if f.story is not None}
    return out | {str(f.story.opening.alert_id): words.stretch_words(f.planted) for f in found.stretches if f.story is not None}


def _cards(demo: Demo) -> Iterator[_Card]:
    """Cards by school, in the order in which the schools' first alerts opened."""
    found, planted = demo.findings, demo.hub.planted
    onsets = {d.urn: planted.days[d.onset_day - 1] for d in planted.drifts}
    area = tuple(_open_days(demo, s) for s in found.stories if s.opening.kind is AlertKind.AREA and not s.withdrawn)
    charted = [s for s in found.stories if s.opening.chart]
    first: dict[int | None, date] = {}
    for story in charted:
        first.setdefault(story.opening.urn, story.opening.opened_on)
    charted.sort(key=lambda s: (first[s.opening.urn], s.opening.urn or 0, s.opening.opened_on, s.opening.chart or ""))
    model = demo.done.courses[0].model
    for story in charted:
        urn = story.opening.urn or 0
        target = float(model.deployment.target[int(np.searchsorted(model.deployment.urn, urn))])
        yield _card(demo, story, chart_of(model, story, onsets.get(urn), area), onsets.get(urn), target)


def _open_days(demo: Demo, story: Story) -> tuple[date, date]:
    """First and last school day at whose close an alert stood."""
    days = demo.hub.planted.days
    last = days[-1] if story.ended_on is None else days[max(days.index(story.ended_on) - 1, 0)]
    return story.opening.opened_on, max(last, story.opening.opened_on)


def _card(demo: Demo, story: Story, chart: AlertChart, onset: date | None, target: float) -> _Card:
    alert = story.opening
    uid, school = f"alert-{alert.alert_id}", demo.names[alert.urn or 0]
    excess = words.pupils(words.figure(alert, "pupils_a_day"))
    say = _SAYS[(alert.chart or "")[:1]]
    group = alert.evidence.get("year_group")
    where = f"{school}, {words.year_words(group)}" if isinstance(group, str) else school
    title = f"{school}: absence by school day, chart {alert.chart}"
    false, truth = _truth(demo, story, onset)
    description = _description(alert, chart)
    return _Card(
        uid=uid,
        school=school,
        chart=alert.chart or "",
        headline=f"{where}: about {excess} more absent each day than {say.against}",
        found_by=words.FOUND_BY[alert.kind],
        found_by_briefly=words.found_by(alert),
        size=f"{excess} a day",
        points=f"{100 * words.figure(alert, 'excess_ratio'):.1f} points of attendance",
        since=words.full_date(alert.onset_about or alert.opened_on),
        opened=words.full_date(alert.opened_on),
        opened_briefly=words.table_date(alert.opened_on),
        others=say.others,
        lines=say.lines,
        columns=say.columns,
        area=_rest_words(alert) if group else _area_words(alert),
        rarity=rarity(alert.once_in_school_years),
        target="none" if np.isnan(target) else f"{100 * (1 - target):.1f} % attendance over the year",
        state=words.state_words(story),
        truth=truth,
        false=false,
        withdrawn=story.withdrawn,
        receipt=_receipt(alert),
        wide=Markup(draw(chart, WIDE, f"{uid}-w", title, description)),  # noqa: S704 - made by an element tree, which escapes
        narrow=Markup(draw(chart, NARROW, f"{uid}-n", title, description)),  # noqa: S704 - the same
        rows=tuple(_rows(chart)),
    )


def _truth(demo: Demo, story: Story, onset: date | None) -> tuple[bool, str]:
    """Whether an alert of a chart is a false one, and what was planted there."""
    planted = demo.hub.planted
    if onset is None:
        return True, "nothing was planted at this school: a false alert"
    if story.opening.opened_on < onset:
        return True, f"it opened before the drop that was planted from {words.full_date(onset)}: a false alert"
    drift = next(d for d in planted.drifts if d.urn == story.opening.urn)
    delay = planted.day(story.opening.opened_on) - drift.onset_day + 1
    return False, f"{words.drift_words(drift)}, from {words.full_date(onset)}; this alert came after {words.school_days(delay)}"


def _area_words(alert: Alert) -> str:
    """What the hub as a whole did between the onset and the opening."""
    sessions, possible = words.figure(alert, "sessions"), words.figure(alert, "possible_sessions")
    common = words.figure(alert, "common_absences")
    if not sessions or not possible:
        return "no figure"
    size, points = common / sessions, 100 * common / possible
    if abs(points) < 0.05:
        return "nothing unusual: the hub's other schools were where they were expected to be"
    more = "more" if size > 0 else "fewer"
    said = f"{words.pupils(abs(size))} a day {more} absent here than usual ({words.signed(points)} points of absence)"
    return f"{said}, as at the hub's other schools; left out of the size above"


def _rest_words(alert: Alert) -> str:
    """What the rest of the school did between the onset and the opening."""
    absences, possible = words.figure(alert, "rest_absences"), words.figure(alert, "rest_possible_sessions")
    return f"{100 * absences / possible:.1f} % absent; whatever hit the whole school is not in the size above" if possible else "no figure"


def _receipt(alert: Alert) -> tuple[tuple[str, str], ...]:
    """The evidence figures as they were published when the alert opened."""
    number = {name: f"{words.figure(alert, name):,.0f}" for name in ("absences", "possible_sessions", "sessions", "school_days")}
    expected, common = (f"{words.figure(alert, name):,.1f}".replace("-", "−") for name in ("expected_absences", "common_absences"))
    rest = f"{words.figure(alert, 'rest_absences'):,.0f} of {words.figure(alert, 'rest_possible_sessions'):,.0f} pupil-sessions"
    others = (f"{expected}, of these {common} common to the hub",) if alert.kind is not AlertKind.YEAR_GROUP else (expected, rest)
    return (
        ("Absences (numerator)", f"{number['absences']} pupil-sessions"),
        ("Possible sessions (denominator)", f"{number['possible_sessions']} pupil-sessions"),
        *zip(("Expected absences", "Absences in the rest of the school"), others, strict=False),
        ("Over", f"{number['sessions']} sessions on {number['school_days']} school days"),
        ("Newest register", str(alert.evidence.get("newest_register"))),
        ("Rules for codes", str(alert.evidence.get("code_rules_version"))),
        ("Statistic and decision interval", f"{words.figure(alert, 'statistic'):.2f} and {words.figure(alert, 'decision_interval'):.2f}"),
        ("Alert", str(alert.alert_id)),
    )


def _description(alert: Alert, chart: AlertChart) -> str:
    """The chart in words, for those who do not see it."""
    before, since = (chart.mean[: chart.onset + 1], chart.mean[chart.opened :])
    usual, now = (100 * float(np.nanmean(part)) if not np.isnan(part).all() else float("nan") for part in (before, since))
    return (
        f"Daily absence in per cent with its five-day mean, and as lines: {', and '.join(_SAYS[(alert.chart or '')[:1]].lines)}. "
        f"The five-day mean averages {usual:.1f} % up to the onset about {words.full_date(chart.days[chart.onset])} and {now:.1f} % "
        f"from the opening on {words.full_date(alert.opened_on)}. Below, the chart's statistic, which passed its decision interval "
        f"of {chart.decision_interval:.1f} that day and reaches {float(chart.statistic.max()):.0f} in the year."
    ).replace("nan %", "an unknown share")


def _rows(chart: AlertChart) -> Iterator[tuple[str, ...]]:
    """The chart's data: date, absences, possible sessions, and in per cent absent, path, path with common effect; statistic."""
    for i, day in enumerate(chart.days):
        seen = not np.isnan(chart.actual[i])
        yield (
            day.isoformat(),
            f"{chart.absences[i]:,}" if seen else "–",
            f"{chart.possible[i]:,}" if seen else "–",
            f"{100 * chart.actual[i]:.1f}" if seen else "–",
            *("–" if np.isnan(x) else f"{100 * x:.1f}" for x in (chart.path[i], chart.expected[i])),
            f"{chart.statistic[i]:.2f}",
        )
