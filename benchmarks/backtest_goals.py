"""The goals of detection.md section 5 that a backtest can tell, each with what was measured, the oracle and the goal.

A goal is met or missed on its figure as measured; the standard error stands beside it so that a reader can judge how surely.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Goal", "Result", "goals", "pick", "with_error"]

Row = dict[str, Any]
Result = dict[str, Any]
"""A backtest's results.json: about, and tables by name."""


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure held against its goal; met is None where it was not measured; close: within one standard error of the goal."""

    name: str
    what: str
    goal: str
    measured: str
    oracle: str
    met: bool | None
    close: bool = False
    by: float = 0.0
    """How far it is missed, in the figure's own unit."""


def pick(result: Result | None, table: str, **wanted: Any) -> Row | None:  # noqa: ANN401 (values of a row)
    """The first row of a table with these values."""
    rows = [] if result is None else result["tables"][table]
    return next((row for row in rows if all(row.get(name) == value for name, value in wanted.items())), None)


def with_error(row: Row | None, name: str, form: str, beyond: str = "> 80") -> str:
    """A figure with its standard error; `beyond` where it lies outside what was watched, a dash without a row."""
    if row is None:
        return "–"
    value, error = row.get(name), row.get(f"{name}_error")
    if value is None:
        return beyond if name in {"median", "p90"} and (row.get("schools") or row.get("found_within_40") is not None) else "–"
    return format(value, form) + (f" ± {format(error, form)}" if error is not None else "")


def _held(
    name: str,
    what: str,
    row: Row | None,
    figure: str,
    form: str,
    *,
    most: float | None = None,
    least: float | None = None,
    oracle: str = "–",
) -> Goal:
    """A figure of a row held against its bounds; one that lies beyond what was watched does not hold."""
    value = None if row is None else row.get(figure)
    met = None if row is None else value is not None and (most is None or value <= most) and (least is None or value >= least)
    asked = [f"{sign} {bound:{form}}" for sign, bound in (("≥", least), ("≤", most)) if bound is not None]
    error = None if row is None else row.get(f"{figure}_error")
    close = value is not None and error is not None and any(abs(value - b) < error for b in (least, most) if b is not None)
    past = [] if value is None else [value - most if most is not None else 0.0, least - value if least is not None else 0.0]
    by = max(0.0, *past) if past else 0.0
    return Goal(name, what, " and ".join(asked), with_error(row, figure, form), oracle, met, close, by)


def _quiet(row: Row | None) -> str:
    return "" if row is None else f" ({row['quiet']} schools)"


def goals(main: Result, new_york: Result | None, many_peers: dict[str, Result]) -> list[Goal]:
    """Every goal in order; many_peers: results with 2,000 schools by the share that drifts, `.10` and `.02`."""
    return [*_charts(main), *_shocks(main), *_false_alarms(main), *_new_york(new_york), *_hubs(main), *_many_peers(many_peers)]


def _charts(main: Result) -> list[Goal]:
    large = "secondary 800+"

    def row(scenario: str, method: str, stratum: str = large, rate: float = 0.5) -> Row | None:
        return pick(main, "delays", scenario=scenario, method=method, stratum=stratum, rate=rate, limits="by stratum")

    one, two, slow, group = row("step:1", "T"), row("step:2", "T"), row("step:2", "T", rate=0.1), row("group:4", "G", "secondary")
    best = [row(f"step:{n}", f"oracle step:{n}", rate=rate) for n, rate in ((1, 0.5), (2, 0.5), (2, 0.1))]
    days, share = ".0f", ".1%"
    first, _in_40 = [with_error(r, "median", days) for r in best], with_error(best[1], "within_40", share)
    blind = "T: " + with_error(row("group:4", "T", "secondary"), "median", days)
    return [
        _held("G1", f"{large}, 1 point, .5 a year: median days of T{_quiet(one)}", one, "median", days, most=27, oracle=first[0]),
        _held("G1", f"{large}, 1 point, .5 a year: mean delay of T ÷ oracle", one, "to_oracle", ".2f", most=1.05, oracle="1"),
        _held("G2", f"{large}, 2 points, .5 a year: median days of T{_quiet(two)}", two, "median", days, most=11, oracle=first[1]),
        _held(
            "G2",
            f"{large}, 2 points, .5 a year: found by T within 40 days",
            two,
            "within_40",
            share,
            least=0.95,
            oracle=with_error(best[1], "within_40", share),
        ),
        _held("G2", f"{large}, 2 points, .1 a year: median days of T", slow, "median", days, most=18, oracle=first[2]),
        _held("G3", f"one year group + 4 points, secondary: median days of G{_quiet(group)}", group, "median", days, most=12, oracle=blind),
        _held("G3", "one year group + 4 points, secondary: right year group named by G", group, "named_right", share, least=0.98),
    ]


