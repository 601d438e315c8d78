"""Make `models/national_season.toml`: the season of a school year in England, by phase and ISO week.

usage: HEADWAY_DATA=... python benchmarks/national_season.py > models/national_season.toml
Autumn: national rows of the DfE's weekly files 2022/23 to 2024/25 (newest version), without study leave, mean over the years
on the logit scale. Spring and summer: the fortnightly figures of 2024/25 in the DfE's year-to-date files, fortnights around
Eid left out, for the date moves; special schools move like primaries there. Gaps are linear; smoothed over 3 weeks.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import pyarrow.parquet as pq

ORDER = [*range(36, 54), *range(1, 36)]
SPRING = {
    "primary": {
        **dict.fromkeys(range(2, 6), 5.35),
        **dict.fromkeys(range(6, 10), 5.65),
        **dict.fromkeys(range(10, 13), 4.65),
        **dict.fromkeys(range(17, 21), 4.45),
        **dict.fromkeys(range(25, 29), 5.15),
        29: 6.15,
    },
    "secondary": {
        **dict.fromkeys(range(2, 6), 8.25),
        **dict.fromkeys(range(6, 10), 9.05),
        **dict.fromkeys(range(10, 13), 8.05),
        **dict.fromkeys(range(18, 21), 8.6),
        **dict.fromkeys(range(25, 29), 8.95),
        29: 12.2,
    },
}


def log_odds(p: float) -> float:
    """The logit of a ratio."""
    return math.log(p / (1 - p))


def autumn(phase: str) -> dict[int, float]:
    """ISO week -> mean logit of absence over the years."""
    table = pq.read_table(Path(os.environ["HEADWAY_DATA"]) / "england/dfe_weekly_by_la_2022_24.parquet")
    by_week: dict[int, dict[int, float]] = {}
    for row in table.to_pylist():
        if row["geographic_level"] == "National" and row["school_type"] == phase.capitalize():
            week = int(row["time_identifier"].removeprefix("Week "))
            if week < 36:
                continue
            study = row["reason_s_authorised_study_leave"] or 0
            rate = (row["overall_absence"] - study) / (row["possible_sessions"] - study)
            by_week.setdefault(week, {})[row["time_period"]] = log_odds(rate)
    return {week: math.fsum(years.values()) / len(years) for week, years in by_week.items()}


def season(phase: str) -> list[float]:
    """53 logits by ISO week, about their mean over the weeks of a school year."""
    points = autumn(phase)
    if phase == "special":
        shift = log_odds(0.1288) - log_odds(0.0525)
        points |= {week: log_odds(value / 100) + shift for week, value in SPRING["primary"].items()}
    else:
        points |= {week: log_odds(value / 100) for week, value in SPRING[phase].items()}
    known = [(ORDER.index(week), value) for week, value in sorted(points.items(), key=lambda p: ORDER.index(p[0]))]
    line = []
    for place in range(len(ORDER)):
        before = max((k for k in known if k[0] <= place), default=known[0])
        after = min((k for k in known if k[0] >= place), default=known[-1])
        share = (place - before[0]) / (after[0] - before[0]) if after[0] != before[0] else 0.0
        line.append(before[1] + share * (after[1] - before[1]))
    smooth = [math.fsum(line[max(0, i - 1) : i + 2]) / len(line[max(0, i - 1) : i + 2]) for i in range(len(line))]
    school = [smooth[ORDER.index(week)] for week, _ in sorted(points.items())]
    centre = math.fsum(school) / len(school)
    by_week = dict(zip(ORDER, (value - centre for value in smooth), strict=True))
    return [by_week[week] for week in range(1, 54)]


if __name__ == "__main__":
    print("# Made by benchmarks/national_season.py, which names the sources: logits of absence about the year's mean, ISO week 1 to 53.")
    print('reference = "DfE, Pupil attendance in schools (Open Government Licence v3): weekly 2022 to 2024, year to date 2024/25"')
    for phase in ("primary", "secondary", "special"):
        print(f"{phase} = [{', '.join(f'{x:.4f}' for x in season(phase))}]")
