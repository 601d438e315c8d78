"""The words of digests and notes: how many cases wait, and where; no figure of any school, no school's name, nothing to be guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from casebook.events import Effect
from casebook.telling import DIGEST, NOTE
from schemas.errors import BrokenPromise

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Letter", "letter"]

_WORDS = {
    Effect.OPENED: ("{} new case", "{} new cases"),
    Effect.REOPENED: ("{} case was opened again", "{} cases were opened again"),
    Effect.JOINED: ("{} open case has a new alert", "{} open cases have new alerts"),
    Effect.WOKE: ("{} snoozed case woke", "{} snoozed cases woke"),
    Effect.WITHDRAWN: ("{} case was withdrawn", "{} cases were withdrawn"),
    Effect.SUDDEN: ("{} case opened on sudden absence", "{} cases opened on sudden absence"),
}


class Letter(NamedTuple):
    """What a person reads, by mail or in a chat."""

    subject: str
    text: str


def letter(class_: str, body: Mapping[str, Any]) -> Letter:
    """A message's words from what the outbox holds."""
    cases = {Effect(name): int(number) for name, number in body["cases"].items()}
    if class_ == NOTE and Effect.SUDDEN in cases:
        cases.pop(Effect.OPENED, None)
        cases.pop(Effect.REOPENED, None)
    lines = [_plural(_WORDS[effect], number) for effect, number in cases.items()]
    if class_ == DIGEST:
        waiting = _plural(("{} case waits", "{} cases wait"), int(body["waiting"]))
        subject = f"Headway: {waiting}"
        lines = [f"{waiting} for you.", "", "Since the last message:", *(f"- {line}" for line in lines)]
    elif class_ == NOTE:
        subject = "Headway: something needs a look today"
        lines = [f"{line}." for line in lines]
    else:
        raise BrokenPromise(f"{class_} has no words")
    return Letter(subject, "\n".join([*lines, "", f"See it after signing in: {body['link']}", ""]))


def _plural(words: tuple[str, str], number: int) -> str:
    return words[number != 1].format(number)
