"""The logs of the live runner as a close uses them: topics read in bulk by positions, published to by an idempotent producer.

Each call connects, does its work and lets go: after an outage nothing stale is left, and the work of a close is large beside it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schemas.acknowledgement import parse as parse_acknowledgement
from schemas.control import read_control_record
from schemas.errors import InvalidRegister
from schemas.register import parse
from schemas.reject import BLANKS, Reject
from streams import topology
from streams.close_logs import Held
from streams.dead_letters import dead_letter
from streams.decode import decode
from streams.kafka_publish import Outgoing, publish
from streams.kafka_tools import topic_identity
from streams.log_reader import PositionLost, beginning_offsets, end_offsets, offsets_at, read
from streams.reject_limit import TooManyRejects, too_many
from streams.snapshot import Stretch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from aiokafka.structs import ConsumerRecord

    from models.batch import Batch
    from schemas.acknowledgement import Acknowledgement
    from schemas.control import AnyControlRecord, Requested
    from streams.close_logs import AlertRecord, ReadingRecord
    from streams.live_settings import LiveSettings
    from streams.snapshot import Segments
    from streams.topology import Log

__all__ = ["KafkaLogs", "judged", "positions_of"]


def positions_of(log: Log, positions: Mapping[str, int]) -> dict[int, int]:
    """The positions of one log, by partition."""
    out = {}
    for name, offset in positions.items():
        topic, _, partition = name.rpartition("/")
        if topic == log.name:
            out[int(partition)] = offset
    return out


def judged(records: Sequence[ConsumerRecord]) -> tuple[Batch, list[tuple[int, Reject]]]:
    """The valid registers of some records, and (offset, reject) of the others."""
    values = [record.value or b"" for record in records]
    if all(v.strip(BLANKS) for v in values):
        decoded = decode(values)
        if not decoded.rejects:
            return decoded.batch, []
    good, bad = [], []
    for record, value in zip(records, values, strict=True):
        try:
            parse(value)
        except InvalidRegister as error:
            bad.append((record.offset, Reject.of(value, error)))
        else:
            good.append(value)
    return decode(good).batch, bad


class KafkaLogs:
    """`streams.close_logs.CloseLogs` on Kafka; called from one thread that runs no event loop."""

    def __init__(self, settings: LiveSettings, segments: Segments | None = None) -> None:
        self._settings, self._segments = settings, segments
        self._folded = 0
        self._acknowledged: dict[tuple[int, int], Acknowledgement] = {}
        self._acknowledged_upto: dict[int, int] = {}
        self._alerts: dict[str, tuple[int, bytes]] = {}
        self._alerts_upto: dict[int, int] = {}
        self._rejected: dict[str, dict[int, Reject]] = defaultdict(dict)
        self.holes = 0
        """Offsets that were asked for and not there; ours have none."""

    def ends(self) -> dict[str, int]:
        """As `CloseLogs`."""
        return asyncio.run(end_offsets(self._settings, *topology.INPUTS))

    def ends_at(self, moment: datetime) -> dict[str, int]:
        """Where the input logs ended at a moment, by the broker's time of arrival."""
        return asyncio.run(offsets_at(self._settings, round(moment.timestamp() * 1000), *topology.INPUTS))

    def control(self) -> Iterator[AnyControlRecord]:
        """As `CloseLogs`."""
        lines: list[bytes] = []
        self._folded = self.behind(topology.CONTROL, {0: self._folded}, lambda _, got: lines.extend(r.value for r in got))[0]
        return map(read_control_record, lines)

    def write_control(self, record: AnyControlRecord) -> None:
        """As `CloseLogs`."""
        asyncio.run(publish(self._settings, [Outgoing(topology.CONTROL, None, record.to_line())]))

    def held(self) -> Held:
        """As `CloseLogs`."""
        begins = asyncio.run(beginning_offsets(self._settings, *topology.INPUTS))
        return Held(topic_identity(self._settings, topology.REGISTERS), {place: first for place, first in begins.items() if first})

    def registers(self, request: Requested, after: Mapping[str, int], fresh: Mapping[str, int], take: Callable[[Batch], None]) -> None:
        """As `CloseLogs`; from the beginning it starts with the segments on disk."""
        log, upto = topology.REGISTERS, request.positions
        if request.register_log is not None and (found := topic_identity(self._settings, log)) != request.register_log:
            raise PositionLost(f"the registers are in {found}, those of this close were in {request.register_log}. It is another topic")
        begin = _of(log, after or request.begins)
        if not after and self._segments is not None:
            for begin, batch in self._segments.load(begin, _least(_of(log, upto), fresh)):  # noqa: B007, B020 (the last one counts)
                take(batch)
        stretch = Stretch(self._segments, begin)

        def keep(partition: int, records: Sequence[ConsumerRecord]) -> None:
            batch, rejects = judged(records)
            take(batch)
            place = f"{log.name}/{partition}"
            self._rejected[place] |= {offset: reject for offset, reject in rejects if offset >= fresh.get(place, 0)}
            stretch.add(place, records[-1].offset + 1, batch)

        ends = positions_of(log, upto)
        starts = dict.fromkeys(ends, 0) | positions_of(log, begin)
        self.holes += asyncio.run(read(self._settings, log, starts, ends, keep))
        stretch.finish(_of(log, upto))

    def raw_registers(self, after: Mapping[str, int], upto: Mapping[str, int]) -> list[bytes]:
        """The values between two positions, valid or not."""
        log = topology.REGISTERS
        out: list[bytes] = []
        starts, ends = positions_of(log, after), positions_of(log, upto)
        if any(starts.get(p, 0) < end for p, end in ends.items()):
            asyncio.run(read(self._settings, log, starts, ends, lambda _, got: out.extend(r.value or b"" for r in got)))
        return out

    def first_at(self) -> datetime | None:
        """When the first register that the log still holds came, UTC; None when there is none."""
        stamps: list[int] = []
        log = topology.REGISTERS
        begins = positions_of(log, asyncio.run(beginning_offsets(self._settings, log)))
        ends = {p: min(end, begins[p] + 1) for p, end in positions_of(log, self.ends()).items()}
        asyncio.run(read(self._settings, log, begins, ends, lambda _, got: stamps.append(got[0].timestamp)))
        return datetime.fromtimestamp(min(stamps) / 1000, UTC) if stamps else None

    def acknowledgements(self, request: Requested) -> list[Acknowledgement]:
        """As `CloseLogs`."""
        log = topology.ACKNOWLEDGEMENTS

        def keep(partition: int, records: Sequence[ConsumerRecord]) -> None:
            for record in records:
                value = record.value or b""
                try:
                    self._acknowledged[partition, record.offset] = parse_acknowledgement(value)
                except InvalidRegister as error:
                    self._rejected[f"{log.name}/{partition}"][record.offset] = Reject.of(value, error)

        ends, begins = positions_of(log, request.positions), positions_of(log, request.begins)
        starts = {p: min(max(self._acknowledged_upto.get(p, 0), begins.get(p, 0)), end) for p, end in ends.items()}
        self.holes += asyncio.run(read(self._settings, log, starts, ends, keep))
        self._acknowledged_upto |= {p: max(end, self._acknowledged_upto.get(p, 0)) for p, end in ends.items()}
        return [said for (p, offset), said in self._acknowledged.items() if begins.get(p, 0) <= offset < ends.get(p, 0)]

    def judge_rejects(self, since: Mapping[str, int], upto: Mapping[str, int], accepted: Mapping[str, int]) -> None:
        """As `CloseLogs`."""
        begin = {place: max(since.get(place, 0), accepted.get(place, 0)) for place in upto}
        rejected = {place: [o for o in held if begin.get(place, 0) <= o < upto.get(place, 0)] for place, held in self._rejected.items()}
        if (reason := too_many(rejected, sum(max(0, upto[place] - begin[place]) for place in upto))) is not None:
            self._publish_rejects(since, upto)
            raise TooManyRejects(reason)

    def alerts(self) -> Iterator[tuple[int, bytes]]:
        """As `CloseLogs`."""
        self._refresh_alerts()
        return iter(sorted(self._alerts.values(), key=lambda held: held[0]))

    def readings(self, number: int) -> dict[int, bytes]:
        """As `CloseLogs`: as long as the topic keeps them."""
        out: dict[int, bytes] = {}
        wanted = str(number).encode()

        def keep(_: int, records: Sequence[ConsumerRecord]) -> None:
            out.update({int(r.key): r.value for r in records if dict(r.headers).get("close_number") == wanted})

        self.behind(topology.READINGS, {}, keep)
        return out

    def publish(
        self,
        request: Requested,
        since: Mapping[str, int],
        alerts: Sequence[AlertRecord],
        readings: Sequence[ReadingRecord],
        at: Callable[[str], None],
    ) -> None:
        """As `CloseLogs`: rejects, alerts and readings, each acknowledged by the broker."""
        self._publish_rejects(since, request.positions)
        at("rejects published")
        self._refresh_alerts()
        which = (("close_id", request.close_id.encode()), ("close_number", str(request.number).encode()))
        out = [Outgoing(topology.ALERTS, a.key.encode(), a.line, (*_ids(a), *which)) for a in alerts if a.record_id not in self._alerts]
        asyncio.run(publish(self._settings, out[: len(out) // 2]))
        at("half the alerts")
        asyncio.run(publish(self._settings, out[len(out) // 2 :]))
        at("alerts published")
        asyncio.run(publish(self._settings, [Outgoing(topology.READINGS, str(r.urn).encode(), r.line, which) for r in readings]))

    def behind(self, log: Log, starts: Mapping[int, int], take: Callable[[int, Sequence[ConsumerRecord]], None]) -> dict[int, int]:
        """Read a log on to its end, from the first record it holds where no start is given; where the end is, by partition."""

        async def all_of_it() -> dict[int, int]:
            ends = positions_of(log, await end_offsets(self._settings, log))
            if any(starts.get(p, 0) < end for p, end in ends.items()):
                self.holes += await read(self._settings, log, {p: starts[p] for p in ends if p in starts}, ends, take)
            return ends

        return asyncio.run(all_of_it())

    def _refresh_alerts(self) -> None:
        def keep(_: int, records: Sequence[ConsumerRecord]) -> None:
            for record in records:
                headers = dict(record.headers)
                self._alerts.setdefault(headers["record_id"].decode(), (int(headers["close_number"]), record.value))

        starts = dict.fromkeys(range(topology.ALERTS.partitions), 0) | self._alerts_upto
        self._alerts_upto = self.behind(topology.ALERTS, starts, keep)

    def _publish_rejects(self, since: Mapping[str, int], upto: Mapping[str, int]) -> None:
        """What of the interval is not among the rejects yet; earlier ones are let go."""
        for place, held in self._rejected.items():
            for offset in [o for o in held if o < since.get(place, 0)]:
                del held[offset]
        found = {
            f"{place}/{offset}": reject
            for place, held in self._rejected.items()
            for offset, reject in sorted(held.items())
            if offset < upto.get(place, 0)
        }
        if not found:
            return
        there: set[str] = set()
        self.behind(topology.REJECTS, {}, lambda _, got: there.update(dict(r.headers).get("origin", b"").decode() for r in got))
        out = [dead_letter(origin, origin.split("/", 1)[0], reject) for origin, reject in found.items() if origin not in there]
        asyncio.run(publish(self._settings, out))


def _of(log: Log, positions: Mapping[str, int]) -> dict[str, int]:
    return {f"{log.name}/{partition}": offset for partition, offset in positions_of(log, positions).items()}


def _least(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {place: min(offset, other.get(place, 0)) for place, offset in one.items()}


def _ids(alert: AlertRecord) -> tuple[tuple[str, bytes], ...]:
    return ("record_id", alert.record_id.encode()), ("alert_id", alert.alert_id.encode())
