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

    from models.numbers import Floats, Ints

__all__ = [
    "NO_ROW",
    "PEERS_FULL",
    "ProvisionalReading",
    "Row",
    "Seen",
    "SessionCounts",
    "Standing",
    "contribution",
    "effect_before_close",
    "effects_before_close",
    "minus",
    "no_sums",
    "observe",
    "observe_many",
    "read",
    "read_many",
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


class Seen(NamedTuple):
    """A school on a day: its registers by session, its row among the peers, and its standing."""

    urn: int
    sessions: dict[str, SessionCounts]
    row: Row
    at: Standing


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
    return observe_many([sessions], [at])[0]


def observe_many(schools: Sequence[Sequence[SessionCounts]], at: Sequence[Standing]) -> list[Row]:
    """`observe` of many schools at once."""
    counted = [[s for s in sessions if s.counts] for sessions in schools]
    k = np.array([len(c) for c in counted])
    n = np.array([sum(s.possible - s.study_leave for s in c) for c in counted])
    y = np.array([sum(s.absences - s.study_leave for s in c) for c in counted])
    eta, slow, sigma = (np.array([getattr(a, name) for a in at]) for name in ("eta_star", "slow_level", "sigma_u"))
    some = k > 0
    residual = half_logs(np.where(some, 2 * y + k, 1)) - half_logs(np.where(some, 2 * (n - y) + k, 1)) - eta
    p0 = np.clip(exact(ratio(eta)), 1e-4, 0.95)
    variance = exact(1.0 / (1.05 * (np.where(some, n, 1) / np.maximum(k, 1)) * p0 * (1.0 - p0)))
    x, weight = common_effect.quantise(residual - slow, 1.0 / (sigma * sigma + 2.0 * variance))
    return [Row(float(x[i]), float(weight[i])) if some[i] else NO_ROW for i in range(len(k))]


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


def effects_before_close(sums: Sums, rows: Sequence[Row], at: Sequence[Standing], shrinkage: tuple[float, float]) -> tuple[Floats, Ints]:
    """The common effect for each school, its own row left out, and how many others it rests on.

    sums: of all schools in so far, these included; shrinkage: t1 and t2 as the last close left them.
    """
    effect = common_effect.pool(sums, *shrinkage)[0][0]
    x, weight = np.array([row.x for row in rows]), np.array([row.weight for row in rows])
    phase, area = np.array([a.phase for a in at], np.int32), np.array([a.area for a in at], np.int32)
    peers = effect.schools - (weight > 0).astype(np.int32)
    of_peers, _ = common_effect.leave_one_out(effect, x, weight, phase, area)
    share = np.minimum(peers, PEERS_FULL) / PEERS_FULL
    return share * of_peers + (1.0 - share) * YESTERDAY * np.array([a.last_effect for a in at]), peers


def effect_before_close(sums: Sums, row: Row, at: Standing, shrinkage: tuple[float, float]) -> tuple[float, int]:
    """`effects_before_close` of one school."""
    effects, peers = effects_before_close(sums, [row], [at], shrinkage)
    return float(effects[0]), int(peers[0])


def read(
    urn: int, attendance_date: str, sessions: dict[str, SessionCounts], sums: Sums, at: Standing, shrinkage: tuple[float, float]
) -> ProvisionalReading:
    """The reading of a school day from the registers in so far (`sessions` by AM, PM) and all schools' sums."""
    row = observe(tuple(sessions.values()), at)
    return read_many(attendance_date, [Seen(urn, sessions, row, at)], sums, shrinkage)[0]


def read_many(attendance_date: str, schools: Sequence[Seen], sums: Sums, shrinkage: tuple[float, float]) -> list[ProvisionalReading]:
    """The readings of many schools on one day."""
    at = [one.at for one in schools]
    effects, peers = effects_before_close(sums, [one.row for one in schools], at, shrinkage)
    expected = published(ratio(np.array([a.eta_star for a in at]) + effects)).tolist()
    shown, others = published(effects).tolist(), peers.tolist()
    return [_reading(attendance_date, one, others[i], expected[i], shown[i]) for i, one in enumerate(schools)]


def _reading(attendance_date: str, seen: Seen, peers: int, expected: float, effect: float) -> ProvisionalReading:
    sessions = seen.sessions
    possible, absences = sum(s.possible for s in sessions.values()), sum(s.absences for s in sessions.values())
    partial = any(not s.counts and s.possible + s.unmarked > 0 for s in sessions.values())
    return ProvisionalReading(
        seen.urn,
        attendance_date,
        tuple(sorted(sessions)),
        possible,
        absences,
        round(absences / possible, 6) if possible else None,
        peers,
        "no_sessions" if not possible else "partial" if partial else "provisional",
        expected,
        effect,
    )
