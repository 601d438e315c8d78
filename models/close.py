"""The close: every school day of the year scored from the panel, for all schools at once.

``summarise -> pool -> score`` run day after day in blocks of at most 15 (the peers' slow level is 15 days old, so a block
needs one pooling); `models.policy` then decides about the last day. The result is a pure function of panel,
acknowledgements, reference data and parameters: checkpoints only say where a computation may start again, and each of
them may be deleted at any moment. (detection.md 1.11)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from models import charts, common_effect, guards, year_groups
from models.area import AreaState, area_day
from models.charts import LEVEL_SHIFTS, TARGET_SHIFTS, WARM_UP_DAYS, ChartState, Day
from models.guards import Counts, Usual, Verdict
from models.numbers import Bools, Floats, Ints, exact, half_logs, ratio
from models.outlook import Outlook, OutlookState, Seen
from models.sudden import Sessions
from models.year_groups import GroupState, YearGroups
from schemas.errors import BrokenPromise

if TYPE_CHECKING:
    from models.deployment import Deployment, Path
    from models.panel import Panel
    from models.parameters import Parameters

__all__ = ["BLOCK_DAYS", "PEERS_LEAST", "Acknowledged", "YearModel"]

BLOCK_DAYS = 15
"""The age of the peers' slow level, and so the longest block that needs one pooling."""
PEERS_LEAST = 8
"""With fewer other schools reporting a day is not scored (a rule, not measured)."""
_CHECKPOINTS_RECENT = 16

Acknowledged = dict[int, tuple[list[int], list[int], list[int]]]
"""Day index -> school indices whose T, and whose C, was acknowledged as of that day, and year groups (`series_key`) whose G was."""


@dataclass(slots=True)
class _Checkpoint:
    """All that a day hands on to the next, but for what is kept by day (slow level, shrinkage)."""

    target: ChartState
    level: ChartState
    usual: Usual
    scored_days: Floats
    slow: Floats
    area: AreaState
    groups: GroupState
    outlook: OutlookState

    def copy(self) -> _Checkpoint:
        return _Checkpoint(
            self.target.copy(),
            self.level.copy(),
            self.usual.copy(),
            self.scored_days.copy(),
            self.slow.copy(),
            self.area.copy(),
            self.groups.copy(),
            self.outlook.copy(),
        )


@dataclass(slots=True)
class _Block:
    """The observations of some consecutive days, (days, schools) each; counted (days, 2, schools)."""

    residual: Floats
    variance: Floats
    x: Floats
    w: Floats
    measured: Bools
    counted: Bools
    sessions: list[Sessions]


