"""The DfE's daily local-authority file, its code counts put through our code table, gives the DfE's own totals.

The file holds several vintages of a day, and national and regional rows beside the local ones: every row is checked by
itself, nothing is added over rows. Needs HEADWAY_DATA.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.guards import Counts, Guarded, Usual, Verdict, judge, judge_plausible
from schemas.codes import CODES, CodeClass

DATA = os.environ.get("HEADWAY_DATA")
pytestmark = pytest.mark.skipif(DATA is None, reason="HEADWAY_DATA does not name the real data")

COLUMNS = {
    "/": ["reason_present_am"],
    "\\": ["reason_present_pm"],
    "L": ["reason_l_present_late_before_registers_closed"],
    "I": ["reason_i_authorised_illness"],
    "M": ["reason_m_authorised_medical_dental"],
    "R": ["reason_r_authorised_religious_observance"],
    "S": ["reason_s_authorised_study_leave"],
    "T": ["reason_t_authorised_grt_absence", "reason_t_authorised_mobile_child"],
    "H": ["reason_h_authorised_holiday"],
    "E": ["reason_e_authorised_excluded"],
    "C": ["reason_c_authorised_other"],
    "C1": ["reason_c1_authorised_regulated_performance"],
    "J1": ["reason_j1_authorised_interview"],
    "C2": ["reason_c2_authorised_temp_reduced_timetable"],
    "B": ["reason_b_aea_education_off_site"],
    "J": ["reason_j_aea_interview"],
    "P": ["reason_p_aea_approved_sporting_activity"],
    "V": ["reason_v_aea_educational_visit_trip"],
    "W": ["reason_w_aea_work_experience"],
    "K": ["reason_k_aea_education_arranged_by_la"],
    "G": ["reason_g_unauthorised_holiday"],
    "U": ["reason_u_unauthorised_late_after_registers_closed"],
    "O": ["reason_o_other_unauthorised"],
    "N": ["reason_n_no_reason_yet"],
    "D": ["reason_d_aea_dual_registration"],
    "X": ["reason_x_not_attending_covid_non_compulsory"],
    "Y": ["reason_y_not_attending_enforced_closure"],
    "Z": ["reason_z_not_attending_not_on_roll"],
    "#": ["reason_not_attending_planned_closed"],
    "F": ["reason_f_legacy_family_holiday"],
}
AUTUMN_2022, AUTUMN_2023, AUTUMN_2024 = 2022, 2023, 2024
REST = {
    # vintage (file, blob): autumn; whether it has an F column; rows; rows that fall short of the published authorised absence,
    # and how many of them still do with X. Then sessions over local authorities: that rest, and what X leaves of it.
    ("data/export_2022_09_26.csv", "cbdd03c0c8"): (AUTUMN_2022, True, 2_971, 1_344, 0, 14_700, 0),
    ("data/workaround_151_data_v5.csv", "08970aeaca"): (AUTUMN_2022, True, 8_953, 3_746, 0, 143_290, 0),
    ("data/export_2022_10_25.csv", "dd008f3ba5"): (AUTUMN_2022, True, 15_018, 6_204, 0, 159_614, 0),
    ("data/EES_daily_data.csv", "2b0d21efe8"): (AUTUMN_2022, False, 2_425, 1_332, 25, 14_542, 22),
    ("data/EES_daily_data.csv", "50d534e542"): (AUTUMN_2022, False, 2_425, 1_332, 25, 14_542, 22),
    ("data/EES_daily_data.csv", "9f92c2b21d"): (AUTUMN_2022, False, 6_790, 3_589, 69, 37_714, 70),
    ("data/EES_daily_data.csv", "af8ccf0243"): (AUTUMN_2022, False, 6_790, 3_589, 69, 37_714, 70),
    ("data/sql_export_2023_09_25_full.csv", "9de80959e2"): (AUTUMN_2023, True, 3_142, 0, 0, 0, 0),
    ("data/sql_export_2023_10_09_full.csv", "689e664aa0"): (AUTUMN_2023, True, 9_397, 0, 0, 0, 0),
    ("data/sql_export_2023_10_23_full.csv", "4b7bcf4a47"): (AUTUMN_2023, True, 15_703, 0, 0, 0, 0),
    ("data/EES_daily_data.csv", "3d3f6c2457"): (AUTUMN_2023, False, 2_415, 29, 29, 9, 9),
    ("data/EES_daily_data.csv", "3aeb639507"): (AUTUMN_2024, False, 2_452, 76, 76, 161, 161),
}
FUNERAL = "2022-09-19"
HELD = 258
"""Local authority x phase rows with possible sessions that day."""


@dataclass(frozen=True)
class Daily:
    """The file as columns; a suppressed cell is NaN."""

    columns: dict[str, np.ndarray[Any, Any]]

    def number(self, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([float("nan") if v in {None, "c", "x", "z"} else float(v) for v in self.columns[name]])

    def counts(self, code: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        out: np.ndarray[Any, np.dtype[np.float64]] = np.sum([np.nan_to_num(self.number(name)) for name in COLUMNS[code]], axis=0)
        return out

    def by_class(self, kind: CodeClass) -> np.ndarray[Any, np.dtype[np.float64]]:
        rows = [self.counts(c.code) for c in CODES if c.kind is kind and c.code in COLUMNS]
        out: np.ndarray[Any, np.dtype[np.float64]] = np.sum(rows, axis=0)
        return out


@pytest.fixture(scope="module")
def daily() -> Daily:
    import pyarrow.parquet as pq

    path = Path(str(DATA)) / "england/dfe_daily_by_la_2022_24.parquet"
    wanted = {name for names in COLUMNS.values() for name in names} | {
        "vintage_path",
        "vintage_blob",
        "time_period",
        "attendance_date",
        "present_sessions",
        "overall_attendance",
        "authorised_absence",
        "unauthorised_absence",
        "possible_sessions",
        "overall_absence",
        "school_type",
        "geographic_level",
        "new_la_code",
        "region_code",
        "num_schools",
    }
    table = pq.read_table(path, columns=sorted(wanted))
    return Daily({name: np.array(table[name].to_pylist(), dtype=object) for name in table.column_names})


def known(daily: Daily) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Rows that are not suppressed: possible sessions are published."""
    out: np.ndarray[Any, np.dtype[np.bool_]] = ~np.isnan(daily.number("possible_sessions"))
    return out


