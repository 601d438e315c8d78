"""The case page as plain words: headline, how much, since when, the area, where, data health, what is new, doubts, the receipt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from casebook.case_state import CaseKind, CaseStatus
from casebook.events import ENGINE, AlertSaid, Effect
from console import case_words as words
from console.people_words import LONDON, OUTCOMES, REASONS, moment_words, told_words, who
from console.views import Answer, CaseLine, Entry, Tag
from models import ENGINE_VERSION
from schemas.alert import Alert, AlertKind, AlertState
from schemas.reading import Condition
from streams.demo_words import brief_date, full_date

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from casebook.case_state import Case
    from casebook.inbox import AlertThen, HistoryEntry, InboxCase, SchoolFacts
    from console.figures import Figure
    from console.forms import Action
    from console.series import Series

__all__ = ["CaseView", "alert_of", "answers", "case_line", "doubts", "health", "history", "memory", "receipt", "school_facts", "tags"]

_HEALTH_DAYS = 10
_RECEIVED = {Condition.MISSING: "no register", Condition.PARTIAL: "a partial one", Condition.IMPLAUSIBLE: "one that is no measurement"}


@dataclass(frozen=True, slots=True)
class CaseView:
    """What `case.html` shows."""

    back: str
    school: str
    school_address: str
    school_facts: str
    headline: str
    tags: tuple[Tag, ...]
    problems: tuple[str, ...]
    howmuch: tuple[str, ...]
    chart: Figure | None
    chart_caption: str
    answers: tuple[Answer, ...]
    memory: tuple[str, ...]
    history: tuple[Entry, ...]
    actions: tuple[Action, ...]
    seen: str
    version: str
    doubts: tuple[str, ...]
    receipt: tuple[tuple[str, str], ...]
    then_address: str

    @property
    def field_ids(self) -> frozenset[str]:
        """Of the fields that stand on the page, for the list of what is wrong to lead to."""
        return frozenset(f"{action.name}-{f.name}" for action in self.actions for f in action.fields)


def alert_of(then: AlertThen, urn: int | None, area: str | None = None) -> Alert:
    """A record as it was published."""
    return Alert.model_construct(
        alert_id=then.alert_id,
        urn=urn,
        area=area,
        kind=AlertKind(then.kind),
        chart=then.chart,
        state=AlertState(then.state),
        opened_on=then.opened_on,
        as_of=then.as_of,
        onset_about=then.onset_about,
        once_in_school_years=then.once_in_school_years,
        evidence=then.evidence,
        attribution=then.attribution,
        reason=then.reason,
    )


def school_facts(school: SchoolFacts) -> str:
    """Phase, size and authority in one line."""
    roll = f", {school.roll:,} pupils" if school.roll else ""
    return f"{school.phase}{roll}, {school.local_authority}, URN {school.urn}"


def tags(case: Case, school: SchoolFacts, me: str, names: Mapping[str, str], today: date, newest: date | None) -> tuple[Tag, ...]:
    """State in words; newest: the day of the newest close, on which what opened is new."""
    out = []
    if case.status is CaseStatus.OPEN and case.opened_as_of == newest and case.holder is None:
        out.append(Tag("New", "blue"))
    if case.status is CaseStatus.CLOSED:
        said = None if case.ending is None or case.ending.outcome is None else OUTCOMES[case.ending.outcome]
        out.append(Tag("Closed: " + (said or "recovered")))
    if case.status is CaseStatus.WITHDRAWN:
        out.append(Tag("Withdrawn", "orange"))
    if case.holder is not None and case.status is CaseStatus.OPEN:
        out.append(Tag("With you" if case.holder == me else f"With {who(case.holder, names)}", "green"))
    if case.status is CaseStatus.OPEN and case.asleep(today):
        out.append(Tag(_asleep(case), "yellow"))
    if case.reopened:
        out.append(Tag("Reopened", "orange"))
    if case.referred:
        out.append(Tag("Refer", "red"))
    elif case.referred_by:
        out.append(Tag("Referral asked for", "pink"))
    if school.support == "enhanced":
        out.append(Tag("Enhanced support", "purple"))
    return tuple(out)


def case_line(line: InboxCase, shown_tags: tuple[Tag, ...]) -> CaseLine:
    """The case in the inbox, by the newest record of its leading alert."""
    case, school = line.case, line.school
    alert = None if line.leading is None else alert_of(line.leading, case.urn)
    facts = [("opened", brief_date(case.opened_as_of))]
    if alert is not None and alert.onset_about is not None:
        facts.insert(0, ("since about", brief_date(alert.onset_about)))
    if len(case.open_lines) > 1:
        facts.append(("alerts", str(len(case.open_lines))))
    if case.last_reason is not None:
        facts.append(("reason", REASONS[case.last_reason]))
    return CaseLine(
        f"/cases/{case.case_id}",
        school.name,
        f"{school.phase}{f', {school.roll:,} pupils' if school.roll else ''}",
        case.leading.reason if alert is None else words.headline(alert),
        (words.rarity_words(alert) or "") if alert is not None else "",
        tuple(facts),
        shown_tags,
        line.last_words[:160],
    )


def answers(alert: Alert, others: Sequence[Alert], here: Series, *, own: bool) -> tuple[Answer, ...]:
    """The rows of the page in their order; others: the case's other open alerts; own: for the school itself."""
    if alert.kind is AlertKind.DATA:
        return _about_registers(alert, others, here)
    cells = words.cell_words(alert, codes=own)
    better = words.improving_words(alert)
    out = [
        Answer("Since when?", (words.since_words(alert),)),
        Answer("Area or trust problem?", (words.area_words(alert),)),
        Answer(
            "Alone or shared with the cohort?",
            () if cells else ("This evidence does not split the difference.",),
            (*cells, *((better,) if better else ())),
        ),
        Answer("Concern or explainable anomaly?", health(here)),
        Answer("What this adds", (), tuple(words.added_words(alert))),
    ]
    opinions = words.second_opinion_words(alert)
    if opinions:
        out.append(Answer("Second opinions", ("Other methods on the same days. They decide nothing.",), tuple(opinions)))
    if others:
        out.append(Answer("Also in this case", (), tuple(f"{words.headline(a)} (opened {full_date(a.opened_on)})" for a in others)))
    return tuple(answer for answer in out if answer.paragraphs or answer.items)