@dataclass
class YearModel:
    """One academic year being scored. Arrays are (days, schools); rows after `through` are not scored yet."""

    deployment: Deployment
    parameters: Parameters
    path: Path
    block_days: int = BLOCK_DAYS
    through: int = -1
    verdict: Ints = field(init=False)
    absences: Ints = field(init=False)
    possible: Ints = field(init=False)
    registers: Ints = field(init=False)
    counted: Ints = field(init=False)
    """The sessions that the guards left, bits 1 AM and 2 PM."""
    scored: Bools = field(init=False)
    warming_up: Bools = field(init=False)
    effect: Floats = field(init=False)
    target_statistic: Floats = field(init=False)
    level_statistic: Floats = field(init=False)

    def __post_init__(self) -> None:
        days, schools = self.deployment.planned.shape
        if not 1 <= self.block_days <= BLOCK_DAYS:
            raise BrokenPromise(f"a block has 1 to {BLOCK_DAYS} days, not {self.block_days}")
        self.verdict = np.zeros((days, schools), np.int32)
        self.absences, self.possible = np.zeros((days, schools), np.int32), np.zeros((days, schools), np.int32)
        self.registers, self.counted = np.zeros((days, schools), np.int32), np.zeros((days, schools), np.uint8)
        self.scored, self.warming_up = np.zeros((days, schools), bool), np.zeros((days, schools), bool)
        self.effect = np.zeros((days, schools))
        self.target_statistic, self.level_statistic = np.zeros((days, schools)), np.zeros((days, schools))
        self._slow = np.zeros((days, schools))
        self._shrinkage = [(0.0, 0.0)] * days
        self.area_effect = np.zeros((days, len(self.deployment.areas)))
        self.area_limit = np.full((days, len(self.deployment.areas)), np.inf)
        self.area_on = np.zeros((days, len(self.deployment.areas)), bool)
        self.outlook = Outlook(self.deployment, self.parameters, self.path)
        self._checkpoints: dict[int, _Checkpoint] = {}
        row = self.parameters
        phase = self.deployment.phase
        self._constants = {k: np.array(getattr(row, k))[phase] for k in ("sigma_u", "a_long", "b_long", "a_short", "b_short")}
        aim = self.deployment.aim(self.parameters)
        self._target_shifts, self._level_shifts = charts.shifts(aim, TARGET_SHIFTS), charts.shifts(aim, LEVEL_SHIFTS)
        self.band = self.deployment.band
        self.has_path = ~np.isnan(self.deployment.baseline)
        self.year_groups = YearGroups(self.deployment, self.parameters)
        self.state = self._start()

    def _start(self) -> _Checkpoint:
        schools = len(self.deployment.urn)
        return _Checkpoint(
            ChartState.start(schools, len(TARGET_SHIFTS)),
            ChartState.start(schools, len(LEVEL_SHIFTS)),
            Usual.start(schools),
            np.zeros(schools),
            np.zeros(schools),
            AreaState.start(len(self.deployment.areas)),
            GroupState.start(schools),
            OutlookState.start(schools),
        )

    @property
    def checkpoints(self) -> dict[int, _Checkpoint]:
        """State after a day, by day index: a cache, any of it may be deleted."""
        return self._checkpoints

    def slow_before(self, day: int) -> Floats:
        """The peers' slow level that deployment day `day` uses: as it stood 15 days before, (schools,)."""
        return self._slow[day - BLOCK_DAYS] if day >= BLOCK_DAYS else np.zeros(len(self.deployment.urn))

    def shrinkage_before(self, day: int) -> tuple[float, float]:
        """t1 and t2 that deployment day `day` uses, as the day before left them."""
        return self._shrinkage[day - 1] if day else (common_effect.T1_START, common_effect.T2_START)

    def score(self, panel: Panel, first: int, last: int, acknowledged: Acknowledged) -> None:
        """Score the days to `last`, knowing that nothing before day `first` has changed since the last call."""
        first = min(first, self.through + 1)
        for day in [d for d in self._checkpoints if d >= first]:
            del self._checkpoints[day]
        begin = max((d for d in self._checkpoints if d <= last), default=-1)
        self.state = self._checkpoints[begin].copy() if begin >= 0 else self._start()
        for start in range(begin + 1, last + 1, self.block_days):
            stop = min(start + self.block_days, last + 1)
            self._score_block(panel, start, stop, acknowledged)
            self._keep(stop - 1)
        self.through = last

    def _keep(self, day: int) -> None:
        self._checkpoints[day] = self.state.copy()
        for old in [d for d in self._checkpoints if d <= day - _CHECKPOINTS_RECENT and d % BLOCK_DAYS != BLOCK_DAYS - 1]:
            del self._checkpoints[old]

    def _score_block(self, panel: Panel, start: int, stop: int, acknowledged: Acknowledged) -> None:
        block = self._observe(panel, start, stop)
        here = self.deployment
        sums = common_effect.summarise(block.x, block.w, block.measured, here.phase, here.area, len(here.areas))
        effects, self._shrinkage[start:stop] = common_effect.pool(sums, *self.shrinkage_before(start))
        for i, effect in enumerate(effects):
            self._score_day(panel, start + i, block, i, effect, acknowledged)

    def _observe(self, panel: Panel, start: int, stop: int) -> _Block:
        """Guards and residuals of some days; moves the memory of usual pupil numbers on."""
        here, shape = self.deployment, (stop - start, len(self.deployment.urn))
        both = np.zeros((shape[0], 2, shape[1]), bool)
        out = _Block(np.zeros(shape), np.ones(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape, bool), both, [])
        for i, d in enumerate(range(start, stop)):
            eta = self.path.eta[d]
            p0 = np.clip(exact(ratio(eta)), 1e-4, 0.95)
            study = panel.study_leave[d]
            counts = Counts(panel.sent_on(d), panel.possible[d] - study, panel.absences[d] - study, panel.unmarked[d])
            guarded = guards.judge(counts, here.planned[d], p0, here.roll, self.state.usual)
            verdict = guards.judge_plausible(guarded, p0, here.area, len(here.areas))
            measured = verdict == Verdict.MEASURED
            self.verdict[d] = verdict
            self.absences[d], self.possible[d], self.registers[d] = guarded.absences, guarded.possible, guarded.registers
            k, y, n = (a.astype(np.int64) for a in (guarded.registers, guarded.absences, guarded.possible))
            residual = half_logs(np.maximum(2 * y + k, 1)) - half_logs(np.maximum(2 * (n - y) + k, 1)) - eta
            pupils = n / np.maximum(k, 1)
            variance = exact(1.0 / (1.05 * np.maximum(pupils, 0.5) * p0 * (1.0 - p0)))
            slow = self.slow_before(d)
            sigma = self._constants["sigma_u"]
            out.x[i], out.w[i] = common_effect.quantise(residual - slow, 1.0 / (sigma * sigma + 2.0 * variance))
            out.w[i] *= measured
            out.residual[i], out.variance[i], out.measured[i] = residual, variance, measured
            out.counted[i] = guarded.counted
            pupils, absent = counts.possible * guarded.counted, counts.absences * guarded.counted
            out.sessions.append(Sessions(pupils, absent, guarded.counted))
            self.counted[d] = guarded.counted[0] + 2 * guarded.counted[1]
        return out

    def _score_day(self, panel: Panel, d: int, block: _Block, i: int, effect: common_effect.Effect, acknowledged: Acknowledged) -> None:
        here, state = self.deployment, self.state
        measured = block.measured[i]
        c, v = common_effect.leave_one_out(effect, block.x[i], block.w[i], here.phase, here.area)
        v = common_effect.effect_variance(v, c)
        scored = measured & (effect.schools - measured >= PEERS_LEAST)
        residual = block.residual[i] - c
        vb, row = block.variance[i], self._constants
        long_run = row["a_long"] + row["b_long"] * vb + 3.0 * v
        daily = row["a_short"] + row["b_short"] * vb + v
        signal = self.path.about[d] + c
        day = Day(residual, signal, long_run, daily, scored, state.scored_days)
        effect_before = self.effect[d - 1] if d else np.zeros_like(c)
        seen = Seen(vb, c, v, effect_before, block.sessions[i], measured)
        self.outlook.foresee(d, state.outlook, state.level, day, seen)
        with_path = day._replace(scored=scored & self.has_path)
        self.target_statistic[d] = charts.update(state.target, with_path, self._target_shifts, d, own_level=False)
        self.level_statistic[d] = charts.update(state.level, day, self._level_shifts, d, own_level=True)
        self.year_groups.score_day(state.groups, panel.groups, d, block.counted[i], scored, state.scored_days)
        self.warming_up[d] = state.scored_days + scored <= WARM_UP_DAYS
        state.scored_days += scored
        np.add(state.slow, 0.03 * np.clip(residual - state.slow, -0.6, 0.6), out=state.slow, where=scored)
        self._slow[d] = state.slow
        self.outlook.look_ahead(d, state.outlook, state.level, state.scored_days, seen)
        self.effect[d], self.scored[d] = c, scored
        self.area_effect[d], self.area_limit[d] = area_day(state.area, effect)
        self.area_on[d] = state.area.on
        *by_chart, groups = acknowledged.get(d, ([], [], []))
        for chart, schools in zip((state.target, state.level), by_chart, strict=True):
            if schools:
                charts.reset(chart, np.array(schools, np.int32), d)
        year_groups.reset(state.groups, np.array(groups, np.int32), d)
