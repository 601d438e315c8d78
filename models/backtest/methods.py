"""The charts that a backtest compares: ours, the challengers and the oracle, each by its name on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.backtest import challengers, oracle, river_detectors
from models.backtest.scenario import Kind, Scenario
from models.numbers import Bools, Floats, ratio
from models.parameters import BUDGET
from models.thresholds import BANDS, Laws, limit
from schemas.errors import BrokenPromise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.backtest.oracle import NoiseLaw
    from models.backtest.seen import Seen
    from models.close import YearModel
    from models.simulator import SimulatedYear

__all__ = ["CHALLENGERS", "LABELS", "OURS", "SLOW", "Subject", "Watched", "budget_of", "oracle_name", "shipped_limit", "watch"]

OURS = ("T", "C", "G")
LABELS = {
    "T": "T",
    "C": "C",
    "G": "G",
    "p-chart": "p-chart, raw",
    "p-chart-peers": "p-chart, peers",
    "ewma": "EWMA .1, raw",
    "ewma-peers": "EWMA .05, peers",
    "binomial": "binomial CUSUM, raw",
    "binomial-peers": "binomial CUSUM, peers",
    "beta-binomial": "beta-binomial CUSUM, risk-adjusted",
    "beta-binomial-peers": "beta-binomial CUSUM, peers",
    "page-hinkley": "PageHinkley (River), raw",
    "page-hinkley-peers": "PageHinkley (River), peers",
    "adwin": "ADWIN (River), raw",
    "adwin-peers": "ADWIN (River), peers",
    "kswin": "KSWIN (River), raw",
    "kswin-peers": "KSWIN (River), peers",
}
"""Names on the command line and in tables. The oracle joins by itself wherever the truth is known."""
SLOW = ("adwin", "adwin-peers", "kswin", "kswin-peers")
"""One Python object a school: some 0.2 ms a school day."""
CHALLENGERS = tuple(name for name in LABELS if name not in OURS)

_RAW_DELTA, _PEERS_DELTA = 0.005, 0.3
_RAW_SMOOTHING, _PEERS_SMOOTHING = 0.1, 0.05
_CORRELATION = (1e-5, 0.5)


class Watched(NamedTuple):
    """One chart's statistic over a year and the days on which it may alarm, (days, schools) each."""

    statistic: Floats
    may_alarm: Bools


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A scored year to be watched: what challengers see of it, its truth if it was simulated, and the oracle's law."""

    model: YearModel
    seen: Seen
    seed: int
    year: SimulatedYear | None = None
    law: NoiseLaw | None = None


def oracle_name(scenario: Scenario) -> str:
    """The oracle of one drift: it knows its shape and its size."""
    return f"oracle {scenario.name}"


def watch(subject: Subject, names: Sequence[str], drifts: Sequence[Scenario]) -> dict[str, Watched]:
    """Every chart asked for, and the oracle of each of these drifts where the truth is known."""
    out = {name: _watch_one(subject, name) for name in names}
    if subject.year is not None and subject.law is not None:
        seen, phase = subject.seen, subject.model.deployment.phase
        residual = oracle.true_residual(subject.year, seen)
        for drift in drifts:
            # The whole school must move for a whole school's oracle to be one.
            if drift.kind in {Kind.STEP, Kind.RAMP}:
                shape = oracle.drift_shape(drift, seen.aim)
                statistic = oracle.oracle(residual, seen.sampling, seen.measured, phase, shape, subject.law)
                out[oracle_name(drift)] = Watched(statistic, seen.measured)
    return out


def shipped_limit(laws: Laws, name: str, rate: float) -> Floats:
    """The decision interval that Headway would use for one of its charts, by row of `BANDS`."""
    return limit(laws, rate, np.arange(len(BANDS)), name)


def budget_of(name: str) -> float:
    """Alarms a school-year that the default budget gives one of our charts."""
    return {"T": BUDGET.target, "C": BUDGET.level, "G": BUDGET.year_group}[name]


def _watch_one(subject: Subject, name: str) -> Watched:
    model, seen = subject.model, subject.seen
    if name == "T":
        return Watched(model.target_statistic, seen.scored & model.has_path)
    if name == "C":
        return Watched(model.level_statistic, seen.scored & ~seen.warming_up)
    if name == "G":
        none = np.zeros(seen.scored.shape, bool)
        groups = model.year_groups
        return Watched(groups.statistic, groups.scored & ~seen.warming_up) if groups.used else Watched(none.astype(float), none)
    peers = name.endswith("-peers")
    on = seen.scored if peers else seen.measured
    return Watched(_challenger(name.removesuffix("-peers"), seen, on, subject.seed, peers=peers), on)


def _challenger(name: str, seen: Seen, on: Bools, seed: int, *, peers: bool) -> Floats:
    if name == "p-chart":
        return seen.z if peers else challengers.p_chart(seen.rate, seen.pupils, seen.aim)
    if name == "ewma":
        raw = challengers.p_chart(seen.rate, seen.pupils, seen.aim)
        return challengers.ewma(seen.z if peers else raw, on, _PEERS_SMOOTHING if peers else _RAW_SMOOTHING)
    if name == "page-hinkley":
        return challengers.page_hinkley(seen.z if peers else seen.rate, on, _PEERS_DELTA if peers else _RAW_DELTA)
    if name == "adwin":
        return river_detectors.adwin(seen.z if peers else seen.rate, on)
    if name == "kswin":
        return river_detectors.kswin(seen.z if peers else seen.rate, on, seed % (1 << 31))
    if name == "binomial":
        p0 = ratio(seen.eta + seen.effect) if peers else np.broadcast_to(seen.aim, seen.rate.shape)
        return challengers.binomial_cusum(seen.rate, seen.pupils, p0, challengers.shifted(p0, seen.aim), on)
    if name == "beta-binomial":
        p0 = ratio(seen.eta + seen.effect if peers else seen.eta)
        correlation = np.clip(seen.spread * seen.aim * (1.0 - seen.aim), *_CORRELATION)
        return challengers.beta_binomial_cusum(seen.rate, seen.pupils, p0, challengers.shifted(p0, seen.aim), correlation, on)
    raise BrokenPromise(f"no chart is called {name}")