def _about_registers(alert: Alert, others: Sequence[Alert], here: Series) -> tuple[Answer, ...]:
    """What there is to say where registers are no measurement: nothing about attendance."""
    out = [
        Answer("Since when?", (f"First seen on {full_date(alert.opened_on)}.",)),
        Answer("What was received?", health(here)),
        Answer(
            "What this means",
            (
                "While it is so, the school's attendance is not judged, and nothing is said of it.",
                "Ask the office whether registers are taken and sent; often an export has stopped.",
            ),
        ),
    ]
    if others:
        out.append(Answer("Also in this case", (), tuple(f"{words.headline(a)} (opened {full_date(a.opened_on)})" for a in others)))
    return tuple(out)


def health(here: Series) -> tuple[str, ...]:
    """How much can be trusted: registers of the last 10 school days, and the newest."""
    newest = here.conditions[-_HEALTH_DAYS:]
    if not newest:
        return ("No register of this school is known.",)
    bad = [(day, _RECEIVED[c]) for day, c in zip(here.days[-_HEALTH_DAYS:], newest, strict=True) if c in _RECEIVED]
    said = (
        f"{len(newest) - len(bad)} of the last {len(newest)} school days have whole registers; the newest is of {full_date(here.days[-1])}."
    )
    listed = "; ".join(f"{brief_date(day)} {what}" for day, what in bad[:5])
    return (said, f"Not whole: {listed}.") if bad else (said,)


def memory(case: Case, past: Sequence[Case], names: Mapping[str, str]) -> tuple[str, ...]:
    """What people said last, and how this school's cases ended before."""
    out = []
    if case.last_reason is not None:
        out.append(f"The last reason that somebody gave: {REASONS[case.last_reason]}.")
    ended = [c for c in past if c.case_id != case.case_id and c.kind is case.kind and c.ending is not None]
    out.extend(_ended(earlier, names) for earlier in ended[:2])
    if not out:
        out.append("Nobody has said a reason yet, and there was no earlier case.")
    return tuple(out)


