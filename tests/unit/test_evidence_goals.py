"""The page of the goals: a figure is held against its bounds as it is, misses stand first, and what is not there is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks import goals
from benchmarks.backtest_goals import Goal
from benchmarks.evidence import EVIDENCE
from models.backtest.measures import share_of_years

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "met", "close", "by"),
    [
        ("1.148 ± 0.010", False, False, 0.028),
        ("1.125 ± 0.010", False, True, 0.005),
        ("1.115 ± 0.010", True, True, 0.0),
        ("1.0", True, False, 0.0),
    ],
)
def test_a_figure_is_held_against_its_bound(text: str, met: bool, close: bool, by: float) -> None:
    goal = goals.beside("G13", "delay", text, most=1.12)
    assert (goal.met, goal.close) == (met, close)
    assert goal.by == pytest.approx(by)


def test_a_lower_bound_and_a_unit() -> None:
    goal = goals.beside("G7", "cover", "77.5 ± 0.1", least=79.0, most=81.0, unit=" %")
    assert (goal.goal, goal.measured, goals.verdict(goal)) == ("≥ 79 % and ≤ 81 %", "77.5 ± 0.1 %", "**missed** by 1.5")


def test_misses_stand_first_and_what_is_not_there_is_not_met() -> None:
    met, missed, unknown = (Goal("G1", word, "≤ 1", "1", "–", held) for word, held in (("a", True), ("b", False), ("c", None)))
    text = "\n".join(goals.lines([(met, "x"), (missed, "x"), (unknown, "x")]))
    assert text.index("** b |") < text.index("** c |") < text.index("** a |")
    assert "Of 3 figures 1 miss" in text
    assert "1 was not measured" in text
    assert goals.beside("G1", "a", None, most=1.0).met is None


def test_without_any_page_every_goal_that_needs_one_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(goals, "EVIDENCE", tmp_path)
    found = [goal for goal, _ in goals.every_goal()]
    assert {goal.name for goal in found if goal.met is not None} == {"G12", "G14"}, (
        "state is counted here, and G14 has a sentence of the code"
    )
    assert {"G7", "G10", "G11", "G13"} <= {goal.name for goal in found if goal.met is None}


def test_the_state_of_a_school_is_what_the_goal_says() -> None:
    """Two charts of 13 floats and two days, the days scored, 16 slow levels; a year group of chart G."""
    school, group = goals.state_bytes()
    assert (school, group) == (248.0, 40.0)


def test_the_page_stands_as_its_sources_have_it() -> None:
    """docs/evidence/goals.md is made again from the committed results."""
    assert (EVIDENCE / "goals.md").read_text("utf-8") == "\n".join(goals.lines(goals.every_goal())), "run python -m benchmarks.goals"
    assert len(json.loads((EVIDENCE / "goals.json").read_text("utf-8"))) == len(goals.every_goal())


def test_years_that_hang_together_are_the_draws_of_a_share() -> None:
    """A quarter of four years, all or nothing: the error is that of four, and none can be said of one."""
    figure = share_of_years(np.array([10.0, 0.0, 0.0, 0.0]), np.full(4, 10.0))
    assert figure.value == 0.25
    assert figure.error == pytest.approx(0.25)
    assert np.isnan(share_of_years(np.array([1.0]), np.array([2.0])).error)
    assert np.isnan(share_of_years(np.zeros(2), np.zeros(2)).value)
