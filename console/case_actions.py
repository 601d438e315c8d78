"""What can be done to a case, as forms, and what becomes of them when they are sent: each is one verb of `Casework`.

The form says which version of the case its page showed. What cannot be done comes back on the same page with the words as typed.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from casebook import events as e
from casebook.case_state import CaseStatus, HumanReason
from console.forms import NO_NAMES, Action, Field, Wrong, a_choice, a_day, a_text
from console.people_words import OUTCOMES, REASONS
from console.visit import NotHere
from schemas.acknowledgement import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from casebook.case_state import Case
    from casebook.scope import Scope
    from console.visit import Visit

__all__ = ["VERBS", "actions", "do"]

SNOOZE_MOST = timedelta(days=120)
_WORDS = Field("words", "Anything to add (you may leave it empty)", hint=NO_NAMES)
_NOTE = Field("words", "Your note", hint=NO_NAMES)
_REASON = Field(
    "reason",
    "What do people who know the school say it is?",
    "choice",
    tuple((str(reason), words.removeprefix("an ").removeprefix("a ").capitalize()) for reason, words in REASONS.items()),
)
_OUTCOME = Field(
    "outcome",
    "How did it end?",
    "choice",
    (
        (str(Verdict.HANDLED), "Handled: there was something, and it was seen to"),
        (str(Verdict.KNEW_ALREADY), "Knew already: true, and nothing new"),
        (str(Verdict.NOT_REAL), "Not real: there was nothing behind it"),
    ),
)
_HOW = Field(
    "how",
    "Bring it back",
    "choice",
    (("worse", "when it worsens"), ("date", "on a date"), ("either", "on a date, or before if it worsens")),
    value="worse",
)
VERBS = ("take", "give_back", "assign", "note", "reason", "snooze", "wake", "close", "reopen", "refer", "take_back_referral")
"""The last part of each form's address."""


def actions(case: Case, address: str, me: str, colleagues: Sequence[tuple[str, str]], today: date) -> tuple[Action, ...]:
    """What this person can do to the case as it stands. colleagues: (id, name) of those who may be given it."""

    def one(name: str, words: str, button: str, *fields: Field, quiet: bool = True) -> Action:
        return Action(name, words, f"{address}/{name}", button, fields, quiet)

    note = one("note", "Add a note", "Save the note", _NOTE)
    reason = one("reason", "Say the reason", "Save the reason", _REASON, _WORDS)
    refer = one("refer", "Ask for a referral", "Ask for a referral", _WORDS)
    if case.status is not CaseStatus.OPEN:
        return (one("reopen", "Reopen", "Reopen the case", _WORDS), note, reason)
    out = []
    if case.holder is None:
        out.append(one("take", "Take it", "Take this case", quiet=False))
    elif case.holder == me:
        out.append(one("give_back", "Give it back", "Give it back"))
    others = tuple((who, name) for who, name in colleagues if who != case.holder)
    out.append(note)
    if case.asleep(today):
        out.append(one("wake", "Wake it", "Wake it now"))
    else:
        until = Field("until", "Date", "date", hint=f"For example {(today + timedelta(days=14)).isoformat()}")
        out.append(one("snooze", "Snooze it", "Snooze", _HOW, until, _WORDS))
    out.append(reason)
    out.append(one("close", "Close it, with the outcome", "Close the case", _OUTCOME, _WORDS))
    if others:
        out.append(one("assign", "Assign it to somebody", "Assign", Field("to", "Who", "list", (("", "Choose"), *others)), _WORDS))
    if not case.referred:
        out.append(refer if me not in case.referred_by else one("take_back_referral", "Take the referral back", "Take the referral back"))
    return tuple(out)


def do(visit: Visit, case: UUID, verb: str) -> None:
    """Does one verb. Raises Wrong for an answer that cannot be taken, NotHere for a verb that there is not, and what `Casework` raises."""
    form, work = visit.form, visit.desk.work
    words = a_text(form, "words", "a note", must=verb == "note")
    at = (visit.scope, case, _number(form, "version"), visit.now)
    match verb:
        case "take":
            work.take(*at, words)
        case "give_back":
            work.give_back(*at, words)
        case "note":
            work.note(*at, words)
        case "wake":
            work.wake(*at, words)
        case "reopen":
            work.reopen(*at, words)
        case "refer":
            work.refer(*at, words)
        case "take_back_referral":
            work.take_back_referral(*at, words)
        case _:
            _with_an_answer(visit, at, verb, words)


def _with_an_answer(visit: Visit, at: tuple[Scope, UUID, int, datetime], verb: str, words: str) -> None:
    """The verbs that ask for more than words."""
    form, work = visit.form, visit.desk.work
    match verb:
        case "assign":
            to = form.get("to", "")
            if not to:
                raise Wrong("to", "Choose who is to look after it")
            work.assign(*at, to, words)
        case "reason":
            said = a_choice(form, "reason", [str(reason) for reason in REASONS], "what people say it is")
            work.reason(*at, e.Reason(reason=HumanReason(said)), words)
        case "snooze":
            work.snooze(*at, _snooze(form, visit.today), words)
        case "close":
            outcome = Verdict(a_choice(form, "outcome", [str(v) for v in OUTCOMES], "how it ended"))
            work.close(*at, outcome, _seen(form), words)
        case _:
            raise NotHere


def _snooze(form: Mapping[str, str], today: date) -> e.Snooze:
    how = a_choice(form, "how", ["worse", "date", "either"], "what brings it back")
    until = None if how == "worse" else a_day(form, "until", today + timedelta(days=1), today + SNOOZE_MOST)
    return e.Snooze(until=until, until_worse=how != "date")


def _seen(form: Mapping[str, str]) -> date:
    """The day of the close that the page showed: what the outcome is about."""
    try:
        return date.fromisoformat(form.get("seen", ""))
    except ValueError:
        raise Wrong("outcome", "Open the page again: this form does not say which close it is about") from None


def _number(form: Mapping[str, str], name: str) -> int:
    said = form.get(name, "")
    if not said.isascii() or not said.isdecimal() or len(said) > 9:
        raise Wrong("words", "Open the page again: this form does not say which state of the case it shows")
    return int(said)
