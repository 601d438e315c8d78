"""The embedded runner on a real SQLite log: it says what `headway replay` says, and what it once said it can say again.

Registers and acknowledgements are appended in order of `recorded_at` and each school day is closed at the local midnight that
a replay cuts at, so positions and cuts are the same closes. (Crashes between any two writes: `test_crash_between_actions`.)
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from models.parameters import Budget, Parameters
from schemas import acknowledgement
from schemas.control import Abandoned, Requested, read_control_record
from schemas.errors import BadContents, BrokenPromise
from streams.acknowledgements import read_acknowledgements
from streams.chain import Chain
from streams.close_logs import EmbeddedCloseLogs
from streams.intake import judge
from streams.outputs import summary
from streams.reference import read_reference
from streams.replay import midnight_after, read_input, replay
from streams.runner import EmbeddedRunner
from streams.sqlite_log import EmbeddedLogs
from tests.streams_of_registers import SmallYear, line, small_year, write_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streams.replay import Reference

LONDON = ZoneInfo("Europe/London")
SENSITIVE = Budget.of_rate(0.5)
SEEDS = (1, 5)
"""Years whose alerts are of every kind and fate; another test holds that."""
OTHER = Parameters(sigma_u=(0.2, 0.2, 0.2))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> datetime:
    """Any time: nothing that a close says depends on it."""
    return datetime(2026, 12, 1, 17, 30, tzinfo=UTC)


class _Killed(BaseException):
    """The process ends here."""


@dataclass(frozen=True)
class _World:
    """A small year with some acknowledgements, its reference files, and the closes that its registers make due."""

    year: SmallYear
    reference: Reference
    acknowledgements: list[dict[str, Any]]
    school_days: list[date]

    @classmethod
    def of(cls, seed: int, folder: Path, *, days: int = 14) -> _World:
        year = small_year(seed, days=days, schools=16)
        reference = read_reference(*write_reference(year, folder))
        dates = sorted({date.fromisoformat(e["attendance_date"]) for e in year.events})
        rng = np.random.default_rng(seed)
        said = [_acknowledged(rng, year, dates) for _ in range(24)]
        return cls(year, reference, said, dates)

    def closes(self) -> Iterator[tuple[date, list[bytes], list[bytes]]]:
        """Day, registers and acknowledgements that come before its midnight; last, the last day with all the rest."""
        registers = sorted((_microseconds(e["recorded_at"]), judge(line(e))) for e in self.year.events)
        said = sorted((_microseconds(a["recorded_at"]), _canonical(a)) for a in self.acknowledgements)
        begin = -1
        for day in self.school_days:
            cut = midnight_after((day - _EPOCH.date()).days, LONDON)
            yield day, _between(registers, begin, cut), _between(said, begin, cut)
            begin = cut
        yield self.school_days[-1], _between(registers, begin, 2**62), _between(said, begin, 2**62)

    def runner(self, logs: EmbeddedLogs, parameters: Parameters | None = None, budget: Budget = SENSITIVE) -> EmbeddedRunner:
        return EmbeddedRunner(logs, self.reference, parameters or Parameters(), budget, now)


def _acknowledged(rng: np.random.Generator, year: SmallYear, dates: list[date]) -> dict[str, Any]:
    day = dates[int(rng.integers(len(dates) // 2, len(dates)))]
    return {
        "urn": int(str(rng.choice([s["urn"] for s in year.schools]))),
        "chart": str(rng.choice(["T", "C", "G:7"])),
        "effective_date": str(day),
        "verdict": str(rng.choice(["handled", "not_real", "retracted"])),
        "revision": int(rng.integers(0, 2)),
        "recorded_at": f"{day + timedelta(days=int(rng.integers(0, 3)))}T16:00:00Z",
        "actor": "coordinator-1",
    }


def _microseconds(recorded_at: str) -> int:
    return (datetime.fromisoformat(recorded_at) - _EPOCH) // timedelta(microseconds=1)


def _canonical(said: dict[str, Any]) -> bytes:
    return acknowledgement.canonical(acknowledgement.parse(json.dumps(said).encode()))


def _between(records: list[tuple[int, bytes]], begin: int, end: int) -> list[bytes]:
    return [body for at, body in records if begin <= at < end]


def _replayed(world: _World, folder: Path) -> tuple[list[bytes], str, int]:
    """Alert lines, state digest and number of closes of `replay --known then` on the same records in files."""
    sessions, said = folder / "sessions.jsonl", folder / "acknowledgements.jsonl"
    sessions.write_bytes(b"".join(line(e) for e in world.year.events))
    said.write_bytes(b"".join(json.dumps(a).encode() + b"\n" for a in world.acknowledgements))
    held = read_input([sessions], processes=1, progress=lambda _: None)
    done = replay(
        world.reference,
        held,
        Parameters(),
        budget=SENSITIVE,
        zone=LONDON,
        acknowledgements=read_acknowledgements(said),
        progress=lambda *_: None,
    )
    return [a.to_line() for a in done.alerts], str(summary(done, held, Parameters())["state_digest"]), done.closes


def _lived(world: _World, logs: EmbeddedLogs, *, restarts: bool = False, twice: bool = False) -> EmbeddedRunner:
    """Every close in its order; `restarts`: a new runner for each; `twice`: every record is sent again after each close."""
    runner = world.runner(logs)
    sent: list[bytes] = []
    for day, registers, acknowledgements in world.closes():
        logs.append_registers(registers)
        logs.append_acknowledgements(acknowledgements)
        sent += registers
        if restarts:
            runner = world.runner(logs)
        runner.close(day, logs.end_positions())
        if twice:
            assert all(appended.duplicate for appended in logs.append_registers(sent[::-1]))
    return runner


def _alert_lines(logs: EmbeddedLogs) -> list[bytes]:
    return [body for _, _, body in logs.read_alerts()]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[EmbeddedLogs]:
    with closing(EmbeddedLogs(tmp_path / "headway.db", now=now)) as logs:
        yield logs


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_closes_by_positions_say_what_a_replay_of_the_file_says(seed: int, tmp_path: Path, opened: EmbeddedLogs) -> None:
    world = _World.of(seed, tmp_path, days=36)
    alerts, digest, closes = _replayed(world, tmp_path)
    runner = _lived(world, opened)
    assert _alert_lines(opened) == alerts, f"seed {seed}"
    assert runner.chain.completed[-1][1].state_digest == digest, f"seed {seed}"
    assert len(runner.chain.completed) == closes


@pytest.mark.slow
def test_these_years_hold_alerts_of_every_kind_and_fate(tmp_path: Path) -> None:
    said = []
    for seed in SEEDS:
        folder = tmp_path / str(seed)
        folder.mkdir()
        said += [json.loads(alert) for alert in _replayed(_World.of(seed, folder, days=36), folder)[0]]
    assert {a["kind"] for a in said} == {"off_trajectory", "level_drop", "area", "data", "sudden"}
    assert {a["state"] for a in said} == {"opened", "updated", "closed", "withdrawn"}
    assert any(a["reason"] == "acknowledged" for a in said)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_restart_before_every_close_and_registers_sent_again_change_nothing(seed: int, tmp_path: Path) -> None:
    world = _World.of(seed, tmp_path, days=20)
    left = []
    for name, how in (("plain", {}), ("restarts", {"restarts": True}), ("twice", {"twice": True})):
        with closing(EmbeddedLogs(tmp_path / f"{name}.db", now=now)) as logs:
            _lived(world, logs, **how)
            left.append((list(logs.read_control()), list(logs.read_alerts())))
    assert left[1] == left[0], f"seed {seed}: restarts"
    assert left[2] == left[0], f"seed {seed}: sent again"


def test_a_close_of_long_ago_is_computed_again_as_it_was_known_then(tmp_path: Path, opened: EmbeddedLogs) -> None:
    world = _World.of(0, tmp_path)
    _lived(world, opened)
    again = world.runner(opened)
    said = {number: [body for n, _, body in opened.read_alerts() if n == number] for number, _, _ in opened.read_alerts()}
    for request, done in reversed(again.chain.completed):
        _, _, close, _, digest = again.compute(request)
        assert digest == done.state_digest, f"close {request.number}"
        assert [a.to_line() for a in close.alerts] == said.get(request.number, []), f"close {request.number}"


# Closes left open


def _killed_at(world: _World, logs: EmbeddedLogs, write: str, parameters: Parameters | None = None) -> None:
    """Requests the first close and dies just before the named write of the logs would have happened a first (alerts) or second
    (control) time: so `append_control` leaves a request, `publish_alerts` a decision."""
    day, registers, acknowledgements = next(iter(world.closes()))
    logs.append_registers(registers)
    logs.append_acknowledgements(acknowledgements)
    runner = world.runner(logs, parameters)
    kept: Callable[..., Any] = getattr(logs, write)
    calls = []

    def fatal(*arguments: Any) -> Any:
        calls.append(arguments)
        if write == "publish_alerts" or len(calls) > 1:
            raise _Killed
        return kept(*arguments)

    setattr(logs, write, fatal)
    with pytest.raises(_Killed):
        runner.close(day, logs.end_positions())
    setattr(logs, write, kept)


def test_an_undecided_close_of_other_parameters_is_abandoned_and_its_place_taken(tmp_path: Path, opened: EmbeddedLogs) -> None:
    world = _World.of(1, tmp_path)
    _killed_at(world, opened, "append_control", OTHER)
    runner = world.runner(opened)
    assert runner.chain.open is None
    records = [read_control_record(body) for _, body in opened.read_control()]
    assert [type(r) for r in records] == [Requested, Abandoned]
    runner.close(world.school_days[0], opened.end_positions())
    ((request, _),) = runner.chain.completed
    assert (request.previous, request.number, runner.chain.open) == (None, 1, None)


@pytest.mark.parametrize("change", ["parameters", "reference", "budget"])
def test_a_close_decided_by_other_rules_is_not_published_by_these(change: str, tmp_path: Path, opened: EmbeddedLogs) -> None:
    world = _World.of(1, tmp_path)
    _killed_at(world, opened, "publish_alerts")
    before = list(opened.read_control())
    reference = replace(world.reference, version="another") if change == "reference" else world.reference
    parameters = OTHER if change == "parameters" else Parameters()
    budget = Budget.of_rate(0.25) if change == "budget" else SENSITIVE
    with pytest.raises(BadContents, match="decided by other rules"):
        EmbeddedRunner(opened, reference, parameters, budget, now)
    assert list(opened.read_control()) == before
    assert _alert_lines(opened) == []
    world.runner(opened).close(world.school_days[0], opened.end_positions())
    assert len(Chain.of(EmbeddedCloseLogs(opened).control()).completed) == 1


def test_an_open_close_is_repeated_before_anything_else_is_closed(tmp_path: Path, opened: EmbeddedLogs) -> None:
    world = _World.of(2, tmp_path)
    _killed_at(world, opened, "publish_alerts")
    runner = world.runner(opened)
    runner.close(world.school_days[3], {"register": 0, "acknowledgement": 0})
    ((request, _),) = runner.chain.completed
    assert request.day == world.school_days[0]
    assert request.positions == opened.end_positions()


def test_what_was_decided_is_never_given_up(tmp_path: Path, opened: EmbeddedLogs) -> None:
    world = _World.of(2, tmp_path)
    _killed_at(world, opened, "publish_alerts")
    runner = world.runner(opened)
    runner.abandon("failed 5 times")
    assert runner.chain.open is not None
    assert not any(isinstance(read_control_record(body), Abandoned) for _, body in opened.read_control())


def test_a_decision_that_a_repeat_does_not_reach_is_a_broken_promise(tmp_path: Path, opened: EmbeddedLogs) -> None:
    world = _World.of(2, tmp_path)
    _killed_at(world, opened, "publish_alerts")
    runner = world.runner(opened)
    assert runner.chain.decided is not None
    runner.chain.decided = runner.chain.decided.model_copy(update={"digest": "0" * 64})
    with pytest.raises(BrokenPromise, match="decided otherwise"):
        runner.close(world.school_days[0], opened.end_positions())
    assert _alert_lines(opened) == []


def test_a_request_beside_an_open_one_or_after_another_close_is_void(tmp_path: Path, opened: EmbeddedLogs) -> None:
    world = _World.of(1, tmp_path)
    runner = _lived(world, opened)
    first, last = runner.chain.completed[0][0], runner.chain.completed[-1][0]
    chain = Chain.of(EmbeddedCloseLogs(opened).control())
    stale = first.model_copy(update={"day": first.day + timedelta(days=1)})
    chain.add(stale)
    assert chain.open is None
    next_ = first.model_copy(update={"previous": last.close_id, "number": last.number + 1, "day": last.day})
    chain.add(next_)
    chain.add(next_.model_copy(update={"day": last.day + timedelta(days=1)}))
    assert chain.open == next_
    chain.add(Abandoned(close_id=stale.close_id, reason="of no open request"))
    assert chain.open == next_
