"""Writes simulated years as the files that `headway replay` reads, with the truth beside them.

The files of one year and one set of defects are the same bytes every time.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from models.parameters import PHASES
from models.simulator import AreaEvent, Schools, SimulatedYear, previous_year
from models.simulator_codes import split_codes
from models.simulator_registers import Sent, clean_registers, to_batch
from streams.write_registers import Layout, iso_dates, write_registers

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from models.numbers import Ints

__all__ = ["Written", "write", "write_calendar", "write_schools", "write_targets"]

_WEEKEND_DAYS, _TERM_GAP_DAYS = 3, 14
_WORDS = (
    "Alder",
    "Ash",
    "Beech",
    "Birch",
    "Blackthorn",
    "Bramble",
    "Briar",
    "Broom",
    "Cedar",
    "Clover",
    "Cypress",
    "Elder",
    "Elm",
    "Fern",
    "Foxglove",
    "Gorse",
    "Hawthorn",
    "Hazel",
    "Heather",
    "Holly",
    "Hornbeam",
    "Ivy",
    "Juniper",
    "Larch",
    "Laurel",
    "Lime",
    "Linden",
    "Maple",
    "Myrtle",
    "Oak",
    "Pine",
    "Poplar",
    "Rowan",
    "Sage",
    "Sorrel",
    "Spruce",
    "Sycamore",
    "Thistle",
    "Willow",
    "Yew",
)


@dataclass(frozen=True, slots=True)
class Written:
    """Where the files of a simulated year lie, and how many registers (revisions) they hold."""

    sessions: Path
    schools: Path
    targets: Path
    calendar: Path
    truth: Path
    history: Path | None
    registers: int


def _write_rows(path: Path, rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def write_schools(path: Path, schools: Schools) -> None:
    """`schools.csv`: the simulator's area is the region, the authority and the hub."""
    rows: list[tuple[object, ...]] = [("urn", "name", "phase", "region", "local_authority", "hub", "roll")]
    for i, (urn, phase, area, roll) in enumerate(zip(schools.urn, schools.phase, schools.area, schools.roll, strict=True)):
        kind = PHASES[int(phase)]
        name = f"{_WORDS[i % len(_WORDS)]} {kind.capitalize()} {i // len(_WORDS) + 1:03d}"
        rows.append((int(urn), name, kind, f"region {area + 1}", f"authority {area + 1}", f"hub {area + 1}", int(roll)))
    _write_rows(path, rows)


def write_targets(path: Path, schools: Schools, start_year: int) -> None:
    """`targets.csv`: baseline and target are the level about which the school was drawn."""
    academic_year = f"{start_year}/{(start_year + 1) % 100:02d}"
    rows: list[tuple[object, ...]] = [("urn", "academic_year", "baseline_attendance", "target_attendance")]
    for urn, absence in zip(schools.urn, schools.target_absence, strict=True):
        rows.append((int(urn), academic_year, f"{1 - absence:.6f}", f"{1 - absence:.6f}"))
    _write_rows(path, rows)


def write_calendar(path: Path, *years: Ints) -> None:
    """`calendar.csv` from the dates (days since 1970) of each year: terms, and half-terms as closed weeks."""
    rows: list[tuple[object, ...]] = [("scope", "kind", "first_date", "last_date")]
    for dates in years:
        days = [date(1970, 1, 1) + timedelta(days=int(d)) for d in dates]
        first = days[0]
        for before, after in pairwise(days):
            gap = (after - before).days
            if gap > _TERM_GAP_DAYS:
                rows.append(("all", "term", first, before))
                first = after
            elif gap > _WEEKEND_DAYS:
                rows.append(("all", "closed", before + timedelta(days=3), after - timedelta(days=3)))
        rows.append(("all", "term", first, days[-1]))
    _write_rows(path, rows)


def _truth(year: SimulatedYear, sent: Sent) -> dict[str, object]:
    truth, schools = year.truth, year.schools
    dates = iso_dates(year.dates)

    def event(e: AreaEvent) -> dict[str, object]:
        return {
            "region": f"region {e.area + 1}",
            "first_date": dates[e.first_day - 1],
            "last_date": dates[e.last_day - 1],
            "first_day": e.first_day,
            "last_day": e.last_day,
            "logits": round(e.logits, 6),
        }

    drifts = [
        {
            "urn": int(schools.urn[i]),
            "kind": drift.kind,
            "size_points": drift.size_points,
            "onset_day": int(truth.onset_day[i]),
            "onset_date": dates[truth.onset_day[i] - 1],
            "year_group": schools.year_groups(i)[truth.drift_group[i]] if truth.drift_group[i] >= 0 else None,
        }
        for i, drift in enumerate(truth.drifts)
        if drift is not None
    ]
    defects = [
        {
            "kind": note.kind,
            "urn": int(schools.urn[note.school]) if note.school >= 0 else None,
            "first_date": dates[note.first_day - 1],
            "last_date": dates[note.last_day - 1],
            "number": round(note.number, 6),
        }
        for note in sent.notes
    ]
    return {
        "seed": year.seed,
        "schools": len(schools),
        "areas": year.areas,
        "school_days": len(dates),
        "first_date": dates[0],
        "last_date": dates[-1],
        "drifts": drifts,
        "shock": event(truth.shock) if truth.shock else None,
        "area_blocks": [event(e) for e in truth.blocks],
        "defects": defects,
    }


def write(year: SimulatedYear, directory: Path, *, sent: Sent | None = None, layout: Layout = "jsonl.gz", history: bool = False) -> Written:
    """Write a year into `directory`, which is made if need be; what lies there under the same names is replaced.

    sent: what the schools send, by default every register once and true. history: also `history.jsonl.gz`, the year before
    of the same schools, clean, and its terms in the calendar.
    """
    directory.mkdir(parents=True, exist_ok=True)
    sent = clean_registers(year) if sent is None else sent
    batch = to_batch(year, split_codes(year), sent)
    written = Written(
        directory / f"sessions.{layout}",
        directory / "schools.csv",
        directory / "targets.csv",
        directory / "calendar.csv",
        directory / "truth.json",
        directory / "history.jsonl.gz" if history else None,
        len(batch),
    )
    write_registers(batch, written.sessions, layout)
    write_schools(written.schools, year.schools)
    write_targets(written.targets, year.schools, year.start_year)
    calendars = [year.dates]
    if written.history is not None:
        before = previous_year(year)
        write_registers(to_batch(before, split_codes(before), clean_registers(before)), written.history, "jsonl.gz")
        calendars.insert(0, before.dates)
    write_calendar(written.calendar, *calendars)
    written.truth.write_text(json.dumps(_truth(year, sent), indent=1) + "\n", encoding="utf-8")
    return written
