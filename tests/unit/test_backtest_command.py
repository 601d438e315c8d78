"""`headway backtest` end to end: a tiny simulated year, a tiny history of the user's, resumed and refused runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from typer.testing import CliRunner

from models.simulator import make, previous_year
from schemas.errors import WrongUsage
from streams.backtest_plot import Bar, Line, bars, lines
from streams.command import app
from streams.simulate import write

if TYPE_CHECKING:
    from pathlib import Path

SMALL = [
    "--school-count",
    "60",
    "--areas",
    "2",
    "--days",
    "120",
    "--years",
    "2",
    "--null-years",
    "2",
    "--methods",
    "ours,ewma-peers,p-chart",
]
DRIFTS = ["--drift", "step:3", "--drift", "shock", "--drift", "check@1"]


def run(*arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["backtest", *arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def without_command(folder: Path) -> dict[str, bytes]:
    """All but the two files that name the command as it was given, and these without it."""
    held = files(folder)
    told = json.loads(held.pop("results.json"))
    held.pop("tables.md")
    return held | {"tables": json.dumps(told["tables"]).encode()}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("backtest")
    run(*SMALL, *DRIFTS, "--out", str(out))
    return out


def test_a_small_backtest_has_every_table_and_a_plot_with_words(simulated: Path) -> None:
    result = json.loads((simulated / "results.json").read_text("utf-8"))
    tables = result["tables"]
    charts = {row["chart"] for row in tables["delays"]}
    assert charts == {"T", "C", "G", "EWMA .05, peers", "p-chart, raw", "oracle"}
    assert {row["limits"] for row in tables["delays"] if row["chart"] == "T"} == {"by stratum", "one for all", "shipped"}
    whole = {r["chart"]: r for r in tables["delays"] if (r["stratum"], r["limits"]) == ("all", "one for all")}
    assert whole["oracle"]["mean"] < whole["p-chart, raw"]["mean"]
    assert whole["oracle"]["to_oracle"] == 1.0
    null = [r for r in tables["false_alarms"] if (r["scenario"], r["limits"], r["stratum"]) == ("null", "one for all", "all")]
    # 120 school-years: one more or less alarming moves the rate by less than .03.
    assert all(r["a_school_year"] == pytest.approx(0.5, abs=0.03) and r["a_school_year"] <= 0.5 for r in null)
    assert [r["shocks"] for r in tables["areas"] if r["scenario"] == "shock"] == [2]
    drawn = ET.fromstring((simulated / "found-step-3.svg").read_text("utf-8"))
    words = [element.text for element in drawn]
    assert words[0] == "Found after a drop of 3 points"
    assert "Within 20 and 40 days" in str(words[1])
    assert (simulated / "found_by_day.csv").read_text("utf-8").count("\n") == 81


@pytest.mark.slow
def test_two_jobs_and_a_run_that_was_stopped_half_way_give_the_same_bytes(simulated: Path, tmp_path: Path) -> None:
    out = tmp_path / "again"
    run(*SMALL, *DRIFTS, "--jobs", "2", "--out", str(out))
    assert without_command(out) == without_command(simulated)
    for name in ("null-0001.npz", "step-3-0000.npz", "shock-0001.npz"):
        (out / "units" / name).unlink()
    (out / "units" / ".step-3-0000.npz.part").write_bytes(b"half")
    kept = (out / "units" / "null-0000.npz").stat().st_mtime_ns
    run(*SMALL, *DRIFTS, "--out", str(out))
    assert (out / "units" / "null-0000.npz").stat().st_mtime_ns == kept
    assert without_command(out) == without_command(simulated)


@pytest.mark.slow
def test_other_drifts_change_nothing_of_a_year(simulated: Path, tmp_path: Path) -> None:
    run(*SMALL, "--drift", "check", "--out", str(tmp_path))
    for name in ("null-0001.npz", "check-0000.npz"):
        with np.load(tmp_path / "units" / name) as mine, np.load(simulated / "units" / name) as theirs:
            assert {key for key in theirs.files if "oracle" not in key} == set(mine.files)
            assert all(mine[key].tobytes() == theirs[key].tobytes() for key in mine.files)


def test_another_backtests_directory_is_refused(simulated: Path) -> None:
    with pytest.raises(WrongUsage, match="another backtest"):
        run(*SMALL, *DRIFTS, "--seed", "2", "--out", str(simulated))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--schools", "schools.csv"], "register files"),
        (["sessions.jsonl"], "need --schools"),
        (["sessions.jsonl", "--simulator"], "Leave one of them out"),
        (["--drift", "nothing"], "--drift nothing"),
        (["--drift", "step:2@0"], "after the @"),
        (["--rate", "0.6"], "--rate 0.6"),
        (["--methods", "ours,magic"], "--methods magic"),
    ],
)
def test_wrong_usage_is_said(arguments: list[str], words: str, tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match=words):
        run(*arguments, "--out", str(tmp_path))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A year of 40 schools and the year before, as files."""
    year = make(3, 40, areas=2, days=100)
    written = write(year, tmp_path_factory.mktemp("own"), history=True)
    assert previous_year(year).start_year == year.start_year - 1
    references = [f"--{name}={getattr(written, name)}" for name in ("schools", "targets", "calendar", "history")]
    return [str(written.sessions), *references]


