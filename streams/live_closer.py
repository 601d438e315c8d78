"""The closer of the live runner: reference data and their versions from their topics, the step of a leader, that of a follower."""

from __future__ import annotations

import json
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from models.parameters import Parameters
from schemas.errors import BadContents, WrongUsage
from streams import topology
from streams.closer import Closer
from streams.connecting import administrator
from streams.reference_topics import manifests, read_reference_topics
from streams.schedule import Arrived

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from models.parameters import Budget
    from schemas.control import Requested
    from streams.kafka_logs import KafkaLogs
    from streams.live_settings import LiveSettings
    from streams.schedule import ClosingTimes, Completed

__all__ = ["KafkaArrivals", "LiveCloser", "identity_of", "read_parameters"]


def read_parameters(path: Path | None) -> Parameters:
    """A parameters file as `headway replay --history` writes it; none: the shipped ones."""
    if path is None:
        return Parameters()
    try:
        return Parameters.of_json(path.read_text("utf-8"))
    except OSError as error:
        raise WrongUsage(f"{path}: {error.strerror}. Name a readable parameters file") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise BadContents("not a parameters file", file=str(path), remedy="Name the parameters.json that `headway replay` wrote") from error


def identity_of(settings: LiveSettings) -> dict[str, str]:
    """The ids of the cluster and of the register topic: positions and snapshots mean nothing on others."""
    topic = settings.topic(topology.REGISTERS)
    with administrator(settings, f"looking for {topic}") as admin:
        cluster, (found,) = admin.describe_cluster(), admin.describe_topics([topic])
    if found["error_code"]:
        raise BadContents(f"there is no topic {topic}", file=settings.kafka, remedy="Make the topics with `headway topics`")
    return {"cluster": str(cluster["cluster_id"]), "topic": str(found["topic_id"])}


class LiveCloser(Closer):
    """`streams.closer` on Kafka; called from one thread that runs no event loop."""

    def __init__(
        self,
        settings: LiveSettings,
        logs: KafkaLogs,
        parameters: Parameters,
        now: Callable[[], datetime],
        *,
        budget: Budget | None = None,
        at: Callable[[str], None] = lambda _: None,
    ) -> None:
        """budget: None, the settings'. Raises ReferenceMissing before a first version of the reference data has been published."""
        self._settings, self._kafka = settings, logs
        super().__init__(logs, read_reference_topics(settings), parameters, budget or settings.budget(), now, at)

    def look_at_reference(self) -> None:
        """Take up a newer version of the reference data, unless a close is open: that one is of the version it names."""
        if self.chain.open is None and (found := manifests(self._settings)) and found[-1].version != self.reference.version:
            newest = read_reference_topics(self._settings)
            if newest.version != self.reference.version:
                self.refer(newest)

    def resume(self) -> Requested | None:
        """As `Closer.resume`, with the reference data that the open close names."""
        self.catch_up()
        request = self.chain.open
        if request is not None and not self.mine(request) and request.reference_version != self.reference.version:
            self.refer(read_reference_topics(self._settings, request.reference_version))
        return super().resume()

    def close(self, day: date, positions: Mapping[str, int]) -> None:
        """As `Closer.close`; a day whose midnight has passed is first closed with what had come by then."""
        midnight = datetime.combine(day + timedelta(days=1), time(), ZoneInfo(self._settings.time_zone))
        if midnight <= self._now() and all(held.day != day for held, _ in self.chain.completed):
            before = self.chain.completed[-1][0].positions if self.chain.completed else {}
            positions = {place: max(offset, before.get(place, 0)) for place, offset in self._kafka.ends_at(midnight).items()}
        super().close(day, positions)

    def follow(self) -> None:
        """Stay warm: compute what another closer has completed, and say nothing."""
        self.catch_up()
        newest = self.chain.completed[-1][0] if self.chain.completed else None
        if newest is not None and newest.close_id != self.computed and self.mine(newest):
            self.compute(newest)


class KafkaArrivals:
    """Which registers have come since the last close for a day that was closed; looks at each register once per close."""

    def __init__(self, logs: KafkaLogs, times: ClosingTimes) -> None:
        self._logs, self._times = logs, times
        self._closes, self._late = -1, False
        self._cursor: dict[str, int] = {}
        self._began: date | None = None

    def look(self, completed: Sequence[Completed]) -> Arrived:
        """As `streams.closing.Arrivals`."""
        ends = self._logs.ends()
        if len(completed) != self._closes:
            self._closes, self._late = len(completed), False
            self._cursor = dict(completed[-1].positions) if completed else {}
        last = max((one.day for one in completed), default=None)
        if last is not None:
            for value in self._logs.raw_registers(self._cursor, ends):
                self._late = self._late or _dated(value) <= last.isoformat()
            self._cursor = ends
        if self._began is None and (first := self._logs.first_at()) is not None:
            self._began = first.astimezone(self._times.zone).date()
        return Arrived(ends, self._began, self._late)


def _dated(value: bytes) -> str:
    """The date of a register, as far as it can be read; what cannot is never late."""
    try:
        return str(json.loads(value)["attendance_date"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "9999"
