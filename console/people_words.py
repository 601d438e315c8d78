"""How pages name people, moments and what was done: the same words in histories, ledgers and lists."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from casebook import events as e
from casebook.case_state import HumanReason
from casebook.ledger import Action
from casebook.looks import Purpose
from casebook.scope import Role
from schemas.acknowledgement import Verdict
from schemas.alert import AlertState
from streams.demo_words import full_date

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from casebook.inbox import HistoryEntry
    from casebook.looks import LedgerRow

__all__ = [
    "ACTIONS",
    "LONDON",
    "OUTCOMES",
    "PURPOSES",
    "REASONS",
    "ROLES",
    "looked_words",
    "moment_words",
    "role_words",
    "told_words",
    "who",
]

LONDON = ZoneInfo("Europe/London")

ROLES = {
    Role.COORDINATOR: "coordinator",
    Role.HUB_LEAD: "hub lead",
    Role.SCHOOL: "school",
    Role.ANALYST: "analyst",
    Role.OPS: "operator",
}
REASONS = {
    HumanReason.ILLNESS_WAVE: "an illness wave",
    HumanReason.TRANSPORT: "transport",
    HumanReason.SEND_PROVISION: "SEND provision",
    HumanReason.HOUSING: "housing",
    HumanReason.SAFEGUARDING: "safeguarding",
    HumanReason.SCHOOL_EVENT: "a school event",
    HumanReason.DATA: "the data",
    HumanReason.NOT_KNOWN: "not known",
}
OUTCOMES = {
    Verdict.HANDLED: "handled",
    Verdict.KNEW_ALREADY: "knew already",
    Verdict.NOT_REAL: "not real",
}
PURPOSES = {
    Purpose.REVIEW_CASE: "to review a case",
    Purpose.PREPARE_VISIT: "to prepare a call or a visit",
    Purpose.SCHOOL_ASKED: "because the school asked",
    Purpose.CHECK_FIGURES: "to check a figure",
}
"""Why somebody looks at a target: chosen from this list before it is shown."""
ACTIONS = {
    Action.OPENED_CASE: "opened a case",
    Action.OPENED_SCHOOL: "opened the school's page",
    Action.SAW_PATH: "looked at the path to the target",
    Action.EXPORTED: "exported figures",
    Action.REDACTED: "removed the words of an event",
    "take": "took a case",
    "give_back": "gave a case back",
    "assign": "assigned a case",
    "note": "noted something",
    "reason": "said a reason",
    "snooze": "snoozed a case",
    "wake": "woke a case",
    "close": "closed a case",
    "reopen": "reopened a case",
    "refer": "asked for a referral",
    "take_back_referral": "took a referral back",
}
"""What a row of the ledger says was done."""
_DONE = {
    "take": "took the case",
    "give_back": "gave the case back",
    "note": "noted",
    "reopen": "reopened the case",
    "refer": "asked for a referral (it stands once a second named person asks too)",
    "take_back_referral": "took the referral back",
}
_STATES = {
    AlertState.OPENED: "an alert opened",
    AlertState.UPDATED: "an alert was said again, with new figures",
    AlertState.CLOSED: "an alert ended",
    AlertState.WITHDRAWN: "an alert was withdrawn",
}


def who(person: str, names: Mapping[str, str]) -> str:
    """A person's name, or what stands in its place."""
    if person == e.ENGINE:
        return "Headway"
    return names.get(person, "somebody who has left")


def role_words(role: Role, scope: str) -> str:
    """``coordinator of Northbridge hub``."""
    return f"{ROLES[role]} of {scope}" if scope and role is not Role.SCHOOL else ROLES[role]


def moment_words(moment: datetime) -> str:
    """Local day and time.

    >>> from datetime import UTC, datetime
    >>> moment_words(datetime(2026, 7, 1, 7, 5, tzinfo=UTC))
    'Wednesday 1 July 2026, 08:05'
    """
    local = moment.astimezone(LONDON)
    return f"{local:%A} {full_date(local.date())}, {local:%H:%M}"


def told_words(entry: HistoryEntry, names: Mapping[str, str]) -> str:
    """What an event was, after the name of who did it."""
    said = entry.event.said
    match said:
        case e.AlertSaid():
            return _alert_words(said, set(entry.effects))
        case e.Assign():
            return f"assigned the case to {who(said.to, names)}"
        case e.Reason():
            return f"said the reason: {REASONS[said.reason]}"
        case e.Snooze():
            return "snoozed the case " + _until(said)
        case e.Wake():
            return "woke the case" if entry.event.actor != e.ENGINE else "woke the case: its day has come"
        case e.Close():
            return f"closed the case: {OUTCOMES.get(said.outcome, said.outcome)}"
        case _:
            return _DONE[said.what]


def looked_words(row: LedgerRow) -> str:
    """What a row of the ledger says."""
    said = ACTIONS.get(row.action, row.action)
    purposes = {str(purpose): words for purpose, words in PURPOSES.items()}
    return f"{said} {purposes[row.purpose]}" if row.purpose in purposes else said


def _alert_words(said: e.AlertSaid, effects: set[str]) -> str:
    """What the engine said, and what came of it."""
    words = _STATES[said.state]
    if said.state in {AlertState.CLOSED, AlertState.WITHDRAWN}:
        words += f": {said.reason}"
    for effect, came in (
        (e.Effect.OPENED, "opened the case"),
        (e.Effect.REOPENED, "reopened the case on new evidence"),
        (e.Effect.WOKE, "woke the case: it has worsened"),
        (e.Effect.RECOVERED, "closed the case: recovered"),
        (e.Effect.WITHDRAWN, "withdrew the case"),
        (e.Effect.JOINED, "added to the case"),
        (e.Effect.NOT_REOPENED, "left the case closed: nothing new"),
    ):
        if effect in effects:
            return f"{came} ({words})"
    return words


def _until(said: e.Snooze) -> str:
    date = "" if said.until is None else f"until {full_date(said.until)}"
    worse = "until it worsens" if said.until_worse else ""
    return ", or ".join(part for part in (date, worse) if part)
