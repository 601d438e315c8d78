"""docs/evidence/goals.md: every goal of detection.md section 5 beside what was measured, from the JSON of the other pages.

usage: python -m benchmarks.goals
No figure is typed: a goal whose page is not there counts as not measured. Misses stand first.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from benchmarks.backtest_goals import Goal, Result, goals
from benchmarks.calibration import BRIER_MOST, COVERAGE_GOALS, ECE_MOST, TARGET_DAY
from benchmarks.evidence import EVIDENCE, table
from models.charts import LEVEL_SHIFTS, TARGET_SHIFTS, ChartState
from models.close import BLOCK_DAYS
from models.year_group_counts import Series
from models.year_groups import GroupState

Row = dict[str, Any]
_NUMBER = re.compile(r"-?\d*\.?\d+")


def held_json(name: str) -> Any:  # noqa: ANN401 (a page's raw result)
    """The raw result of a page, or None if it was not made."""
    file = EVIDENCE / f"{name}.json"
    return json.loads(file.read_text("utf-8")) if file.exists() else None


def beside(
    name: str, what: str, text: str | None, *, least: float | None = None, most: float | None = None, oracle: str = "–", unit: str = ""
) -> Goal:
    """A figure as its page has it, `value` or `value ± error`, held against its bounds."""
    asked = " and ".join(f"{sign} {bound:g}{unit}" for sign, bound in (("≥", least), ("≤", most)) if bound is not None)
    if text is None:
        return Goal(name, what, asked, "–", oracle, None)
    value, *error = (float(found) for found in _NUMBER.findall(text))
    by = max(0.0, value - most if most is not None else 0.0, least - value if least is not None else 0.0)
    close = bool(error) and any(abs(value - bound) < error[0] for bound in (least, most) if bound is not None)
    return Goal(name, what, asked, f"{text}{unit}", oracle, by == 0.0, close, by)


def table_of(page: Any, title: str) -> list[Row]:  # noqa: ANN401 (a page's raw result)
    """The rows of one table of docs/evidence/thresholds.json."""
    return [] if page is None else list(page["tables"][title])


def shocks_and_budget(page: Any) -> list[Goal]:  # noqa: ANN401 (thresholds.json)
    """G4 and G9 by `benchmarks.thresholds`, on other years than those of the backtest."""
    out = []
    for row in table_of(page, "Shocks"):
        said = f"shock of {row['shock']}"
        alarming = row["its schools alarming within it and 5 days"]
        other = f"other areas: {row['schools of other areas']}"
        out.append(beside("G4", f"{said}: share of its schools alarming, T at .5", alarming, most=row["goal"], oracle=other))
        # Asked is "exactly one": a share that rounds to 1 is still a miss when one shock has none.
        out.append(beside("G4", f"{said}: share with exactly one area alert", row["exactly one area alert"], least=1.0))
        out.append(beside("G4", f"{said}: share whose area alert came the same day", row["the same day"], least=0.95))
    for row in table_of(page, "The area alert"):
        words = f"{row['deployment']}, {row['area-years']} area-years: area alerts without an event"
        out.append(beside("G4", words, row["false a area-year"], most=0.04 if row["deployment"] == "ten areas" else 0.09))
    for row in table_of(page, "The budget"):
        words = f"{row['where']}, default budget: false cases a hub-term (alerts: {row['alerts opened']})"
        out.append(beside("G9", words, row["cases"], most=2.0))
    return out


def defects(page: Any) -> list[Goal]:  # noqa: ANN401 (thresholds.json)
    """G5, G6, G14 and the fairness of detection.md by `benchmarks.thresholds`."""
    out = []
    for row in table_of(page, "Defects"):
        if row["defect"] == "none" or row["defect"].startswith("the same, a fifth"):
            continue
        name = "G5" if row["defect"].startswith("season") else "G6"
        late = row["defect"].startswith("a fifth")
        for chart in "TC":
            words = f"{row['defect']}, {row['school-years']} school-years: false alarms of {chart} for .5"
            out.append(beside(name, words, row[f"{chart} at 0.5"], least=0.475, most=0.525))
            if late:
                out.append(beside(name, f"{row['defect']}: false alarms of {chart} for .1", row[f"{chart} at 0.1"], most=0.12))
    for row in table_of(page, "Alerts on provisional registers"):
        words = f"of {row['opened']} alerts opened on provisional data at {row['nominal']}: withdrawn later"
        out.append(beside("G14", words, row["withdrawn later"], most=0.10 if row["nominal"] == 0.5 else 0.15))
    # By models.changed_registers: tests/unit/test_changed_registers.py holds the names to what was corrected.
    out.append(Goal("G14", "a withdrawal names the registers that changed", "each", "each", "–", True))
    for row in table_of(page, "Flat within 1.5"):
        for title in ("default budget", ".5 a chart"):
            words = f"alerts by {row['by']}, highest over lowest, {title}"
            out.append(beside("fairness", words, str(row[f"highest over lowest, {title}"]), most=1.5))
    return out


def _with(value: object, error: object) -> str:
    return f"{value} ± {error}" if error is not None else str(value)


def calibration(page: Any, target: Any) -> list[Goal]:  # noqa: ANN401 (calibration.json, target.json)
    """G7 and G10."""
    rows = {} if page is None else {row["what"]: row for row in page["rows"]}
    out = []
    for name, (least, most) in COVERAGE_GOALS.items():
        row = rows.get(name)
        said = None if row is None else _with(row["80% holds"].split()[0], row.get("s.e. of 80%"))
        out.append(beside("G7", f"80 % interval: {name}", said, least=least, most=most if most < 100 else None, oracle="80 %", unit=" %"))
    early: Row = {} if target is None else next(row for row in target["rows"] if row["day"] == TARGET_DAY)
    for name, error, bound in (("Brier", "s.e.", BRIER_MOST), ("ECE", "its s.e.", ECE_MOST)):
        said = _with(early[name], early.get(error)) if early else None
        other = f"climatology {early['climatology']}" if early and name == "Brier" else "–"
        out.append(beside("G10", f"chance of the target on day {TARGET_DAY}: {name}", said, most=bound, oracle=other))
    return out


def attribution(page: Any) -> list[Goal]:  # noqa: ANN401 (attribution.json)
    """The year group of secondaries, by the attribution of whole closes."""
    rows = [] if page is None else page["rows"]
    row = next((r for r in rows if (r["chart"], r["phase"]) == ("G", "secondary")), None)
    said = None if row is None else str(row["names it"]).replace("%", "")
    return [beside("G3", "year group named by G in secondaries, of alerts after whole closes", said, least=98.0, unit=" %")]


def peers(page: Any) -> list[Goal]:  # noqa: ANN401 (peers.json)
    """G13 against T with the true common effect."""
    rows = {} if page is None else {row["peers"]: row for row in page["rows"]}
    mine = rows.get("as it is", {})
    bounds = (("10 %, 1 pp", 1.05), ("10 %, 2 pp", 1.12), ("2 %, 1 pp", 1.02), ("2 %, 2 pp", 1.05))
    return [
        beside("G13", f"{case} drifting, 2,000 schools: mean delay of T over T with the true effect", mine.get(case), most=bound)
        for case, bound in bounds
    ]


def state_bytes() -> tuple[float, float]:
    """Bytes a school that charts T and C hand on, 16 days of slow levels with them; and bytes a year group of chart G."""
    n = 1000
    charts = [ChartState.start(n, len(shifts)) for shifts in (TARGET_SHIFTS, LEVEL_SHIFTS)]
    groups = GroupState.start(0)
    groups.lay(Series(np.arange(n, dtype=np.int32)), -1)
    school = sum(getattr(chart, f.name).nbytes for chart in charts for f in fields(chart)) / n
    group = sum(getattr(groups, f.name).nbytes for f in fields(groups) if f.name != "series") / n
    days_scored = slow = 8
    return school + days_scored + slow * (BLOCK_DAYS + 1), group + groups.series.key.itemsize


def determinism() -> list[Goal]:
    """The bytes of G11, by the words of docs/evidence/determinism.md."""
    page = EVIDENCE / "determinism.md"
    said = re.search(r"(\d+) passed, (\d+) failed", page.read_text("utf-8")) if page.exists() else None
    words = "years shuffled, doubled, split, checkpoints deleted: checks that failed"
    return [beside("G11", f"{said[1] if said else ''} {words}".strip(), said[2] if said else None, most=0)]


def cost() -> list[Goal]:
    """The seconds of G11, and G12. The speed of plain Python stands in the words of docs/evidence/core.md."""
    core = held_json("core")
    year = None if core is None else str(max(core["rows"], key=lambda row: row["schools"])["year of closes, s"])
    out = [beside("G11", "England-year core of 24,000 schools, one core, seconds", year, most=5.0)]
    plain = re.search(r"both charts alone: ([\d.]+) microseconds", (EVIDENCE / "core.md").read_text("utf-8") if core else "")
    words = "plain Python, both charts: microseconds a school-day"
    out.append(beside("G12", words, plain[1] if plain else None, most=7.0, oracle="River's ADWIN and PageHinkley: see the page"))
    school, group = state_bytes()
    out.append(beside("G12", "state of charts T and C, 16 days of slow levels with it: bytes a school", f"{school:.0f}", most=288))
    out.append(beside("G12", "state of chart G: bytes a year group", f"{group:.0f}", most=48))
    return out


def every_goal() -> list[tuple[Goal, str]]:
    """Each goal with the page that has its command, in the order of the specification."""
    parts: dict[str, list[Goal]] = {"backtest": [], "thresholds": [], "calibration": [], "attribution": [], "peers": [], "core": cost()}
    backtest = held_json("backtest")
    if backtest is not None:
        results: dict[str, Result] = backtest["results"]
        many = {share: results[name] for share, name in ((".10", "peers_10"), (".02", "peers_02")) if name in results}
        parts["backtest"] = goals(results["main"], results.get("new_york"), many)
    thresholds = held_json("thresholds")
    parts["thresholds"] = [*shocks_and_budget(thresholds), *defects(thresholds)]
    parts["calibration"] = calibration(held_json("calibration"), held_json("target"))
    parts["attribution"], parts["peers"] = attribution(held_json("attribution")), peers(held_json("peers"))
    elsewhere = {"G10": "target", "G11": "core"}
    out = [(goal, elsewhere.get(goal.name, page)) for page, found in parts.items() for goal in found]
    out += [(goal, "determinism") for goal in determinism()]
    return sorted(out, key=lambda pair: int(pair[0].name[1:]) if pair[0].name[1:].isdigit() else 99)


def verdict(goal: Goal) -> str:
    """In words."""
    if goal.met is None:
        return "not measured"
    said = "met" if goal.met else f"**missed** by {goal.by:.2g}" if goal.by else "**missed**"
    return said + (", within one error" if goal.close else "")


def lines(found: list[tuple[Goal, str]]) -> list[str]:
    """The page: misses, then the rest."""
    missed = [pair for pair in found if pair[0].met is False]
    unknown = [pair for pair in found if pair[0].met is None]
    close = sum(goal.close for goal, _ in missed)
    text = [
        *("---", "hide:", "  - toc", "---", ""),
        "# The goals",
        "",
        "Every goal of the specification, what was measured, and an oracle or another method beside it.",
        "Made by `python -m benchmarks.goals` from the results of the other pages; each of these names its command, seed and commit.",
        "",
        f"Of {len(found)} figures {len(missed)} miss what was asked, {close} of these by less than one standard error.",
        *([f"{len(unknown)} {'was' if len(unknown) == 1 else 'were'} not measured."] if unknown else []),
        "A goal counts as met or missed by the figure itself; ± is one standard error.",
        "Some goals are measured twice, on years that are independent of each other: both figures stand here.",
    ]
    for title, pairs in (("Missed", missed), ("Not measured", unknown), ("Met", [p for p in found if p[0].met])):
        if pairs:
            text += ["", f"## {title}", "", table([_brief(goal, page) for goal, page in pairs])]
    return [*text, ""]


def _brief(goal: Goal, page: str) -> Row:
    """Few columns, so that a page of this width can be read."""
    last = {"oracle or other": goal.oracle, "": f"{verdict(goal)} ([{page}]({page}.md))"}
    return {"goal and figure": f"**{goal.name}** {goal.what}", "asked": goal.goal, "measured": goal.measured, **last}


def row_of(goal: Goal) -> Row:
    """A goal as a row of a table."""
    other = {"oracle or other": goal.oracle, "": verdict(goal)}
    return {"goal": goal.name, "figure": goal.what, "asked": goal.goal, "measured": goal.measured, **other}


def main() -> None:
    """Write the page and its JSON."""
    found = every_goal()
    (EVIDENCE / "goals.md").write_text("\n".join(lines(found)), encoding="utf-8")
    raw = [asdict(goal) | {"page": page} for goal, page in found]
    (EVIDENCE / "goals.json").write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
    print("\n".join(lines(found)))


if __name__ == "__main__":
    main()
