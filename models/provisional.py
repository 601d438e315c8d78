"""The reading before the close: today's registers of one school against its path, with the peers that are in so far.

The common effect is the close's own (`models.common_effect`), worked out from fewer schools. While fewer than 8 others are
in, i of them count for i/8, and the rest is .85 of yesterday's effect (detection.md 1.3; the mix is not measured). It is
quick and never the truth: the close reads the logs, not this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models import common_effect, sudden
from models.common_effect import Sums, effect_variance
from models.foresight import Outset, expected
from models.numbers import exact, half_logs, published, ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.numbers import Floats, Ints
    from models.sudden import Flag

__all__ = [
    "NO_ROW",
    "PEERS_FULL",
    "Effects",
    "ProvisionalReading",
    "Row",
    "Seen",
    "SessionCounts",
    "Standing",
    "SuddenSession",
    "contribution",
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
    """A school on a day: its registers by session, its row among the peers, and its standing; outset: what its predictive law
    starts from, None where there is none (the day is closed already)."""

    urn: int
    sessions: dict[str, SessionCounts]
    row: Row
    at: Standing
    outset: Outset | None = None


class Effects(NamedTuple):
    """The common effect for each school, its own row left out, its variance, and how many others it rests on, (schools,) each."""

    effect: Floats
    variance: Floats
    peers: Ints


@dataclass(frozen=True, slots=True)
class SuddenSession:
    """A session far outside its predictive law (`models.sudden`): pupils, absent, expected absent, log10 of the upper tail."""

    session: str
    pupils: int
    absences: int
    log10_tail: float
    expected_absences: float = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProvisionalReading:
    """One school day before its close. Ratios in [0, 1]; `absence_ratio` is the DfE's, None without possible sessions.

    `expected_ratio` gives the path to the target away, and so may what is worked out from it: only for who may see the target.
    condition: provisional, partial (a register without its marks is left out), no_sessions. sudden: the flagged sessions.
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
    sudden: tuple[SuddenSession, ...] = ()


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


def effects_before_close(sums: Sums, rows: Sequence[Row], at: Sequence[Standing], shrinkage: tuple[float, float]) -> Effects:
    """The common effect for each school from the peers in so far, mixed with yesterday's while they are few.

    sums: of all schools in so far, these included; shrinkage: t1 and t2 as the last close left them.
    """
    effect = common_effect.pool(sums, *shrinkage)[0][0]
    x, weight = np.array([row.x for row in rows]), np.array([row.weight for row in rows])
    phase, area = np.array([a.phase for a in at], np.int32), np.array([a.area for a in at], np.int32)
    peers = effect.schools - (weight > 0).astype(np.int32)
    of_peers, variance = common_effect.leave_one_out(effect, x, weight, phase, area)
    share = np.minimum(peers, PEERS_FULL) / PEERS_FULL
    mixed = share * of_peers + (1.0 - share) * YESTERDAY * np.array([a.last_effect for a in at])
    return Effects(mixed, effect_variance(share * share * variance, mixed), peers)


def read(
    urn: int, attendance_date: str, sessions: dict[str, SessionCounts], sums: Sums, at: Standing, shrinkage: tuple[float, float]
) -> ProvisionalReading:
    """The reading of a school day from the registers in so far (`sessions` by AM, PM) and all schools' sums."""
    row = observe(tuple(sessions.values()), at)
    return read_many(attendance_date, [Seen(urn, sessions, row, at)], sums, shrinkage)[0]


def read_many(attendance_date: str, schools: Sequence[Seen], sums: Sums, shrinkage: tuple[float, float]) -> list[ProvisionalReading]:
    """The readings of many schools on one day."""
    at = [one.at for one in schools]
    effects = effects_before_close(sums, [one.row for one in schools], at, shrinkage)
    path = published(ratio(np.array([a.eta_star for a in at]) + effects.effect)).tolist()
    shown, others = published(effects.effect).tolist(), effects.peers.tolist()
    flagged = _flagged(schools, effects)
    return [_reading(attendance_date, one, others[i], path[i], shown[i], flagged.get(i, ())) for i, one in enumerate(schools)]


def _flagged(schools: Sequence[Seen], effects: Effects) -> dict[int, tuple[SuddenSession, ...]]:
    """The flagged sessions by place; a morning, and an afternoon without its morning, waits for 8 peers or the close."""
    mine = [i for i, one in enumerate(schools) if one.outset is not None and any(s.counts for s in one.sessions.values())]
    if not mine:
        return {}
    outsets = [o for one in schools if (o := one.outset) is not None and any(s.counts for s in one.sessions.values())]
    held = [[schools[i].sessions.get(name) for i in mine] for name in sudden.SESSIONS]
    counts = np.array([[s is not None and s.counts for s in row] for row in held])
    pupils = np.array([[s.possible - s.study_leave if s is not None and s.counts else 0 for s in row] for row in held])
    absent = np.array([[s.absences - s.study_leave if s is not None and s.counts else 0 for s in row] for row in held])
    eta = np.array([schools[i].at.eta_star for i in mine])
    a_session = pupils.sum(axis=0) / counts.sum(axis=0)
    law = expected(outsets, eta, effects.effect[mine], effects.variance[mine], a_session)
    peers = effects.peers[mine] >= PEERS_FULL
    judged = np.stack([peers, peers | counts[0]])
    found: dict[int, tuple[SuddenSession, ...]] = {}
    for flag in sudden.flags(sudden.Sessions(pupils, absent, counts), law, judged):
        found[mine[flag.school]] = (*found.get(mine[flag.school], ()), _sudden_session(flag))
    return found


def _sudden_session(flag: Flag) -> SuddenSession:
    return SuddenSession(sudden.SESSIONS[flag.session], flag.pupils, flag.absences, flag.log10_tail, flag.expected)


def _reading(
    attendance_date: str, seen: Seen, peers: int, expected: float, effect: float, flagged: tuple[SuddenSession, ...]
) -> ProvisionalReading:
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
        flagged,
    )