def test_present_attendance_and_unauthorised_absence_are_exact_in_every_row(daily: Daily) -> None:
    ok = known(daily)
    assert len(ok) == 78_549
    present, educational = daily.by_class(CodeClass.PRESENT), daily.by_class(CodeClass.APPROVED)
    for name, ours in (
        ("present_sessions", present),
        ("overall_attendance", present + educational),
        ("unauthorised_absence", daily.by_class(CodeClass.UNAUTHORISED)),
    ):
        assert np.array_equal(ours[ok], daily.number(name)[ok]), name


def test_authorised_absence_is_never_more_and_the_rest_is_x_in_2022_and_f_where_it_has_no_column(daily: Daily) -> None:
    """In autumn 2022 the DfE's sums held X (coronavirus, not of compulsory age) as authorised absence: with it every vintage
    that has an F column is exact in every row. What is left elsewhere is F's size (domain.md section 6: 161 sessions in 2024).
    The later vintages have no X to tell; our table has today's rule, X outside the possible sessions."""
    ok = known(daily)
    rest = daily.number("authorised_absence") - daily.by_class(CodeClass.AUTHORISED)
    assert rest[ok].min() == 0
    without_x = rest - daily.counts("X")
    assert without_x[ok].min() == 0
    local = ok & (daily.columns["geographic_level"] == "Local authority")
    has_f = np.array([value is not None for value in daily.columns[COLUMNS["F"][0]]])
    vintage = daily.columns["vintage_blob"]
    found = {}
    for path, blob in sorted(set(zip(daily.columns["vintage_path"], vintage, strict=True))):
        rows, here = ok & (vintage == blob), local & (vintage == blob)
        found[path, blob] = (
            int(daily.columns["time_period"][rows][0]),
            bool(has_f[rows].all()),
            int(rows.sum()),
            int((rest[rows] > 0).sum()),
            int((without_x[rows] > 0).sum()),
            int(rest[here].sum()),
            int(without_x[here].sum()),
        )
    assert found == REST
    short = {year: sum(row[3] for row in REST.values() if row[0] == year) for year in (AUTUMN_2022, AUTUMN_2023, AUTUMN_2024)}
    assert short == {AUTUMN_2022: 21_136, AUTUMN_2023: 29, AUTUMN_2024: 76}
    assert sum(short.values()) == 21_241


def test_suppressed_rows_stand_apart(daily: Daily) -> None:
    ok = known(daily)
    marked = np.array([v == "c" for v in daily.columns["reason_c2_authorised_temp_reduced_timetable"]])
    assert (int((~ok).sum()), int(marked.sum()), int((marked & ok).sum())) == (68, 18, 0)


def of_a_day(daily: Daily, day: str, phase: str, blob: str) -> dict[str, tuple[int, int]]:
    """Possible sessions and absences by geographic level, added over the rows of that level only."""
    rows = (daily.columns["vintage_blob"] == blob) & (daily.columns["attendance_date"] == day) & (daily.columns["school_type"] == phase)
    out = {}
    for level in ("National", "Regional", "Local authority"):
        here = rows & (daily.columns["geographic_level"] == level)
        out[level] = int(daily.number("possible_sessions")[here].sum()), int(daily.number("overall_absence")[here].sum())
    return out


