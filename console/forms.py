"""What a page may ask, and what becomes of the answer: fields as values, text held to what may be written down."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["NO_NAMES", "Action", "Field", "Wrong", "a_choice", "a_day", "a_line", "a_text", "filled"]

NO_NAMES = "No pupil names, and nothing that tells who a pupil is."
LINE_MOST = 100
TEXT_MOST = 2_000
_BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
"""Control characters, and those that turn the direction of what follows."""


class Wrong(Exception):
    """An answer that cannot be taken; for people, with what to do instead."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field
        self.words = words


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that is asked. kind: `text`, `date`, `word`, `choice` (radios), `list` (a select); choices: (value, words)."""

    name: str
    words: str
    kind: str = "text"
    choices: tuple[tuple[str, str], ...] = ()
    hint: str = ""
    value: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that can be done, by POST to `address`; without fields it is a button alone."""

    name: str
    words: str
    address: str
    button: str
    fields: tuple[Field, ...] = ()
    quiet: bool = True
    open: bool = False


def filled(action: Action, given: Mapping[str, str], wrong: Wrong | None = None) -> Action:
    """The action with what was typed, opened, and with what was wrong beside the field."""
    fields = tuple(
        replace(f, value=given.get(f.name, f.value), error=wrong.words if wrong is not None and wrong.field == f.name else "")
        for f in action.fields
    )
    return replace(action, fields=fields, open=True)


def a_text(given: Mapping[str, str], name: str, what: str, *, must: bool = True) -> str:
    """Free text: lines kept, in one normal form, without control characters, at most 2,000 characters."""
    said = unicodedata.normalize("NFC", _BAD.sub("", given.get(name, "").replace("\r\n", "\n").replace("\r", "\n"))).strip()
    if must and not said:
        raise Wrong(name, f"Write {what}")
    if len(said) > TEXT_MOST:
        raise Wrong(name, f"Write at most {TEXT_MOST:,} characters: this is {len(said):,}")
    return said


def a_line(given: Mapping[str, str], name: str, what: str, most: int = LINE_MOST) -> str:
    """One line of text: what goes into lists and headers holds no line break."""
    said = " ".join(a_text(given, name, what).split())
    if len(said) > most:
        raise Wrong(name, f"Write at most {most} characters")
    return said


def a_choice(given: Mapping[str, str], name: str, allowed: Sequence[str], what: str) -> str:
    """One of the values that were offered."""
    said = given.get(name, "")
    if said not in allowed:
        raise Wrong(name, f"Choose {what}")
    return said


def a_day(given: Mapping[str, str], name: str, first: date, last: date) -> date:
    """A date between two."""
    try:
        day = date.fromisoformat(given.get(name, "").strip())
    except ValueError:
        raise Wrong(name, "Write a date, such as 2026-12-04") from None
    if not first <= day <= last:
        raise Wrong(name, f"Choose a date from {first.isoformat()} to {last.isoformat()}")
    return day
