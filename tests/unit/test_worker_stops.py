"""A worker that is being stopped: what is cut off by it is no failure of its own, and hides no other."""

from __future__ import annotations

import asyncio
import logging

import pytest

from streams.live_settings import LiveSettings
from streams.worker_process import _Worker


async def cut_off() -> None:
    raise RuntimeError


@pytest.mark.parametrize(("before", "reason"), [("500 rejects in a row", "500 rejects in a row"), (None, "cut_off failed (RuntimeError)")])
def test_the_first_reason_of_a_stop_is_the_one_that_is_told(before: str | None, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    worker = _Worker(LiveSettings(kafka="127.0.0.1:1", metrics_port=0))
    try:
        if before is not None:
            worker.supervisor.fail(before)
        caplog.clear()
        with caplog.at_level(logging.INFO, "headway.worker"):
            asyncio.run(worker._guarded(cut_off))
    finally:
        worker.health.close()
    assert worker.supervisor.failure == reason
    assert [record.levelno for record in caplog.records if record.name == "headway.worker"] == [
        logging.INFO if before is not None else logging.ERROR
    ]
