"""Budgets and thresholds from the command line and the environment, and what a replay makes of them."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from models.parameters import BUDGET, Budget, Parameters
from models.simulator import make
from schemas.errors import BadContents, WrongUsage
from streams.budgets import budget_of, hubs_named, thresholds_from
from streams.closer import rules_of
from streams.command import app
from streams.live_settings import live_settings
from streams.reference import read_reference
from streams.simulate import write
from tests.unit.test_thresholds import TEXT

if TYPE_CHECKING:
    from pathlib import Path

SCHOOLS, SMALL_HUB, DAYS = 30, 6, 45


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated region of a hub of 24 schools and one of 6, a third of them dropping."""
    out = tmp_path_factory.mktemp("hubs")
    written = write(make(3, SCHOOLS, days=DAYS, areas=1, drift="step", size_points=4.0, share=0.4), out)
    head, *lines = written.schools.read_text("utf-8").splitlines()
    lines = [line.replace("hub 1", "hub 2") if i < SMALL_HUB else line for i, line in enumerate(lines)]
    written.schools.write_text("\n".join([head, *lines]) + "\n", "utf-8")
    return out


def replayed(files: Path, out: Path, *options: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The summary and the readings of one replay."""
    named = [f"--{name}={files / name}.csv" for name in ("schools", "targets", "calendar")]
    sessions = next(str(p) for p in files.glob("sessions*"))
    done = CliRunner().invoke(app, ["replay", sessions, *named, f"--out={out}", "--json", "--processes=1", *options])
    assert done.exit_code == 0, (done.output, done.exception)
    readings = list(csv.DictReader((out / "readings.csv").read_text("utf-8").splitlines()))
    return json.loads((out / "summary.json").read_text("utf-8")), readings


def above(row: dict[str, str], rates: dict[str, float]) -> bool:
    return any(float(row[f"once_in_school_years_{name}"] or 0) >= 1 / rate for name, rate in rates.items())


def test_each_hub_shares_its_own_budget_among_its_schools(files: Path, tmp_path: Path) -> None:
    summary, readings = replayed(files, tmp_path, "--false-alerts-per-hub-term=1")
    expected = summary["false_alerts"]["expected"]
    assert expected["T"] == pytest.approx(2 * 3 * 0.55 * DAYS / 190, abs=1e-6), "two hubs, one false alert a term each"
    assert sum(expected.values()) == pytest.approx(2 * 3 * DAYS / 190, abs=1e-6)
    small = {row["urn"] for row in readings if int(row["urn"]) < 100_001 + SMALL_HUB}
    parts = {"target": 0.55, "level": 0.15, "year_group": 0.30}
    states = []
    for row in readings:
        hub = SMALL_HUB if row["urn"] in small else SCHOOLS - SMALL_HUB
        said, held = row["condition"] == "out_of_control", above(row, {name: min(3 * part / hub, 0.5) for name, part in parts.items()})
        states.append(said)
        if row["condition"] in {"out_of_control", "in_control"}:
            assert said == held, row
    other = [above(row, {name: 3 * part / SCHOOLS for name, part in parts.items()}) for row in readings]
    assert any(states)
    assert other != states, "the hubs are of one size as far as this year shows"


def test_opened_alerts_stand_beside_the_expected_ones(files: Path, tmp_path: Path) -> None:
    summary, _ = replayed(files, tmp_path, "--alarms-per-school-year=0.5")
    records = [json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text("utf-8").splitlines()]
    opened = {"T": 0, "C": 0, "G": 0}
    for chart in {r["alert_id"]: r["chart"] for r in records if r["chart"]}.values():
        opened[chart[0]] += 1
    assert summary["false_alerts"]["opened"] == opened
    assert sum(opened.values()) > 0
    assert summary["false_alerts"]["expected"]["T"] == pytest.approx(SCHOOLS * 0.5 * DAYS / 190, abs=1e-6)
    reasons = [r["reason"] for r in records if r["state"] == "opened" and r["chart"]]
    assert all("on a school on track, a signal this strong appears once in " in reason for reason in reasons)


def test_a_table_of_thresholds_is_what_the_replay_works_with(files: Path, tmp_path: Path) -> None:
    table = tmp_path / "thresholds.toml"
    table.write_text(TEXT.replace("{ A = ", "{ A = 9"), "utf-8")
    _, shipped = replayed(files, tmp_path / "a")
    summary, readings = replayed(files, tmp_path / "b", f"--thresholds={table}")
    assert [r["statistic_target"] for r in readings] == [r["statistic_target"] for r in shipped]
    assert all(
        float(b["once_in_school_years_target"]) < float(a["once_in_school_years_target"]) for a, b in zip(shipped, readings, strict=True)
    )
    parameters = Parameters.of_json((tmp_path / "b" / "parameters.json").read_text("utf-8"))
    assert parameters.thresholds == thresholds_from(table).laws
    assert summary["parameters"]["digest"] == parameters.digest != Parameters().digest


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((None, None, None), BUDGET),
        ((0.25, None, None), Budget(0.25, 0.25, 0.25)),
        ((None, 2.0, 57), BUDGET),
        ((None, 2.0, None), Budget(0.55 * 6, 0.15 * 6, 0.30 * 6, of_a_hub=True)),
    ],
)
def test_a_budget_from_options(given: tuple[float | None, float | None, int | None], expected: Budget) -> None:
    assert budget_of(*given) == expected


@pytest.mark.parametrize(
    "given",
    [
        (0.51, None, None),
        (0.0, None, None),
        (0.5, 2.0, None),
        (0.5, None, 57),
        (None, None, 57),
        (None, 0.0, None),
        (None, -1.0, 57),
        (None, float("nan"), None),
        (None, 2.0, 0),
        (None, 2.0, 6),
    ],
)
def test_options_that_make_no_budget_are_wrong_usage(given: tuple[float | None, float | None, int | None]) -> None:
    with pytest.raises(WrongUsage):
        budget_of(*given)


def test_a_budget_of_each_hub_needs_a_school_that_names_its_hub(files: Path, tmp_path: Path) -> None:
    reference = read_reference(files / "schools.csv", files / "targets.csv", files / "calendar.csv")
    hubs_named(Budget.of_hub(2.0), reference)
    nameless = tmp_path / "schools.csv"
    nameless.write_text((files / "schools.csv").read_text("utf-8").replace("hub 1", "").replace("hub 2", ""), "utf-8")
    without = read_reference(nameless, files / "targets.csv", files / "calendar.csv")
    hubs_named(BUDGET, without)
    with pytest.raises(WrongUsage, match="names a hub"):
        hubs_named(Budget.of_hub(2.0), without)


def test_live_processes_take_the_budget_from_their_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert live_settings().budget() == BUDGET
    monkeypatch.setenv("HEADWAY_FALSE_ALERTS_PER_HUB_TERM", "3")
    assert live_settings().budget() == Budget.of_hub(3.0)
    monkeypatch.setenv("HEADWAY_HUB_SCHOOLS", "40")
    assert live_settings().budget() == Budget.of_hub(3.0, 40)
    monkeypatch.delenv("HEADWAY_FALSE_ALERTS_PER_HUB_TERM")
    with pytest.raises(WrongUsage, match="HEADWAY_HUB_SCHOOLS"):
        live_settings()


def test_a_close_follows_from_the_budget_of_each_hub_too() -> None:
    assert rules_of(Parameters(), Budget(0.3, 0.3, 0.3)) != rules_of(Parameters(), Budget(0.3, 0.3, 0.3, of_a_hub=True))


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match=r"no\.toml"):
        thresholds_from(tmp_path / "no.toml")
    (tmp_path / "a.toml").write_text("nothing = 1", "utf-8")
    with pytest.raises(BadContents, match=r"a\.toml"):
        thresholds_from(tmp_path / "a.toml")
