"""What is done to a year before it is watched: nothing, a drift of some schools, a shock, a wrong season, defects, a lone hub.

A scenario is written as on the command line, `kind` or `kind:points` (detection.md sections 2, 3 and 5).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from schemas.errors import WrongUsage

__all__ = ["DRIFTS", "Kind", "Scenario", "parse", "seed_of"]


class Kind(StrEnum):
    """The kinds of scenarios."""

    NULL = "null"
    CHECK = "check"
    STEP = "step"
    RAMP = "ramp"
    GROUP = "group"
    SHOCK = "shock"
    HARD_SHOCK = "hard-shock"
    SEASON = "season"
    MISSING = "missing"
    ALL_PRESENT = "all-present"
    PROVISIONAL = "provisional"
    HUB = "hub"


DRIFTS = frozenset({Kind.STEP, Kind.RAMP, Kind.GROUP, Kind.HUB})
"""Kinds in which some schools drift, by so many points of attendance."""
_DEFAULT_POINTS = {Kind.STEP: 2.0, Kind.RAMP: 1.5, Kind.GROUP: 4.0, Kind.HUB: 2.0}
_POINTS_MOST = 30.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind, and the points of attendance that its drifting schools (or one year group of each) lose.

    `null` sets the thresholds of the challengers, `check` is another null year that measures what they keep of them. A `hub`
    is a lone hub of 57 schools in which some drop by so many points; with 0 points none does.
    """

    kind: Kind
    points: float = 0.0

    @property
    def name(self) -> str:
        """As it is written on the command line."""
        return f"{self.kind.value}:{self.points:g}" if self.kind in DRIFTS else self.kind.value

    @property
    def drifts(self) -> bool:
        """Whether any school drifts."""
        return self.kind in DRIFTS and self.points > 0


def parse(text: str) -> Scenario:
    """A scenario from its name.

    >>> parse("step:0.5").points, parse("ramp").name
    (0.5, 'ramp:1.5')

    Raises WrongUsage for any other text.
    """
    word, colon, number = text.partition(":")
    try:
        kind = Kind(word)
        points = float(number) if colon else _DEFAULT_POINTS.get(kind, 0.0)
    except ValueError as error:
        kinds = ", ".join(k.value for k in Kind)
        raise WrongUsage(f"--drift {text}: write one of {kinds}; a drift with its points, as in step:2 or ramp:1.5") from error
    if not 0 <= points <= _POINTS_MOST or (colon and kind not in DRIFTS) or (points == 0 and kind in DRIFTS - {Kind.HUB}):
        raise WrongUsage(f"--drift {text}: points lie over 0 and up to {_POINTS_MOST:g}, and only a drift has them")
    return Scenario(kind, points)


def seed_of(seed: int, scenario: Scenario, year: int, part: int = 0) -> int:
    """The seed of one year of one scenario: it depends on nothing else, so jobs and other scenarios change no byte."""
    word = int.from_bytes(hashlib.sha256(scenario.name.encode()).digest()[:4], "big")
    state = np.random.SeedSequence(seed, spawn_key=(5_000, word, year, part)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))
