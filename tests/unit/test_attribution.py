"""Where an excess lies: each split adds up exactly, follows who was there, and equals the same in plain Python."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from models.attribution import Attributor, apportion, shared_out
from models.course import Course
from models.parameters import Budget, Parameters
from models.school_cells import ABSENCE_CODES, CellReader, Registers
from schemas.codes import CODES, YEAR_GROUP_IDS
from schemas.errors import BrokenPromise
from streams.acknowledgements import Acknowledgements
from streams.decode import decode
from streams.reference import read_reference
from streams.replay import Input, replay
from tests import deployments
from tests.streams_of_registers import Event, line, small_year, write_reference
from tests.year_group_worlds import revisions, year

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.alert import Alert
    from streams.replay import Replayed

SPLITS = ("year_group", "code", "weekday", "session")
_FIRST = date(2026, 9, 7)
HUB_DAYS = 60


def whole(alert: Alert) -> dict[str, int]:
    """An attribution in millionths, as they were published."""
    assert alert.attribution is not None
    out = {key: round(part * 1_000_000) for key, part in alert.attribution.items()}
    assert all(part / 1_000_000 == alert.attribution[key] for key, part in out.items())
    return out


def run(events: list[Event], folder: Path, *, seed: int = 1, schools: int = 16, days: int = HUB_DAYS) -> Replayed:
    """A replay of these registers beside the reference of a small year."""
    year = small_year(seed, schools=schools, days=days)
    held = Input()
    held.store.add(decode([line(event) for event in events]).batch)
    held.read = len(events)
    return replay(
        read_reference(*write_reference(year, folder)),
        held,
        Parameters(),
        budget=Budget.of_rate(0.5),
        zone=ZoneInfo("Europe/London"),
        acknowledgements=Acknowledgements(),
        progress=lambda *_: None,
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_every_split_of_every_published_alert_adds_up_to_its_excess(seed: int, tmp_path: Path) -> None:
    done = run(small_year(seed, schools=16, days=40).events, tmp_path, seed=seed, days=40)
    charted = [a for a in done.alerts if a.chart in {"T", "C"}]
    assert charted
    for alert in charted:
        parts, evidence = whole(alert), alert.evidence
        excess = round(float(evidence["excess_absences"] or 0) * 1_000_000)
        for split in SPLITS:
            keys = [key for key in parts if key.startswith(f"{split}:")]
            assert sum(parts[key] for key in keys) == excess, (alert, split)
            assert abs(sum((alert.attribution or {})[key] for key in keys) - float(evidence["excess_absences"] or 0)) < 1e-9
        assert parts["own"] == excess
        assert parts["common"] == round(float(evidence["common_absences"] or 0) * 1_000_000)
        assert {key.split(":")[0] for key in parts} <= {*SPLITS, "common", "own"}


@pytest.mark.slow
def test_a_reader_that_remembers_nothing_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = small_year(3, schools=16, days=40).events
    remembering = run(events, tmp_path, seed=3, days=40).alerts
    read = CellReader.read

    def forgetful(self: CellReader, *rest: Any) -> Any:
        self.keep(set())
        return read(self, *rest)

    monkeypatch.setattr(CellReader, "read", forgetful)
    assert [a.to_line() for a in run(events, tmp_path, seed=3, days=40).alerts] == [a.to_line() for a in remembering]


def plain(expected: list[float], observed: list[list[int]], exposure: list[list[float]], since: int) -> list[float]:
    """`shared_out` from the page: EW means of rate 1/60 up to the onset, from a start worth 10 days, renormalised."""
    days, parts = len(expected), len(observed[0])
    usual = sum(expected) / days
    raw = []
    for j in range(parts):
        seen = due = 10 * usual * sum(row[j] for row in exposure) / days
        for d in range(since):
            seen = seen * (1 - 1 / 60) + observed[d][j]
            due = due * (1 - 1 / 60) + expected[d] * exposure[d][j]
        rate = seen / due if due else 1.0
        raw.append(rate * sum(expected[d] * exposure[d][j] for d in range(since, days)))
    scale = sum(expected[since:]) / sum(raw) if sum(raw) else 0.0
    return [x * scale for x in raw]


@pytest.mark.parametrize("since", [0, 1, 17, 40])
def test_shares_equal_the_same_in_plain_python(since: int) -> None:
    rng = np.random.default_rng(since)
    there = rng.integers(0, 50, (40, 5)).astype(float) + 1e-9
    there /= there.sum(axis=1, keepdims=True)
    there[:, 4] = 0.0
    there /= there.sum(axis=1, keepdims=True)
    expected, observed = rng.uniform(3, 20, 40), rng.integers(0, 9, (40, 5))
    got = shared_out(expected, observed, there, since)
    np.testing.assert_allclose(got, plain(expected.tolist(), observed.tolist(), there.tolist(), since), rtol=1e-12, atol=1e-12)
    assert sum(got) == pytest.approx(sum(expected[since:]), abs=1e-9)


def test_constant_rolls_make_shares_the_weighted_means_of_the_page() -> None:
    """With the same pupils there every day, what is expected of a part is its EW share of the absences times the whole."""
    rng = np.random.default_rng(5)
    roll = np.array([0.2, 0.3, 0.5])
    expected, observed = np.full(50, 10.0), rng.integers(0, 9, (50, 3))
    share = 10 * 10.0 * roll
    for row in observed[:30]:
        share = share * (1 - 1 / 60) + row
    np.testing.assert_allclose(shared_out(expected, observed, np.tile(roll, (50, 1)), 30), share / share.sum() * 200.0, rtol=1e-12)


def test_who_is_not_there_is_expected_to_have_no_absences() -> None:
    """A year group on study leave from day 20 on has no excess below zero, and the others none above it."""
    there = np.full((40, 2), 0.5)
    there[20:] = [1.0, 0.0]
    expected = np.full(40, 10.0)
    observed = np.full((40, 2), 5)
    observed[20:] = [10, 0]
    np.testing.assert_allclose(shared_out(expected, observed, there, 20), [200.0, 0.0])


@pytest.mark.parametrize(
    ("parts", "total", "found"),
    [
        ([], 0, []),
        ([1.0, 2.0], 3_000_000, [1_000_000, 2_000_000]),
        ([0.5e-6, 0.5e-6], 1, [1, 0]),
        ([0.2e-6, 0.9e-6, 0.9e-6], 2, [0, 1, 1]),
        ([-0.5e-6, 0.5e-6], 0, [0, 0]),
        ([1 / 3, 1 / 3, 1 / 3], 1_000_000, [333_334, 333_333, 333_333]),
    ],
)
def test_the_largest_remainders_are_rounded_up(parts: list[float], total: int, found: list[int]) -> None:
    assert apportion(parts, total) == found
    assert sum(found) == total


@pytest.mark.parametrize("total", [-1, 3_000_003, 2_999_999])
def test_parts_that_do_not_add_up_are_a_broken_promise(total: int) -> None:
    with pytest.raises(BrokenPromise):
        apportion([1.0, 2.0], total)


def test_the_codes_of_a_charted_absence_are_those_of_the_table_without_study_leave() -> None:
    assert set(ABSENCE_CODES) == {row.code for row in CODES if row.absence} - {"S"}


def _register(urn: int, d: int, session: str, counts: dict[str, dict[str, int]], revision: int = 0) -> Event:
    day = _FIRST + timedelta(days=7 * (d // 5) + d % 5)
    hour = "09" if session == "AM" else "13"
    return {
        "urn": urn,
        "attendance_date": str(day),
        "session": session,
        "revision": revision,
        "recorded_at": f"{day}T{hour}:40:00Z",
        "source": "test",
        "counts": counts,
    }


def _hub(days: int = HUB_DAYS) -> list[Event]:
    """Sixteen schools of three year groups; from day 25 on, in URN 100000, year 8 is ill on Friday afternoons."""
    rng = np.random.default_rng(9)
    out = []
    for urn in range(100_000, 100_016):
        for d in range(days):
            for session in ("AM", "PM"):
                counts = {}
                for group in ("7", "8", "9"):
                    ill = 2 + int(rng.integers(0, 3))
                    if urn == 100_000 and d >= 25 and group == "8":
                        ill += 30 if (d % 5 == 4 and session == "PM") else 4
                    counts[group] = {"/" if session == "AM" else "\\": 96 - ill, "I": ill, "O": 4}
                out.append(_register(urn, d, session, counts))
    return out


def _first_opened(done: Replayed) -> Alert:
    return next(a for a in reversed(done.alerts) if a.urn == 100_000 and a.chart == "C")


def test_the_parts_that_moved_lead_their_splits(tmp_path: Path) -> None:
    alert = _first_opened(run(_hub(), tmp_path))
    parts = whole(alert)
    leaders = {split: max((key for key in parts if key.startswith(split)), key=parts.__getitem__) for split in SPLITS}
    assert leaders == {"year_group": "year_group:8", "code": "code:I", "weekday": "weekday:Fri", "session": "session:PM"}
    assert alert.evidence["leading_cell"] == "year_group:8"


def _without_groups(events: list[Event]) -> list[Event]:
    out = []
    for event in events:
        total: dict[str, int] = {}
        for row in event["counts"].values():
            for code, pupils in row.items():
                total[code] = total.get(code, 0) + pupils
        out.append({**event, "counts": {"all": total}})
    return out


def test_without_year_groups_the_leading_part_is_a_code(tmp_path: Path) -> None:
    alert = _first_opened(run(_without_groups(_hub()), tmp_path))
    assert alert.evidence["leading_cell"] == "code:I"
    assert [key for key in whole(alert) if key.startswith("year_group")] == ["year_group:all"]


def _course_at(events: list[Event], folder: Path) -> tuple[Course, Attributor]:
    done = run(events, folder)
    course = done.courses[0]
    registers = Registers(done.batch, done.arranged.rows)
    return course, Attributor(CellReader(len(course.deployment.days)), course.model, course.panel, registers, course.model.through)


def test_a_register_that_does_not_count_is_in_no_part(tmp_path: Path) -> None:
    """On day 30 the afternoon has more than 5 % unmarked: it drops out, and its cells with it."""
    events = _hub()
    half = _register(100_000, 30, "PM", {"7": {"\\": 30, "I": 40, "-": 30}, "8": {"\\": 100}, "9": {"\\": 100}}, revision=1)
    course, attributor = _course_at([*events, half], tmp_path)
    assert course.model.registers[30, 0] == 1
    parts = attributor.parts("C", 0, 30).millionths
    assert sum(part for key, part in parts.items() if key.startswith("session")) == parts["own"]
    cells = attributor._cells[0]
    assert cells.session_possible[30].tolist() == [300, 0]
    assert cells.codes[30].sum() == course.model.absences[30, 0]


def test_study_leave_is_in_no_part(tmp_path: Path) -> None:
    away = [
        _register(100_000, 30, s, {"7": {"I": 5, "/": 95}, "8": {"S": 90, "I": 10}, "9": {"/": 99, "O": 1}}, revision=1)
        for s in ("AM", "PM")
    ]
    course, attributor = _course_at([*_hub(), *away], tmp_path)
    parts = attributor.parts("T", 0, 30).millionths
    cells = attributor._cells[0]
    assert int(cells.group_possible[30].sum()) == 2 * 210 == course.model.possible[30, 0]
    assert not any("S" in key.split(":")[1:] for key in parts)


def test_registers_that_are_not_the_panel_s_are_a_broken_promise(tmp_path: Path) -> None:
    done = run(_hub(), tmp_path)
    course = done.courses[0]
    model, wrong = course.model, Registers(done.batch, np.roll(done.arranged.rows, 1))
    with pytest.raises(BrokenPromise, match="100000"):
        Attributor(CellReader(HUB_DAYS), model, course.panel, wrong, model.through).parts("C", 0, 0)


@pytest.mark.slow
def test_an_update_says_when_the_leading_part_changes(tmp_path: Path) -> None:
    """Every record's leading part is the one published before, unless it says that it changed or the signal doubled."""
    done = run(small_year(2, schools=30, days=40).events, tmp_path, seed=2, schools=30, days=40)
    said: dict[str, list[Alert]] = {}
    for alert in done.alerts:
        if alert.chart in {"T", "C"}:
            said.setdefault(str(alert.alert_id), []).append(alert)
    changes = 0
    for records in said.values():
        for before, now in pairwise(records):
            if now.reason.startswith("the leading part is now"):
                changes += 1
                assert now.state == "updated"
                assert float(now.evidence["statistic"] or 0) >= float(now.evidence["decision_interval"] or 0)
                assert now.evidence["leading_cell"] != before.evidence["leading_cell"]
                assert now.reason.endswith(str(now.evidence["leading_cell"]))
    assert changes


