"""`headway calibrate`: one table from a seed, however often it was stopped; its years are kept, and no others taken for them."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner

from models import null_years
from models.parameters import Parameters
from models.simulator import make
from models.simulator_noise import MatchedNoise
from models.thresholds import BANDS, SHIPPED, read_thresholds
from schemas.errors import WrongUsage
from streams import calibrate_command, finished_units
from streams.command import app
from streams.simulate import write

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

SCHOOL_YEARS = 3_600


def calibrate(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["calibrate", *arguments])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the table of 3,600 school-years, its years beside it, and what was printed."""
    out = tmp_path_factory.mktemp("calibrated")
    done = calibrate(f"--school-years={SCHOOL_YEARS}", "--seed=5", f"--out={out / 't.toml'}", "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    (out / "said.json").write_text(done.output, "utf-8")
    return out


def again(made: Path, to: Path, *arguments: str) -> Result:
    """The same command on a copy of its years."""
    shutil.copytree(made / "t.toml.years", to / "years")
    return calibrate(f"--school-years={SCHOOL_YEARS}", f"--out={to / 't.toml'}", f"--work={to / 'years'}", *arguments)


def test_the_table_is_one_that_a_replay_takes_and_says_what_made_it(made: Path) -> None:
    held = read_thresholds((made / "t.toml").read_text("utf-8"))
    assert held.provenance["command"] == f"headway calibrate --school-years {SCHOOL_YEARS} --seed 5"
    assert (held.provenance["seed"], held.provenance["school_years"]) == (5, SCHOOL_YEARS)
    ratio = np.array(held.laws) / np.array(SHIPPED.laws)
    assert bool((ratio[-1, 1::2] > 0.8).all()), "B of all schools, near the shipped one"
    assert bool((ratio[-1, 1::2] < 1.25).all())
    said: dict[str, Any] = json.loads((made / "said.json").read_text("utf-8"))
    law = said["bands"]["all"]["T"]
    assert (law["A"], law["B"]) == held.laws[len(BANDS) - 1][:2]
    assert 0 < law["rates"][0]["error"] < 0.1
    assert law["rates"][0]["counted"] == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow
def test_what_was_stopped_goes_on_and_ends_in_the_same_bytes(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []
    plain = null_years.null_year

    def counted(plan: null_years.NullYears, number: int) -> null_years.Peaks:
        if len(computed) == 2:
            raise KeyboardInterrupt
        computed.append(number)
        return plain(plan, number)

    shutil.copytree(made / "t.toml.years", tmp_path / "years")
    for number in (1, 4, 5, 8):
        (tmp_path / "years" / f"year-{number:05d}.npz").unlink()
    monkeypatch.setattr(calibrate_command, "null_year", counted)
    arguments = [f"--school-years={SCHOOL_YEARS}", "--seed=5", f"--out={tmp_path / 't.toml'}", f"--work={tmp_path / 'years'}"]
    assert calibrate(*arguments).exit_code != 0
    assert not (tmp_path / "t.toml").exists()
    monkeypatch.setattr(calibrate_command, "null_year", plain)
    assert calibrate(*arguments).exit_code == 0
    assert computed == [1, 4]
    assert (tmp_path / "t.toml").read_bytes() == (made / "t.toml").read_bytes()


@pytest.mark.slow
def test_processes_change_no_byte(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "t.toml.years", tmp_path / "years")
    for number in (0, 3):
        (tmp_path / "years" / f"year-{number:05d}.npz").unlink()
    done = calibrate(
        f"--school-years={SCHOOL_YEARS}", "--seed=5", "--jobs=2", f"--out={tmp_path / 't.toml'}", f"--work={tmp_path / 'years'}"
    )
    assert done.exit_code == 0, done.output
    assert (tmp_path / "t.toml").read_bytes() == (made / "t.toml").read_bytes()


def test_years_of_another_seed_are_not_taken(made: Path, tmp_path: Path) -> None:
    done = again(made, tmp_path, "--seed=6")
    assert isinstance(done.exception, WrongUsage)
    assert "another seed" in str(done.exception)


def test_years_of_other_code_are_not_taken(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate_command, "engine_digest", lambda: "other")
    assert isinstance(again(made, tmp_path, "--seed=5").exception, WrongUsage)


def test_a_year_that_cannot_be_read_is_named(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "t.toml.years", tmp_path / "years")
    (tmp_path / "years" / "year-00002.npz").write_bytes(b"no")
    done = calibrate(f"--school-years={SCHOOL_YEARS}", "--seed=5", f"--out={tmp_path / 't.toml'}", f"--work={tmp_path / 'years'}")
    assert isinstance(done.exception, WrongUsage)
    assert "year-00002" in str(done.exception)


def test_too_few_school_years_are_wrong_usage(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "t.toml.years", tmp_path / "years")
    done = calibrate("--school-years=400", "--seed=5", f"--out={tmp_path / 't.toml'}", f"--work={tmp_path / 'years'}")
    assert isinstance(done.exception, WrongUsage)
    assert "simulate more" in str(done.exception)


@pytest.mark.parametrize("arguments", [("--schools=a.csv",), ("--history=h.jsonl",), ("--work={file}",)])
def test_options_that_do_not_go_together_are_wrong_usage(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    given = [a.format(file=tmp_path / "file") for a in arguments]
    assert isinstance(calibrate(f"--out={tmp_path / 't.toml'}", *given).exception, WrongUsage)


def test_a_history_gives_its_constants_and_its_noise(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write(make(3, 60, days=60, areas=1), tmp_path / "files", history=True)
    plans: list[null_years.NullYears] = []

    def known(plan: null_years.NullYears, number: int) -> finished_units.Arrays:
        plans.append(plan)
        return finished_units.load(made / "t.toml.years", [f"year-{number:05d}.npz"])[0]

    monkeypatch.setattr(calibrate_command, "peaks_of_year", known)
    named = [f"--{name}={getattr(files, name)}" for name in ("schools", "targets", "calendar", "history")]
    done = calibrate(f"--school-years={SCHOOL_YEARS}", f"--out={tmp_path / 't.toml'}", *named)
    assert done.exit_code == 0, (done.output, done.exception)
    assert "primary < 150" in done.output
    assert plans[0].parameters.source.startswith("history")
    assert plans[0].parameters.a_short != Parameters().a_short
    assert plans[0].noise == MatchedNoise(plans[0].parameters)
    provenance = read_thresholds((tmp_path / "t.toml").read_text("utf-8")).provenance
    assert provenance["constants"] == plans[0].parameters.source
    assert len(provenance["constants_digest"]) == 64


def test_the_digest_of_the_engine_follows_from_its_source_but_not_from_the_thresholds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finished_units, "files", lambda _: tmp_path)
    (tmp_path / "charts.py").write_text("a = 1", "utf-8")
    (tmp_path / "thresholds.toml").write_text("b = 1", "utf-8")
    first = finished_units.engine_digest()
    (tmp_path / "thresholds.toml").write_text("b = 2", "utf-8")
    assert finished_units.engine_digest() == first
    (tmp_path / "charts.py").write_text("a = 2", "utf-8")
    assert finished_units.engine_digest() != first