def test_a_year_is_not_its_own_history(own: list[str], tmp_path: Path) -> None:
    sessions, *rest = own
    others = [one for one in rest if not one.startswith("--history=")]
    said = CliRunner().invoke(app, ["backtest", sessions, *others, f"--history={sessions}", "--out", str(tmp_path)])
    assert isinstance(said.exception, WrongUsage)
    assert "its own history" in str(said.exception)


@pytest.mark.slow
def test_drifts_are_planted_in_the_users_own_year(own: list[str], tmp_path: Path) -> None:
    drifts = ["--drift", "step:5", "--drift", "shock", "--drift", "missing"]
    result = run(*own, *drifts, "--methods", "ours,page-hinkley-peers", "--years", "3", "--out", str(tmp_path / "once"))
    rows = [r for r in result["tables"]["delays"] if r["stratum"] == "all"]
    assert {(r["chart"], r["limits"]) for r in rows} == {
        ("T", "one for all"),
        ("T", "shipped"),
        ("C", "one for all"),
        ("C", "shipped"),
        ("G", "one for all"),
        ("G", "shipped"),
        ("PageHinkley (River), peers", "one for all"),
    }
    assert all(r["schools"] == 12 for r in rows)
    assert next(r for r in rows if (r["chart"], r["limits"]) == ("T", "shipped"))["within_40"] > 0.5
    assert result["about"]["openings"].keys() == {"0.5"}
    again = run(*own, *drifts, "--methods", "ours,page-hinkley-peers", "--years", "3", "--jobs", "2", "--out", str(tmp_path / "twice"))
    assert again["tables"] == result["tables"]


def test_what_only_a_simulation_knows_is_refused_on_own_files(own: list[str], tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="hub:2"):
        run(*own, "--drift", "hub:2", "--out", str(tmp_path))


def test_names_on_a_plot_keep_apart_and_inside() -> None:
    series = [Line(f"chart <{i}>", (0.5, 0.9 + i / 1000), i) for i in range(8)]
    root = ET.fromstring(lines("title", "words", series, "days"))
    rows = [float(e.get("y", "0")) for e in root.iter("{http://www.w3.org/2000/svg}text") if (e.text or "").startswith("chart <")]
    assert len(rows) == 8
    assert all(b - a >= 14.9 for a, b in zip(sorted(rows), sorted(rows)[1:], strict=False))
    assert min(rows) > 0
    assert max(rows) < 440


def test_a_value_beyond_the_axis_is_said_to_be() -> None:
    text = bars("title", "words", ("1 point", "2 points"), [Bar("small", (None, 30.0))], 80.0, "days")
    assert "› 80" in text
    assert ">30<" in text
