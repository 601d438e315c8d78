"""How registers reach a worker's desk: Faust's events one by one, the log itself in bulk wherever events are not enough.

A partition is open while its events follow each other without a gap. It is read in bulk when it comes to this worker, when
much waits, when an event does not follow the last one, and when the log has more than Faust delivers; events wait meanwhile and
come after it as known. So nothing here depends on what Faust committed, skipped or repeats.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from schemas.errors import HeadwayError
from streams import topology
from streams.give_back import give_back
from streams.kafka_logs import positions_of
from streams.kafka_publish import Outgoing
from streams.log_reader import Ends, PositionLost, read
from streams.worker import Desk, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from aiokafka.structs import ConsumerRecord

    from streams.health import Watchdog
    from streams.live_settings import LiveSettings
    from streams.worker import Ground

__all__ = ["Intake", "Metrics"]

BEHIND_MAX = 2_000
"""Records that wait, of all partitions together, from which on they are read in bulk."""
LOOK_SECONDS = 0.25
STALE_SECONDS = 0.5
"""What has been in the log for so long and was not delivered is read in bulk."""
SLICE_PAUSE_SECONDS = 0.005
"""An event takes many turns of the loop to come through Faust: one turn between two slices would hold everything up."""
PEERS_SECONDS = 10.0
"""How long answers wait for partitions that are still being read."""
LETTERS_MAX = 2_000
"""Dead letters that are published before the log is read on."""


_log = logging.getLogger("headway.worker")


class Metrics(Protocol):
    """What is counted; never a URN."""

    def taken(self, records: int) -> None:
        """Records of the register log."""

    def rejected(self, reason: str) -> None:
        """One of them was refused."""

    def answered(self, appended: float) -> None:
        """Its reading is in the log now."""

    def recovered(self, seconds: float) -> None:
        """All of the newest assignment was read so long after it."""


class _Enough(Exception):
    """Dead letters are to be published before more is read."""


class Intake:
    """Everything but `assigned` is called in the event loop of one worker."""

    def __init__(
        self,
        settings: LiveSettings,
        post: Callable[[Sequence[Outgoing]], Awaitable[Sequence[Awaitable[object]]]],
        fail: Callable[[str], None],
        watchdog: Watchdog,
        metrics: Metrics,
        seconds: Callable[[], float],
    ) -> None:
        """post: sends; what it returns is awaited for the acknowledgements. fail: ends the process. seconds: a monotonic clock."""
        self._settings, self._post, self._fail, self._seconds = settings, post, fail, seconds
        self._watchdog, self._metrics = watchdog, metrics
        self._ends = Ends(settings, topology.REGISTERS)
        self._desk: Desk | None = None
        self._accepted: Mapping[int, int] = {}
        self.owned: frozenset[int] = frozenset()
        self._assigned_at = 0.0
        self._open: set[int] = set()
        self._read: set[int] = set()
        """Those that were open once since they came to this worker."""
        self._unread_since: float | None = None
        """Since when not all of them were."""
        self._partly_since: float | None = None
        """Since when not all of them are open."""
        self._opened = asyncio.Condition()
        self._awaited: dict[int, int] = {}
        self._delivered: dict[int, int] = {}
        self._overdue: dict[int, tuple[int, float]] = {}
        self._look = asyncio.Event()
        self._moving = asyncio.Lock()
        self._turn = 0
        """Counts what makes a stretch that is being read in bulk out of date: its rest is left lying."""

    @property
    def waits_for(self) -> str | None:
        """Why this worker does not answer everything yet."""
        if self._desk is None:
            return "the last close and the reference data are being read"
        unread = sorted(self.owned - self._read)
        return f"partitions {', '.join(map(str, unread))} are being read" if unread else None

    # What it stands on, and which partitions are its own

    async def stand_on(self, ground: Ground, *, afresh: bool) -> None:
        """Another close or, with `afresh`, other reference data: then the log is read again for what was unknown before."""
        async with self._moving:
            if self._desk is None:
                self._desk = Desk(ground)
                self._desk.accepted = self._accepted
            else:
                for _ in self._desk.stand_on(ground):
                    await asyncio.sleep(SLICE_PAUSE_SECONDS)
                if afresh:
                    self._turn += 1
                    self._desk.again()
                    self._open.clear()
                    self._read.clear()
        gc.unfreeze()
        give_back()
        gc.freeze()  # What it stands on stays for a day: to walk through it again and again would hold registers up.
        self._look.set()

    def accept(self, positions: Mapping[int, int]) -> None:
        """A person has looked at the rejects up to here."""
        self._accepted = positions
        if self._desk is not None:
            self._desk.accepted = positions

    async def assigned(self, partitions: Collection[int], now: float) -> None:
        """These partitions, and no others, are this worker's now."""
        self._turn += 1
        self._assigned_at = now
        for partition in self.owned.difference(partitions):
            self._open.discard(partition)
            self._read.discard(partition)
            for held in (self._awaited, self._delivered, self._overdue):
                held.pop(partition, None)
            if self._desk is not None:
                self._desk.park(partition)
        self.owned = frozenset(partitions)
        self._delivered.clear()
        self._unread_since = self._seconds()
        self._look.set()
        async with self._opened:
            self._opened.notify_all()

    # Event by event

    async def events(self, records: Mapping[int, Sequence[Record]]) -> None:
        """What Faust delivers, by partition; returns when it is held and its dead letters are acknowledged."""
        self._watchdog.progressed()
        self._delivered |= {partition: some[-1].offset + 1 for partition, some in records.items()}
        if self._must_wait(records):
            async with self._opened:
                await self._opened.wait_for(lambda: not self._must_wait(records))
        if self._desk is not None:  # No await since the question: what followed then follows now.
            new = {p: _from(some, self._desk.next(p)) for p, some in records.items() if p in self.owned}
            await self._hold(self._desk, {p: some for p, some in new.items() if some})

    def _must_wait(self, records: Mapping[int, Sequence[Record]]) -> bool:
        """Whether a partition is being read in bulk, or has to be, since records are missing before these or between them."""
        waiting = [p for p in records if p in self.owned and not self._follows(p, records[p])]
        for partition in waiting:
            self._awaited[partition] = records[partition][-1].offset + 1
            self._look.set()
        return bool(waiting)

    def _follows(self, partition: int, records: Sequence[Record]) -> bool:
        if self._desk is None or partition not in self._open:
            return False
        first = self._desk.next(partition)
        new = _from(records, first)
        if new and new[-1].offset - first != len(new) - 1:
            self._open.discard(partition)
            return False
        return True

    async def _hold(self, desk: Desk, records: Mapping[int, Sequence[Record]]) -> None:
        if records:
            await self._publish(desk.take(records))
            self._metrics.taken(sum(map(len, records.values())))
            self._judge(desk)

    async def _publish(self, letters: Sequence[Outgoing]) -> None:
        for sent in await self._post(letters):
            await sent
        for letter in letters:
            self._metrics.rejected(dict(letter.headers)["reason"].decode())

    def _judge(self, desk: Desk) -> None:
        if (reason := desk.too_many_rejects()) is not None:
            self._fail(reason)

    async def answer(self) -> None:
        """Provisional readings of what came since the last time; while a part of the peers is still being read, they wait for
        it, but not for long."""
        if self._desk is None or self._waits_for_peers():
            return
        appended, waiting = list[float](), list[Awaitable[object]]()
        for answer in self._desk.answers():
            waiting += await self._post(answer.records)
            appended += answer.appended
        for sent in waiting:
            await sent
        for at in appended:
            self._metrics.answered(at)

    def _waits_for_peers(self) -> bool:
        if not self.owned - self._open:
            self._partly_since = None
            return False
        if self._partly_since is None:
            self._partly_since = self._seconds()
        return self._seconds() - self._partly_since < PEERS_SECONDS

    # In bulk

    async def keep_up(self) -> None:
        """Look once at how far the log reaches, and read in bulk what has to be."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self._look.wait()
        self._look.clear()
        if self._desk is None:
            return
        reached = {p: self._desk.reaches(p) for p in range(topology.REGISTERS.partitions)}
        try:
            ends = positions_of(topology.REGISTERS, await self._ends.now())
        except HeadwayError:
            self._watchdog.waits(0)  # Without the broker nobody can say that anything waits.
            raise
        for partition, upto in reached.items():
            if upto > ends[partition]:
                raise PositionLost(
                    f"{self._settings.topic(topology.REGISTERS)}/{partition} ends at {ends[partition]}, but the last close or this worker "
                    f"came to {upto}. It is another topic, or records were lost: look at the broker, then start the worker again"
                )
        self._measure(self._desk, ends)
        if far := self._far(self._desk, ends):
            await self._read_on(self._desk, far, ends)

    def _measure(self, desk: Desk, ends: Mapping[int, int]) -> None:
        for partition in self.owned:
            self._delivered.setdefault(partition, ends[partition])
        lag = sum(max(0, ends[p] - desk.next(p)) for p in self.owned)
        self._watchdog.waits(lag, sum(max(0, ends[p] - self._delivered[p]) for p in self.owned))

    def _far(self, desk: Desk, ends: Mapping[int, int]) -> set[int]:
        """The partitions that are to be read in bulk."""
        far, now = set(self.owned - self._open), self._seconds()
        behind = {p for p in self._open if ends[p] > desk.next(p)}
        if sum(ends[p] - desk.next(p) for p in behind) > BEHIND_MAX:
            return far | behind
        for partition in self.owned:
            end, since = self._overdue.get(partition, (0, now))
            if desk.next(partition) >= end:
                self._overdue[partition] = (ends[partition], now)
            elif now - since > STALE_SECONDS and partition in behind:
                far.add(partition)
        return far

    async def _read_on(self, desk: Desk, partitions: set[int], ends: Mapping[int, int]) -> None:
        turn, letters = self._turn, list[Outgoing]()
        self._open -= partitions

        def take(partition: int, records: Sequence[ConsumerRecord]) -> None:
            if turn == self._turn:
                letters.extend(desk.take({partition: [self._record(r) for r in records]}))
                self._metrics.taken(len(records))
                self._watchdog.progressed()
                if len(letters) >= LETTERS_MAX:
                    raise _Enough

        starts = {p: desk.next(p) for p in partitions}
        whole = {p: max(ends[p], starts[p]) for p in partitions}
        try:
            if starts != whole and (holes := await read(self._settings, topology.REGISTERS, starts, whole, take)):
                _log.warning("%d offsets of the register log held no record", holes)
        except _Enough:
            whole = {}
        finally:
            await self._publish(letters)
        self._judge(desk)
        if turn != self._turn:
            return
        for partition, end in whole.items():
            desk.reached(partition, end)
            if self._awaited.get(partition, 0) <= end:
                self._open.add(partition)
                self._read.add(partition)
                self._awaited.pop(partition, None)
        if self.owned - self._open:
            self._look.set()
        elif self._unread_since is not None:
            self._metrics.recovered(self._seconds() - self._unread_since)
            self._unread_since = None
        async with self._opened:
            self._opened.notify_all()

    def _record(self, record: ConsumerRecord) -> Record:
        at = record.timestamp / 1000
        return Record(record.offset, record.value or b"", at if at >= self._assigned_at else 0.0)

    async def close(self) -> None:
        """Let go of the broker."""
        await self._ends.close()


def _from(records: Sequence[Record], first: int) -> Sequence[Record]:
    return records if records[0].offset >= first else [record for record in records if record.offset >= first]
