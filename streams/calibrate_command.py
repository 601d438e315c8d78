"""`headway calibrate`: thresholds from simulated years in which nothing is wrong, scored by this very engine."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from models import ENGINE_VERSION
from models.calibration import CHECK_RATES, calibrate, table
from models.null_years import YEAR_SCHOOLS, NullYears, Peaks, null_year
from models.parameters import Parameters
from models.simulator_laws import YEAR_DAYS
from models.simulator_noise import MatchedNoise
from models.thresholds import CHARTS
from schemas.errors import BrokenPromise, WrongUsage
from streams.finished_units import Arrays, claim, engine_digest, finish, load
from streams.outputs import whole_file
from streams.progress import Progress
from streams.reference import read_reference
from streams.replay import learn_history

if TYPE_CHECKING:
    from models.calibration import Calibrated

__all__ = ["calibrate_command", "peaks_of_year"]

_SCHOOL_YEARS = 24_000


def calibrate_command(
    school_years: Annotated[int, typer.Option(min=1, help="School-years to simulate; 400 make a year.")] = _SCHOOL_YEARS,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same table.")] = 1,
    history: Annotated[
        list[Path] | None, typer.Option(help="Registers of earlier years: their constants and their noise in place of the shipped ones.")
    ] = None,
    schools: Annotated[Path | None, typer.Option(help="schools.csv, with --history")] = None,
    targets: Annotated[Path | None, typer.Option(help="targets.csv, with --history")] = None,
    calendar: Annotated[Path | None, typer.Option(help="calendar.csv, with --history")] = None,
    out: Annotated[Path, typer.Option(help="The file of thresholds to write, for --thresholds.")] = Path("thresholds.toml"),
    work: Annotated[Path | None, typer.Option(help="Directory of finished years; a rerun goes on there. Default: beside the file.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Simulate years in which nothing is wrong, and write the thresholds of this engine by phase and size."""
    folder = out.with_name(f"{out.name}.years") if work is None else work
    numbers = {f"year-{number:05d}.npz": number for number in range(-(-school_years // YEAR_SCHOOLS))}
    with Progress(quiet=as_json) as bar:
        parameters = _parameters(history, (schools, targets, calendar), bar)
        plan = NullYears(seed, parameters, noise=MatchedNoise(parameters) if history else None)
        claim(folder, _digest(plan))
        finish(numbers, partial(peaks_of_year, plan), folder, jobs=jobs, done=lambda done, total: bar.closing("null years", done, total))
        bar.say("fitting")
        years = [Peaks(held["band"], {chart: held[chart] for chart in CHARTS}) for held in load(folder, numbers)]
        try:
            laws = calibrate(years, YEAR_DAYS)
        except BrokenPromise as error:
            raise WrongUsage(f"--school-years {school_years}: {error}") from error
    made = len(numbers) * YEAR_SCHOOLS
    _write(out, table(laws, _provenance(made, seed, parameters, learned=bool(history))))
    if as_json:
        figures = {band: {chart: law.figures() for chart, law in row.items()} for band, row in laws.items()}
        typer.echo(json.dumps({"school_years": made, "seed": seed, "out": str(out), "bands": figures}, sort_keys=True))
        return
    Console().print(_shown(laws))
    typer.echo(f"{made:,} school-years, seed {seed}; written to {out}. Use it: headway replay --thresholds {out}")
    typer.echo(f"The years are in {folder}, for a run with more of them; delete it if none is to come.")


def peaks_of_year(plan: NullYears, number: int) -> Arrays:
    """One year's band and peaks, as arrays to keep."""
    peaks = null_year(plan, number)
    return {"band": peaks.band, **peaks.peaks}


def _parameters(history: list[Path] | None, named: tuple[Path | None, ...], bar: Progress) -> Parameters:
    schools, targets, calendar = named
    if not history:
        if any(named):
            raise WrongUsage("--schools, --targets, --calendar: they go with --history. Name one, or leave these out")
        return Parameters()
    if schools is None or targets is None or calendar is None:
        raise WrongUsage("--history: name --schools, --targets and --calendar too")
    reference = read_reference(schools, targets, calendar)
    return learn_history(reference, history, Parameters(), processes=1, progress=bar.reading(history, "history"))


def _digest(plan: NullYears) -> str:
    """Of all that the years follow from."""
    learned = "shipped" if plan.noise is None else _constants(plan.parameters)
    return hashlib.sha256(f"{plan.seed} {learned} {engine_digest()}".encode()).hexdigest()


def _constants(parameters: Parameters) -> str:
    """The digest of all parameters but the thresholds, which are what is wanted."""
    return replace(parameters, thresholds=()).digest


def _provenance(made: int, seed: int, parameters: Parameters, *, learned: bool) -> dict[str, str | int]:
    command = f"headway calibrate --school-years {made} --seed {seed}" + (" --history ..." if learned else "")
    out: dict[str, str | int] = {
        "command": command,
        "seed": seed,
        "school_years": made,
        "engine_version": ENGINE_VERSION,
        "constants": parameters.source,
        "fitted_at": "peaks from 0.5 first passages a school-year on",
    }
    return out | ({"constants_digest": _constants(parameters)} if learned else {})


def _write(out: Path, text: str) -> None:
    try:
        with whole_file(out) as file:
            file.write(text.encode())
    except OSError as error:
        raise WrongUsage(f"--out {out}: {error.strerror}. Name a file that can be written") from error


def _shown(laws: Calibrated) -> Table:
    shown = Table(title="First passages a school-year = A exp(-B h)")
    shown.add_column("phase, roll", no_wrap=True)
    for name in ("chart", "A", "B", *(f"h at {rate}" for rate in CHECK_RATES[:3])):
        shown.add_column(name, justify="right", no_wrap=True)
    for band, row in laws.items():
        for chart, law in row.items():
            limits = [f"{law.limit(rate):.2f}" for rate in CHECK_RATES[:3]]
            shown.add_row(band if chart == CHARTS[0] else "", chart, f"{law.a:g}", f"{law.b:g}", *limits)
    return shown
