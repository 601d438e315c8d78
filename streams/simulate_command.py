"""`headway simulate`: a synthetic school year as files, with its truth beside it."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from models.simulator import DriftKind, Shock, SimulatedYear, make
from models.simulator_defects import all_present_registers, late_registers, missing_registers, provisional_codes
from models.simulator_registers import Sent, clean_registers
from schemas.errors import WrongUsage
from streams.simulate import write

__all__ = ["simulate_command"]

_SCHOOLS_MAX = 5_000


class Drift(StrEnum):
    """What a share of the schools does."""

    NONE = "none"
    STEP = "step"
    RAMP = "ramp"
    YEAR_GROUP = "year-group"


class FileLayout(StrEnum):
    """How the registers are written."""

    JSONL = "jsonl"
    JSONL_GZ = "jsonl.gz"
    PARQUET = "parquet"


_DRIFTS: dict[Drift, DriftKind | None] = {Drift.NONE: None, Drift.STEP: "step", Drift.RAMP: "ramp", Drift.YEAR_GROUP: "year group"}


def simulate_command(
    out: Annotated[Path, typer.Option(help="Directory for the files: registers, schools, targets, calendar, truth.")],
    seed: Annotated[int, typer.Option(help="One seed is one year.", min=0)] = 1,
    schools: Annotated[int, typer.Option(min=2, max=_SCHOOLS_MAX)] = 57,
    days: Annotated[int, typer.Option(min=5, max=190, help="School days.")] = 190,
    areas: Annotated[int, typer.Option(min=1, max=100)] = 1,
    drift: Annotated[Drift, typer.Option(help="What the drifting schools do.")] = Drift.STEP,
    points: Annotated[float, typer.Option(min=0.0, max=30.0, help="Size of the drift in points of attendance.")] = 2.0,
    share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the schools that drift.")] = 0.1,
    shock: Annotated[bool, typer.Option(help="Plant a week of an area's absence.")] = False,
    defects: Annotated[bool, typer.Option(help="Missing, late, all-present and provisional registers.")] = False,
    layout: FileLayout = FileLayout.JSONL_GZ,
    history: Annotated[bool, typer.Option(help="Also write the year before, for --history.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write a synthetic school year with its truth: what was planted, where and when."""
    year = make(
        seed, schools, days=days, areas=areas, drift=_DRIFTS[drift], size_points=points, share=share, shock=Shock() if shock else None
    )
    sent = clean_registers(year)
    if defects:
        sent = with_defects(year, sent, seed)
    try:
        written = write(year, out, sent=sent, layout=layout.value, history=history)
    except OSError as error:
        raise WrongUsage(f"--out {out}: {error.strerror}. Name a directory that can be written") from error
    paths = {name: str(getattr(written, name)) for name in ("sessions", "schools", "targets", "calendar", "history", "truth")}
    if as_json:
        typer.echo(json.dumps({"registers": written.registers, "files": paths}))
        return
    typer.echo(f"{written.registers:,} registers of {schools} schools over {days} school days, seed {seed}, written to {out}")
    given = f" --history {paths['history']}" if history else ""
    typer.echo(
        f"Run them: headway replay {paths['sessions']} --schools {paths['schools']} --targets {paths['targets']} "
        f"--calendar {paths['calendar']}{given} --out {out / 'replayed'}"
    )


def with_defects(year: SimulatedYear, sent: Sent, seed: int) -> Sent:
    """Every kind of defect at its usual rate."""
    for step in (all_present_registers, provisional_codes, late_registers, missing_registers):
        sent = step(year, sent, seed)
    return sent
