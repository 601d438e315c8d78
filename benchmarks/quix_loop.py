"""Quix Streams over a topic of registers, run by `live_closer` in an environment of its own: decode, add up, with or without state."""

from __future__ import annotations

import sys
import time
from typing import Any

import msgspec
from quixstreams import Application  # type: ignore[import-not-found]  # it is installed where this runs


def main() -> None:
    """Arguments: bootstrap servers, topic, records, state yes or no, a directory."""
    kafka, topic, records, state, folder = sys.argv[1:]
    app = Application(
        broker_address=kafka,
        consumer_group=f"quix-{time.time_ns()}",
        auto_offset_reset="earliest",
        state_dir=f"{folder}/state-{state}",
        use_changelog_topics=False,
        auto_create_topics=False,
        loglevel="ERROR",
    )
    decode = msgspec.json.Decoder().decode
    sums: dict[Any, int] = {}
    seen, began = 0, 0.0

    def add_up(value: bytes) -> None:
        nonlocal seen, began
        if not seen:
            began = time.perf_counter()
        register = decode(value)
        sums[register["urn"], register["attendance_date"], register["session"]] = sum(sum(g.values()) for g in register["counts"].values())
        count()

    def keep(value: bytes, held: Any) -> None:  # noqa: ANN401 (Quix's state)
        nonlocal seen, began
        if not seen:
            began = time.perf_counter()
        register = decode(value)
        held.set(f"{register['attendance_date']}{register['session']}", sum(sum(g.values()) for g in register["counts"].values()))
        count()

    def count() -> None:
        nonlocal seen
        seen += 1
        if seen == int(records):
            app.stop()

    frame = app.dataframe(app.topic(topic, value_deserializer="bytes", key_deserializer="bytes"))
    frame.update(keep, stateful=True) if state == "yes" else frame.update(add_up)
    app.run()
    print(f"{seen / (time.perf_counter() - began):,.0f} a second")


if __name__ == "__main__":
    main()
