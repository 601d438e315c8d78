"""The shipped thresholds on years that did not make them: nominal rates, the budget, defects, shocks, and who is alerted.

usage: python -m benchmarks.thresholds [--work DIR] [--jobs N] [--scale X]
Seed 2, where the shipped table has seed 1. Finished years are kept in the directory, so it may be stopped; --scale makes fewer
years. First passages as detection.md 1.8 defines the nominal rate; openings are the fold of `models.policy.decide` over the
closes. Goals G4, G5, G6, G9 and G14 of detection.md section 5. Standard errors are over years, whose schools hang together.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from operator import methodcaller
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks.evidence import EVIDENCE, provenance, table
from benchmarks.false_alarms import HUB_SCHOOLS, POLICIES, Unit
from benchmarks.goals import defects as defects_of
from benchmarks.goals import row_of, shocks_and_budget
from models.parameters import TERMS_A_YEAR
from models.thresholds import BANDS, CHARTS, SHIPPED, limit
from streams.finished_units import claim, engine_digest, finish, load
from streams.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.numbers import Bools, Floats
    from streams.finished_units import Arrays

SEED = 2
YEARS = {
    "null": 450,
    "policy": 120,
    "hub": 60,
    "season": 60,
    "missing": 60,
    "all present": 60,
    "provisional": 60,
    "bad clerks": 60,
    "as known then": 12,
    "shock": 200,
    "hard": 200,
}
RATES = (0.5, 0.25, 0.1)
ALL = len(BANDS) - 1
_SPEC = (
    (6.5, 1.03, 9.4, 1.25, 111.0, 1.30),
    (9.6, 1.15, 10.8, 1.27, 94.0, 1.22),
    (7.7, 1.07, 8.8, 1.21, 82.0, 1.24),
    (7.4, 1.19, 9.0, 1.32, 65.0, 1.21),
    (6.8, 1.16, 6.6, 1.23, 35.0, 1.07),
    (5.8, 1.08, 7.8, 1.30, 53.0, 1.45),
    (7.8, 1.11, 8.8, 1.24, 71.0, 1.20),
)
"""The constants of detection.md 1.8, to hold ours against."""

Row = dict[str, Any]
Found = dict[str, list["Arrays"]]


class Figure(NamedTuple):
    """A measured figure and its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        digits = 3 if abs(self.value) < 1 else 2
        return f"{self.value:.{digits}f} ± {self.error:.{digits}f}"


def ratio(part: Floats, whole: Floats) -> Figure:
    """Sum over sum, of years that are independent of each other, (years,) each."""
    p = float(part.sum() / whole.sum())
    scatter = float(((part - p * whole) ** 2).sum()) * len(part) / max(len(part) - 1, 1)
    return Figure(p, math.sqrt(scatter) / float(whole.sum()))


def passages(years: Sequence[Arrays], chart: str, rate: float, band: int = ALL) -> Figure:
    """First passages a school-year at the shipped limits of `rate`, of one band or of all schools by their own limits."""
    over, schools = np.zeros(len(years)), np.zeros(len(years))
    for i, year in enumerate(years):
        of: Bools = (year["band"] == band) | (band == ALL)
        h = limit(SHIPPED.laws, rate, year["band"][of], chart)
        over[i], schools[i] = (year[chart][of] >= h).sum(), of.sum()
    share = ratio(over, schools)
    return Figure(-math.log(1.0 - share.value), share.error / (1.0 - share.value))


def nominal(found: Found) -> list[Row]:
    """Nominal rates by band and chart, on other years than those that made the table."""
    years, out = found["null"], []
    for place, name in enumerate(BANDS):
        schools = sum(int(((y["band"] == place) | (place == ALL)).sum()) for y in years)
        for chart in CHARTS:
            row: Row = {"phase, roll": name, "chart": chart, "school-years": schools}
            out.append(row | {f"nominal {rate}": str(passages(years, chart, rate, place)) for rate in RATES})
    return out


