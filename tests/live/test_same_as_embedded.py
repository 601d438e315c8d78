"""Live and embedded say the same: readings, alerts and rejects per key, byte for byte, and the same state digests.

However many workers run beside the closer, and however the partitions are interleaved for the embedded runner.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from streams.reference_publish import publish_reference
from tests.live.conformance import INTERLEAVINGS, Published, embedded, live
from tests.live.fleet import Fleet
from tests.live.scripts import DATA, hostile, hub, new_york

if TYPE_CHECKING:
    from pathlib import Path

    from streams.live_settings import LiveSettings


def _same(one: Published, other: Published) -> None:
    assert one.digests == other.digests
    for number, readings in one.readings.items():
        assert readings == other.readings[number], f"readings of close {number}"
    assert one.alerts == other.alerts
    assert one.rejects == other.rejects


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("script", "workers"), [("hub", 1), ("hub", 2), ("hostile", 1), ("hostile", 3), ("hostile", 5), ("new york", 2)])
def test_both_runners_publish_the_same_bytes(script: str, workers: int, settings: LiveSettings, topics: Any, tmp_path: Path) -> None:
    if script == "new york" and DATA is None:
        pytest.skip("HEADWAY_DATA does not name the real data")
    folder = tmp_path / "files"
    folder.mkdir()
    reference, arrivals = {"hub": hub, "hostile": hostile, "new york": new_york}[script](folder)
    publish_reference(settings, reference)
    with Fleet(settings, tmp_path) as fleet:
        running = [fleet.start("closer"), *(fleet.start("worker") for _ in range(workers))]
        for one in running:
            one.ready()
        said = live(settings, arrivals)
    assert len(said.digests) == len(arrivals)
    assert said.alerts, "a script without an alert shows little"
    kinds = {json.loads(body)["kind"] for told in said.alerts.values() for _, body in told}
    assert script != "hub" or "year_group" in kinds
    for name, interleave in INTERLEAVINGS.items():
        _same(said, embedded(settings, reference, tmp_path / name, interleave))
