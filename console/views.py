"""What the templates are given: plain text and numbers for people, already decided, already as suppressed as they must be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from console.figures import Figure

__all__ = ["Answer", "AreaLine", "Budget", "CaseLine", "Entry", "Frame", "InboxView", "Tag"]


@dataclass(frozen=True, slots=True)
class Tag:
    """A word with a colour; the word alone says it."""

    words: str
    colour: str = "grey"


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around every page. menu: links for GOV.UK's service navigation; token: of this sign-in's forms."""

    person: str = ""
    role: str = ""
    menu: tuple[dict[str, object], ...] = ()
    token: str = ""
    demo: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """One row of the case page: a heading and what stands beside it."""

    heading: str
    paragraphs: tuple[str, ...]
    items: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of a history: when, who (by name where the directory still has it), what, and the words they wrote."""

    when: str
    machine_when: str
    who: str
    what: str
    quoted: str = ""


@dataclass(frozen=True, slots=True)
class CaseLine:
    """One case in the inbox."""

    address: str
    school: str
    school_facts: str
    headline: str
    strength: str
    facts: tuple[tuple[str, str], ...]
    tags: tuple[Tag, ...]
    last_words: str = ""


@dataclass(frozen=True, slots=True)
class AreaLine:
    """One area event, and how many cases of this hub opened while it stood."""

    address: str
    words: str
    cases: str
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True, slots=True)
class Budget:
    """What the hub agreed to bear: false alerts expected and found this term, open cases and their limit."""

    term: str
    expected_false: str
    found_false: str
    judged: str
    open_cases: str
    over: bool = False


@dataclass(frozen=True, slots=True)
class InboxView:
    """The page that a coordinator opens in the morning."""

    hub: str
    as_of: str
    budget: Budget
    cases: tuple[CaseLine, ...]
    areas: tuple[AreaLine, ...]
    data_cases: tuple[CaseLine, ...]
    filters: tuple[tuple[str, str, bool], ...]
    waiting: str
    problems: tuple[str, ...] = field(default=())