def beside_the_specification() -> list[Row]:
    """Our limits and those of detection.md 1.8, and what its would really give by our law."""
    out = []
    for place, name in enumerate(BANDS):
        row: Row = {"phase, roll": name}
        for i, chart in enumerate(CHARTS):
            a, b = SHIPPED.laws[place][2 * i : 2 * i + 2]
            theirs = [math.log(_SPEC[place][2 * i] / rate) / _SPEC[place][2 * i + 1] for rate in (0.5, 0.1)]
            ours = [math.log(a / rate) / b for rate in (0.5, 0.1)]
            row[f"{chart}: ours"] = " / ".join(f"{h:.2f}" for h in ours)
            row[f"{chart}: specification"] = " / ".join(f"{h:.2f}" for h in theirs)
            row[f"{chart}: its limits pass"] = " / ".join(f"{a * math.exp(-b * h):.3f}" for h in theirs)
        out.append(row)
    return out


def budget(found: Found) -> list[Row]:
    """False alerts a hub-term under the default budget: alerts by chart, alerts in all, cases, first passages."""
    out = []
    for name, kind in (("lone hubs of 57", "hub"), ("hubs of 57 in a nation of 400", "policy")):
        years = found[kind]
        schools = np.array([len(y["band"]) for y in years], float)
        terms = schools / HUB_SCHOOLS * TERMS_A_YEAR
        opened = np.array([y["opened default"].sum(axis=1) for y in years], float)
        rates = {
            c: POLICIES["default"].target if c == "T" else POLICIES["default"].level if c == "C" else POLICIES["default"].year_group
            for c in CHARTS
        }
        passed = [passages(years, c, rates[c]).value for c in CHARTS]
        row: Row = {"where": name, "hub-terms": round(float(terms.sum())), "budget": 2.0}
        row |= {f"{c} opened": str(ratio(opened[:, i], terms)) for i, c in enumerate(CHARTS)}
        row["alerts opened"] = str(ratio(opened.sum(axis=1), terms))
        row["cases"] = str(ratio(np.array([y["cases default"].sum() for y in years], float), terms))
        row["first passages"] = round(sum(passed) * HUB_SCHOOLS / TERMS_A_YEAR, 2)
        out.append(row)
    return out


def defects(found: Found) -> list[Row]:
    """First passages under each defect."""
    words = {
        "null": "none",
        "season": "season 3 weeks off and 1.8 times",
        "missing": "missing registers and outages",
        "all present": "all-present registers, guarded",
        "provisional": "provisional codes, never corrected",
        "bad clerks": "the same, a fifth of the schools three times as bad",
        "as known then": "a fifth bad, corrected in time, late registers, silent schools: as known at each close",
    }
    out = []
    for kind, name in words.items():
        years = found[kind]
        row: Row = {"defect": name, "school-years": sum(len(y["band"]) for y in years)}
        out.append(row | {f"{c} at {rate}": str(passages(years, c, rate)) for c in "TC" for rate in (0.5, 0.1)})
    return out


def withdrawn(found: Found) -> list[Row]:
    """Of alerts opened on provisional data, those withdrawn later."""
    out = []
    for name, rate, goal in (("half", 0.5, 0.10), ("tenth", 0.1, 0.15)):
        counts = np.array([y[f"withdrawn {name}"] for y in found["as known then"]], float)
        share = ratio(counts[:, 1], counts[:, 0])
        out.append({"nominal": rate, "opened": int(counts[:, 0].sum()), "withdrawn later": str(share), "goal": f"at most {goal}"})
    return out


