"""Ways to make the common effect of the peers, each a year scored by the engine with another rule for who counts and how much.

A unit is one simulated year scored in every way; what it keeps suffices to judge the ways at any limit. (detection.md 1.3, G13)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from models import charts, common_effect
from models.close import BLOCK_DAYS, YearModel
from models.deployment import Path
from models.null_years import peaks_of, year_seed
from models.parameters import Parameters
from models.simulated_panel import deployment_of, known_path, panel_of
from models.simulator import Shock, SimulatedYear, make, previous_year

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from models.close import Acknowledged, _Block, _Checkpoint
    from models.common_effect import Effect
    from models.deployment import Deployment
    from models.numbers import Floats, Ints
    from models.outlook import Outlook
    from models.panel import Panel
    from streams.finished_units import Arrays

__all__ = ["CAP_DAYS", "DRIFTS", "NOBODY_HAS", "WAYS", "Peers", "Unit", "Way", "scored"]

AREAS, CAP_DAYS, _AFTER_DAYS, _QUIET_DAYS = 10, 80, 5, 10
DRIFTS = {"10 %, 1 pp": (0.10, 1.0), "10 %, 2 pp": (0.10, 2.0), "2 %, 1 pp": (0.02, 1.0), "2 %, 2 pp": (0.02, 2.0)}
"""Case -> share of schools that drift, and by how many points."""
_CASES = (*DRIFTS, "null", "shock", "season")


class _NoOutlook:
    """The forecasts take half of the time and feed nothing back."""

    def foresee(self, *_: object) -> None:
        """Nothing."""

    def look_ahead(self, *_: object) -> None:
        """Nothing."""


class Way(NamedTuple):
    """weigh: factor for each peer's weight, (schools,); level: what is taken off its residual in place of the slow level of 15 days
    ago; both see the model as the day before left it. cells: the group of each school in place of its area, (schools,). carried:
    begin with the loadings that the year before ended with."""

    weigh: Callable[[Peers, int], Floats] | None = None
    level: Callable[[Peers, int], Floats] | None = None
    cells: Callable[[Deployment], Ints] | None = None
    carried: bool = False

    @property
    def block_days(self) -> int:
        """1 where yesterday is needed."""
        return BLOCK_DAYS if self.weigh is None and self.level is None else 1


AS_IT_IS = Way()


@dataclass
class Peers(YearModel):
    """The engine with another rule for its peers; keeps two-sided evidence that a peer is off its path."""

    way: Way = AS_IT_IS
    alone: bool = False
    """As if the path were the whole truth: no effect is taken from the peers."""
    loading: Floats | None = None
    """What T's loadings begin with; None: 0."""

    def _start(self) -> _Checkpoint:
        out = super()._start()
        if self.loading is not None:
            out.target.loading[:] = self.loading
        return out

    def __post_init__(self) -> None:
        """Evidence upwards and downwards, and for each direction days and sum of the residual since it was last all 0."""
        super().__post_init__()
        self.outlook = cast("Outlook", _NoOutlook())
        shape = self._target_shifts.shape
        self.toward = {+1: np.zeros(shape), -1: np.zeros(shape)}
        self.since = {sign: np.zeros((2, shape[1])) for sign in self.toward}

    def evidence(self, sign: int) -> Floats:
        """The statistic of T (+1), or of T turned round (-1)."""
        return charts.statistic(self.toward[sign])

    def _observe(self, panel: Panel, start: int, stop: int) -> _Block:
        block = super()._observe(panel, start, stop)
        for i, day in enumerate(range(start, stop)):
            if self.alone:
                # So many peers, all at nothing: the effect and its variance vanish.
                block.x[i], block.w[i] = 0.0, 2.0**28
            if self.way.level is not None:
                block.x[i], _ = common_effect.quantise(block.residual[i] - self.way.level(self, day), block.w[i])
            if self.way.weigh is not None:
                block.w[i] = np.rint(block.w[i] * self.way.weigh(self, day))
        return block

    def _score_day(self, panel: Panel, d: int, block: _Block, i: int, effect: Effect, acknowledged: Acknowledged) -> None:
        super()._score_day(panel, d, block, i, effect, acknowledged)
        chart, vb, row = self.state.target, block.variance[i], self._constants
        scale = np.clip(chart.squares / (30.0 + self.state.scored_days), 0.5, 4.0)
        spread = np.sqrt((row["a_short"] + row["b_short"] * vb) * scale)
        long_run = (row["a_long"] + row["b_long"] * vb) * scale
        e = block.residual[i] - self.effect[d] - chart.loading * (self.path.about[d] + self.effect[d])
        e = np.clip(e / spread, -3.5, 3.5) * spread
        delta = self._target_shifts
        for sign, before in self.toward.items():
            now = np.maximum(0.0, before + (sign * e * delta - delta * delta / 2.0) / long_run)
            np.copyto(before, now, where=self.scored[d])
            on = before.any(axis=0)
            self.since[sign] = np.where(on, self.since[sign] + np.stack([np.ones_like(e), e]), 0.0)


def _softly(middle: float, slope: float) -> Callable[[Peers, int], Floats]:
    return lambda model, _: 1.0 / (1.0 + np.exp(slope * (np.maximum(model.evidence(+1), model.evidence(-1)) - middle)))


def _left_out(limit: float) -> Callable[[Peers, int], Floats]:
    return lambda model, _: (np.maximum(model.evidence(+1), model.evidence(-1)) < limit).astype(float)


def _yesterdays_level(model: Peers, _: int) -> Floats:
    return model.state.slow