def _ended(case: Case, names: Mapping[str, str]) -> str:
    """How an earlier case ended."""
    if case.ending is None:
        return ""
    reason = "" if case.last_reason is None else f", the reason: {REASONS[case.last_reason]}"
    if case.ending.outcome is not None and case.ending.by is not None:
        said = f"{who(case.ending.by, names)} closed it as {OUTCOMES[case.ending.outcome]}"
    else:
        said = "it was withdrawn" if case.status is CaseStatus.WITHDRAWN else "it recovered by itself"
    return f"An earlier case, of {full_date(case.opened_as_of)}: {said} on {full_date(case.ending.as_of)}{reason}."


def history(entries: Sequence[HistoryEntry], names: Mapping[str, str]) -> tuple[Entry, ...]:
    """Events, the newest first; what the engine only said again is one line, however often it was said between two other events."""
    out: list[Entry] = []
    again: list[HistoryEntry] = []
    for entry in reversed(entries):
        if _only_said_again(entry):
            again.append(entry)
            continue
        out += [*_again(again), _entry(entry, names)]
        again = []
    return (*out, *_again(again))


def _only_said_again(entry: HistoryEntry) -> bool:
    said = entry.event.said
    return isinstance(said, AlertSaid) and said.state is AlertState.UPDATED and set(entry.effects) <= {Effect.UPDATED}


def _again(entries: Sequence[HistoryEntry]) -> list[Entry]:
    """Newest first."""
    if not entries:
        return []
    newest, oldest = entries[0].event.at, entries[-1].event.at
    times = f"{len(entries)} times since {full_date(oldest.astimezone(LONDON).date())}" if len(entries) > 1 else "once"
    return [Entry(moment_words(newest), newest.isoformat(), who(ENGINE, {}), f"said it again with new figures, {times}")]


def _entry(entry: HistoryEntry, names: Mapping[str, str]) -> Entry:
    event = entry.event
    words = "(these words were removed)" if entry.redacted else entry.words
    return Entry(moment_words(event.at), event.at.isoformat(), who(event.actor, names), told_words(entry, names), words)


def doubts(alert: Alert) -> tuple[str, ...]:
    """How to be wrong about this."""
    if alert.kind is AlertKind.DATA:
        return (
            "A day off that the calendar does not name looks like a day without a register.",
            "Registers that were held back are judged when they come, each for its own day, and may close this case by themselves.",
        )
    rare = words.rarity_words(alert)
    out = ["A school that is on track gives such a signal now and then: a case is a reason to ring and ask, not a finding."]
    if rare:
        out.append(rare)
    out.append(
        "Registers are corrected for months: a cause that a correction removes withdraws the case, with the reason. "
        "What happened to the pupils' lives cannot be seen in marks."
    )
    return tuple(out)


def receipt(alert: Alert, case: Case) -> tuple[tuple[str, str], ...]:
    """What the figures rest on, as published."""
    e = alert.evidence

    def number(name: str) -> str:
        value = e.get(name)
        return "–" if value is None else f"{value:,.1f}".removesuffix(".0") if isinstance(value, int | float) else str(value)

    rows = [
        ("Absences", f"{number('absences')} pupil-sessions"),
        ("Possible sessions", f"{number('possible_sessions')} pupil-sessions"),
        ("Expected absences", f"{number('expected_absences')}, of these {number('common_absences')} common to the area"),
        ("Period", f"{number('sessions')} sessions on {number('school_days')} school days, to {alert.as_of.isoformat()}"),
        ("Newest register", number("newest_register")),
        ("Rules for codes", number("code_rules_version")),
        ("Strength and limit", f"{number('statistic')} and {number('decision_interval')}"),
        ("Engine", ENGINE_VERSION),
        ("Alert", str(alert.alert_id)),
        ("Case", str(case.case_id)),
        ("To compute this again", f"headway close --as-known {alert.as_of.isoformat()}"),
    ]
    if case.kind is CaseKind.DATA or not e.get("possible_sessions"):
        rows = [row for row in rows if row[0] not in {"Absences", "Possible sessions", "Expected absences", "Strength and limit", "Period"}]
    return tuple(rows)


def _asleep(case: Case) -> str:
    if case.snooze is None:
        return ""
    date = f"until {brief_date(case.snooze.until)}" if case.snooze.until is not None else ""
    worse = "until it worsens" if case.snooze.baseline is not None else ""
    return "Snoozed " + " or ".join(part for part in (date, worse) if part)
