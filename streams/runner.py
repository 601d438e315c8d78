"""The embedded runner: closes by positions on the SQLite logs, ordered by the control log.

A close is requested, computed whole from the logs up to its positions, decided, published and completed, each step written
before the next; after a crash the open close is repeated and says the same bytes again. Nothing here is the truth but the
logs: panel, charts and the fold of what was said are made from them. What this runner does not imitate is rebalancing: it is
one process and owns every partition.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from models import ENGINE_VERSION
from models.close import BLOCK_DAYS
from models.course import Course
from models.deploy import deploy
from models.panel import arrange
from models.policy import Said
from models.readings import school_digests, state_digest
from models.store import RegisterStore
from schemas.acknowledgement import parse
from schemas.alert import Alert, record_id
from schemas.calendar import academic_year
from schemas.control import Abandoned, CloseCompleted, Decided, RejectsAccepted, Requested, read_control_record
from schemas.errors import BadContents, BrokenPromise
from streams.acknowledgements import Acknowledgements
from streams.decode import decode
from streams.provisional import LastClose
from streams.replay import split_years
from streams.schedule import Completed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from models.batch import Batch
    from models.deployment import Deployment
    from models.panel import Tally
    from models.parameters import Budget, Parameters
    from models.policy import Close
    from streams.replay import Reference
    from streams.sqlite_log import EmbeddedLogs

__all__ = ["Chain", "EmbeddedRunner"]

_EPOCH = date(1970, 1, 1)
_DECODE_LINES = 20_000


def _rules(parameters: Parameters, budget: Budget) -> str:
    """SHA-256 over the parameters and the budget: a close follows from both."""
    return hashlib.sha256(f"{parameters.digest} {budget.target!r} {budget.level!r}".encode()).hexdigest()


class Chain:
    """The control log, folded: completed closes in order, and the request that is open."""

    def __init__(self, logs: EmbeddedLogs) -> None:
        self.completed: list[tuple[Requested, CloseCompleted]] = []
        self.open: Requested | None = None
        self.decided: Decided | None = None
        for _, line in logs.read_control():
            self.add(read_control_record(line))

    def add(self, record: Requested | Decided | CloseCompleted | Abandoned | RejectsAccepted) -> None:
        """Fold one record; a request for another `previous` than the newest, or beside an open one, is void."""
        if isinstance(record, Requested):
            if self.open is None and record.previous == self.newest:
                self.open = record
            return
        if isinstance(record, RejectsAccepted) or self.open is None or record.close_id != self.open.close_id:
            return
        if isinstance(record, Decided):
            self.decided = record
        elif isinstance(record, CloseCompleted):
            self.completed.append((self.open, record))
            self.open = self.decided = None
        elif self.decided is None:
            self.open = None

    @property
    def newest(self) -> str | None:
        """The id of the last completed close."""
        return self.completed[-1][0].close_id if self.completed else None


class EmbeddedRunner:
    """Closes on embedded logs; called from one thread (`streams.closing.CloseRunner`)."""

    def __init__(
        self, logs: EmbeddedLogs, reference: Reference, parameters: Parameters, budget: Budget, now: Callable[[], datetime]
    ) -> None:
        """Folds the control log; an open close of other rules is abandoned, unless it was decided: then BadContents."""
        self._logs, self._reference, self._parameters, self._budget, self._now = logs, reference, parameters, budget, now
        self._rules = _rules(parameters, budget)
        self._store, self._read_upto = RegisterStore(), 0
        self._urns = np.array([s.urn for s in reference.schools], np.int32)
        self._deployments = {name: self._deploy(name) for name in reference.calendar.academic_years()}
        self._courses: dict[str, Course] = {}
        self.chain = Chain(logs)
        self._adopt()

    def _deploy(self, name: str) -> Deployment:
        days, planned = self._reference.calendar.planned(self._reference.schools, name)
        idle = np.flatnonzero(~planned.any(axis=1))
        if len(idle):
            raise BadContents(
                f"school {self._urns[idle[0]]} has no term in {name}",
                file=self._reference.calendar_file,
                remedy="Add a `term` row for scope `all`, its region, its local authority or the school itself",
            )
        return deploy(self._reference.schools, self._reference.targets, name, days, planned.T.copy())

    def _adopt(self) -> None:
        open_ = self.chain.open
        if open_ is None or self._mine(open_):
            return
        if self.chain.decided is not None:
            raise BadContents(
                f"the close of {open_.day} was decided by other rules (engine {open_.engine_version}) and is not published",
                file="control log",
                remedy="Start that version with those files once, so that it completes",
            )
        self.abandon("the engine, the reference data or the parameters have changed")

    def _mine(self, request: Requested) -> bool:
        mine = (self._reference.version, self._rules, ENGINE_VERSION)
        return (request.reference_version, request.parameters_digest, request.engine_version) == mine

    @property
    def school_days(self) -> Sequence[date]:
        """Every school day of the deployment, ascending."""
        return [_EPOCH + timedelta(days=int(d)) for name in sorted(self._deployments) for d in self._deployments[name].days]

    def completed(self) -> Sequence[Completed]:
        """The chain of completed closes."""
        return [Completed(request.day, request.positions["register"], done.at) for request, done in self.chain.completed]

    def close(self, day: date, positions: Mapping[str, int]) -> None:
        """Close a day at these positions; where a crash left a close open, that one is repeated instead, and nothing else done."""
        if self.chain.open is not None:
            self._carry_out(self.chain.open)
            return
        self._write(
            Requested(
                previous=self.chain.newest,
                number=len(self.chain.completed) + 1,
                day=day,
                positions={name: positions[name] for name in ("register", "acknowledgement")},
                reference_version=self._reference.version,
                parameters_digest=self._rules,
                engine_version=ENGINE_VERSION,
            )
        )
        if self.chain.open is None:
            raise BrokenPromise(f"the request to close {day} is void: another close is open")
        self._carry_out(self.chain.open)

    def abandon(self, reason: str) -> None:
        """Give up the open request, unless it was decided."""
        if self.chain.open is not None and self.chain.decided is None:
            self._write(Abandoned(close_id=self.chain.open.close_id, reason=reason))

    def _write(self, record: Requested | Decided | CloseCompleted | Abandoned) -> None:
        self._logs.append_control(record.to_line())
        self.chain.add(record)

    def _carry_out(self, request: Requested) -> None:
        course, close, digest = self.compute(request)
        lines = [(str(record_id(a.alert_id, request.number, a.state)), a.to_line()) for a in close.alerts]
        said = hashlib.sha256(b"\n".join([digest.encode(), *(line for _, line in lines)])).hexdigest()
        if self.chain.decided is None:
            self._write(Decided(close_id=request.close_id, digest=said, counts={"alerts": len(lines)}))
        elif self.chain.decided.digest != said:
            raise BrokenPromise(f"the close of {request.day} was decided otherwise: {self.chain.decided.digest}, now {said}")
        self._logs.publish_alerts(request.number, lines)
        self._write(CloseCompleted(close_id=request.close_id, state_digest=digest, at=self._now()))
        self._courses[course.deployment.academic_year] = course

    def compute(self, request: Requested) -> tuple[Course, Close, str]:
        """The whole close from the logs, writing nothing: its course, what it says, and the state digest."""
        name = academic_year(request.day)
        if name not in self._deployments:
            raise BrokenPromise(f"{request.day} lies in no academic year of the calendar")
        here = self._deployments[name]
        batch, tally = self._registers(request.positions["register"])
        arranged = arrange(batch)
        years, _, _ = split_years(batch, arranged, tally, [here], self._urns)
        course = Course(here, self._parameters, self._budget, BLOCK_DAYS, said=self._said(name, request.number))
        day = int(np.searchsorted(here.days, (request.day - _EPOCH).days))
        close = course.close(day, years[0].revisions, self._acknowledged(request.positions["acknowledgement"], here))
        winners = arranged.rows[arranged.wins]
        digests = school_digests(batch, winners, self._urns, [(course.model, course.panel)], self._budget)
        return course, close, state_digest(self._urns, digests)

    def _registers(self, upto: int) -> tuple[Batch, Tally]:
        if upto < self._read_upto:
            self._store, self._read_upto = RegisterStore(), 0
        lines: list[bytes] = []
        for _, body in self._logs.read_registers(self._read_upto, upto):
            lines.append(body)
            if len(lines) == _DECODE_LINES:
                self._store.add(decode(lines).batch)
                lines = []
        self._store.add(decode(lines).batch)
        self._read_upto = upto
        return self._store.batch(), self._store.tally()

    def _acknowledged(self, upto: int, here: Deployment) -> dict[int, tuple[list[int], list[int]]]:
        held = [parse(body) for _, body in self._logs.read_acknowledgements(0, upto)]
        return Acknowledgements(held).known_before(None, here)

    def _said(self, name: str, number: int) -> Said:
        """The fold of what earlier closes published in this academic year."""
        said = Said()
        records = [(n, Alert.model_validate_json(body)) for n, _, body in self._logs.read_alerts() if n < number]
        for _, alert in sorted(records, key=lambda r: r[0]):
            if academic_year(alert.opened_on) == name:
                said.add(alert)
        return said

    def last_close(self) -> LastClose:
        """What the overlay needs of the last close; before the first, of the reference data alone."""
        newest = self.chain.completed[-1][0] if self.chain.completed else None
        if newest is not None and academic_year(newest.day) not in self._courses and self._mine(newest):
            self._courses[academic_year(newest.day)] = self.compute(newest)[0]
        name = academic_year(newest.day) if newest is not None else min(self._deployments)
        course = self._course(name)
        model, here = course.model, course.deployment
        index = {int(u): i for i, u in enumerate(self._urns)}
        slow = model.slow_before(model.through + 1)
        effect = model.effect[model.through] if model.through >= 0 else np.zeros(len(self._urns))
        return LastClose(
            day=newest.day.isoformat() if newest is not None else "",
            schools={urn: (int(here.phase[i]), int(here.area[i])) for urn, i in index.items()},
            areas=len(here.areas),
            eta_star=lambda urn, day: self._eta(index, urn, day),
            slow_level=lambda urn: float(slow[index[urn]]),
            last_effect=lambda urn: float(effect[index[urn]]),
            sigma_u=self._parameters.sigma_u,
            shrinkage=model.shrinkage_before(model.through + 1),
        )

    def _course(self, name: str) -> Course:
        held = self._courses.get(name)
        return held or self._courses.setdefault(name, Course(self._deployments[name], self._parameters, self._budget))

    def _eta(self, index: Mapping[int, int], urn: int, day: str) -> float | None:
        when = date.fromisoformat(day)
        name = academic_year(when)
        if urn not in index or name not in self._deployments:
            return None
        here = self._deployments[name]
        number = (when - _EPOCH).days
        d = int(np.searchsorted(here.days, number))
        if d == len(here.days) or here.days[d] != number or not here.planned[d, index[urn]]:
            return None
        return float(self._course(name).model.path.eta[d, index[urn]])
