"""What a backtest writes: results.json, a CSV file a table, tables.md for people, and a plot for each drift."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import TYPE_CHECKING, Any

from models.backtest.methods import OURS
from models.backtest.results import BY_STRATUM, ONE, SHIPPED, Evidence, Row, found_by_day, rows_of
from models.backtest.scenario import Kind, parse
from streams.backtest_plot import Line, lines
from streams.outputs import whole_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["delay_table", "markdown", "plot_of", "tables", "write_report"]

_PLOTTED = (
    "T",
    "C",
    "G",
    "oracle",
    "PageHinkley (River), peers",
    "EWMA .05, peers",
    "beta-binomial CUSUM, peers",
    "PageHinkley (River), raw",
    "p-chart, raw",
)
"""In this order of dashes and colours; more lines than these cannot be told apart."""
_KIND_WORDS = {
    BY_STRATUM: "limits matched by stratum",
    ONE: "one limit for all schools, matched",
    SHIPPED: "limits as shipped",
}


def write_report(out: Path, evidence: Evidence, about: dict[str, Any]) -> dict[str, Any]:
    """Write everything into `out`; the contents of results.json."""
    rows = rows_of(evidence)
    main = evidence.kinds[0]
    rows["found_by_day"] = [row for rate in evidence.rates for row in found_by_day(evidence, main, rate)]
    result: dict[str, Any] = {"about": about, "tables": rows}
    _write(out / "results.json", json.dumps(result, indent=1) + "\n")
    for name, table in rows.items():
        if table:
            _write(out / f"{name}.csv", _csv(table))
    _write(out / "tables.md", "\n".join(tables(result)))
    for scenario in dict.fromkeys(str(row["scenario"]) for row in rows["found_by_day"]):
        plot = plot_of(result, scenario, evidence.rates[0])
        if plot:
            _write(out / f"found-{scenario.replace(':', '-')}.svg", plot)
    return result


def _write(path: Path, text: str) -> None:
    with whole_file(path) as file:
        file.write(text.encode())


def _csv(rows: Sequence[Row]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def markdown(rows: Sequence[dict[str, str]]) -> list[str]:
    """A Markdown table of equal rows of words."""
    head = list(rows[0])
    out = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return out + ["| " + " | ".join(row[name] for name in head) + " |" for row in rows]


def _number(row: Row, name: str, form: str) -> str:
    """A figure with its standard error, or a dash."""
    value, error = row.get(name), row.get(f"{name}_error")
    if not isinstance(value, float | int):
        return "–"
    return format(value, form) + (f" ± {format(error, form)}" if isinstance(error, float | int) and not math.isnan(error) else "")


def _days(row: Row, name: str) -> str:
    """Days; where fewer schools were found than the quantile asks for, what was watched."""
    return _number(row, name, ".0f") if row.get(name) is not None else "> 80"


def delay_table(rows: Sequence[Row]) -> list[str]:
    """Delays of some rows of the table of this name, a line each."""
    return markdown(
        [
            {
                "chart": str(row["chart"]),
                "schools (quiet before)": f"{row['schools']} ({row['quiet']})",
                "median, days": _days(row, "median"),
                "90th percentile": _days(row, "p90"),
                "within 20": _number(row, "within_20", ".0%"),
                "within 40": _number(row, "within_40", ".0%"),
                "mean, capped at 80": _number(row, "mean", ".1f"),
                "mean ÷ oracle": _number(row, "to_oracle", ".2f"),
            }
            for row in rows
        ]
    )


def tables(result: dict[str, Any]) -> list[str]:
    """The pages of a backtest for people: delays over all schools, false alarms, shocks, areas, hubs."""
    rows: dict[str, list[Row]] = result["tables"]
    out = ["# Backtest", "", "`" + str(result["about"]["command"]) + "`", ""]
    for kind, words in _KIND_WORDS.items():
        groups = dict.fromkeys((r["scenario"], r["rate"]) for r in rows["delays"] if r["limits"] == kind)
        for scenario, rate in groups:
            mine = [r for r in rows["delays"] if (r["scenario"], r["rate"], r["limits"], r["stratum"]) == (scenario, rate, kind, "all")]
            out += [f"## {scenario}, {rate} false alarms a school-year, {words}", "", *delay_table(mine), ""]
    out += _section("False alarms a school-year", rows["false_alarms"], {"a_school_year": ".3f", "a_school_year_all_days": ".3f"})
    out += _section("Shock: schools newly alarming until 5 days after it", rows["shocks"], {"inside": ".1%", "outside": ".1%"})
    hub = {"alerts_a_hub_year": ".1f", "false_a_hub_term": ".2f", "precision": ".0%", "found_within_40": ".0%", "median": ".0f"}
    out += _section("Lone hubs of 57 schools", rows["hubs"], hub)
    if rows["areas"]:
        areas = [{name.replace("_", " "): str(value) for name, value in row.items()} for row in rows["areas"]]
        out += ["## Area alerts", "", *markdown(areas), ""]
    return out + _openings(result["about"].get("openings", {}))


def _openings(by_rate: dict[str, dict[str, float]]) -> list[str]:
    if not by_rate:
        return []
    kinds = list(dict.fromkeys(kind for opened in by_rate.values() for kind in opened))
    text = [{"nominal rate": rate} | {kind: f"{opened.get(kind, 0.0):.3f}" for kind in kinds} for rate, opened in by_rate.items()]
    return ["## Openings under the alert policy, a school-year", "", *markdown(text), ""]


def _section(title: str, rows: Sequence[Row], figures: dict[str, str]) -> list[str]:
    mine = [row for row in rows if row.get("stratum", "all") == "all"]
    if not mine:
        return []
    text = [
        {name: str(row[name]) for name in ("scenario", "chart", "rate", "limits")}
        | {name.replace("_", " "): _number(row, name, form) for name, form in figures.items()}
        for row in mine
    ]
    return [f"## {title}", "", *markdown(text), ""]


def plot_of(result: dict[str, Any], scenario: str, rate: float) -> str | None:
    """The plot of one drift: share of drifting schools found by day, for the charts that can be told apart."""
    rows = [r for r in result["tables"]["found_by_day"] if r["scenario"] == scenario and r["rate"] == rate]
    there = [(i, name) for i, name in enumerate(_PLOTTED) if rows and rows[0].get(name) is not None]
    series = [Line(name, tuple(float(r[name]) for r in rows), i, name in OURS) for i, name in there]
    if not series:
        return None
    drift = parse(scenario)
    points = f"{drift.points:g} point{'s' * (drift.points != 1)}"
    what = {Kind.STEP: f"drop of {points}", Kind.RAMP: f"slow drop of {points} over 30 days"}.get(
        drift.kind, f"drop of {points} in one year group"
    )
    said = "; ".join(f"{line.name} {line.shares[19]:.0%} and {line.shares[39]:.0%}" for line in series)
    description = (
        f"Share of schools with a {what} that each chart has found, over school days since it began, "
        f"at {rate:g} false alarms a school-year. Within 20 and 40 days: {said}."
    )
    return lines(f"Found after a {what}", description, series, "school days since the drift began")
