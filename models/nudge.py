"""The policy of the weekly nudge: what one school is told this week, or every reason why it hears nothing.

Nothing here knows a target, a path to it, or whether a case is open: what is noticed comes from the school's own level and
its own year groups, and "off the path" is no kind of it. Nothing new to say is silence. (casework.md sections 3 and 4)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from models.nudge_release import Hold, Message, Standing, held_by
from models.nudge_week import SchoolTerms, Silent, iso_week, silent_at

if TYPE_CHECKING:
    from datetime import date, datetime

__all__ = ["Decision", "Kind", "Noticed", "Sent", "Silence", "Week", "decide_nudge"]

_UNANSWERED_MAX = 3
_GROWN_BY_RATIO, _GROWN_BY_PUPILS = 1.5, 1.0


class Kind(StrEnum):
    """What a nudge can be about; the path to the target is none of these."""

    LEVEL = "level"
    YEAR_GROUP = "year group"


class Silence(StrEnum):
    """Why a school that may be written to hears nothing."""

    UNANSWERED = "three nudges running without an answer: the hub is asked to ring"
    SENT_THIS_WEEK = "already sent this week"
    NOTHING_NEW = "nothing new to say"


@dataclass(frozen=True, slots=True)
class Noticed:
    """One change against the school's own earlier level: since when, and how many more pupils a day are absent."""

    kind: Kind
    year_group: str
    first_date: date
    pupils_a_day: float


@dataclass(frozen=True, slots=True)
class Sent:
    """A nudge that left: its ISO week (year, week), what it was about, and whether a POST, a reply or a signed-in visit answered it."""

    week: tuple[int, int]
    noticed: Noticed
    answered: bool


@dataclass(frozen=True, slots=True)
class Week:
    """All that the policy may know of one school: its standing, its terms, what is noticed, and what was sent (oldest first)."""

    standing: Standing
    terms: SchoolTerms
    noticed: tuple[Noticed, ...]
    sent: tuple[Sent, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """The one change to tell, or None; `held` has every reason for None, and is empty if there is something to send.

    `ring` asks the hub to ring the school.
    """

    tell: Noticed | None
    held: tuple[Hold | Silent | Silence, ...]
    ring: bool


def decide_nudge(moment: datetime, week: Week) -> Decision:
    """What to tell this school at this moment: the largest change that is new, if nothing holds it.

    Equal sizes are told the earlier first, then by kind and year group, so that the order of arrival never shows.
    """
    new = [noticed for noticed in week.noticed if _is_new(noticed, week.sent)]
    ring = len(week.sent) >= _UNANSWERED_MAX and not any(sent.answered for sent in week.sent[-_UNANSWERED_MAX:])
    silences = {
        Silence.UNANSWERED: ring,
        Silence.SENT_THIS_WEEK: any(sent.week == iso_week(moment) for sent in week.sent),
        Silence.NOTHING_NEW: not new,
    }
    held: tuple[Hold | Silent | Silence, ...] = (
        *held_by(Message.NUDGE, week.standing),
        *silent_at(moment, week.terms),
        *(silence for silence in Silence if silences[silence]),
    )
    first = min(new, key=lambda n: (-n.pupils_a_day, n.first_date, n.kind, n.year_group), default=None)
    return Decision(None if held else first, held, ring)


def _is_new(noticed: Noticed, sent: tuple[Sent, ...]) -> bool:
    """Not told before, or grown by half and by at least 1 pupil a day since it was last told."""
    told = [s.noticed for s in sent if (s.noticed.kind, s.noticed.year_group) == (noticed.kind, noticed.year_group)]
    same = [before for before in told if before.first_date == noticed.first_date]
    if not same:
        return True
    before = same[-1].pupils_a_day
    return noticed.pupils_a_day >= max(before * _GROWN_BY_RATIO, before + _GROWN_BY_PUPILS)
