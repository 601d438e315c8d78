"""Quix Streams over the register topic, run by `live_readers` in an environment of its own: arguments kafka, topic, records, how, folder.

how: `kernel` hands its values to our decoder and store, 5,000 at a time; `dictionary` and `state` decode one by one, add up, and
keep the newest revision of each school, date and session, in a dictionary or in Quix's own state (RocksDB, no changelog).
"""

from __future__ import annotations

import sys
import time
from typing import Any

import msgspec
from quixstreams import Application  # type: ignore[import-not-found]  # it is installed where this runs

from models.store import RegisterStore
from schemas.codes import CODES
from streams.decode import decode

PIECE = 5_000
_POSSIBLE = {row.code: int(row.possible) for row in CODES}
_ABSENT = {row.code: int(row.absence) for row in CODES}
_READ = msgspec.json.Decoder().decode


class Clock:
    """From the first record to the last."""

    def __init__(self, records: int) -> None:
        self.records, self.seen = records, 0
        self.began, self.ended, self.used = 0.0, 0.0, 0.0

    def begin(self) -> None:
        """Before the work on a record."""
        if not self.seen:
            self.began, self.used = time.perf_counter(), time.process_time()

    def end(self) -> bool:
        """After it; whether it was the last one."""
        self.seen += 1
        last = self.seen == self.records
        if last:
            self.ended, self.used = time.perf_counter(), time.process_time() - self.used
        return last


def summed(register: dict[str, Any]) -> list[int]:
    """Possible sessions and absences."""
    possible = absent = 0
    for group in register["counts"].values():
        for code, pupils in group.items():
            possible += pupils * _POSSIBLE[code]
            absent += pupils * _ABSENT[code]
    return [possible, absent]


def main() -> None:
    """Print registers a second, and processor seconds per 1,000."""
    kafka, topic, records, how, folder = sys.argv[1:]
    app = Application(
        broker_address=kafka,
        consumer_group=f"quix-{time.time_ns()}",
        auto_offset_reset="earliest",
        state_dir=f"{folder}/state-{time.time_ns()}",
        use_changelog_topics=False,
        auto_create_topics=False,
        loglevel="ERROR",
    )
    clock, held, values, store = Clock(int(records)), dict[Any, list[Any]](), list[bytes](), RegisterStore()

    def kernel(value: bytes) -> None:
        clock.begin()
        values.append(value)
        if len(values) == PIECE or clock.seen + 1 == clock.records:
            store.add(decode(values).batch)
            values.clear()
        clock.end()

    def dictionary(value: bytes) -> None:
        clock.begin()
        register = _READ(value)
        identity = (register["urn"], register["attendance_date"], register["session"])
        new = [register["revision"], register["recorded_at"], *summed(register)]
        held[identity] = max(held.get(identity, new), new)
        clock.end()

    def state(value: bytes, kept: Any) -> None:  # noqa: ANN401 (Quix's state)
        clock.begin()
        register = _READ(value)
        identity = register["attendance_date"] + register["session"]
        new = [register["revision"], register["recorded_at"], *summed(register)]
        kept.set(identity, max(kept.get(identity, new), new))
        clock.end()

    frame = app.dataframe(app.topic(topic, value_deserializer="bytes", key_deserializer="bytes"))
    frame.update(state, stateful=True) if how == "state" else frame.update(kernel if how == "kernel" else dictionary)
    app.run(count=clock.records, collect=False)
    print(clock.records / (clock.ended - clock.began), 1000 * clock.used / clock.records)


if __name__ == "__main__":
    main()
