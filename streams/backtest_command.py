"""`headway backtest`: how soon drifts are found and how often nothing is there, for our charts beside others."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.backtest.methods import LABELS, OURS, SLOW
from models.backtest.results import BY_STRATUM, ONE, SHIPPED, Evidence
from models.backtest.scenario import Kind, Scenario, parse
from models.backtest.trial import Plan, fit_oracle
from models.parameters import Parameters
from schemas.errors import WrongUsage
from streams.backtest import Work, finish, load, units
from streams.backtest_history import openings, read_year, the_history
from streams.backtest_report import tables, write_report
from streams.progress import Progress
from streams.reference import read_reference

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["backtest_command"]

_SIMULATED = ("check", "step:1", "step:2", "ramp:1.5", "shock")
_PLANTED = ("step:0.5", "step:1", "step:2", "step:3", "ramp:3")
_FAST = tuple(name for name in LABELS if name not in SLOW)
_ONLY_SIMULATED = {Kind.HUB, Kind.SEASON, Kind.CHECK}
_RATE_MOST = 0.5


@dataclass(frozen=True, slots=True)
class _Files:
    """The register and reference files of a user's own year."""

    sessions: list[Path]
    schools: Path
    targets: Path
    calendar: Path
    history: list[Path]


Sessions = Annotated[list[Path] | None, typer.Argument(help="Register files as `headway replay` takes them; none: simulated years.")]
File = Annotated[Path | None, typer.Option(help="With register files: schools.csv, targets.csv, calendar.csv.")]
Earlier = Annotated[list[Path] | None, typer.Option(help="Registers of earlier years: season, levels and noise.")]
Drifts = Annotated[
    list[str] | None,
    typer.Option(help="What to plant, repeated: step:2, ramp:1.5, group:4, shock, missing, hub:2, ... [default: some of each]"),
]
Rates = Annotated[list[float] | None, typer.Option(help="False alarms a school-year to match, repeated, at most .5. [default: .5]")]
Draws = Annotated[int, typer.Option(min=1, help="Years (or draws on your own files) for each drift.")]
NullYears = Annotated[int, typer.Option(min=1, help="Simulated years with nothing wrong, which set the limits.")]
Out = Annotated[Path, typer.Option(help="Directory for years, tables and plots; a rerun goes on there.")]