def _shocks(main: Result) -> list[Goal]:
    def shock(scenario: str, method: str) -> Row | None:
        return pick(main, "shocks", scenario=scenario, method=method, rate=0.5, limits="by stratum")

    best, area, calm = shock("shock", "oracle step:2"), pick(main, "areas", scenario="shock"), _calm_areas(main)
    words = "schools of a shocked area newly alarming until 5 days after it, T at .5"
    out = [
        _held("G4", words, shock("shock", "T"), "inside", ".1%", most=0.035, oracle=with_error(best, "inside", ".1%")),
        _held("G4", "the same, where the shock is of 1.8 logits for two days", shock("hard-shock", "T"), "inside", ".1%", most=0.04),
        _held("G4", f"area alerts without an event, an area-year ({calm['area_years']:.0f})", calm, "false_an_area_year", ".3f", most=0.04),
    ]
    if area is not None:
        n, once, same = area["shocks"], area["shocks_with_exactly_one"], area["shocks_same_day"]
        out.append(Goal("G4", "shocks with exactly one area alert", "all", f"{once} of {n}", "–", once == n))
        out.append(Goal("G4", "shocks whose alert came the same day", "≥ 95%", f"{same} of {n}", "–", same >= 0.95 * n))
    return out


def _calm_areas(main: Result) -> Row:
    """Area alerts without an event over every scenario that plants no shock and no defect; the error is a Poisson count's."""
    calm = ("null", "check", "step", "ramp", "group")
    rows = [row for row in main["tables"]["areas"] if row["scenario"].split(":")[0] in calm]
    years = sum(row["area_years"] for row in rows)
    false = round(sum(row["false_an_area_year"] * row["area_years"] for row in rows))
    return {"area_years": years, "false_an_area_year": false / years, "false_an_area_year_error": false**0.5 / years}


def _false_alarms(main: Result) -> list[Goal]:
    def row(scenario: str, method: str) -> Row | None:
        return pick(main, "false_alarms", scenario=scenario, method=method, rate=0.5, limits="by stratum", stratum="all")

    out = []
    for name, scenario, words in (
        ("G5", "season", "season 3 weeks off and 1.8 times too large"),
        ("G6", "missing", "missing registers and outages"),
        ("G6", "all-present", "all-present registers, guarded"),
        ("G6", "provisional", "provisional registers, never corrected"),
    ):
        best = with_error(row(scenario, "oracle step:2"), "a_school_year", ".3f")
        for chart in ("T", "C"):
            what = f"{words}: false alarms of {chart} for .5"
            out.append(_held(name, what, row(scenario, chart), "a_school_year", ".3f", least=0.475, most=0.525, oracle=best))
    return out


def _new_york(result: Result | None) -> list[Goal]:
    if result is None:
        return []
    whole = pick(result, "false_alarms", scenario="null", method="C", rate=0.5, limits="shipped", stratum="all")
    words = "New York, C with the simulator's limits: first passages a school-year for .5"
    out = [_held("G8", words, whole, "a_school_year_all_days", ".3f", least=0.4, most=0.6)]
    for points, most in ((3, 13), (2, 20)):
        row = pick(result, "delays", scenario=f"step:{points}", method="C", rate=0.5, limits="shipped", stratum="all")
        out.append(_held("G8", f"New York, planted drops of {points} points, C: median days{_quiet(row)}", row, "median", ".0f", most=most))
        wanted = {"scenario": f"step:{points}", "rate": 0.5, "limits": "one for all", "stratum": "all"}
        mine, other = (pick(result, "delays", method=method, **wanted) for method in ("C", "page-hinkley-peers"))
        if mine is not None and other is not None:
            what = f"New York, {points} points at a matched rate: mean days of C beside PageHinkley's on the same residual"
            theirs = f"PageHinkley {with_error(other, 'mean', '.1f')}"
            out.append(Goal("G8", what, "sooner", with_error(mine, "mean", ".1f"), theirs, mine["mean"] < other["mean"]))
    return out


def _hubs(main: Result) -> list[Goal]:
    null, drift = (pick(main, "hubs", scenario=scenario, method="budget") for scenario in ("hub:0", "hub:2"))
    alone = pick(main, "hubs", scenario="hub:2", method="T", rate=0.1, limits="by stratum")
    best = {name: "T alone: " + with_error(alone, name, form) for name, form in (("precision", ".0%"), ("median", ".0f"))}
    words, drops = (
        "lone hub of 57, default budget, nothing wrong: false alerts a term",
        "lone hub, a tenth drops 2 points, T, C, G together",
    )
    return [
        _held("G9", words, null, "false_a_hub_term", ".2f", most=2.0),
        _held(
            "G9",
            "lone hub, a tenth drops 2 points: precision, T, C, G together",
            drift,
            "precision",
            ".1%",
            least=0.62,
            oracle=best["precision"],
        ),
        _held("G9", f"{drops}: median days", drift, "median", ".0f", most=21, oracle=best["median"]),
    ]


def _many_peers(results: dict[str, Result]) -> list[Goal]:
    out = []
    for share, points, most in ((".10", 1, 1.05), (".10", 2, 1.12), (".02", 1, 1.02), (".02", 2, 1.05)):
        row = pick(results.get(share), "delays", scenario=f"step:{points}", method="T", rate=0.5, limits="one for all", stratum="all")
        words = f"2,000 schools, {float(share):.0%} lose {points} pt: mean delay of T ÷ oracle{_quiet(row)}"
        fair = pick(results.get(share), "delays", scenario=f"step:{points}", method="T", rate=0.5, limits="by stratum", stratum="all")
        own = "with limits by stratum: " + with_error(fair, "to_oracle", ".2f")
        out.append(_held("G13", words, row, "to_oracle", ".2f", most=most, oracle=own))
    return out