def test_a_year_group_s_excess_is_split_within_it_by_code_weekday_and_session() -> None:
    """What was seen in each part is counted again from the registers; the parts of each split add up to the excess."""
    made = deployments.deployment(14, 80, np.random.default_rng(5), areas=2)
    registers = year(made, np.random.default_rng(6), drift=(4, "9", 40, 3.0))
    course, (everything, cells) = Course(made, Parameters(), Budget.of_rate(0.5)), revisions(made, registers)
    alerts: list[Alert] = []
    for day in range(80):
        alerts += course.close(day, everything.only(np.flatnonzero(everything.day == day)), registers=cells).alerts
    mine = [a for a in alerts if a.kind == "year_group"]
    assert {"opened", "updated"} <= {str(a.state) for a in mine}
    for alert in mine:
        parts, excess = whole(alert), round(float(alert.evidence["excess_absences"] or 0) * 1_000_000)
        assert parts["own"] == excess
        for split in SPLITS:
            assert sum(part for key, part in parts.items() if key.startswith(f"{split}:")) == excess, (split, alert)
        assert [key for key in parts if key.startswith("year_group")] == [alert.evidence["leading_cell"]]
    opened = next(a for a in mine if a.urn == made.urn[4])
    first, last = (int(np.searchsorted(made.days, (d - date(1970, 1, 1)).days)) for d in (opened.onset_about or date.min, opened.opened_on))
    taken = [r for r in registers if r.school == 4 and first <= r.day <= last and course.model.scored[r.day, 4] and "9" in r.counts]
    seen = {"I": 0, "O": 0, "AM": 0, "PM": 0}
    for register in taken:
        row = register.counts["9"]
        for code in ("I", "O"):
            seen[code] += row[code]
        seen[("AM", "PM")[register.session]] += row["I"] + row["O"]
    parts = whole(opened)
    due = {
        name: seen[name] * 1_000_000 - parts[key] for name, key in zip(seen, ("code:I", "code:O", "session:AM", "session:PM"), strict=True)
    }
    expected = round(float(opened.evidence["expected_absences"] or 0) * 1_000_000)
    assert due["I"] + due["O"] == due["AM"] + due["PM"] == expected
    assert min(due.values()) > 0.3 * expected


def test_a_year_group_too_large_to_be_one_is_in_no_part(tmp_path: Path) -> None:
    """Year 9 has 70,000 pupils on one afternoon: chart G leaves that session out, and so do the splits."""
    many = _register(100_000, 30, "PM", {"7": {"\\": 90, "I": 10}, "8": {"\\": 90, "I": 10}, "9": {"\\": 70_000, "I": 20}}, revision=1)
    _, attributor = _course_at([*_hub(), many], tmp_path)
    attributor.prepare([("C", 0)])
    read = CellReader.read_year_group(attributor._cells[0], attributor._registers, YEAR_GROUP_IDS["9"], HUB_DAYS)
    assert read.session_possible[29:31].tolist() == [[100, 100], [100, 0]]
    assert read.session_absences[30, 1] == read.codes[30].sum() - read.session_absences[30, 0] == 0
