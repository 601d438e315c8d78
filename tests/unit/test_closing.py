"""The thread that closes: what is due is done, what fails is tried again, and late registers close the day once more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from models.parameters import Budget, Parameters
from schemas.control import Abandoned, RejectsAccepted, Requested
from schemas.errors import BadContents, HeadwayError, WrongUsage
from streams.chain import Chain
from streams.closer import OtherRules
from streams.closer_process import heard
from streams.closing import Closing, EmbeddedArrivals
from streams.provisional import Overlay
from streams.reference import read_reference
from streams.runner import EmbeddedRunner
from streams.schedule import ClosingTimes
from streams.sqlite_log import EmbeddedLogs
from tests.serving import FIRST_DAY, WrittenDown, eventually, judge, options, register, running
from tests.streams_of_registers import line, small_year, write_reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.schedule import CloseOrder

EVENING = datetime(2026, 10, 5, 17, tzinfo=UTC)


class _Closing:
    """A closing thread that is stepped by hand, with the clock in our hand too."""

    def __init__(self, folder: Path) -> None:
        self.now, self.seconds = EVENING - timedelta(hours=8), 0.0
        self.logs = EmbeddedLogs(folder / "headway.db", now=lambda: self.now)
        self.runner = WrittenDown(self.logs)
        self.overlay = Overlay(self.runner.last_close())
        self.closing = self.started()

    def started(self) -> Closing:
        arrivals = EmbeddedArrivals(self.logs, ClosingTimes())
        closed = lambda: self.overlay.rebase(self.runner.last_close())  # noqa: E731
        return Closing(self.runner, arrivals, ClosingTimes(), lambda: self.now, lambda: self.seconds, closed=closed)

    def add(self, **changes: object) -> None:
        self.logs.append_registers([judge(json.dumps(register(**changes)).encode())])  # type: ignore[arg-type]  # any field

    def step(self) -> tuple[date, bool] | None:
        order: CloseOrder | None = self.closing.step()
        return None if order is None else (order.day, order.again)


@pytest.fixture
def at(tmp_path: Path) -> Iterator[_Closing]:
    one = _Closing(tmp_path)
    with closing(one.logs):
        yield one


def test_a_day_is_closed_at_its_time_and_again_for_late_registers(at: _Closing) -> None:
    at.add()
    assert at.step() is None
    at.now = EVENING
    assert at.step() == (FIRST_DAY, False)
    assert at.step() is None
    at.add(attendance_date="2026-10-06", recorded_at="2026-10-06T09:00:00Z")
    at.now += timedelta(hours=2)
    assert at.step() is None, "a register of tomorrow is not late"
    at.add(session="PM")
    assert at.step() == (FIRST_DAY, True)
    assert at.step() is None
    at.add(revision=1)
    assert at.step() is None, "not twice in an hour"
    at.now += timedelta(hours=1)
    assert at.step() == (FIRST_DAY, True)
    assert [c.positions["register"] for c in at.runner.completed()] == [1, 3, 4]


class _Outage(HeadwayError):
    temporary = True


def test_an_outage_of_any_length_is_waited_for_and_never_counted(at: _Closing) -> None:
    at.add()
    at.now = EVENING
    for _ in range(50):
        at.runner.faults.append(_Outage("the broker is gone"))
        at.seconds += 2
        assert at.step() is None
        assert at.closing.problem == "the broker is gone"
    assert at.runner.abandoned == []
    at.seconds += 2
    assert at.step() == (FIRST_DAY, False)
    assert at.closing.problem is None


def test_what_came_while_the_day_was_being_closed_is_late(at: _Closing) -> None:
    at.add()
    at.now = EVENING
    close = at.runner.close

    def busy(day: date, positions: object) -> None:
        at.add(session="PM")
        close(day, positions)  # type: ignore[arg-type]  # handed through

    at.runner.close = busy  # type: ignore[method-assign]  # a close during which a register comes
    assert at.step() == (FIRST_DAY, False)
    at.runner.close = close  # type: ignore[method-assign]
    at.now += timedelta(hours=1)
    assert at.step() == (FIRST_DAY, True)


def test_after_a_restart_missed_days_are_closed_in_order_and_late_registers_are_still_known(at: _Closing) -> None:
    at.add()
    at.now = EVENING
    assert at.step() == (FIRST_DAY, False)
    at.add(session="PM")
    at.closing, at.now = at.started(), EVENING + timedelta(minutes=1)
    assert at.step() == (FIRST_DAY, True)
    at.now = EVENING + timedelta(days=3)
    at.closing = at.started()
    assert [at.step() for _ in range(4)] == [(FIRST_DAY + timedelta(days=n), False) for n in (1, 2, 3)] + [None]


def test_a_close_that_fails_is_tried_again_with_growing_pauses_and_given_up_after_five(at: _Closing) -> None:
    at.add()
    at.now = EVENING
    at.runner.faults = [BadContents("torn", file="f", remedy="r") for _ in range(5)]
    tried = []
    while not at.runner.abandoned:
        before = len(at.runner.faults)
        assert at.step() is None
        if len(at.runner.faults) < before:
            tried.append(at.seconds)
            assert at.closing.problem == f"the close of 2026-10-05 failed {len(tried)} times (f: torn. r)"
        at.seconds += 1
    assert tried == [0, 2, 12, 72, 372]
    assert at.runner.abandoned == ["failed 5 times: f: torn. r"]
    assert at.step() is None, "given up for an hour"
    at.seconds += 3600
    assert at.step() == (FIRST_DAY, False)
    assert at.closing.problem is None


def test_the_overlay_stands_on_the_new_close(at: _Closing) -> None:
    at.add()
    at.now = EVENING + timedelta(days=1)
    at.step()
    at.step()
    assert at.overlay.reading(100_000, "2026-10-05") == "next_close"


def test_serve_closes_and_says_when_it_cannot(tmp_path: Path) -> None:
    now = [EVENING - timedelta(hours=8)]
    with running(options(tmp_path), lambda: now[0]) as serving, httpx.Client(base_url=serving.url) as client:
        client.post("/v1/registers", json=register())
        runner = serving.closing._runner
        assert isinstance(runner, WrittenDown)
        runner.faults = [OSError("no space")]
        now[0] = EVENING
        eventually(lambda: client.get("/ready").status_code == 503)
        assert client.get("/ready").json()["problems"] == ["the close of 2026-10-05 failed 1 times (OSError)"]
        serving.closing.wake()
        eventually(lambda: client.get("/ready").status_code == 200)
        assert [c.day for c in runner.completed()] == [FIRST_DAY]
    with running(options(tmp_path), lambda: now[0]) as again, httpx.Client(base_url=again.url) as client:
        reading = client.get("/v1/readings/100000", params={"date": "2026-10-05"})
        assert reading.json()["possible_sessions"] == 200, "the overlay is filled again from the log"


def test_a_taken_port_is_named_and_leaves_the_log_free(tmp_path: Path) -> None:
    with running(options(tmp_path / "one"), lambda: EVENING) as serving:
        port = int(serving.url.rsplit(":", 1)[1])
        with (
            pytest.raises(WrongUsage, match=f"127.0.0.1:{port}: cannot be listened on"),
            running(options(tmp_path / "two", port=port), lambda: EVENING),
        ):
            pass
    EmbeddedLogs(tmp_path / "two" / "headway.db").close()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_process_ends_well_and_leaves_the_log_whole(tmp_path: Path, number: int) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.serving_process", str(tmp_path / "headway.db")]
    with subprocess.Popen(
        command,
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx.post(f"{url}/v1/registers", json=register()).json()["position"] == 1
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    logs = EmbeddedLogs(tmp_path / "headway.db")
    assert logs.end_positions()["register"] == 1
    logs.close()


def test_a_close_of_other_rules_is_left_alone_for_ten_minutes_and_then_given_up(at: _Closing) -> None:
    at.add()
    at.now = EVENING
    while not at.runner.abandoned:
        at.runner.faults = [OtherRules("requested by engine 9; this is engine 1, and leaves it alone")]
        assert at.step() is None
        assert at.closing.problem is not None
        assert "leaves it alone" in at.closing.problem
        at.seconds += 5
        assert at.seconds < 700
    assert at.seconds >= 600
    assert "nobody carried it out for 10 minutes" in at.runner.abandoned[0]
    at.runner.faults = []
    at.seconds += 60
    assert at.step() == (FIRST_DAY, False)


def test_what_is_wrong_with_the_logs_is_said_in_words(at: _Closing) -> None:
    at.add()
    at.now = EVENING
    at.runner.faults = [BadContents("begins at 301", file="the logs", remedy="Restore the topic")]
    assert at.step() is None
    assert at.closing.problem is not None
    assert "begins at 301. Restore the topic" in at.closing.problem


def test_no_close_is_asked_for_where_a_log_is_shorter_than_at_the_last_one(tmp_path: Path) -> None:
    year = small_year(1, days=6, schools=12)
    write_reference(year, tmp_path)
    reference = read_reference(*(tmp_path / f"{name}.csv" for name in ("schools", "targets", "calendar")))
    with closing(EmbeddedLogs(tmp_path / "headway.db", now=lambda: EVENING)) as logs:
        logs.append_registers([judge(line(event)) for event in year.events])
        runner = EmbeddedRunner(logs, reference, Parameters(), Budget.of_rate(0.5), lambda: EVENING)
        ends = logs.end_positions()
        runner.close(date(2026, 9, 7), ends)
        with pytest.raises(BadContents, match="the last close came to"):
            runner.request(date(2026, 9, 8), ends | {"register": ends["register"] - 1})
        assert runner.request(date(2026, 9, 8), ends).number == 2


def test_what_a_closer_wrote_itself_does_not_end_its_pause() -> None:
    chain = Chain()
    request = Requested(
        previous=None,
        number=1,
        day=FIRST_DAY,
        positions={"register": 1},
        reference_version="r",
        parameters_digest="p",
        engine_version="e",
    )
    assert heard(chain) == heard(chain)
    before = heard(chain)
    chain.add(request)
    asked = heard(chain)
    assert asked != before, "somebody asks for a close"
    chain.add(Abandoned(close_id=request.close_id, reason="too many rejects"))
    assert heard(chain) == before, "our own request, given up"
    chain.add(RejectsAccepted(by="ops-1", reason="looked at", positions={"register": 1}, at=EVENING))
    assert heard(chain) != before, "a person has looked at the rejects"
