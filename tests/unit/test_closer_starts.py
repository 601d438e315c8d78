"""A live closer that cannot begin says why: a wrong setting at once, a sign-in that is not let in on /ready; and gives memory back."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from schemas.errors import WrongUsage
from streams import clock, closer_process, reference_topics
from streams.closer_process import run_closer
from streams.connecting import NotAllowed
from streams.health import Watchdog
from streams.live_settings import live_settings
from streams.schedule import ClosingTimes
from streams.snapshot import claim

if TYPE_CHECKING:
    from pathlib import Path

FRAGMENTED = """
import ctypes, json
from pathlib import Path
from streams.give_back import give_back

def resident():
    return int(next(row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith("VmRSS")).split()[1])

blocks = [bytes(2000) for _ in range(50_000)]
full = resident()
blocks = blocks[::100]
before = resident()
give_back()
print(json.dumps([full, before, resident(), len(blocks)]))
"""


def test_a_directory_that_cannot_be_made_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(WrongUsage, match=r"HEADWAY_STATE_DIR .* can be made and written"):
        run_closer(live_settings(state_dir=tmp_path / "file" / "state"))


def test_a_directory_that_is_anothers_is_told_at_once(tmp_path: Path) -> None:
    with claim(tmp_path / "state"), pytest.raises(WrongUsage, match="another process keeps its snapshots here"):
        run_closer(live_settings(state_dir=tmp_path / "state"))


def test_who_is_not_let_in_is_told_on_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise NotAllowed("closer is not let in by SCRAM-SHA-512")

    monkeypatch.setattr(closer_process, "require", refused)
    watchdog = Watchdog(clock.monotonic_seconds, lambda: 0.0)
    times = ClosingTimes(zone=ZoneInfo("Europe/London"))
    thread = closer_process._Thread(live_settings(state_dir=tmp_path), times, watchdog, lambda _: None)
    thread.start()
    deadline = clock.monotonic_seconds() + 30
    while "is not let in" not in (thread.problem or "") and clock.monotonic_seconds() < deadline:
        time.sleep(0.02)
    thread.stop()
    thread.join(30)
    assert thread.problem == "held up (closer is not let in by SCRAM-SHA-512)"


def test_a_record_that_is_no_manifest_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    class Junk:
        """Two records, one of which is new to the process at the second look."""

        many = 1

        def bounds(self, *_: object) -> dict[str, tuple[int, int]]:
            return {}

        def read(self, _: object) -> object:
            class Record:
                def __init__(self, offset: int) -> None:
                    self.offset, self.value = offset, b"junk"

            return [("a-topic-of-this-test/0", [Record(i) for i in range(self.many)])]

    junk = Junk()
    for junk.many in (1, 1, 2):
        reference_topics._manifests(junk)  # type: ignore[arg-type]  # as much of a reader as it needs
    assert [one.getMessage().split(" ")[0] for one in caplog.records] == ["a-topic-of-this-test/0/0", "a-topic-of-this-test/0/1"]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_that_is_free_between_what_is_held_goes_back() -> None:
    done = subprocess.run([sys.executable, "-c", FRAGMENTED], capture_output=True, text=True, check=True)
    full, before, after, _ = json.loads(done.stdout)
    assert before > 0.8 * full, "the pieces alone give nothing back"
    assert after < 0.5 * full
