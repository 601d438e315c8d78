"""What is not a measurement, on both sides of each line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.guards import Counts, Guarded, Usual, Verdict, judge, judge_plausible

if TYPE_CHECKING:
    from models.numbers import Ints


def one(
    sent: tuple[bool, bool] = (True, True),
    possible: tuple[int, int] = (200, 200),
    absences: tuple[int, int] = (10, 10),
    unmarked: tuple[int, int] = (0, 0),
    *,
    roll: float = 200.0,
    p0: float = 0.05,
    usual: Usual | None = None,
    planned: bool = True,
) -> Guarded:
    def column(pair: tuple[int, int] | tuple[bool, bool]) -> Ints:
        return np.array(pair)[:, None]

    day = Counts(column(sent), column(possible), column(absences), column(unmarked))
    return judge(day, np.array([planned]), np.array([p0]), np.array([roll]), Usual.start(1) if usual is None else usual)


def remembered(pupils: int, days: int) -> Usual:
    usual = Usual.start(1)
    for _ in range(days):
        usual.push(np.array([2 * pupils]), np.array([True]))
    return usual


CASES = [
    pytest.param({}, Verdict.MEASURED, 2, id="two registers count"),
    pytest.param({"sent": (True, False), "possible": (200, 0), "absences": (10, 0)}, Verdict.MEASURED, 1, id="one register counts alone"),
    pytest.param({"sent": (False, False), "possible": (0, 0), "absences": (0, 0)}, Verdict.MISSING, 0, id="none came"),
    pytest.param({"possible": (0, 0), "absences": (0, 0)}, Verdict.NO_SESSIONS, 0, id="closed: no possible session"),
    pytest.param({"planned": False}, Verdict.UNPLANNED, 2, id="no school day"),
    pytest.param({"unmarked": (10, 0), "possible": (190, 200)}, Verdict.MEASURED, 2, id="5 % without a mark still counts"),
    pytest.param({"unmarked": (11, 0), "possible": (189, 200)}, Verdict.MEASURED, 1, id="over 5 % without a mark drops out"),
    pytest.param({"unmarked": (50, 50), "possible": (150, 150)}, Verdict.PARTIAL, 0, id="both drop out: partial"),
    pytest.param(
        {"possible": (0, 0), "absences": (0, 0), "unmarked": (200, 200)}, Verdict.PARTIAL, 0, id="nothing marked yet is no closed day"
    ),
    pytest.param({"possible": (120, 120)}, Verdict.MEASURED, 2, id="60 % of the roll"),
    pytest.param({"possible": (119, 119)}, Verdict.PARTIAL, 2, id="under 60 % of the roll"),
    pytest.param({"possible": (280, 280)}, Verdict.MEASURED, 2, id="140 % of the roll"),
    pytest.param({"possible": (281, 281)}, Verdict.PARTIAL, 2, id="over 140 % of the roll"),
    pytest.param({"possible": (20, 20), "absences": (1, 1), "roll": float("nan")}, Verdict.MEASURED, 2, id="no roll and no days: no check"),
    pytest.param(
        {"possible": (20, 20), "absences": (1, 1), "usual": remembered(200, 5)}, Verdict.PARTIAL, 2, id="5 days remembered replace the roll"
    ),
    pytest.param(
        {"possible": (400, 400), "usual": remembered(400, 12)}, Verdict.MEASURED, 2, id="the usual number may differ from the roll"
    ),
    pytest.param({"absences": (0, 10), "p0": 0.1}, Verdict.MEASURED, 1, id="an all-present session is treated as missing"),
    pytest.param({"absences": (0, 0), "p0": 0.1}, Verdict.ALL_PRESENT, 0, id="an all-present day"),
    pytest.param({"absences": (0, 0), "p0": 0.06}, Verdict.MEASURED, 2, id="a chance of .2 % is no reason"),
]


@pytest.mark.parametrize(("given", "verdict", "registers"), CASES)
def test_each_guard_on_both_sides(given: dict[str, object], verdict: Verdict, registers: int) -> None:
    seen = one(**given)  # type: ignore[arg-type]
    assert Verdict(int(seen.verdict[0])) is verdict
    assert seen.registers[0] == registers


def test_the_median_of_ten_days_is_the_usual_number() -> None:
    usual = Usual.start(1)
    for pupils in (100, 100, 100, 100, 300, 300, 300, 300, 300, 300, 300):  # the oldest of eleven has been forgotten
        usual.push(np.array([2 * pupils]), np.array([True]))
    assert not usual.unusual(np.array([2 * 180]), np.array([100.0]))[0]
    assert usual.unusual(np.array([2 * 179]), np.array([100.0]))[0]


def plausible(absences: list[int], p0: float = 0.05) -> list[Verdict]:
    size = len(absences)
    day = Guarded(np.full(size, Verdict.MEASURED), np.full(size, 2), np.full(size, 400), np.array(absences), np.ones((2, size), bool))
    return [Verdict(int(v)) for v in judge_plausible(day, np.full(size, p0), np.zeros(size, np.int32), 1)]


def test_one_school_far_away_is_implausible_and_a_blizzard_is_not() -> None:
    """The limit at p0 = .05 is 1 - .95 / 3 = .6833; a tenth of the other schools above .6 makes it common."""
    calm = [20] * 20
    assert plausible([280, *calm])[0] is Verdict.IMPLAUSIBLE
    assert plausible([273, *calm])[0] is Verdict.MEASURED
    assert plausible([280, 280, 280, *calm[:17]])[0] is Verdict.MEASURED
    assert plausible([280, 280, 280, *calm[:18]])[0] is Verdict.IMPLAUSIBLE


def test_a_school_that_lives_with_much_absence_is_believed() -> None:
    """At p0 = .55 the limit is 1 - .45 / 3 = .85."""
    assert plausible([330, *[20] * 20], p0=0.55)[0] is Verdict.MEASURED
    assert plausible([345, *[20] * 20], p0=0.55)[0] is Verdict.IMPLAUSIBLE


def test_registers_without_marks_do_not_spoil_what_is_usual() -> None:
    """A clerk leaves the afternoon unmarked for weeks: the mornings count, and so do whole days after he is corrected."""
    usual = Usual.start(1)
    for _ in range(12):
        seen = one(possible=(100, 5), absences=(5, 5), unmarked=(0, 95), roll=float("nan"), usual=usual)
        assert Verdict(int(seen.verdict[0])) is Verdict.MEASURED
    after = one(possible=(100, 100), absences=(5, 5), roll=float("nan"), usual=usual)
    assert Verdict(int(after.verdict[0])) is Verdict.MEASURED


def test_exactly_140_per_cent_of_the_usual_is_not_over_it() -> None:
    assert not remembered(45, 10).unusual(np.array([2 * 63]), np.array([np.nan]))[0]
    assert remembered(45, 10).unusual(np.array([2 * 63 + 1]), np.array([np.nan]))[0]
