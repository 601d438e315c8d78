"""The reading before the close: today's registers of one school against its path, with the peers that are in so far.

The common effect is the close's own (`models.common_effect`), worked out from fewer schools. While fewer than 8 others are
in, i of them count for i/8, and the rest is .85 of yesterday's effect (detection.md 1.3; the mix is not measured). It is
quick and never the truth: the close reads the logs, not this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models import common_effect
from models.common_effect import Sums
from models.numbers import exact, half_logs, published, ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "NO_ROW",
    "PEERS_FULL",
    "ProvisionalReading",
    "Row",
    "SessionCounts",
    "Standing",
    "contribution",
    "effect_before_close",
    "minus",
    "no_sums",
    "observe",
    "read",
]

PEERS_FULL = 8
"""Other schools in, from which on yesterday's effect counts for nothing."""
YESTERDAY = 0.85


class SessionCounts(NamedTuple):
    """One register added up by the code table, in pupils: the DfE's possible sessions and absences, study leave (in both), no mark yet."""

    possible: int
    absences: int
    study_leave: int
    unmarked: int

    @property
    def counts(self) -> bool:
        """Held, and at most 5 % of its pupils without a mark (detection.md 1.7)."""
        return self.possible > self.study_leave and 20 * self.unmarked <= self.possible - self.study_leave + self.unmarked


class Standing(NamedTuple):
    """What the last close knows of a school: phase 0..2, area number, expected logit of the day, slow level and effect."""

    phase: int
    area: int
    eta_star: float
    slow_level: float
    last_effect: float
    sigma_u: float


class Row(NamedTuple):
    """A school among its peers, in the integers of `models.common_effect.quantise`; weight 0: not among them."""

    x: float
    weight: float


NO_ROW = Row(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class ProvisionalReading:
    """One school day before its close. Ratios in [0, 1]; `absence_ratio` is the DfE's, None without possible sessions.

    `expected_ratio` gives the path to the target away, and so may what is worked out from it: only for who may see the target.
    condition: provisional, partial (a register without its marks is left out), no_sessions.
    """

    urn: int
    attendance_date: str
    sessions: tuple[str, ...]
    possible_sessions: int
    absences: int
    absence_ratio: float | None
    peers: int
    condition: str
    expected_ratio: float = field(repr=False)
    common_effect_logit: float = field(repr=False)


def observe(sessions: Sequence[SessionCounts], at: Standing) -> Row:
    """The school's residual without its slow level, and its weight; `NO_ROW` when no register of the day counts."""
    counted = [s for s in sessions if s.counts]
    k = len(counted)
    n = sum(s.possible - s.study_leave for s in counted)
    y = sum(s.absences - s.study_leave for s in counted)
    if not k:
        return NO_ROW
    residual = half_logs(np.array([2 * y + k]))[0] - half_logs(np.array([2 * (n - y) + k]))[0] - at.eta_star
    p0 = np.clip(exact(ratio(np.array([at.eta_star]))), 1e-4, 0.95)
    variance = exact(1.0 / (1.05 * (n / k) * p0 * (1.0 - p0)))
    x, weight = common_effect.quantise(residual - at.slow_level, 1.0 / (at.sigma_u * at.sigma_u + 2.0 * variance))
    return Row(float(x), float(weight[0]))


def no_sums(areas: int) -> Sums:
    """Nobody is in yet."""
    shape = (1, 3, areas, common_effect.BINS)
    return Sums(np.zeros(shape), np.zeros(shape), np.zeros(shape))


def contribution(rows: Sequence[tuple[Row, int, int]], areas: int) -> Sums:
    """What schools add to the sums of the day, each (row, phase, area number); `minus` takes it away again."""
    x, w = np.array([[row.x for row, _, _ in rows]]), np.array([[row.weight for row, _, _ in rows]])
    phase, area = np.array([f for _, f, _ in rows], np.int32), np.array([j for _, _, j in rows], np.int32)
    return common_effect.summarise(x, w, w > 0, phase, area, areas)


def minus(sums: Sums, other: Sums) -> Sums:
    """Exact, since the sums are integers."""
    return Sums(sums.count - other.count, sums.weight - other.weight, sums.weighted - other.weighted)


def effect_before_close(sums: Sums, row: Row, at: Standing, shrinkage: tuple[float, float]) -> tuple[float, int]:
    """The common effect for one school, its own row left out, and how many others it rests on.

    sums: of all schools in so far, this one included; shrinkage: t1 and t2 as the last close left them.
    """
    effect = common_effect.pool(sums, *shrinkage)[0][0]
    peers = effect.schools - (row.weight > 0)
    of_peers, _ = common_effect.leave_one_out(effect, np.array([row.x]), np.array([row.weight]), np.array([at.phase]), np.array([at.area]))
    share = min(peers, PEERS_FULL) / PEERS_FULL
    return share * float(of_peers[0]) + (1.0 - share) * YESTERDAY * at.last_effect, peers


def read(
    urn: int, attendance_date: str, sessions: dict[str, SessionCounts], sums: Sums, at: Standing, shrinkage: tuple[float, float]
) -> ProvisionalReading:
    """The reading of a school day from the registers in so far (`sessions` by AM, PM) and all schools' sums."""
    effect, peers = effect_before_close(sums, observe(tuple(sessions.values()), at), at, shrinkage)
    possible, absences = sum(s.possible for s in sessions.values()), sum(s.absences for s in sessions.values())
    partial = any(not s.counts and s.possible + s.unmarked > 0 for s in sessions.values())
    expected, shown = published(ratio(np.array([at.eta_star + effect]))), published(np.array([effect]))
    return ProvisionalReading(
        urn,
        attendance_date,
        tuple(sorted(sessions)),
        possible,
        absences,
        round(absences / possible, 6) if possible else None,
        peers,
        "no_sessions" if not possible else "partial" if partial else "provisional",
        float(expected[0]),
        float(shown[0]),
    )
