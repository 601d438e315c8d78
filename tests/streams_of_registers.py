"""Random small years of registers as JSON lines, and what can happen to them on their way."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

Event = dict[str, Any]

_CODES = ("L", "I", "O", "N", "M", "S", "C", "X", "-", "#", "H")
_SHARES = (0.05, 0.4, 0.2, 0.14, 0.05, 0.05, 0.05, 0.02, 0.02, 0.01, 0.01)
_PHASES = ("primary", "primary", "secondary", "special", "alternative")
_FIRST = date(2026, 9, 7)


@dataclass(frozen=True)
class SmallYear:
    """Reference files' rows and register events of one seed."""

    seed: int
    schools: list[dict[str, str]]
    targets: list[dict[str, str]]
    calendar: list[dict[str, str]]
    events: list[Event]


def _counts(rng: np.random.Generator, pupils: int, rate: float, session: str) -> dict[str, dict[str, int]]:
    groups = ["7", "8", "9"][: int(rng.integers(1, 4))]
    if rng.random() < 0.2:
        groups = ["all"]
    out: dict[str, dict[str, int]] = {}
    for group in groups:
        size = max(1, pupils // len(groups))
        absent = int(rng.binomial(size, rate))
        row = {"/" if session == "AM" else "\\": size - absent}
        row |= dict(zip(_CODES, rng.multinomial(absent, _SHARES).tolist(), strict=True))
        out[group] = {code: n for code, n in row.items() if n or rng.random() < 0.1}
    return {g: row for g, row in out.items() if any(row.values())} or {"7": {"/": 1}}


def small_year(seed: int, *, days: int | None = None, schools: int | None = None) -> SmallYear:
    """Up to 40 school days and 40 schools, with drifts, an area's shock, silence, closed days and corrections."""
    rng = np.random.default_rng(seed)
    size = schools if schools is not None else int(rng.integers(4, 41))
    length = days if days is not None else int(rng.integers(5, 41))
    regions = [f"region {j}" for j in range(int(rng.integers(1, 5)))]
    rows, targets, events = [], [], []
    dates = [_FIRST + timedelta(days=7 * (i // 5) + i % 5) for i in range(length)]
    shocked, shock_day = str(rng.choice(regions)), int(rng.integers(0, length))
    for i in range(size):
        urn = 100_000 + i
        pupils = int(rng.integers(20, 400))
        region = str(rng.choice(regions))
        rows.append(
            {
                "urn": str(urn),
                "name": f"School {i}",
                "phase": str(rng.choice(_PHASES)),
                "region": region,
                "local_authority": "LA",
                "hub": f"hub {i % 2}",
                "roll": str(pupils) if rng.random() < 0.8 else "",
            }
        )
        level = float(rng.uniform(0.03, 0.15))
        if rng.random() < 0.8:
            target = f"{1 - level * 0.97:.4f}" if rng.random() < 0.8 else ""
            targets.append(
                {"urn": str(urn), "academic_year": "2026/27", "baseline_attendance": f"{1 - level:.4f}", "target_attendance": target}
            )
        one_mark, onset = rng.random() < 0.1, int(rng.integers(0, 2 * length))
        for d, day in enumerate(dates):
            silent = rng.random() < 0.05 or (i % 11 == 3 and 5 <= d < 13)
            for session in ("AM",) if one_mark else ("AM", "PM"):
                if silent or rng.random() < 0.02:
                    continue
                rate = level * (3 if d >= onset else 1) * (2.5 if region == shocked and 0 <= d - shock_day < 3 else 1)
                events += _revisions(rng, urn, day, session, pupils, min(rate, 0.8))
    calendar = [{"scope": "all", "kind": "term", "first_date": str(_FIRST), "last_date": str(dates[-1])}]
    if length > 10 and rng.random() < 0.5:
        calendar.append({"scope": f"urn:{100_000 + size - 1}", "kind": "closed", "first_date": str(dates[4]), "last_date": str(dates[6])})
    return SmallYear(seed, rows, targets, calendar, events)


def _revisions(rng: np.random.Generator, urn: int, day: date, session: str, pupils: int, rate: float) -> list[Event]:
    base = datetime(day.year, day.month, day.day, 9 if session == "AM" else 13, tzinfo=UTC) + timedelta(seconds=int(rng.integers(0, 3600)))
    late = timedelta(days=int(rng.integers(1, 12))) if rng.random() < 0.05 else timedelta()
    out = []
    for revision in range(1 + (rng.random() < 0.1) + (rng.random() < 0.02)):
        moment = base + late + timedelta(days=int(rng.integers(0, 8)) * revision)
        counts = {"all": {"#": pupils}} if rng.random() < 0.01 else _counts(rng, pupils, rate, session)
        out.append(
            {
                "urn": urn,
                "attendance_date": str(day),
                "session": session,
                "revision": revision if rng.random() < 0.9 else 0,
                "recorded_at": moment.isoformat().replace("+00:00", "Z"),
                "source": "test",
                "counts": counts,
            }
        )
    return out


def line(event: Event) -> bytes:
    """One JSON line."""
    return json.dumps(event, ensure_ascii=False).encode() + b"\n"


def key(event: Event) -> tuple[Any, ...]:
    """The identity of a register."""
    return event["urn"], event["attendance_date"], event["session"]


def write_reference(year: SmallYear, folder: Path) -> list[Path]:
    """schools.csv, targets.csv, calendar.csv."""
    headers = {
        "schools": "urn,name,phase,region,local_authority,hub,roll",
        "targets": "urn,academic_year,baseline_attendance,target_attendance",
        "calendar": "scope,kind,first_date,last_date",
    }
    paths = []
    for name, header in headers.items():
        rows = getattr(year, name)
        text = "\n".join([header, *(",".join(row[c] for c in header.split(",")) for row in rows)]) + "\n"
        path = folder / f"{name}.csv"
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


def disturbed(year: SmallYear, rng: np.random.Generator, parts: int) -> list[list[bytes]]:
    """The same distinct events shuffled, a tenth of them twice, in `parts` partitions by school."""
    lines = [line(e) for e in year.events]
    again = [lines[i] for i in rng.integers(0, len(lines), len(lines) // 10)] if lines else []
    mixed = [(e, year.events) for e in lines + again]
    order = rng.permutation(len(mixed))
    out: list[list[bytes]] = [[] for _ in range(parts)]
    for i in order:
        raw = mixed[i][0]
        out[json.loads(raw)["urn"] * 2654435761 % 2**32 % parts].append(raw)
    return out


def with_another_past(year: SmallYear, rng: np.random.Generator) -> list[bytes]:
    """The same winning revisions, reached by another history of arrival: wrong figures first for some, others without theirs."""
    winners: dict[tuple[Any, ...], list[Event]] = {}
    for event in year.events:
        winners.setdefault(key(event), []).append(event)
    out = []
    for events in winners.values():
        top = max((e["revision"], e["recorded_at"]) for e in events)
        tied = [e for e in events if (e["revision"], e["recorded_at"]) == top]
        out += [line(e) for e in tied]
        best = tied[0]
        if best["revision"] > 0 and rng.random() < 0.5:
            wrong = {**best, "revision": best["revision"] - 1, "counts": {"all": {"/": 50, "O": 3}}}
            out.append(line(wrong))
    return [out[i] for i in rng.permutation(len(out))]