def shocks(found: Found) -> list[Row]:
    """What a shock does: school alarms inside its area and outside, and the area alert."""
    out = []
    for kind, name, goal in (("shock", ".6 logit for 5 days", 0.035), ("hard", "1.8 logit for 2 days", 0.04)):
        years = found[kind]
        counts = np.array([y["schools"] for y in years], float)
        alerts = np.array([y["alerts"] for y in years], float)
        alone = alerts[alerts[:, 2] == 1]
        row: Row = {
            "shock": name,
            "years": len(years),
            "its schools alarming within it and 5 days": str(ratio(counts[:, 1], counts[:, 0])),
            "goal": goal,
            "schools of other areas": str(ratio(counts[:, 3], counts[:, 2])),
        }
        one = alone[:, 0] == 1
        row["exactly one area alert"] = str(ratio(one.astype(float), np.ones(len(one))))
        row["the same day"] = str(ratio(alone[:, 1], np.ones(len(one))))
        out.append(row)
    return out


def areas(found: Found) -> list[Row]:
    """The area alert: what nobody planted, and the mild spells that every year has."""
    out = []
    for name, kind in (("ten areas", "policy"), ("one area only", "hub")):
        years = found[kind]
        sums = {
            key: np.array([y[key].sum() for y in years], float)
            for key in ("area false", "area found", "area same day", "area planted", "areas")
        }
        out.append(
            {
                "deployment": name,
                "area-years": int(sums["areas"].sum()),
                "false a area-year": str(ratio(sums["area false"], sums["areas"])),
                "spells of .25 to .7 found": str(ratio(sums["area found"], sums["area planted"])),
                "of those the same day": str(ratio(sums["area same day"], sums["area found"])),
            }
        )
    return out


def _thirds(level: Floats, phase: Floats) -> Floats:
    """0, 1, 2: low, middle, high absence among the schools of one's phase and year."""
    out = np.zeros(len(level), int)
    for p in range(3):
        of = np.flatnonzero(phase == p)
        out[of[np.argsort(level[of], kind="stable")]] = np.arange(len(of)) * 3 // max(len(of), 1)
    return out


def fairness(found: Found) -> list[Row]:
    """Alerts a school-year by size, phase, intake and region, under the default budget and at .5."""
    phases, thirds = ("primary", "secondary", "special"), ("low absence", "middle", "high absence")
    groups: dict[tuple[str, str], list[tuple[Bools, Arrays]]] = defaultdict(list)
    for y in found["policy"]:
        third = _thirds(y["level"], y["phase"])
        labels = (
            ("size", [BANDS[b] for b in y["band"]]),
            ("phase", [phases[p] for p in y["phase"]]),
            ("intake", [thirds[t] for t in third]),
            ("region", [f"region {a + 1}" for a in y["area"]]),
        )
        for what, names in labels:
            for name in dict.fromkeys(names):
                groups[what, name].append((np.array(names) == name, y))
    order = [*BANDS, *phases, *thirds, *(f"region {j + 1}" for j in range(10))]
    out = []
    for what, name in sorted(groups, key=lambda g: (("size", "phase", "intake", "region").index(g[0]), order.index(g[1]))):
        parts = groups[what, name]
        schools = np.array([of.sum() for of, _ in parts], float)
        row: Row = {"by": what, "schools": name, "school-years": int(schools.sum())}
        for policy, title in (("default", "default budget"), ("half", ".5 a chart")):
            alerts = np.array([y[f"opened {policy}"][:, of].sum() for of, y in parts], float)
            row[f"alerts a school-year, {title}"] = str(ratio(alerts, schools))
        out.append(row)
    return out


def spread(rows: list[Row]) -> list[Row]:
    """Highest over lowest rate of alerts in each split."""
    out = []
    for what in ("size", "phase", "intake", "region"):
        row: Row = {"by": what, "goal": "at most 1.5"}
        for title in ("default budget", ".5 a chart"):
            values = [float(r[f"alerts a school-year, {title}"].split()[0]) for r in rows if r["by"] == what]
            row[f"highest over lowest, {title}"] = round(max(values) / min(values), 2)
        out.append(row)
    return out


