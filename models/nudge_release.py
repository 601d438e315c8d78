"""What may leave for a school: release stages, the data gate, disputes. All that can hold a message back by standing lives here.

(casework.md section 4) The table there has four columns; `held_by` gives every column that refuses, not only the first.
A draft is not in that table: here it refuses what shadow refuses, so an answer that is owed still leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["DataGate", "Hold", "Message", "Stage", "Standing", "held_by"]

_REGISTERS_PER_CENT = 95
_UNEXPLAINED_PER_THOUSAND_MAX = 1


class Stage(StrEnum):
    """How far a scope (a school, a hub, a version, all) is released."""

    DRAFT = "draft"
    SHADOW = "shadow"
    PAUSED = "paused"
    RELEASED = "released"


class Message(StrEnum):
    """The classes of messages that can leave; a case in the inbox is a page and does not."""

    DIGEST = "digest"
    DIGEST_OF_DATA = "digest of data cases"
    NUDGE = "nudge"
    DATA_NOTE = "data note"
    DISPUTE_ANSWER = "answer to a dispute"
    RECALL_NOTICE = "recall notice"


class Hold(StrEnum):
    """Why a message does not leave, in words for the school's page."""

    NO_CONSENT = "no consent today"
    DRAFT = "draft"
    SHADOW = "shadow"
    PAUSED = "paused"
    DATA_GATE = "data gate shut"
    DISPUTED = "disputed"


@dataclass(frozen=True, slots=True)
class DataGate:
    """Registers received and expected over the last 10 school days and over the period of the figure shown, and the newest reconciliation.

    `unexplained_sessions` is None where the school has posted no figure: the gate stays open and says "not reconciled".
    """

    newest_received: int
    newest_expected: int
    period_received: int
    period_expected: int
    unexplained_sessions: int | None = None
    reconciled_possible_sessions: int = 0

    @property
    def shut(self) -> bool:
        """Fewer than 95 % of the registers, or more than 0.1 points unexplained; no expected register opens nothing."""
        newest = _enough(self.newest_received, self.newest_expected)
        return not (newest and _enough(self.period_received, self.period_expected)) or self._unexplained

    @property
    def reconciled(self) -> bool:
        """Whether the school has posted a figure of its own."""
        return self.unexplained_sessions is not None

    @property
    def _unexplained(self) -> bool:
        if self.unexplained_sessions is None:
            return False
        return abs(self.unexplained_sessions) * 1000 > self.reconciled_possible_sessions * _UNEXPLAINED_PER_THOUSAND_MAX


@dataclass(frozen=True, slots=True)
class Standing:
    """A school at one moment: the stages of every scope it is in, in any order, its gate, its open dispute, its consent."""

    stages: tuple[Stage, ...]
    gate: DataGate
    disputed: bool
    consent: bool


_REFUSES = {
    Message.DIGEST: frozenset(Hold),
    Message.DIGEST_OF_DATA: frozenset(Hold) - {Hold.DATA_GATE},
    Message.NUDGE: frozenset(Hold),
    Message.DATA_NOTE: frozenset(Hold) - {Hold.DATA_GATE, Hold.DISPUTED},
    Message.DISPUTE_ANSWER: frozenset({Hold.NO_CONSENT}),
    Message.RECALL_NOTICE: frozenset({Hold.NO_CONSENT}),
}


def held_by(message: Message, standing: Standing) -> tuple[Hold, ...]:
    """Every reason for which this message does not leave now, in the order of `Hold`; empty if it may.

    A school with no stage at all is in shadow, as a new installation is.
    """
    stages = standing.stages or (Stage.SHADOW,)
    found = {
        Hold.NO_CONSENT: not standing.consent,
        Hold.DRAFT: Stage.DRAFT in stages,
        Hold.SHADOW: Stage.SHADOW in stages,
        Hold.PAUSED: Stage.PAUSED in stages,
        Hold.DATA_GATE: standing.gate.shut,
        Hold.DISPUTED: standing.disputed,
    }
    return tuple(hold for hold in Hold if found[hold] and hold in _REFUSES[message])


def _enough(received: int, expected: int) -> bool:
    return expected > 0 and received * 100 >= expected * _REGISTERS_PER_CENT