def backtest_command(
    sessions: Sessions = None,
    schools: File = None,
    targets: File = None,
    calendar: File = None,
    history: Earlier = None,
    simulator: Annotated[bool, typer.Option("--simulator", help="Simulated years; so it is without register files.")] = False,
    drift: Drifts = None,
    rate: Rates = None,
    methods: Annotated[str, typer.Option(help="ours, fast, all, or names with commas between.")] = "fast",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 1,
    years: Draws = 5,
    null_years: NullYears = 20,
    slow_years: Annotated[int, typer.Option(min=0, help="Years that ADWIN and KSWIN watch.")] = 2,
    school_count: Annotated[int, typer.Option(min=20, help="Schools of a simulated year.")] = 400,
    areas: Annotated[int, typer.Option(min=1, help="Areas of a simulated year.")] = 10,
    share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of simulated schools that drift.")] = 0.1,
    days: Annotated[int, typer.Option(min=60, max=190, help="School days of a simulated year.")] = 190,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    out: Out = Path("backtest-out"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Plant drifts, shocks and defects, and measure false alarms and delays of our charts, of others, and of an oracle."""
    files = _files(sessions, schools, targets, calendar, history, simulator=simulator)
    wanted = _wanted(drift or (_SIMULATED if files is None else _PLANTED), years)
    scenarios = list(wanted)
    _check(scenarios, rates := tuple(rate or (0.5,)), files)
    asked = _methods(methods)
    plan = Plan(
        seed=seed,
        methods=tuple(name for name in asked if name not in SLOW),
        slow_methods=tuple(name for name in asked if name in SLOW),
        slow_years=slow_years,
        drifts=tuple(s for s in scenarios if s.drifts) if files is None else (),
        school_count=school_count,
        areas=areas,
        share=share,
        days=days,
        parameters=Parameters(),
    )
    wanted = {Scenario(Kind.NULL): null_years if files is None else 1} | {s: n for s, n in wanted.items() if s.kind is not Kind.NULL}
    about: dict[str, Any] = {"command": "headway " + shlex.join(sys.argv[1:]), "seed": seed, "years": years}
    with Progress(quiet=as_json) as bar:
        work = _work(plan, files, scenarios, rates, about, bar)
        todo = units(wanted)
        finish(work, todo, out, jobs=jobs, progress=lambda done, total: bar.closing("of the backtest's years", done, total))
        bar.say("measuring")
        kinds = (BY_STRATUM, ONE, SHIPPED) if files is None else (ONE, SHIPPED)
        result = write_report(out, Evidence(seed, load(todo, out), rates, kinds, work.plan.parameters.thresholds), about)
    typer.echo(json.dumps(result, sort_keys=True) if as_json else "\n".join([*tables(result), f"written to {out}"]))


def _files(
    sessions: list[Path] | None,
    schools: Path | None,
    targets: Path | None,
    calendar: Path | None,
    history: list[Path] | None,
    *,
    simulator: bool,
) -> _Files | None:
    """All files or none."""
    if not sessions:
        if schools or targets or calendar or history:
            raise WrongUsage("--schools, --targets, --calendar and --history go with register files. Name some, or leave these out")
        return None
    if simulator:
        raise WrongUsage("--simulator goes without register files. Leave one of them out")
    if schools is None or targets is None or calendar is None:
        raise WrongUsage("register files need --schools, --targets and --calendar beside them, as for `headway replay`")
    return _Files(sessions, schools, targets, calendar, history or [])


def _wanted(texts: Sequence[str], years: int) -> dict[Scenario, int]:
    """Years for each scenario: `step:2` has the usual number, `step:2@70` its own."""
    out = {}
    for text in texts:
        name, at, number = text.partition("@")
        if at and not (number.isdecimal() and int(number)):
            raise WrongUsage(f"--drift {text}: after the @ stands how many years, as in step:2@70")
        out[parse(name)] = int(number) if at else years
    return out


def _check(scenarios: list[Scenario], rates: tuple[float, ...], files: _Files | None) -> None:
    wrong = [s.name for s in scenarios if s.kind in _ONLY_SIMULATED]
    if files is not None and wrong:
        raise WrongUsage(f"--drift {wrong[0]}: only simulated years know it. Leave it out, or leave out the register files")
    for value in rates:
        if not 0 < value <= _RATE_MOST:
            raise WrongUsage(f"--rate {value}: write a rate over 0 and at most {_RATE_MOST}")


def _methods(text: str) -> tuple[str, ...]:
    """The methods that words stand for."""
    groups = {"ours": OURS, "fast": _FAST, "all": tuple(LABELS)}
    names = dict.fromkeys(name for word in text.split(",") for name in groups.get(word.strip(), (word.strip(),)))
    unknown = [name for name in names if name not in LABELS]
    if unknown:
        raise WrongUsage(f"--methods {unknown[0]}: write {', '.join(groups)}, or some of {', '.join(LABELS)}")
    return tuple(names)


def _work(
    plan: Plan, files: _Files | None, scenarios: list[Scenario], rates: tuple[float, ...], about: dict[str, Any], bar: Progress
) -> Work:
    if files is None:
        bar.say("the oracle's law")
        return Work(replace(plan, law=fit_oracle(plan)) if plan.drifts else plan)
    reference = read_reference(files.schools, files.targets, files.calendar)
    own = read_year(reference, files.sessions, files.history, bar)
    bar.say("openings under the policy")
    about["openings"] = {str(rate): openings(own, rate) for rate in rates}
    history = the_history(own)
    if not len(history.panel.groups.series):
        plan = replace(plan, methods=tuple(name for name in plan.methods if name != "G"))
        if any(s.kind is Kind.GROUP for s in scenarios):
            raise WrongUsage("--drift group: these registers name no year groups. Leave it out")
    return Work(replace(plan, parameters=own.parameters), history)
