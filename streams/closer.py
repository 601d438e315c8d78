"""Closes by positions on the logs, ordered by the control log; the one function that both runners call.

A close is requested, computed whole from the logs up to its positions, decided, published and completed, each step written
before the next; after a crash the close that is open is repeated and says the same bytes again. Nothing held here is the truth
but the logs: panels and course are made from them.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from models import ENGINE_VERSION
from models.deploy import deploy
from models.panels import Panels
from models.said import Said
from schemas.alert import Alert, record_id
from schemas.calendar import academic_year
from schemas.control import Abandoned, CloseCompleted, Decided, Requested
from schemas.errors import BadContents, BrokenPromise, HeadwayError
from streams.acknowledgements import Acknowledgements
from streams.chain import Chain
from streams.close_logs import AlertRecord, ReadingRecord
from streams.closed_readings import closed_readings
from streams.log_lines import about
from streams.reject_limit import TooManyRejects
from streams.same_log import begins_of, check_same_log
from streams.schedule import Completed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from models.batch import Batch
    from models.deployment import Deployment
    from models.panels import Closed
    from models.parameters import Budget, Parameters
    from schemas.control import AnyControlRecord
    from streams.close_logs import CloseLogs
    from streams.replay import Reference

__all__ = ["Closer", "OtherRules", "deployed", "rules_of"]

_EPOCH = date(1970, 1, 1)
_log = logging.getLogger("headway.closer")


def rules_of(parameters: Parameters, budget: Budget) -> str:
    """SHA-256 over the parameters and the budget: a close follows from both."""
    return hashlib.sha256(f"{parameters.digest} {budget.key}".encode()).hexdigest()


class OtherRules(HeadwayError):
    """A close of another engine or other parameters is open: whoever has these carries it out."""


class Closer:
    """Called from one thread. `at` is told where it stands (points of `docs/operations.md`), for those who want to stop it there."""

    def __init__(
        self,
        logs: CloseLogs,
        reference: Reference,
        parameters: Parameters,
        budget: Budget,
        now: Callable[[], datetime],
        at: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Folds the control log."""
        self.observed: Callable[[Closed], None] = lambda _: None
        """Told of each close that was carried out here."""
        self._logs, self._parameters, self._budget, self._now, self._at = logs, parameters, budget, now, at
        self._rules = rules_of(parameters, budget)
        self.chain = Chain()
        self._panels = Panels(parameters, budget)
        self.refer(reference)
        self.forget()
        self.catch_up()

    def refer(self, reference: Reference) -> None:
        """Work with these reference data from now on; what has been read of the logs stays."""
        self._deployments = {name: deployed(reference, name) for name in reference.calendar.academic_years()}
        self.reference, self._urns = reference, np.array([s.urn for s in reference.schools], np.int32)
        self._panels.refer(self._urns, self._deployments)

    def forget(self) -> None:
        """Caches only: the next close reads the logs from their beginning."""
        self._panels = Panels(self._parameters, self._budget)
        self._panels.refer(self._urns, self._deployments)
        self._read: dict[str, int] = {}
        self._begins: dict[str, int] = {}
        self.computed: str | None = None
        """The id of the close that panels and course stand at."""

    def catch_up(self) -> None:
        """Fold what has been written to the control log since."""
        for record in self._logs.control():
            self.chain.add(record)

    def mine(self, request: Requested) -> bool:
        """Whether a close is of the rules and reference data that this one works with."""
        rules = (self.reference.version, self._rules, ENGINE_VERSION)
        return (request.reference_version, request.parameters_digest, request.engine_version) == rules

    @property
    def school_days(self) -> Sequence[date]:
        """Every school day of the deployment, ascending."""
        return [_EPOCH + timedelta(days=int(d)) for name in sorted(self._deployments) for d in self._deployments[name].days]

    def completed(self) -> Sequence[Completed]:
        """The chain of completed closes."""
        return [Completed(request.day, request.positions, done.at) for request, done in self.chain.completed]

    def ends(self) -> dict[str, int]:
        """Where the input logs end now."""
        return self._logs.ends()

    def request(self, day: date, positions: Mapping[str, int]) -> Requested:
        """The request to close a day at these positions, after the newest close.

        Raises BadContents where the logs are not those of the newest close any more, or have lost what a close of this academic
        year rests on.
        """
        held = self._logs.held()
        completed = [request for request, _ in self.chain.completed]
        check_same_log(completed, day, positions, held)
        return Requested(
            previous=self.chain.newest,
            number=len(self.chain.completed) + 1,
            day=day,
            positions=dict(sorted(positions.items())),
            reference_version=self.reference.version,
            parameters_digest=self._rules,
            engine_version=ENGINE_VERSION,
            register_log=held.register_log,
            begins=begins_of(completed, day, held),
        )

    def resume(self) -> Requested | None:
        """Carry out the close that is open, and return it; None when none is. Raises OtherRules when it is not of ours."""
        self.catch_up()
        request = self.chain.open
        if request is not None:
            if not self.mine(request):
                theirs = f"engine {request.engine_version}, parameters {request.parameters_digest[:12]}"
                ours = f"engine {ENGINE_VERSION}, parameters {self._rules[:12]}"
                raise OtherRules(f"the close of {request.day} was requested by {theirs}; this is {ours}, and leaves it alone")
            self.carry_out(request)
        return request

    def close(self, day: date, positions: Mapping[str, int]) -> None:
        """Close a day at these positions; where a close is open, that one is carried out instead, and nothing else done."""
        self.catch_up()
        if self.chain.open is None:
            self.put(self.request(day, positions))
        if self.resume() is None:
            raise BrokenPromise(f"the request to close {day} is void, though no other close was open")

    def abandon(self, reason: str) -> None:
        """Give up the open request, unless it was decided."""
        self.catch_up()
        if self.chain.open is not None and self.chain.decided is None:
            self.put(Abandoned(close_id=self.chain.open.close_id, reason=reason))

    def put(self, record: AnyControlRecord) -> None:
        """Write to the control log and fold what stands there."""
        self._logs.write_control(record)
        self.catch_up()

    def carry_out(self, request: Requested) -> None:
        """Compute, decide, publish, complete the close that is open; another closer may have been quicker with any step."""
        with about(close_id=request.close_id):
            try:
                self._carry_out(request)
            except Exception as error:
                _log.info("the close of %s was not carried out (%s)", request.day, type(error).__name__)
                raise

    def _carry_out(self, request: Requested) -> None:
        _log.info("the close of %s begins", request.day)
        self._at("requested")
        closed = self.compute(request)
        self._at("scored")
        alerts = [
            AlertRecord(
                str(record_id(a.alert_id, request.number, a.state)),
                str(a.area if a.urn is None else a.urn),
                a.to_line(),
                str(a.alert_id),
            )
            for a in closed.close.alerts
        ]
        readings = [ReadingRecord(urn, line) for urn, line in closed_readings(closed, self._budget)]
        said = hashlib.sha256(closed.state_digest.encode())
        for line in (*(a.line for a in alerts), *(r.line for r in readings)):
            said.update(hashlib.sha256(line).digest())
        self._at("before decided")
        if self.chain.decided is None:
            counts = {"alerts": len(alerts), "readings": len(readings)}
            self.put(Decided(close_id=request.close_id, digest=said.hexdigest(), counts=counts))
        self._at("decided")
        if self.chain.open != request:
            return
        if self.chain.decided is None or self.chain.decided.digest != said.hexdigest():
            raise BrokenPromise(f"the close of {request.day} was decided otherwise: {self.chain.decided}, now {said.hexdigest()}")
        self._logs.publish(request, self._since(request), alerts, readings, self._at)
        for alert in closed.close.alerts:
            with about(alert_id=str(alert.alert_id)):
                _log.info("an alert is %s", alert.state)
        self._at("before completed")
        self.put(CloseCompleted(close_id=request.close_id, state_digest=closed.state_digest, at=self._now()))
        _log.info("the close of %s is complete: %d alerts, state digest %s", request.day, len(alerts), closed.state_digest)
        self.observed(closed)

    def compute(self, request: Requested) -> Closed:
        """The whole close from the logs, writing nothing."""
        name = academic_year(request.day)
        if name not in self._deployments:
            raise BrokenPromise(f"{request.day} lies in no academic year of the calendar")
        if self._begins != request.begins or any(self._read.get(p, 0) > upto for p, upto in request.positions.items()):
            self.forget()
            self._begins = request.begins
        try:
            since = self._since(request)
            self._logs.registers(request, self._read, since, self._take)
            self._read = dict(request.positions)
            self._logs.judge_rejects(since, request.positions, self.chain.accepted)
            acknowledged = Acknowledgements(self._logs.acknowledgements(request))
            if request.previous is None or request.previous != self.computed:
                self._panels.forget_course()
            here = self._deployments[name]
            closed = self._panels.close(
                name, (request.day - _EPOCH).days, acknowledged.known_before(None, here), lambda: self._said(name, request.number)
            )
        except TooManyRejects:
            raise  # All was read, nothing of it scored: what is held stays right.
        except BaseException:
            self.forget()
            raise
        self.computed = request.close_id
        return closed

    def _take(self, batch: Batch) -> None:
        self._at("reading")
        self._panels.add(batch)

    def _since(self, request: Requested) -> Mapping[str, int]:
        """The positions of the close before; empty before the first."""
        before = self.chain.before(request)
        return {} if before is None else before.positions

    def _said(self, name: str, number: int) -> Said:
        """The fold of what earlier closes published in this academic year."""
        said = Said()
        for published, body in self._logs.alerts():
            if published < number and academic_year((alert := Alert.model_validate_json(body)).opened_on) == name:
                said.add(alert)
        return said


def deployed(reference: Reference, name: str) -> Deployment:
    """One academic year of the reference data; raises BadContents for a school without a term."""
    days, planned = reference.calendar.planned(reference.schools, name)
    idle = np.flatnonzero(~planned.any(axis=1))
    if len(idle):
        raise BadContents(
            f"school {reference.schools[int(idle[0])].urn} has no term in {name}",
            file=reference.calendar_file,
            remedy="Add a `term` row for scope `all`, its region, its local authority or the school itself",
        )
    return deploy(reference.schools, reference.targets, name, days, planned.T.copy())