def off_nominal(rows: list[Row]) -> list[str]:
    """How far the rates of `nominal` lie from what they are called, in words."""
    seen = []
    made, fresh = float(SHIPPED.provenance["school_years"]), max(float(row["school-years"]) for row in rows)
    for row in rows:
        for rate in RATES:
            value, error = (float(x) for x in row[f"nominal {rate}"].split(" ± "))
            # The table is a measurement too, of so many years of its own.
            error *= math.sqrt(1.0 + fresh / made)
            seen.append((abs(value - rate) / error, abs(value / rate - 1.0), f"{row['chart']} of {row['phase, roll']} at {rate}: {value}"))
    beyond = sum(z > 2.0 for z, _, _ in seen)
    _, share, worst = max(seen, key=lambda one: one[1])
    return [
        f"Of {len(seen)} nominal rates {beyond} lie more than two standard errors (the table's own among them) off; by chance 3 would.",
        f"The furthest is {worst}, {share:.0%} off.",
    ]


def write(found: Found, command: str) -> None:
    """docs/evidence/thresholds.md and .json."""
    source, fair, rates = provenance(command), fairness(found), nominal(found)
    made = SHIPPED.provenance
    parts: list[tuple[str, str, list[Row]]] = [
        (
            "Nominal rates",
            "First passages a school-year at the shipped limits, in years that did not make them; ± one standard error.",
            rates,
        ),
        ("Beside the specification", "Limits at .5 / .1; what the specification's would give by our law.", beside_the_specification()),
        ("The budget", "False alerts a hub-term, the default budget, nothing wrong. Goal: at most 2 (cases).", budget(found)),
        ("Defects", "First passages a school-year. Goal: within 5 % of .5, at most .12 at .1.", defects(found)),
        ("Alerts on provisional registers", "T and C, as known at each close.", withdrawn(found)),
        ("Shocks", "T at .5, schools quiet in the 10 days before. In 10 quiet days .026 of all schools pass.", shocks(found)),
        ("The area alert", "Goals: .04 false an area-year, the same day in 95 %.", areas(found)),
        ("Who is alerted", "Schools on track, openings under the policy, all charts together.", fair),
        ("Flat within 1.5", "", spread(fair)),
    ]
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    held = {"provenance": source, "thresholds": made, "seed": SEED, "tables": {title: rows for title, _, rows in parts}}
    (EVIDENCE / "thresholds.json").write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")
    head = [
        "# Thresholds, budget, false alarms",
        "",
        f"`{command}` at commit {source['commit']}, seed {SEED}; the table is `{made['command']}`.",
        f"Python {source['python']}, numpy {source['numpy']}, {source['cores']} cores ({source['machine']}).",
    ]
    goals = [*shocks_and_budget(held), *defects_of(held)]
    text = [
        "",
        "## Against the goals",
        "",
        f"Of {len(goals)} figures {sum(not goal.met for goal in goals)} miss what was asked; these first.",
        "",
        table([row_of(goal) for goal in sorted(goals, key=lambda goal: goal.met is not False)]),
        "",
        *off_nominal(rates),
    ]
    text += [line for title, note, rows in parts for line in ("", f"## {title}", "", *([note, ""] if note else []), table(rows))]
    (EVIDENCE / "thresholds.md").write_text("\n".join([*head, *text, ""]), encoding="utf-8")
    print("\n".join([*head, *text]))


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("thresholds-out"))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0)
    given = parser.parse_args()
    units = {u.file: u for kind, n in YEARS.items() for u in (Unit(kind, i, SEED) for i in range(max(2, round(n * given.scale))))}
    claim(given.work, engine_digest())
    with Progress(quiet=False) as bar:
        finish(units, methodcaller("run"), given.work, jobs=given.jobs, done=lambda done, total: bar.closing("years", done, total))
    found: Found = defaultdict(list)
    for unit, arrays in zip(units.values(), load(given.work, units), strict=True):
        found[unit.kind].append(arrays)
    write(found, "python -m benchmarks.thresholds" + (f" --scale {given.scale}" if given.scale != 1.0 else ""))


if __name__ == "__main__":
    main()