def test_national_regional_and_local_rows_say_the_same_sessions_again(daily: Daily) -> None:
    """Adding them up would count every session three times. The funeral held some 2 % of the sessions of a usual day."""
    levels = ("National", "Regional", "Local authority")
    assert of_a_day(daily, FUNERAL, "Primary", "08970aeaca") == dict.fromkeys(levels, (110_820, 96_780))
    assert of_a_day(daily, "2022-09-16", "Primary", "08970aeaca") == dict.fromkeys(levels, (5_337_843, 284_337))


@dataclass(frozen=True)
class Units:
    """One vintage's local authority x phase rows as if each were a school, (days, units); no row: no possible session."""

    dates: list[str]
    possible: np.ndarray[Any, np.dtype[np.int64]]
    absences: np.ndarray[Any, np.dtype[np.int64]]
    region: np.ndarray[Any, np.dtype[np.int64]]

    def judged(self, date: str, usual: Usual) -> Guarded:
        """The guards of one day, its sessions taken as one register of the morning; moves `usual` on."""
        d = self.dates.index(date)
        none = np.zeros_like(self.possible[d])
        possible, absences = np.stack([self.possible[d], none]), np.stack([self.absences[d], none])
        n = len(none)
        counts = Counts(np.stack([self.possible[d] > 0, none > 0]), possible, absences, np.zeros((2, n), int))
        return judge(counts, np.ones(n, bool), np.full(n, 0.06), np.full(n, np.nan), usual)


def units(daily: Daily, blob: str) -> Units:
    here = (daily.columns["vintage_blob"] == blob) & (daily.columns["geographic_level"] == "Local authority") & known(daily)
    rows = np.flatnonzero(here & np.isin(daily.columns["school_type"], ["Primary", "Secondary"]))
    column = {name: daily.columns[name][rows] for name in ("attendance_date", "new_la_code", "school_type", "region_code")}
    dates, day = np.unique(column["attendance_date"].astype(str), return_inverse=True)
    names = np.char.add(column["new_la_code"].astype(str), column["school_type"].astype(str))
    found, first, unit = np.unique(names, return_index=True, return_inverse=True)
    _, region = np.unique(column["region_code"][first].astype(str), return_inverse=True)
    possible, absences = np.zeros((len(dates), len(found)), int), np.zeros((len(dates), len(found)), int)
    possible[day, unit] = daily.number("possible_sessions")[rows]
    absences[day, unit] = daily.number("overall_absence")[rows]
    return Units(dates.tolist(), possible, absences, region)


def test_the_state_funeral_is_not_read_as_absence(daily: Daily) -> None:
    """19 September 2022 stands in the file with 80 to 87 % "absence". The number of possible sessions is compared with the
    usual one before the rate is trusted, here with the five days before it (detection.md 1.7: 60 to 140 % of the median)."""
    every = units(daily, "dd008f3ba5")
    held = every.possible[every.dates.index(FUNERAL)] > 0
    assert int(held.sum()) == HELD
    usual = Usual.start(len(held))
    for day in every.dates[:5]:
        assert day < FUNERAL
        assert (every.judged(day, usual).verdict == Verdict.MEASURED).all()
    verdict = every.judged(FUNERAL, usual).verdict
    assert (verdict[held] == Verdict.PARTIAL).all()
    assert (verdict[~held] == Verdict.MISSING).all()
    after = [every.judged(day, usual).verdict for day in every.dates[6:]]
    assert (after[0] == Verdict.MEASURED).all(), "one odd day does not move the median"
    refused = sum(int((verdict != Verdict.MEASURED).sum()) for verdict in after)
    assert (refused, sum(map(len, after))) == (5, 5_738)


def test_the_rate_alone_would_have_let_the_state_funeral_through(daily: Daily) -> None:
    """Why possible sessions come first: the implausible rule refuses 171 of the 258 rows, and none of them where it looks at the
    area, as it must for a blizzard: over a tenth of every region is above .6."""
    every = units(daily, "dd008f3ba5")
    day = every.judged(FUNERAL, Usual.start(len(every.region)))
    p0 = np.full(len(every.region), 0.06)
    alone = judge_plausible(day, p0, np.arange(len(every.region)), len(every.region))
    regional = judge_plausible(day, p0, every.region, int(every.region.max()) + 1)
    assert int((day.verdict == Verdict.MEASURED).sum()) == HELD
    assert (int((alone == Verdict.IMPLAUSIBLE).sum()), int((regional == Verdict.IMPLAUSIBLE).sum())) == (171, 0)
