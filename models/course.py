"""The course of one academic year: closes in order, each moving the panel to its positions, scoring and deciding.

This is the one function that both runners call. It holds nothing but caches: the panel (the log, merged), the model's
checkpoints and the fold of what was published; each follows from the logs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from models.attribution import Attributor
from models.close import BLOCK_DAYS, Acknowledged, YearModel
from models.deployment import AM, BOTH, PM, Deployment, expected_sessions, lay_path, relay_path
from models.panel import Panel, Tally
from models.policy import Close, decide
from models.said import Said
from models.school_cells import CellReader

if TYPE_CHECKING:
    from models.batch import Batch
    from models.numbers import Bools, Ints
    from models.parameters import Budget, Parameters
    from models.school_cells import Registers

__all__ = ["Course", "Revisions", "place"]


@dataclass(frozen=True, slots=True, eq=False)
class Revisions:
    """Registers of one academic year, in ascending rank, (n,) each: rank in the total order, deployment day index, session,
    school index, and what each adds up to."""

    rank: Ints
    day: Ints
    session: Ints
    school: Ints
    sums: Tally

    def __len__(self) -> int:
        return len(self.rank)

    @classmethod
    def of(cls, here: Deployment, batch: Batch, tally: Tally, rows: Ints) -> Revisions:
        """Those of some registers that the deployment can score, ranked by their rows."""
        school, day, inside = place(here, batch, rows)
        mine = rows[inside]
        sums = Tally(tally.possible[mine], tally.absences[mine], tally.study_leave[mine], tally.unmarked[mine], tally.legacy[mine])
        return cls(mine.astype(np.int32), day[inside], batch.session[mine].astype(np.int32), school[inside], sums)

    def only(self, rows: Ints) -> Revisions:
        """Some of them; rows in ascending order."""
        s = self.sums
        sums = Tally(s.possible[rows], s.absences[rows], s.study_leave[rows], s.unmarked[rows], s.legacy[rows])
        return Revisions(self.rank[rows], self.day[rows], self.session[rows], self.school[rows], sums)


def place(here: Deployment, batch: Batch, rows: Ints) -> tuple[Ints, Ints, Bools]:
    """School index, day index, and whether the deployment can score it, of some registers, (n,) each; only where it can do
    the indices mean something."""
    school, day = np.searchsorted(here.urn, batch.urn[rows]), np.searchsorted(here.days, batch.day[rows])
    inside = (school < len(here.urn)) & (day < len(here.days))
    inside[inside] = (here.urn[school[inside]] == batch.urn[rows][inside]) & (here.days[day[inside]] == batch.day[rows][inside])
    inside[inside] = here.planned[day[inside], school[inside]]
    return school.astype(np.int32), day.astype(np.int32), inside


@dataclass
class Course:
    """One academic year being closed, day after day."""

    deployment: Deployment
    parameters: Parameters
    budget: Budget
    block_days: int = BLOCK_DAYS
    said: Said = field(default_factory=Said)
    acknowledged: Acknowledged = field(default_factory=dict)

    def __post_init__(self) -> None:
        days, schools = self.deployment.planned.shape
        self.panel = Panel(days, schools)
        sent = self.parameters.sessions_sent
        self.sent_before = np.array([sent.get(int(u), 0) for u in self.deployment.urn], np.int32)
        sessions = expected_sessions(self.panel.sent, self.sent_before)
        self.model = YearModel(self.deployment, self.parameters, lay_path(self.deployment, sessions, self.parameters), self.block_days)
        self._steady = self._steady_sessions(np.arange(schools))
        self._reader = CellReader(days)
        self.changed_from = 0
        """The first day that the newest close scored again."""

    def close(self, day: int, new: Revisions, acknowledged: Acknowledged | None = None, registers: Registers | None = None) -> Close:
        """Close deployment day `day`: take in what the log holds since the last close, score what it changed, decide.

        registers: where the winners' cells can be read; without it there are no year groups, and alerts have no attribution.
        """
        first = min(self._merge(new, registers), self._acknowledge(self.acknowledged if acknowledged is None else acknowledged))
        self.changed_from = min(first, self.model.through + 1, day)
        self.model.score(self.panel, first, day, self.acknowledged)
        attributor = None if registers is None else Attributor(self._reader, self.model, self.panel, registers, day)
        return decide(self.model, day, self.said, self.budget, self.acknowledged, attributor)

    def _acknowledge(self, now: Acknowledged) -> int:
        changed = [d for d in now.keys() | self.acknowledged.keys() if now.get(d) != self.acknowledged.get(d)]
        self.acknowledged = now
        return min(changed, default=len(self.deployment.days))

    def _merge(self, new: Revisions, registers: Registers | None) -> int:
        """Move the panel on; the first day whose counts or path changed (the number of days if none)."""
        days = len(self.deployment.days)
        if not len(new):
            return days
        day, school = self.panel.apply(new.rank, new.day, new.session, new.school, new.sums)
        if not len(day):
            return days
        if registers is not None:
            self._merge_year_groups(new, registers)
        winner = self.panel.winner
        sent = (winner[day, 0, school] >= 0) * AM + (winner[day, 1, school] >= 0) * PM
        unsteady = np.unique(school[sent != self._steady[school]])
        first = int(day.min())
        if len(unsteady):
            sessions = expected_sessions(winner[:, :, unsteady] >= 0, self.sent_before[unsteady])
            first = min(first, relay_path(self.deployment, self.model.path, unsteady, sessions, self.parameters))
            self._steady[unsteady] = self._steady_sessions(unsteady)
        return first

    def _merge_year_groups(self, new: Revisions, registers: Registers) -> None:
        wins = self.panel.winner[new.day, new.session, new.school] == new.rank
        rows = new.rank[wins] if registers.rows is None else registers.rows[new.rank[wins]]
        self.panel.groups.take(registers.batch, rows, new.day[wins], new.session[wins], new.school[wins])

    def _steady_sessions(self, schools: Ints) -> Ints:
        """The sessions a school is expected to send on every day of the year, 0 where they vary: a further register of just
        these sessions cannot change what is expected."""
        sessions = self.model.path.sessions[:, schools]
        steady = np.where((sessions == sessions[:1]).all(axis=0), sessions[0], 0) if len(sessions) else np.full(len(schools), BOTH)
        return steady.astype(np.int32)
