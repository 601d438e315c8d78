"""docs/evidence/what_headway_can_see.md: for heads and coordinators, every figure from docs/evidence/backtest.json.

usage: python -m benchmarks.what_headway_can_see
The words stand in what_headway_can_see.template, beside this file.
The bound is Lorden's (`models.backtest.physics`), for a typical school of each kind.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.backtest_goals import Result, Row, pick
from benchmarks.evidence import EVIDENCE, table
from models.backtest.physics import best_delay, long_run_variance
from models.parameters import Parameters
from models.simulator import ABSENCE
from streams.backtest_plot import Bar, bars

POINTS = (1, 2, 3)
WATCHED_DAYS = 80


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of school: its name in tables and for people, phase, and the pupils of a typical one."""

    stratum: str
    words: str
    phase: int
    pupils: int


KINDS = (
    Kind("secondary 800+", "secondary, 800 pupils or more", 1, 1_150),
    Kind("secondary < 800", "secondary, under 800", 1, 650),
    Kind("primary 300+", "primary, 300 or more", 0, 400),
    Kind("primary 150-299", "primary, 150 to 299", 0, 220),
    Kind("primary < 150", "primary, under 150", 0, 115),
    Kind("special", "special school", 2, 110),
)


def found(result: Result, kind: Kind, points: int, rate: float) -> Row | None:
    """How chart T did on drops of so many points in such schools."""
    wanted = {"scenario": f"step:{points}", "method": "T", "rate": rate, "limits": "by stratum", "stratum": kind.stratum}
    return pick(result, "delays", **wanted)


def bound(kind: Kind, points: float, years: float) -> float:
    """School days that nobody can beat, with one false alarm in so many school-years."""
    p, absence = Parameters(), float(ABSENCE[kind.phase])
    return best_delay(long_run_variance(p.a_long[kind.phase], p.b_long[kind.phase], kind.pupils, absence), absence, points, years)


def days(row: Row | None) -> str:
    """The median in words."""
    if row is None:
        return "not measured"
    return f"{row['median']:.0f}" if row["median"] is not None else f"over {WATCHED_DAYS}"


def share(row: Row | None) -> str:
    """Found within 40 school days."""
    return "not measured" if row is None or row["within_40"] is None else f"{row['within_40']:.0%}"


def by_kind(result: Result, rate: float) -> list[dict[str, str]]:
    """The table: median days and share found in 40 days, by kind of school and size of drop."""
    out = []
    for kind in KINDS:
        line = {"school": kind.words}
        for points in POINTS:
            row = found(result, kind, points, rate)
            line[f"{points} point{'s' * (points > 1)}: half found after"] = days(row)
            line[f"{points}: within 40 days"] = share(row)
        out.append(line)
    return out


def physics() -> list[dict[str, str]]:
    """The bound by kind of school, at one false alarm in two school-years, and in ten."""
    return [
        {"school": kind.words, **{f"{p:g} pt": f"{bound(kind, p, 2):.0f} (in ten: {bound(kind, p, 10):.0f})" for p in (0.5, 1, 2, 3)}}
        for kind in KINDS
    ]


def plot(result: Result) -> str:
    """Median days by kind of school and size of drop."""
    rows, said = [], []
    for kind in KINDS:
        seen = [found(result, kind, points, 0.5) for points in POINTS]
        rows.append(Bar(kind.words, tuple(None if r is None else r["median"] for r in seen)))
        said.append(f"{kind.words}: " + ", ".join(days(r) for r in seen))
    description = "School days until half of the drops are found, of 1, 2 and 3 points. " + "; ".join(said) + "."
    groups = [f"{p} point{'s' * (p > 1)}" for p in POINTS]
    title = "How soon a drop in attendance is found"
    return bars(title, description, groups, rows, float(WATCHED_DAYS), "school days until half are found")


def figures(result: Result) -> dict[str, str]:
    """What the template asks for."""
    one, two, tiny = found(result, KINDS[0], 1, 0.5), found(result, KINDS[0], 2, 0.5), found(result, KINDS[4], 1, 0.5)
    group = pick(result, "delays", scenario="group:4", method="G", rate=0.5, limits="by stratum", stratum="secondary")
    shock = pick(result, "shocks", scenario="shock", method="T", rate=0.5, limits="by stratum")
    hub, null = (pick(result, "hubs", scenario=scenario, method="budget") for scenario in ("hub:2", "hub:0"))
    return {
        "one_days": days(one),
        "two_days": days(two),
        "two_share": share(two),
        "tiny_days": days(tiny),
        "group_days": days(group),
        "group_named": _said(group, "named_right", ".0%"),
        "shock_inside": _said(shock, "inside", ".1%"),
        "shock_outside": _said(shock, "outside", ".1%"),
        "null_term": _said(null, "false_a_hub_term", ".1f"),
        "hub_alerts": _said(hub, "alerts_a_hub_year", ".1f"),
        "hub_precision": _said(hub, "precision", ".0%"),
        "hub_found": _said(hub, "found_within_40", ".0%"),
        "hub_median": _said(hub, "median", ".0f"),
        "plot_words": _description(plot(result)),
        "table_half": table(by_kind(result, 0.5)),
        "table_tenth": table(by_kind(result, 0.1)),
        "table_physics": table(physics()),
        "watched": str(WATCHED_DAYS),
    }


def _said(row: Row | None, name: str, form: str) -> str:
    return "not measured" if row is None or row[name] is None else format(row[name], form)


def _description(svg: str) -> str:
    return svg.split('<desc id="description">')[1].split("</desc>", maxsplit=1)[0]


def main() -> None:
    """Write the page and its plot."""
    held: dict[str, Any] = json.loads((EVIDENCE / "backtest.json").read_text("utf-8"))
    result = held["results"]["main"]
    (EVIDENCE / "what-headway-can-see.svg").write_text(plot(result) + "\n", encoding="utf-8")
    template = Path(__file__).with_suffix(".template").read_text("utf-8")
    (EVIDENCE / "what_headway_can_see.md").write_text(template.format_map(figures(result)), encoding="utf-8")


if __name__ == "__main__":
    main()