def _shift_taken_off(middle: float, slope: float) -> Callable[[Peers, int], Floats]:
    """The slow level, and the mean residual since the evidence began, as far as the evidence is believed."""

    def level(model: Peers, day: int) -> Floats:
        out = model.slow_before(day).copy()
        for sign, (days, total) in model.since.items():
            believed = 1.0 / (1.0 + np.exp(-slope * (model.evidence(sign) - middle)))
            out += believed * sign * np.maximum(0.0, sign * total / np.maximum(days, 1.0))
        return out

    return level


def _merged(here: Deployment) -> Ints:
    return here.area // 5


def _whole_nation(here: Deployment) -> Ints:
    return np.zeros_like(here.area)


def _similar(here: Deployment) -> Ints:
    """As many groups as there are areas, of schools of a phase whose level of last year is alike, wherever they are."""
    out = np.zeros_like(here.area)
    for phase in np.unique(here.phase):
        mine = np.flatnonzero(here.phase == phase)
        rank = np.argsort(np.argsort(here.baseline[mine], kind="stable"), kind="stable")
        out[mine] = rank * len(here.areas) // len(mine)
    return out


WAYS: dict[str, Way] = {
    "as it is": AS_IT_IS,
    "five areas as one": Way(cells=_merged),
    "all areas as one": Way(cells=_whole_nation),
    "groups of similar schools, wherever they are": Way(cells=_similar),
    "loadings carried over from last year": Way(carried=True),
    "own level of yesterday, not of 15 days ago": Way(level=_yesterdays_level),
    "weight 1/(1 + exp(4(evidence − .5)))": Way(_softly(0.5, 4.0)),
    "weight 1/(1 + exp(evidence − 1))": Way(_softly(1.0, 1.0)),
    "left out while evidence ≥ 2": Way(_left_out(2.0)),
    "estimated shift subtracted, from evidence 2": Way(level=_shift_taken_off(2.0, 2.0)),
}
NOBODY_HAS = ("the drifters left out", "the true effect")
"""What nobody can do, but shows what could be had at most."""


def _loading_before(year: SimulatedYear) -> Floats:
    """T's loadings at the end of the year before."""
    before = previous_year(year)
    here = deployment_of(before)
    model = Peers(here, Parameters(), known_path(before, here))
    model.score(panel_of(before, groups=False), 0, len(here.days) - 1, {})
    return model.state.target.loading


def scored(year: SimulatedYear, panel: Panel, way: str) -> Peers:
    """One year scored one way, or as nobody can."""
    here = deployment_of(year)
    path = known_path(year, here)
    if way == "the true effect":
        # The path knows last year's season only; the truth about the common part holds this year's, with each school's loading.
        season = year.schools.gain * year.truth.season[year.schools.phase].T + year.truth.calendar[:, None]
        true = year.common_effect + season + year.schools.level
        model = Peers(here, Parameters(), Path(path.sessions, true, path.about + true - path.eta), alone=True)
    elif way == "the drifters left out":
        onset = np.where(year.truth.onset_day > 0, year.truth.onset_day - 1, len(year.dates))
        model = Peers(here, Parameters(), path, 1, way=Way(lambda _, day: (day < onset).astype(float)))
    else:
        rule = WAYS[way]
        if rule.cells is not None:
            area = rule.cells(here)
            here = replace(here, area=area, areas=tuple(f"group {j}" for j in range(int(area.max()) + 1)))
        model = Peers(here, Parameters(), path, rule.block_days, way=rule, loading=_loading_before(year) if rule.carried else None)
    model.score(panel, 0, len(here.days) - 1, {})
    return model


@dataclass(frozen=True, slots=True)
class Unit:
    """Year `number` of a case; arrays by way: null and season (schools,) peaks of T; shock (2, schools of the area): highest in the 10
    days before, and within it and 5 days; drift (drifting, 1 + CAP_DAYS): highest before the onset, then day by day."""

    case: str
    number: int
    seed: int
    schools: int

    @property
    def file(self) -> str:
        """Its name among the finished ones."""
        return f"{_CASES.index(self.case)}-{self.number:03d}.npz"

    def year(self) -> SimulatedYear:
        """No two cases share a year."""
        seed = year_seed(self.seed, 1000 * _CASES.index(self.case) + self.number)
        if self.case in DRIFTS:
            share, points = DRIFTS[self.case]
            return make(seed, self.schools, areas=AREAS, drift="step", size_points=points, share=share)
        if self.case == "shock":
            return make(seed, self.schools, areas=AREAS, shock=Shock())
        return make(seed, self.schools, areas=AREAS, season=(3.0, 1.8) if self.case == "season" else None)

    def run(self, ways: Iterable[str] = (*WAYS, *NOBODY_HAS)) -> Arrays:
        """The year in every way."""
        year = self.year()
        panel = panel_of(year, groups=False)
        return {way: self._kept(year, scored(year, panel, way)) for way in ways}

    def _kept(self, year: SimulatedYear, model: Peers) -> Floats:
        if self.case in ("null", "season"):
            return peaks_of(model, "T")
        statistic = np.where(model.scored, model.target_statistic, -np.inf)
        if self.case == "shock":
            event, of = year.truth.shock, year.schools.area == 0
            assert event is not None
            first = event.first_day - 1
            before, within = statistic[first - _QUIET_DAYS : first, of], statistic[first : event.last_day + _AFTER_DAYS, of]
            return np.stack([before.max(axis=0), within.max(axis=0)])
        out = np.full((len(year.drifting), 1 + CAP_DAYS), -np.inf)
        for row, school in zip(out, year.drifting.tolist(), strict=True):
            onset = int(year.truth.onset_day[school]) - 1
            row[0] = statistic[:onset, school].max()
            after = statistic[onset : onset + CAP_DAYS, school]
            row[1 : 1 + len(after)] = after
        return out
